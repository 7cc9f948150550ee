"""What operations are given: the parts of the house, pages, and ids that were looked at."""

from __future__ import annotations

import re
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Path, Query, Request
from pydantic import AfterValidator, BaseModel, Field

from stretto.server.house import House

T = TypeVar("T")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def get_house(request: Request) -> House:
    """Returns the house in which the server lives."""
    house: House = request.app.state.house
    return house


Here = Annotated[House, Depends(get_house)]
"""The house, as a parameter of an operation."""


def no_control(text: str) -> str:
    """Returns a text without control characters as it is; raises ``ValueError`` for another."""
    if found := _CONTROL.search(text):
        raise ValueError(
            f"must not contain control characters; there is U+{ord(found[0]):04X} at place {found.start()}"
        )
    return text


def storable(text: str) -> str:
    """Returns a text that every store can hold; raises ``ValueError`` for NUL and for halves of Unicode pairs."""
    if "\x00" in text:
        raise ValueError("must not contain NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"must be Unicode; there is half a pair at place {error.start}") from None
    return text


def described(pattern: str) -> Any:
    """Returns what tells clients of a rule that is checked, with a better sentence, by a validator."""
    return Field(json_schema_extra={"pattern": pattern})


Text = Annotated[str, AfterValidator(storable), described(r"^[^\u0000]*$")]
"""Any text that a store can hold."""
Line = Annotated[
    str, AfterValidator(storable), AfterValidator(no_control), described(r"^[^\u0000-\u001f\u007f-\u009f]*$")
]
"""A text of one line."""
WorkflowId = Annotated[
    str,
    Path(
        pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        description="A workflow's id, a UUID.",
    ),
]
RunId = Annotated[str, Path(pattern=r"^[\w.-]{1,128}$", description="A run's id.")]
Limit = Annotated[int, Query(ge=1, le=200, description="How many to return at the most.")]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000, description="How many to pass over.")]


class Page(BaseModel, Generic[T]):
    """A page of a list: ``total`` is how long the whole list is."""

    items: list[T]
    total: int
    limit: int
    offset: int
