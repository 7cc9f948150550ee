"""The settings that are in force, where each comes from, and changes of those that can change while it runs."""

from __future__ import annotations

import time
from typing import Any

from pydantic import BaseModel

from stretto.agents.registry import UnknownAgent
from stretto.agents.validation import ApprovalSettings
from stretto.configuring.kept_settings import Choice, Origin, changed, in_force, keep_choice, sources
from stretto.server.described_agents import contradicting
from stretto.server.house import House
from stretto.server.problems import Problem


class BudgetInForce(BaseModel):
    """The most that a run may spend: tokens in and out together, US dollars; None for no bound."""

    tokens: int | None
    cost: float | None


class ServerInForce(BaseModel):
    """How the server serves; seconds and days. Without ``max_concurrent_workflows`` the processors decide."""

    max_concurrent_workflows: int | None
    execution_timeout: float
    keep_days: float | None


class SettingSource(BaseModel):
    """Where the value of a setting comes from, and whether it can be changed here."""

    key: str
    origin: Origin
    where: str
    changeable: bool


class SettingsInForce(BaseModel):
    """The settings that can be changed while the server runs, and of all settings where they come from.

    ``default_agent`` is the one that is spoken to when none is named. ``problems`` say what is kept and cannot be used.
    """

    model: str | None
    agent: str | None
    default_agent: str
    locale: str | None
    embedder: str | None
    budget: BudgetInForce
    approvals: ApprovalSettings
    server: ServerInForce
    sources: list[SettingSource]
    problems: dict[str, str]
    note: str


def settings_in_force(house: House) -> SettingsInForce:
    """Returns the settings that count for the next execution."""
    room, settings = house.room, house.room.settings
    budget, server = settings.budget, settings.server
    return SettingsInForce(
        model=settings.model, agent=settings.agent, default_agent=room.default_agent, locale=settings.locale,
        embedder=settings.embedder,
        budget=BudgetInForce(tokens=budget.tokens if budget else None, cost=budget.cost if budget else None),
        approvals=settings.approvals,
        server=ServerInForce(
            max_concurrent_workflows=server.max_concurrent_workflows, execution_timeout=server.execution_timeout,
            keep_days=server.keep_days,
        ),
        sources=[
            SettingSource(key=key, origin=source.origin, where=source.where, changeable=source.changeable)
            for key, source in sources(room.given, room.choice, room.said).items()
        ],
        problems=dict(room.problems), note=room.note,
    )  # fmt: skip


async def change_settings(house: House, changes: Choice) -> SettingsInForce:
    """Keeps changes of settings, all or none; what is set to None gets its default again.

    They hold for the next execution. Raises ``Problem`` for a setting that files, environment or options say, and for
    values that contradict what there is.
    """
    room = house.room
    async with room.changing:
        known = sources(room.given, room.choice, room.said)
        for key in _keys(changes):
            if not known[key].changeable:
                words = f"{key} is said by {known[key].place}, which counts more; change it there, and start again"
                raise Problem(409, "read_only", words)
        with contradicting():
            choice = changed(room.choice, changes)
            in_force(room.given, choice)
            if changes.model is not None:
                room.models.check(changes.model)
            if changes.embedder is not None:
                await room.embedder_of(changes.embedder)
        if changes.agent is not None and all(changes.agent != known.config.id for known in room.agents):
            raise Problem(
                409, "unknown_reference", str(UnknownAgent(changes.agent, [each.config.id for each in room.agents]))
            )
        await keep_choice(house.store.archive, choice, time.time())
        await room.renew()
    house.executions.awake()
    return settings_in_force(house)


def _keys(changes: BaseModel, before: str = "") -> list[str]:
    """Returns the dotted names of the settings that changes name."""
    found: list[str] = []
    for name in changes.model_fields_set:
        value: Any = getattr(changes, name)
        table = f"{before}{name}" in ("budget", "approvals", "server")
        if table and value is None:
            continue
        found += _keys(value, f"{before}{name}.") if table else [f"{before}{name}"]
    return sorted(found)
