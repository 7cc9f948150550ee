"""The operations on settings."""

from __future__ import annotations

from fastapi import APIRouter

from stretto.configuring.kept_settings import Choice
from stretto.server import running_settings as work
from stretto.server.dependencies import Here
from stretto.server.problems import answers
from stretto.server.running_settings import SettingsInForce

router = APIRouter(prefix="/api", tags=["Settings"])


@router.get("/settings", operation_id="get_settings", summary="Show the settings, and where they come from")
async def get_settings(house: Here) -> SettingsInForce:
    """Returns what counts for the next execution; what files, environment and options say cannot be changed here."""
    return work.settings_in_force(house)


@router.patch(
    "/settings", operation_id="change_settings", summary="Change settings",
    responses=answers(_409="A setting is said by a file, the environment or an option, or names what there is not."),
)  # fmt: skip
async def change_settings(house: Here, request: Choice) -> SettingsInForce:
    """Changes what is named, all or none, for the next execution; null brings the default back."""
    return await work.change_settings(house, request)
