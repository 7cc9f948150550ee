"""TodoTool: what a task depends on is enforced, each workflow has its own list, and times are true."""

from __future__ import annotations

from typing import Any

import pytest

from stretto import run_sync
from stretto.core.archive import Archive
from stretto.core.errors import StoreError
from stretto.core.events import TaskChanged
from stretto.stores.memory import MemoryStore
from stretto.testing import StepHarness, run_virtual
from stretto.tools import Invocation, TodoTool, ToolFailed, Touches, WrongArguments
from stretto.tools import todo as todo_module

TOOL = TodoTool()


@pytest.fixture
def archive() -> Archive:
    return MemoryStore().archive


def call(archive: Archive, *, workflow: str = "w1", **arguments: Any) -> Any:
    invocation = Invocation(arguments=arguments, workflow_id=workflow, agent_id="coder")
    return run_sync(TOOL, invocation, resources=[archive])


def create(archive: Archive, name: str, *needed: str, **more: Any) -> str:
    return call(archive, operation="create", name=name, dependencies=list(needed), **more)["id"]


def refused(archive: Archive, code: str, why: str, **arguments: Any) -> None:
    with pytest.raises(ToolFailed, match=why) as caught:
        call(archive, **arguments)
    assert caught.value.code == code


def test_a_task_is_created_listed_and_got(archive):
    id = create(archive, "Parse", description="the files", priority=2)
    got = call(archive, operation="get", task_id=id)
    assert got == {
        "id": id, "name": "Parse", "description": "the files", "priority": 2, "status": "pending", "dependencies": [],
        "waiting_for": [], "agent_assigned": "coder",
    }  # fmt: skip
    urgent = create(archive, "Urgent", priority=1)
    assert [task["id"] for task in call(archive, operation="list")["tasks"]] == [urgent, id]
    assert call(archive, operation="list", status_filter="completed") == {"count": 0, "tasks": []}


@pytest.mark.parametrize("status", ["in_progress", "completed"])
def test_a_task_cannot_begin_or_end_before_those_that_it_depends_on(archive, status):
    first = create(archive, "First")
    second = create(archive, "Second", first, first)
    assert call(archive, operation="get", task_id=second)["waiting_for"] == [first]
    refused(
        archive, "DEPENDENCY_ERROR", f"cannot be {status} before '{first}'", operation="update_status", task_id=second,
        status=status,
    )  # fmt: skip
    refused(archive, "DEPENDENCY_ERROR", "complete what it depends on first", operation="complete", task_id=second)
    call(archive, operation="update_status", task_id=second, status="blocked")
    call(archive, operation="complete", task_id=first)
    assert call(archive, operation="update_status", task_id=second, status=status)["status"] == status


def test_what_others_have_built_on_cannot_be_opened_again(archive):
    first = create(archive, "First")
    second = create(archive, "Second", first)
    call(archive, operation="complete", task_id=first)
    call(archive, operation="update_status", task_id=second, status="in_progress")
    refused(
        archive,
        "DEPENDENCY_ERROR",
        "cannot be opened again",
        operation="update_status",
        task_id=first,
        status="pending",
    )
    call(archive, operation="update_status", task_id=second, status="pending")
    assert call(archive, operation="update_status", task_id=first, status="pending")["status"] == "pending"


def test_unknown_dependencies_are_refused_with_what_is_near(archive):
    first = create(archive, "First")
    refused(
        archive, "DEPENDENCY_ERROR", f"did you mean '{first}'", operation="create", name="x", dependencies=[first[:-1]]
    )
    refused(archive, "DEPENDENCY_ERROR", "create those first", operation="create", name="x", dependencies=["nothing"])
    elsewhere = call(archive, workflow="w2", operation="create", name="There")["id"]
    refused(archive, "DEPENDENCY_ERROR", "there is no task", operation="create", name="x", dependencies=[elsewhere])
    assert call(archive, operation="list")["count"] == 1


