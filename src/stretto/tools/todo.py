"""TodoTool keeps a workflow's list of tasks, and holds a task back until those that it depends on are completed."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import Field

from stretto.core.archive import Archive, NotKept, TaskStatus, Todo
from stretto.core.errors import StoreError, listed
from stretto.core.events import TaskChanged
from stretto.core.step import Context
from stretto.tools.arguments import Arguments, Line, Prose
from stretto.tools.local import LocalTool, not_found
from stretto.tools.tool import Invocation, ToolFailed, Touches

MOST_TASKS = 1_000
"""How many tasks one workflow may have."""
NEEDS_OTHERS = ("in_progress", "completed")
"""What a task can only be when those that it depends on are completed."""

TaskId = Annotated[str, Field(min_length=1, max_length=64, description="The id of a task.")]


class Create(Arguments):
    """adds a task."""

    operation: Literal["create"]
    name: Prose = Field(min_length=1, max_length=128, description="What is to be done, 1 to 128 characters.")
    description: Line = Field("", max_length=1_000, description="At most 1,000 characters.")
    priority: int = Field(3, ge=1, le=5, description="From 1, the most urgent, to 5.")
    dependencies: tuple[TaskId, ...] = Field(
        (), max_length=100, description="Ids of tasks that must be completed before this one can begin."
    )


class Get(Arguments):
    """returns one task."""

    operation: Literal["get"]
    task_id: TaskId


class List(Arguments):
    """lists tasks, the most urgent first."""

    operation: Literal["list"]
    status_filter: TaskStatus | None = Field(None, description="Only tasks with this status.")


class UpdateStatus(Arguments):
    """says how a task stands."""

    operation: Literal["update_status"]
    task_id: TaskId
    status: TaskStatus


class Complete(Arguments):
    """says that a task is done."""

    operation: Literal["complete"]
    task_id: TaskId


class Delete(Arguments):
    """removes a task."""

    operation: Literal["delete"]
    task_id: TaskId


class TodoTool(LocalTool):
    """Keeps tasks in the run's ``Archive``; those of another workflow are not found. Emits ``TaskChanged``."""

    name = "TodoTool"
    description = (
        "Keeps the list of tasks of this workflow. Create tasks for work of several steps, say what each depends on, "
        "set one to in_progress when you begin it and complete it when it is done. A task cannot begin before those "
        "that it depends on are completed."
    )
    models = (Create, Get, List, UpdateStatus, Complete, Delete)

    def touched(self, asked: Any) -> Touches:
        """Says whether a call reads the list or changes it: changes keep their order."""
        return Touches(reads=("todo",)) if isinstance(asked, Get | List) else Touches(writes=("todo",))

    async def perform(self, asked: Any, call: Invocation, context: Context) -> Any:
        """Does one of the operations."""
        tasks = _Tasks(context.resource(Archive), call.workflow_id, context)
        try:
            match asked:
                case Create():
                    return await tasks.create(asked, call.agent_id)
                case Get():
                    return tasks.shown(await tasks.one(asked.task_id), await tasks.all())
                case List():
                    return await tasks.list(asked)
                case UpdateStatus():
                    return await tasks.move(asked.task_id, asked.status)
                case Complete():
                    return await tasks.move(asked.task_id, "completed")
                case _:
                    return await tasks.delete(asked.task_id)
        except StoreError as error:  # somebody else has changed the list meanwhile
            raise ToolFailed("CONFLICT", f"{error}; list the tasks and try again") from error


