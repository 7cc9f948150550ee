"""Answers for one peer: told "go" on standard input, it does the work once and says how long that took (seconds)."""

from __future__ import annotations

import asyncio
import gc
import importlib.metadata
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence

ITEMS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000


def say(**what: object) -> None:
    """Writes one line of JSON."""
    print(json.dumps(what), flush=True)


async def serve(distribution: str, work: Callable[[], Awaitable[Sequence[int]]]) -> None:
    """Does the work once to warm up, checks its result and says how long it took; then once for every line."""
    began = time.perf_counter()
    made = await work()
    warming = time.perf_counter() - began
    if sorted(made) != list(range(1, ITEMS + 1)):
        raise SystemExit(f"{distribution} did not return what every branch made")
    say(ready=distribution, version=importlib.metadata.version(distribution), warming=warming)
    for _ in sys.stdin:
        gc.collect()
        began = time.perf_counter()
        made = await work()
        seconds = time.perf_counter() - began
        if len(made) != ITEMS:
            raise SystemExit(f"{distribution} returned {len(made)} values instead of {ITEMS}")
        say(seconds=seconds)


def main(distribution: str, work: Callable[[], Awaitable[Sequence[int]]]) -> None:
    """Serves until standard input ends."""
    asyncio.run(serve(distribution, work))