@pytest.mark.parametrize("how", [{"operation": "complete"}, {"operation": "update_status", "status": "completed"}])
def test_every_way_to_completed_sets_its_time_and_measures(archive, how, monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr(todo_module.time, "time", lambda: now[0])
    id = create(archive, "Work")
    now[0] = 1_010.0
    call(archive, operation="update_status", task_id=id, status="in_progress")
    now[0] = 1_012.5
    done = call(archive, task_id=id, **how)
    assert (done["status"], done["duration_ms"]) == ("completed", 2_500)

    async def kept(_: Any) -> Any:
        return await archive.todo("w1", id)

    todo = run_sync(kept, None)
    assert (todo.completed_at, todo.started_at, todo.duration_ms) == (1_012.5, 1_010.0, 2_500)
    now[0] = 1_020.0
    assert call(archive, task_id=id, **how)["duration_ms"] == 2_500
    assert "duration_ms" not in call(archive, operation="update_status", task_id=id, status="pending")
    todo = run_sync(kept, None)
    assert (todo.completed_at, todo.started_at) == (None, None)
    assert call(archive, task_id=id, **how)["duration_ms"] == 20_000


def test_a_task_of_another_workflow_is_not_found(archive):
    id = create(archive, "Mine")
    for arguments in (
        {"operation": "get"}, {"operation": "complete"}, {"operation": "delete"},
        {"operation": "update_status", "status": "blocked"},
    ):  # fmt: skip
        refused(archive, "NOT_FOUND", "list the tasks to learn their ids", workflow="w2", task_id=id, **arguments)
    refused(archive, "NOT_FOUND", f"did you mean '{id}'", operation="get", task_id=id[:-1])
    assert call(archive, workflow="w2", operation="list")["count"] == 0


def test_a_task_on_which_others_depend_cannot_be_deleted(archive):
    first = create(archive, "First")
    second = create(archive, "Second", first)
    refused(archive, "DEPENDENCY_ERROR", f"'{second}' depend on '{first}'", operation="delete", task_id=first)
    assert call(archive, operation="delete", task_id=second) == {"deleted": second}
    assert call(archive, operation="delete", task_id=first) == {"deleted": first}


def test_changes_are_told_as_events(archive):
    told = []
    for arguments in (
        {"operation": "create", "name": "Work", "priority": 1}, {"operation": "update_status", "status": "in_progress"},
        {"operation": "complete"}, {"operation": "delete"},
    ):  # fmt: skip
        if told:
            arguments["task_id"] = told[0].task_id
        harness = StepHarness(resources=[archive])
        run_virtual(harness.execute(TOOL, Invocation(arguments=arguments, workflow_id="w1")))
        told += [event for event in harness.events if isinstance(event, TaskChanged)]
    assert [(event.change, event.status) for event in told] == [
        ("created", "pending"), ("updated", "in_progress"), ("completed", "completed"), ("deleted", "completed"),
    ]  # fmt: skip
    assert {(event.name, event.priority) for event in told} == {("Work", 1)}


def test_a_list_is_bounded(archive, monkeypatch):
    monkeypatch.setattr(todo_module, "MOST_TASKS", 2)
    create(archive, "a")
    create(archive, "b")
    refused(archive, "LIMIT_REACHED", "at most 2 tasks", operation="create", name="c")


def test_a_change_by_somebody_else_is_a_conflict(archive, monkeypatch):
    id = create(archive, "Work")

    async def change(*args: Any, **kwargs: Any) -> None:
        raise StoreError("task is completed by now")

    monkeypatch.setattr(archive, "change_todo", change)
    refused(archive, "CONFLICT", "by now; list the tasks and try again", operation="complete", task_id=id)


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ({"operation": "create", "name": ""}, "name"),
        ({"operation": "create", "name": "x" * 129}, "name"),
        ({"operation": "create", "name": "x", "description": "y" * 1001}, "description"),
        ({"operation": "create", "name": "x", "priority": 6}, "priority"),
        ({"operation": "create", "name": "x", "priority": 0}, "priority"),
        ({"operation": "update_status", "task_id": "x", "status": "done"}, "status"),
        ({"operation": "complete"}, "task_id"),
        ({"operation": "finish"}, "operation"),
    ],
)
def test_bad_arguments_are_refused(arguments, place):
    with pytest.raises(WrongArguments, match=place):
        TOOL.check(arguments)


def test_changes_of_the_list_keep_their_order():
    assert TOOL.touches({"operation": "list"}) == Touches(reads=("todo",))
    assert TOOL.touches({"operation": "create", "name": "x"}) == Touches(writes=("todo",))
