"""The operations on validations."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["Validations"])
