"""Functions at a module's top level, and annotations in text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import stretto.core.step as door
from stretto.core.step import Context as Door

if TYPE_CHECKING:
    from stretto.core.step import Context


def double(value: int) -> int:
    return value * 2


async def by_hidden_name(value: int, given: Context) -> object:
    return (value, given)


async def by_alias(value: int, given: Door) -> object:
    return (value, given)


async def by_dotted_name(value: int, given: door.Context) -> object:
    return (value, given)


async def by_missing_name(value: int, given: door.Nothing = 3) -> object:
    return (value, given)


async def not_the_context(context: str) -> str:
    return context


class Places:
    async def method(self, value: int) -> int:
        return value + 1

    async def __call__(self, value: int) -> int:
        return value + 2


class Plain:
    __hash__ = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain)

    def __call__(self, value: int) -> int:
        return value + 3
