"""Shows the ways a loop can end: its items, a condition, a break, a failure.

It prints:

    while: [1, 2, 3, 4, 5]
    range: 55
    until: 42 after 6 iterations (condition)
    break: [10, 20] (break: the budget is spent)
    stop: [10.0, 5.0] (error) ZeroDivisionError
"""

from stretto import LoopWorkflow, run_sync, step
from stretto.workflows import Break, Collect, LoopResult


@step
async def increment(number: int) -> int:
    return number + 1


@step
async def add(item: int, last: int) -> int:
    return last + item


@step
async def add_seven(number: int) -> int:
    return number + 7


@step
async def ten_more(number: int) -> int:
    return number + 10


@step
async def divide(number: int) -> float:
    return 100 / number


workflow = LoopWorkflow(name="total", body=add, over=range(1, 11), carry=True, collect=Collect.LAST)
example_input = 0


def main() -> None:
    print("while:", run_sync(LoopWorkflow(body=increment, while_=lambda last: last < 5, max_iterations=10), 0))
    print("range:", run_sync(workflow, 0))
    until = LoopWorkflow(
        body=add_seven, until=lambda last: last >= 42, max_iterations=20, collect=Collect.LAST, detailed=True
    )
    told: LoopResult = run_sync(until, 0)
    print(f"until: {told.value} after {told.iterations} iterations ({told.ended})")
    spent = Break(lambda state: state.iteration == 2, "the budget is spent")
    told = run_sync(LoopWorkflow(body=ten_more, breaks=(spent,), max_iterations=9, detailed=True), 0)
    print(f"break: {told.value} ({told.ended}: {told.message})")
    told = run_sync(LoopWorkflow(body=divide, over=[10, 20, 0, 40], on_error="stop"))
    print(f"stop: {told.value} ({told.ended})", *(type(error).__name__ for error in told.errors.values()))


if __name__ == "__main__":
    main()
