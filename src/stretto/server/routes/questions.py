"""The operations on questions."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["Questions"])
