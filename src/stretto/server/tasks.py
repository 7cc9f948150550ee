"""The tasks of workflows, as people change them: by the same rules as agents do."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from stretto.core.archive import TaskStatus, Todo
from stretto.server.dependencies import Line, Text
from stretto.server.house import House
from stretto.server.memory_forms import moment
from stretto.server.problems import Problem
from stretto.tools.todo import MOST_TASKS, hindrance, moved, waiting_for

TaskRef = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
TaskName = Annotated[Text, Field(min_length=1, max_length=128)]
Description = Annotated[Text, Field(max_length=1_000)]
Priority = Annotated[int, Field(ge=1, le=5)]
Needs = Annotated[list[TaskRef], Field(max_length=100)]
Assigned = Annotated[Line, Field(min_length=1, max_length=128)]


class NewTask(BaseModel):
    """A task to be added; priority 1 is the most urgent. ``dependencies`` must be completed before it can begin."""

    model_config = ConfigDict(extra="forbid")

    name: TaskName
    description: Description = ""
    priority: Priority = 3
    dependencies: Needs = Field(default_factory=list[str])
    agent_assigned: Assigned | None = None


class TaskChange(BaseModel):
    """What is to be changed of a task; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: TaskName = "-"
    description: Description = ""
    priority: Priority = 3
    dependencies: Needs = Field(default_factory=list[str])
    agent_assigned: Assigned | None = None
    status: TaskStatus = "pending"


class TaskEntry(BaseModel):
    """A task; ``waiting_for`` are the ids of those that must be completed before it can begin."""

    id: str
    workflow_id: str
    name: str
    description: str
    priority: int
    status: TaskStatus
    dependencies: list[str]
    waiting_for: list[str]
    agent_assigned: str | None
    duration_ms: int | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None


async def list_tasks(house: House, workflow_id: str, status: TaskStatus | None) -> list[TaskEntry]:
    """Returns a workflow's tasks, the most urgent first; raises ``NotKept`` for an unknown workflow."""
    others = await _all(house, workflow_id)
    return [entry_of(todo, others) for todo in others.values() if status in (None, todo.status)]


async def one_task(house: House, workflow_id: str, id: str) -> TaskEntry:
    """Returns a task; raises ``NotKept``."""
    others = await _all(house, workflow_id)
    return entry_of(await house.store.archive.todo(workflow_id, id), others)


async def add_task(house: House, workflow_id: str, new: NewTask) -> TaskEntry:
    """Adds a task; raises ``Problem`` when there are too many, and ``StoreError`` for an unknown dependency."""
    others = await _all(house, workflow_id)
    if len(others) >= MOST_TASKS:
        raise Problem(409, "too_many", f"a workflow has at most {MOST_TASKS:,} tasks; delete some first")
    todo = Todo(
        id=str(uuid.uuid4()), workflow_id=workflow_id, name=new.name, description=new.description,
        priority=new.priority, dependencies=tuple(dict.fromkeys(new.dependencies)),
        agent_assigned=new.agent_assigned, created_at=time.time(),
    )  # fmt: skip
    await house.store.archive.add_todo(todo)
    _tell(house, todo, "task_created")
    return entry_of(todo, others)


async def change_task(house: House, workflow_id: str, id: str, change: TaskChange) -> TaskEntry:
    """Changes fields of a task, or how it stands; raises ``Problem`` when others hinder that."""
    others = await _all(house, workflow_id)
    todo = await house.store.archive.todo(workflow_id, id)
    given: dict[str, Any] = change.model_dump(exclude_unset=True, exclude={"status"})
    if "dependencies" in given:
        given["dependencies"] = tuple(dict.fromkeys(change.dependencies))
    after = replace(todo, **given)
    status = change.status if "status" in change.model_fields_set else todo.status
    if problem := hindrance(after, status, others):
        raise Problem(409, "dependency", problem)
    if status != todo.status:
        after = moved(after, status, time.time())
    await house.store.archive.change_todo(after, expected=todo.status)
    _tell(house, after, "task_changed")
    return entry_of(after, {**others, after.id: after})


async def delete_task(house: House, workflow_id: str, id: str) -> None:
    """Removes a task; raises ``StoreError`` while others depend on it."""
    await house.store.records.workflow(workflow_id)
    todo = await house.store.archive.todo(workflow_id, id)
    await house.store.archive.delete_todo(workflow_id, id)
    _tell(house, todo, "task_deleted")


def entry_of(todo: Todo, others: Mapping[str, Todo]) -> TaskEntry:
    """Returns a task as it is told."""
    return TaskEntry(
        id=todo.id, workflow_id=todo.workflow_id, name=todo.name, description=todo.description,
        priority=todo.priority, status=todo.status, dependencies=list(todo.dependencies),
        waiting_for=waiting_for(todo, others), agent_assigned=todo.agent_assigned, duration_ms=todo.duration_ms,
        created_at=moment(todo.created_at), started_at=_at(todo.started_at), completed_at=_at(todo.completed_at),
    )  # fmt: skip


async def _all(house: House, workflow_id: str) -> dict[str, Todo]:
    await house.store.records.workflow(workflow_id)
    return {todo.id: todo for todo in await house.store.archive.todos(workflow_id, limit=None)}


def _at(seconds: float | None) -> datetime | None:
    return None if seconds is None else moment(seconds)


def _tell(house: House, todo: Todo, what: str) -> None:
    told = {"workflow_id": todo.workflow_id, "status": what, "task_id": todo.id, "task_status": todo.status}
    house.hub.announce("workflow_update", told)
