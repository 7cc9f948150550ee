"""LangGraph's functional API: an entrypoint that gathers tasks; no checkpointer."""

import asyncio
from collections.abc import Sequence

from langgraph.func import entrypoint, task
from rounds import ITEMS, main


@task
async def work(item: int) -> int:
    return item + 1


@entrypoint()
async def flow(items: list[int]) -> list[int]:
    return list(await asyncio.gather(*(work(item) for item in items)))


async def fan_out() -> Sequence[int]:
    return await flow.ainvoke(list(range(ITEMS)))


if __name__ == "__main__":
    main("langgraph", fan_out)
