"""Carries out what AG-UI's clients ask: a thread is a workflow, each of its runs an execution or the rest of one."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import anyio
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from stretto.core.archive import NotKept, Todo
from stretto.core.errors import DefinitionError, StoreError
from stretto.core.events import Asked
from stretto.core.records import ExecutionRow
from stretto.server.ag_ui_events import AgUiFold, Told
from stretto.server.client_streams import HEARTBEAT, ClientStream, Following, frame
from stretto.server.dependencies import Text
from stretto.server.house import House
from stretto.server.people_forms import Value
from stretto.server.problems import Problem
from stretto.server.run_steering import still_asks

THREADS = uuid.UUID("6f2d3c0e-6a55-5b86-9d5c-5b0d9b6f3b11")
"""The namespace in which the id of a thread that is no UUID becomes one of a workflow."""
MOST_MESSAGES = 10_000
NAME = 256
Id = Annotated[Text, Field(min_length=1, max_length=512)]


class _Taken(BaseModel):
    """What a client sends; fields of later versions of the protocol are passed over."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class SaidPart(_Taken):
    """A piece of what a user says, in words; agents take nothing else."""

    type: Literal["text"]
    text: Text


class UserSaid(_Taken):
    """What a user says."""

    role: Literal["user"]
    content: Text | list[SaidPart]


class OtherSaid(_Taken):
    """Any other message; the server keeps those of a thread itself."""

    role: Literal["developer", "system", "assistant", "tool", "activity", "reasoning"]


class FrontTool(_Taken):
    """A tool of the front end, which agents of this server are not offered."""

    name: Annotated[Text, Field(max_length=NAME)]


class ContextEntry(_Taken):
    """Something that the agent should know."""

    description: Text
    value: Text


class Resumption(_Taken):
    """An answer to what a run was interrupted for."""

    interrupt_id: Id
    status: Literal["resolved", "cancelled"]
    payload: Value = None


class RunInput(_Taken):
    """A request for a run: the last message of the user, or answers to what the last run was interrupted for."""

    thread_id: Id
    run_id: Id
    state: Value = None
    messages: list[Annotated[UserSaid | OtherSaid, Field(discriminator="role")]] = Field(max_length=MOST_MESSAGES)
    tools: list[FrontTool] = Field(max_length=1_000)
    context: list[ContextEntry] = Field(max_length=1_000)
    forwarded_props: JsonValue = None
    resume: list[Resumption] | None = Field(None, max_length=1_000)


@dataclass(frozen=True)
class _Rest:
    """The rest of an execution: where the client's last run was interrupted, and what it has answered."""

    position: int
    answered: frozenset[str]


async def run_thread(house: House, agent_id: str | None, asked: RunInput) -> ClientStream:
    """Starts or continues an execution of a thread's workflow, and returns its stream; the client's going cancels it.

    Raises ``Problem`` and what ``WorkflowService`` raises before anything has begun.
    """
    workflow_id = workflow_of(asked.thread_id)
    if asked.resume:
        row, rest = await _continued(house, workflow_id, asked.resume)
    else:
        row, rest = await _begun(house, workflow_id, agent_id, asked), _Rest(0, frozenset())
    tasks = {todo.id: _task(todo) for todo in await house.store.archive.todos(workflow_id)}
    fold = AgUiFold(
        asked.thread_id, asked.run_id, state=asked.state, tasks=tasks, heard=rest.position, answered=rest.answered,
    )  # fmt: skip
    unheard = [tool.name for tool in asked.tools]

    def gone() -> None:
        if not fold.over:
            house.supervisor.beside(partial(_abandon, house, row.run_id), f"cancelling {row.run_id}")

    return ClientStream(_frames(house, fold, row, unheard), gone)


def workflow_of(thread_id: str) -> str:
    """Returns the id of the workflow that a thread is: its own where it is a UUID."""
    try:
        return str(uuid.UUID(thread_id))
    except ValueError:
        return str(uuid.uuid5(THREADS, thread_id))


async def _begun(house: House, workflow_id: str, agent_id: str | None, asked: RunInput) -> ExecutionRow:
    last = asked.messages[-1] if asked.messages else None
    if not isinstance(last, UserSaid):
        raise Problem(422, "invalid", "messages: the last of them must be the user's: it is what the agent works on")
    words = last.content if isinstance(last.content, str) else "".join(part.text for part in last.content)
    if asked.context:
        context = {entry.description: entry.value for entry in asked.context}
        words = f"{words}\n\nContext:\n{json.dumps(context, ensure_ascii=False, indent=2)}"
    for running in await house.store.records.executions(workflow_id=workflow_id, statuses=["running"]):
        run = house.executions.run(running.run_id)
        if run is not None and run.questions:
            raise Problem(
                409, "interrupted", f"thread {asked.thread_id!r:.300} waits for an answer; resume what was interrupted"
            )
    try:
        await house.store.records.workflow(workflow_id)
    except NotKept:
        name = " ".join(words.split())[:NAME] or asked.thread_id[:NAME]
        try:
            await house.service.create_workflow(name, agent_id or house.room.default_agent, id=workflow_id)
        except StoreError:  # somebody else has created it meanwhile
            await house.store.records.workflow(workflow_id)
    return await house.service.execute_workflow_streaming(workflow_id, words, agent_id)


