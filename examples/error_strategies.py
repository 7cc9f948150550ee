"""Meets the same failure with every strategy: fail fast, go on, fall back, retry, leave the service alone.

It prints:

    fail fast: FileNotFoundError, stretto: raised in step 'import/read'
    continue: 30 after 1 error
    fallback: RECOVERED WITH DEFAULT
    retry: success on attempt 3
    breaker: 3 calls, then 7 times CircuitOpen
"""

from stretto import CircuitBreaker, LoopWorkflow, RetryPolicy, SequentialWorkflow, run_sync, step
from stretto.workflows import LoopResult, PartialResult

calls: list[int] = []


@step
async def add(number: int) -> int:
    return number + 20


@step
async def read(_: int) -> str:
    raise FileNotFoundError("missing.txt")


@step
async def default(_: int) -> str:
    return "default"


@step(name="read", fallback=default)
async def read_or_default(_: int) -> str:
    raise FileNotFoundError("missing.txt")


@step
async def shout(text: str) -> str:
    return f"recovered with {text}".upper()


@step(idempotent=True, retry=RetryPolicy(attempts=3, wait=0.001))
async def flaky(_: None) -> str:
    calls.append(1)
    if len(calls) < 3:
        raise ConnectionError
    return f"success on attempt {len(calls)}"


@step(breaker=CircuitBreaker(service="example", failures=3))
async def service(number: int) -> int:
    raise ConnectionError(f"call {number}")


workflow = SequentialWorkflow(name="import", steps=(add, read_or_default, shout))
example_input = 10


def main() -> None:
    try:
        run_sync(SequentialWorkflow(name="import", steps=(add, read)), 10)
    except FileNotFoundError as error:
        print("fail fast:", f"{type(error).__name__}, {error.__notes__[0]}")
    partial: PartialResult = run_sync(SequentialWorkflow(name="import", steps=(add, read), on_error="continue"), 10)
    print(f"continue: {partial.value} after {len(partial.errors)} error")
    print("fallback:", run_sync(workflow, 10))
    print("retry:", run_sync(flaky))
    told: LoopResult = run_sync(LoopWorkflow(body=service, over=10, on_error="continue"), 0)
    names = [type(error).__name__ for error in told.errors.values()]
    print(f"breaker: {names.count('ConnectionError')} calls, then {names.count('CircuitOpen')} times CircuitOpen")


if __name__ == "__main__":
    main()
