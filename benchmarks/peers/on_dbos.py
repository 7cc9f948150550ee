"""DBOS: a workflow that gathers steps, on SQLite."""

import asyncio
import os
from collections.abc import Sequence

from dbos import DBOS
from rounds import ITEMS, main

DBOS(config={"name": "fan_out", "system_database_url": f"sqlite:///{os.getcwd()}/dbos.sqlite", "log_level": "ERROR"})


@DBOS.step()
async def work(item: int) -> int:
    return item + 1


@DBOS.workflow()
async def mapped() -> list[int]:
    return list(await asyncio.gather(*(work(item) for item in range(ITEMS))))


async def fan_out() -> Sequence[int]:
    return await mapped()


if __name__ == "__main__":
    DBOS.launch()
    try:
        main("dbos", fan_out)
    finally:
        DBOS.destroy()
