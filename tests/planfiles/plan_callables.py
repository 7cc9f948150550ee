"""What the plan files of the tests call."""

import asyncio
from typing import Any

from stretto.core.function import step
from stretto.core.policies import RetryPolicy
from stretto.workflows.map_reduce import MapReduceWorkflow

CALLS: list[Any] = []
NUMBER = 3


class Holder:
    @staticmethod
    def inside(value: int) -> int:
        return value + 1


def double(value: int) -> int:
    return value * 2


def nothing() -> str:
    return "nothing"


def pair(left: Any, right: Any = "default") -> Any:
    return [left, right]


def whole(data: Any) -> Any:
    return data


def flaky(times: int) -> int:
    CALLS.append(times)
    if len(CALLS) < times:
        raise ConnectionError("not yet")
    return len(CALLS)


def counted(value: Any) -> int:
    CALLS.append(value)
    return len(CALLS)


def where() -> int:
    import os

    return os.getpid()


async def forever() -> None:
    await asyncio.Event().wait()


@step(idempotent=True, retry=RetryPolicy(attempts=2, wait=0))
async def decorated(value: int) -> int:
    CALLS.append(value)
    if len(CALLS) < value:
        raise ValueError("again")
    return len(CALLS)


squares = MapReduceWorkflow(name="squares", map=double, reduce=sum)


class Again(Exception):
    pass


def big(size: int) -> int:
    return len(bytes(size))
