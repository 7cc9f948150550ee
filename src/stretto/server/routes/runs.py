"""The operations on runs."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["Runs"])
