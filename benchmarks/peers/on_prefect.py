"""Prefect: a flow that maps a task over a list, against its ephemeral server on loopback."""

from collections.abc import Sequence

from prefect import flow, task
from prefect.futures import resolve_futures_to_results
from rounds import ITEMS, main


@task
async def work(item: int) -> int:
    return item + 1


@flow
async def mapped() -> list[int]:
    return resolve_futures_to_results(work.map(range(ITEMS)))


async def fan_out() -> Sequence[int]:
    return await mapped()


if __name__ == "__main__":
    main("prefect", fan_out)
