"""The operations on agents."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["Agents"])
