"""The server: HTTP in, log out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stretto.server.app import create_app as create_app
    from stretto.server.service import WorkflowService as WorkflowService

_HOMES = {"create_app": "stretto.server.app", "WorkflowService": "stretto.server.service"}

__all__ = ["WorkflowService", "create_app"]


def __getattr__(name: str) -> Any:
    """Imports a name when it is used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
