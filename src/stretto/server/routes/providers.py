"""The operations on providers."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["Providers"])
