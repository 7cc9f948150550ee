"""What an execution needs before it runs: its agent, its task with what was said before, and its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from stretto.agents.orchestrator import Unavailable
from stretto.agents.task import Task
from stretto.agents.turn import path_name
from stretto.configuring.agent_room import AgentRoom
from stretto.core.codec import decode
from stretto.core.errors import DefinitionError
from stretto.core.records import ExecutionRow
from stretto.core.step import Step
from stretto.runtime.run import RunSettings
from stretto.server.conversation import keep_question
from stretto.server.rerunning import events_for
from stretto.stores.store import Store

LABEL = "stretto.workflow"
"""The label by which a run says which workflow it carries out."""
RETAINED = 256
"""How many of a run's events stay in memory once they are on disk."""


@dataclass(frozen=True)
class Prepared:
    """What is run, on what, and how."""

    step: Step[Any, Any]
    task: Task
    settings: RunSettings


async def prepare(store: Store, room: AgentRoom, row: ExecutionRow, on_change: Literal["refuse", "accept"]) -> Prepared:
    """Prepares an execution; an agent that cannot be had is a step that fails and says why."""
    history = await keep_question(store, row)
    step: Step[Any, Any]
    try:
        step = room.agent(row.agent_id)
    except DefinitionError as error:
        step = Unavailable(path_name(row.agent_id), error)
    task = Task(
        id=row.run_id, description=row.message, workflow_id=row.workflow_id, history=history,
        locale=row.locale or room.settings.locale or "",
    )  # fmt: skip
    chosen = room.run_settings()
    accepted = row.rerun is not None and row.rerun.get("on_change") == "accept"
    chosen["run_id"], chosen["retain"] = row.run_id, RETAINED
    chosen["on_change"] = "accept" if accepted else on_change
    chosen["labels"], chosen["durability"] = {LABEL: row.workflow_id}, "sync"  # no call is made twice unasked
    if row.rerun is not None and row.rerun["mode"] != "all":
        lines = await store.read(str(row.rerun["run_id"]))
        events = [decode(*line[1:]) for line in lines]
        chosen["resume"] = events_for(events, str(row.rerun["mode"]), row.rerun.get("path"))
    return Prepared(step, task, chosen)
