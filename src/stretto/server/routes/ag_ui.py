"""The operations on ag ui."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["AG-UI"])
