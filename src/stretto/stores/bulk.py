"""Many rows with one statement, so that SQLite works without the interpreter's lock.

Python's ``executemany`` takes the lock back for every row; beside a busy event loop each of these takes up to the
switch interval (5 ms), and 10,000 rows took nine seconds where one statement takes a tenth of one.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import chain, islice
from typing import Any

import sqlalchemy as sa

MOST_ROWS = 1024
"""How many rows one statement takes: 1,024 are prepared in a few ms, 4,096 would take 40 ms once in every process."""


def insert_rows(connection: sa.Connection, into: str, rows: Iterable[tuple[Any, ...]], then: str = "") -> None:
    """Inserts rows into ``table (columns)``; ``then`` ends the statement. The first value of a row must not be None.

    Rows are taken as they come: thousands of tuples at once would keep the garbage collector busy.
    """
    width = into.count(",") + 1
    if connection.dialect.name != "sqlite":
        places = ", ".join(f"${number + 1}" for number in range(width))
        if held := list(rows):
            connection.exec_driver_sql(f"INSERT INTO {into} VALUES ({places}) {then}", held)
        return
    coming = iter(rows)
    while values := tuple(chain.from_iterable(islice(coming, MOST_ROWS))):
        count = len(values) // width
        room = 1 << (count - 1).bit_length()  # few lengths, so that the driver's cache knows the statement
        if room > count:
            values += (None,) * ((room - count) * width)
        connection.exec_driver_sql(_statement(into, width, room, then), values)


@lru_cache(maxsize=64)
def _statement(into: str, width: int, room: int, then: str) -> str:
    row = f"({', '.join('?' * width)})"
    columns = ", ".join(f"column{number + 1}" for number in range(width))
    rows = ", ".join([row] * room)
    return f"INSERT INTO {into} SELECT {columns} FROM (VALUES {rows}) WHERE column1 IS NOT NULL {then}"
