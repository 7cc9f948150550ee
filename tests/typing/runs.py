"""What a type checker must say about running steps: a step's own type comes out, a plain function's is not known."""

from typing import Any, assert_type

from stretto import LoopWorkflow, run, run_sync, start, step


def plain(number: int) -> str:
    """Returns a text."""
    return str(number)


@step
async def typed(number: int) -> str:
    """Returns a text."""
    return str(number)


async def check() -> None:
    """Runs in every way."""
    assert_type(await run(typed, 1), str)
    async with start(typed, 1) as live:
        assert_type(await live.result(), str)
    result = await run(plain, 1)
    assert_type(result, Any)


assert_type(run_sync(typed, 1), str)
assert_type(run_sync(plain, 1), Any)
assert_type(run_sync(LoopWorkflow(body=plain, over=3), 1), Any)