class _Tasks:
    """The tasks of one workflow."""

    def __init__(self, archive: Archive, workflow: str, context: Context) -> None:
        self._archive, self._workflow, self._context = archive, workflow, context

    async def all(self) -> dict[str, Todo]:
        return {todo.id: todo for todo in await self._archive.todos(self._workflow, limit=None)}

    async def one(self, id: str) -> Todo:
        try:
            return await self._archive.todo(self._workflow, id)
        except NotKept as error:
            near = get_close_matches(id, await self.all(), 1)
            hint = f"did you mean {near[0]!r}?" if near else "list the tasks to learn their ids"
            raise not_found("task", id, hint) from error

    async def create(self, asked: Create, agent: str) -> dict[str, Any]:
        others = await self.all()
        if len(others) >= MOST_TASKS:
            raise ToolFailed("LIMIT_REACHED", f"a workflow has at most {MOST_TASKS:,} tasks; delete some first")
        needed = tuple(dict.fromkeys(asked.dependencies))
        if unknown := [id for id in needed if id not in others]:
            near = get_close_matches(unknown[0], others, 1)
            hint = f"did you mean {near[0]!r}?" if near else "create those first, and use the ids that are returned"
            raise ToolFailed("DEPENDENCY_ERROR", f"there is no task {listed(unknown)} to depend on; {hint}")
        todo = Todo(
            id=str(uuid.uuid4()), workflow_id=self._workflow, name=asked.name, description=asked.description,
            priority=asked.priority, dependencies=needed, agent_assigned=agent or None, created_at=time.time(),
        )  # fmt: skip
        await self._archive.add_todo(todo)
        self._tell(todo, "created")
        return self.shown(todo, others)

    async def list(self, asked: List) -> dict[str, Any]:
        others = await self.all()
        found = [todo for todo in others.values() if asked.status_filter in (None, todo.status)]
        return {"count": len(found), "tasks": [self.shown(todo, others) for todo in found]}

    async def move(self, id: str, status: TaskStatus) -> dict[str, Any]:
        """Gives a task another status; what it depends on, and what depends on it, must allow that."""
        todo, others = await self.one(id), await self.all()
        if problem := hindrance(todo, status, others):
            raise ToolFailed("DEPENDENCY_ERROR", problem)
        if todo.status == status:
            return self.shown(todo, others)
        changed = moved(todo, status, time.time())
        await self._archive.change_todo(changed, expected=todo.status)
        self._tell(changed, "completed" if status == "completed" else "updated")
        return self.shown(changed, others)

    async def delete(self, id: str) -> dict[str, Any]:
        todo, others = await self.one(id), await self.all()
        if waiting := [other.id for other in others.values() if id in other.dependencies]:
            raise ToolFailed("DEPENDENCY_ERROR", f"{listed(waiting)} depend on {id!r}; delete those first")
        await self._archive.delete_todo(self._workflow, id)
        self._tell(todo, "deleted")
        return {"deleted": id}

    def _tell(self, todo: Todo, change: str) -> None:
        self._context.emit(
            TaskChanged(task_id=todo.id, name=todo.name, status=todo.status, priority=todo.priority, change=change)
        )

    @staticmethod
    def shown(todo: Todo, others: Mapping[str, Todo]) -> dict[str, Any]:
        """Returns a task as JSON, with those that it still waits for."""
        told: dict[str, Any] = {
            "id": todo.id, "name": todo.name, "description": todo.description, "priority": todo.priority,
            "status": todo.status, "dependencies": list(todo.dependencies), "waiting_for": waiting_for(todo, others),
        }  # fmt: skip
        beside = {"agent_assigned": todo.agent_assigned, "duration_ms": todo.duration_ms}
        return told | {name: value for name, value in beside.items() if value is not None}


def hindrance(todo: Todo, status: TaskStatus, others: Mapping[str, Todo]) -> str:
    """Returns why a task cannot be given this status, as a sentence; nothing when it can."""
    if status in NEEDS_OTHERS and (waits := waiting_for(todo, others)):
        return f"{todo.id!r} cannot be {status} before {listed(waits)}: complete what it depends on first"
    begun = [o.id for o in others.values() if todo.id in o.dependencies and o.status in NEEDS_OTHERS]
    if todo.status == "completed" != status and begun:
        return f"{todo.id!r} cannot be opened again: {listed(begun)} built on it; set back those first"
    return ""


def waiting_for(todo: Todo, others: Mapping[str, Todo]) -> list[str]:
    """Returns the ids of the tasks that must be completed first."""
    return [id for id in todo.dependencies if id not in others or others[id].status != "completed"]


def moved(todo: Todo, status: TaskStatus, now: float) -> Todo:
    """Returns the task with another status, and with the times that belong to it."""
    if status == "completed":
        began = todo.created_at if todo.started_at is None else todo.started_at
        return replace(todo, status=status, completed_at=now, duration_ms=max(0, round((now - began) * 1000)))
    started = {"in_progress": todo.started_at or now, "pending": None}.get(status, todo.started_at)
    return replace(todo, status=status, started_at=started, completed_at=None, duration_ms=None)
