"""The operations on transfer."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["Import and export"])