async def _continued(house: House, workflow_id: str, entries: list[Resumption]) -> tuple[ExecutionRow, _Rest]:
    """Answers what an execution waits for; raises ``Problem`` for an answer to nothing, or one that does not fit."""
    places = [_place(entry.interrupt_id) for entry in entries]
    run_id, position = places[0][0], max(place[1] for place in places)
    try:
        row = await house.store.records.execution(run_id)
    except NotKept:
        raise _no_interrupt(entries[0]) from None
    if row.workflow_id != workflow_id or any(place[0] != run_id for place in places):
        raise _no_interrupt(entries[0])
    events = await _told_so_far(house, run_id)
    questions = {event.request_id: event for event in events if isinstance(event, Asked)}
    for entry, (_, _, request_id) in zip(entries, places, strict=True):
        if request_id not in questions:
            raise _no_interrupt(entry)
        await _answer(house, row, questions[request_id], entry)
    if row.status == "interrupted":
        row = await house.executions.resume(run_id)
    return row, _Rest(position, frozenset(request_id for _, _, request_id in places))


async def _told_so_far(house: House, run_id: str) -> list[Any]:
    run = house.executions.run(run_id)
    if run is not None:
        await run.state.log.flushed()
    return await house.store.events(run_id)


def _place(interrupt_id: str) -> tuple[str, int, str]:
    run_id, _, rest = interrupt_id.partition(".")
    position, _, request_id = rest.partition(".")
    return run_id, int(position) if position.isascii() and position.isdigit() else 0, request_id


def _no_interrupt(entry: Resumption) -> Problem:
    return Problem(404, "not_found", f"nothing was interrupted for {entry.interrupt_id!r:.300} in this thread")


async def _answer(house: House, row: ExecutionRow, asked: Asked, entry: Resumption) -> None:
    choice, value, reason = _said(asked, entry)
    run = house.executions.run(row.run_id)
    if choice is None:
        await house.executions.cancel_run(row.run_id, "cancelled by its client")
        return
    try:
        if run is not None and run.answer(asked.request_id, choice, value=value, reason=reason, by="AG-UI"):
            return
        if row.status in ("queued", "running", "interrupted") and await still_asks(house, row.run_id, asked.request_id):
            await house.store.post_answer(row.run_id, asked.request_id, choice, value, reason, "AG-UI")
    except DefinitionError as error:
        raise Problem(422, "invalid", f"resume: {error}") from None


def _said(asked: Asked, entry: Resumption) -> tuple[str | None, Any, str]:
    """Returns choice, value and reason of an answer; no choice when it can only be taken back."""
    payload = entry.payload
    if entry.status == "cancelled":
        refusals = [choice for choice in ("reject", "skip", "abort", "decline") if choice in asked.choices]
        return (refusals[0] if refusals else None), None, ""
    if isinstance(payload, dict):
        reason = str(payload.get("reason", ""))
        if isinstance(payload.get("approved"), bool):
            return ("approve" if payload["approved"] else "reject"), payload.get("value"), reason
        if isinstance(chosen := payload.get("choice"), str):
            return chosen, payload.get("value"), reason
    if isinstance(payload, bool):
        return ("approve" if payload else "reject"), None, ""
    if isinstance(payload, str) and (payload in asked.choices or not asked.choices):
        return payload, None, ""
    return "answer", payload, ""


async def _frames(house: House, fold: AgUiFold, row: ExecutionRow, unheard: list[str]) -> AsyncIterator[bytes]:
    for told in fold.begin():
        yield frame(told)
    yield frame(_custom("execution", {"workflow_id": row.workflow_id, "run_id": row.run_id}))
    if unheard:
        yield frame(_custom("tools_not_offered", unheard))
    run, begun = None, False
    while not begun:
        with anyio.move_on_after(house.settings.server.heartbeat):
            run, begun = await house.executions.begun(row.run_id), True
        if not begun:
            yield HEARTBEAT
    following = None
    if run is not None:
        following = Following(run, pause=house.settings.server.heartbeat, patience=float("inf"))
    async for events in following.batches() if following is not None else _kept(house, row.run_id):
        if not events:
            yield HEARTBEAT
        for told in [*(each for event in events for each in fold.take(event)), *fold.interrupted()]:
            yield frame(told)
        if fold.over:
            return
    why = "the execution was withdrawn, or cannot go on here" if following is None else following.trouble
    for told in fold.fail(why, "stopped"):
        yield frame(told)


async def _kept(house: House, run_id: str) -> AsyncIterator[list[Any]]:
    """Yields the log of an execution that does not run here, as far as there is one."""
    try:
        yield await house.store.events(run_id)
    except StoreError:
        yield []


async def _abandon(house: House, run_id: str) -> None:
    if not await house.executions.cancel_run(run_id, "the client went away"):
        with suppress(StoreError):  # it is over
            await house.executions.withdraw(run_id)


def _custom(name: str, value: Any) -> Told:
    return {"type": "CUSTOM", "name": name, "value": value}


def _task(todo: Todo) -> Told:
    return {"name": todo.name, "status": todo.status, "priority": todo.priority}
