"""Opens the store that ``--store`` names, and finds runs in it by what people type."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from stretto.core.errors import DefinitionError, RunNotFound

if TYPE_CHECKING:
    from stretto.stores.store import Store


def open_store(place: str | None) -> Store:
    """Returns a store: ``memory``, a path, or an address of PostgreSQL; without a place the one of the settings."""
    place = _of_settings() if place is None else place
    if place == "memory":
        from stretto.stores.memory import MemoryStore

        return MemoryStore()
    from stretto.stores.sql import SqlStore

    if place is not None and not place.strip():
        raise DefinitionError("--store names no place; give a path, postgresql://user@host/name, or memory")
    return SqlStore.default() if place is None else SqlStore(place)


def _of_settings() -> str | None:
    """Returns where the settings' files keep runs; the environment counts more, and nothing means the user's own."""
    from stretto.configuring.config_files import config_files

    if os.environ.get("STRETTO_DATABASE") or not config_files():
        return None
    from stretto.configuring.settings import load

    return load().database


@asynccontextmanager
async def existing(place: str | None) -> AsyncGenerator[Store]:
    """Opens a store that is to be read; raises ``DefinitionError`` for ``memory``, which no other process sees."""
    place = _of_settings() if place is None else place
    if place == "memory":
        raise DefinitionError("--store memory holds only the runs of its own process; name a path or an address")
    async with open_store(place) as store:
        yield store


async def find_run(store: Store, text: str) -> str:
    """Returns the id of a run by its id, its beginning, ``last``, or ``@n`` (``@1`` is the newest)."""
    if text == "last":
        text = "@1"
    if text.startswith("@"):
        number = int(text[1:]) if text[1:].isdigit() else 0
        if number < 1:
            raise DefinitionError(f"{text!r} names no run; @1 is the newest, @2 the one before, and so on")
        runs = await store.runs(1, number - 1)
        if not runs:
            raise RunNotFound(text)
        return runs[0].id
    return await store.find(text)
