"""Where people's requests are found: the parameters of their operations."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from pydantic import AfterValidator

from stretto.server.memory_forms import WORKFLOW


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


OfWorkflow = Annotated[
    str | None, Query(pattern=WORKFLOW, description="Only those of this workflow."), AfterValidator(_lower)
]
"""A workflow, or none."""
RequestId = Annotated[UUID, Path(description="The request's id.")]
"""A request to people."""
