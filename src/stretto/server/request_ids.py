"""The id of the request that is being answered: in its answer, in its errors, and in every line logged of it."""

from __future__ import annotations

from contextvars import ContextVar

REQUEST_ID: ContextVar[str] = ContextVar("stretto.request_id", default="")
"""The request that the current task answers, or an empty string."""
HEADER = "x-request-id"
