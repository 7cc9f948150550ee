"""Steps that the tests of workers run in processes."""

from stretto.core.function import step


@step(isolation="process")
def double(x: int) -> int:
    return 2 * x
