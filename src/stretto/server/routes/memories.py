"""The operations on memories."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["Memories"])
