"""The operations on workflows."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["Workflows"])
