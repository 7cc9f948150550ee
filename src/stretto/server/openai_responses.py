"""Responses that are kept: each is a run, found again by its id, from which others go on."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from stretto.agents.report import Report
from stretto.core.codec import decode
from stretto.core.errors import RunNotFound, StoreError
from stretto.core.events import Event, RunEnded, RunStarted, StepCompleted
from stretto.core.step import Context, Step
from stretto.models.messages import Message, user_message
from stretto.runtime.run import Run
from stretto.server.client_streams import HEARTBEAT, Following, frame
from stretto.server.house import House
from stretto.server.openai_items import CANCELLED, ItemFold, ModelResponse, Said
from stretto.server.openai_models import FACE, MODEL, WORKFLOW, Asked, asked_of
from stretto.server.openai_requests import ResponseRequest, wanted_of_response
from stretto.server.problems import Problem

RESPONSES = "openai.responses"
"""What the label of a run says that is a response."""
PREVIOUS = "stretto.previous"
"""The label by which a run says from which one it goes on."""
MOST_BEFORE = 1_000
"""From how many responses in a row one can go on."""
_ENDS = frozenset({"run_started", "step_completed", "run_ended"})
_ANSWERING = "response"


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a response was asked with: what it repeats of its request, and the messages before the last one."""

    said: dict[str, Any]
    earlier: list[Message]


class Keeping(Step[Given, Given]):
    """Hands on what it is given, so that the log holds the whole of it."""

    kind: ClassVar[str] = "function"
    name = "given"

    async def execute(self, input: Given, context: Context) -> Given:
        """Returns its input."""
        return input


class Responding(Step[Any, Any]):
    """Answers one request for a response: keeps what was given, and runs what was asked."""

    kind: ClassVar[str] = "response"
    transparent: ClassVar[bool] = True
    name = _ANSWERING

    def __init__(self, asked: Asked, given: Given) -> None:
        self._asked, self.given, self._keeping = asked, given, Keeping()

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns what keeps, and what answers."""
        return {self._keeping.name: self._keeping, self._asked.step.name: self._asked.step}

    async def execute(self, input: Any, context: Context) -> Any:
        """Returns what the agent or workflow returns."""
        await context.run(self._keeping, self.given)
        return await context.run(self._asked.step, input)


async def begin_response(house: House, request: ResponseRequest) -> tuple[Run[Any], ItemFold]:
    """Starts the run of a request; raises ``Problem`` for one that cannot be answered."""
    wanted = wanted_of_response(request)
    previous = request.previous_response_id
    before = [] if previous is None else await _before(house, previous)
    said = Said(
        model=request.model, instructions=request.instructions, metadata=request.metadata,
        temperature=request.temperature, max_output_tokens=request.max_output_tokens, previous_response_id=previous,
        background=bool(request.background), store=request.store is not False,
    )  # fmt: skip
    asked = asked_of(house, request.model, wanted, before)
    labels = {FACE: RESPONSES, MODEL: request.model} | ({PREVIOUS: previous} if previous is not None else {})
    step = Responding(asked, Given(said=said.model_dump(), earlier=wanted.earlier))
    run = await started(house, step, asked.input, labels)
    if not said.store:
        house.supervisor.beside(partial(_forget, house, run), f"forgetting response {run.id}")
    return run, ItemFold(said, speaks=asked.speaks, run_id=run.id, created=time.time())


async def started(house: House, step: Step[Any, Any], input: Any, labels: Mapping[str, str]) -> Run[Any]:
    """Starts a run that belongs to no workflow; raises ``StoreError`` when it ended before anybody could follow it."""
    run_id = await house.executions.start_step(step, input, labels=labels)
    run = house.executions.run(run_id)
    if run is None:
        raise StoreError(f"run {run_id!r} could not begin")
    return run


async def _forget(house: House, run: Run[Any]) -> None:
    await run.ended.wait()
    await house.store.remove([run.id])


async def response_stream(fold: ItemFold, following: Following, after: int = -1) -> AsyncIterator[bytes]:
    """Yields the events of a response as its run makes them, those behind a number in their order."""
    async for events in following.batches():
        if not events:
            yield HEARTBEAT
        for event in events:
            for told in fold.take(event):
                if told["sequence_number"] > after:
                    yield frame(told, told["type"])
    if fold.status == "in_progress":
        for told in fold.fail(following.trouble):
            yield frame(told, told["type"])


# -- those that are kept -----------------------------------------------------------------------------------------------


async def kept_response(house: House, id: str) -> tuple[list[Event], ItemFold]:
    """Returns the log of a response, and what folds it; raises ``Problem`` when there is none."""
    run = house.executions.run(_run_of(id))
    if run is not None and isinstance(run.step, Responding):  # it may not have kept yet what it was given
        said = Said.model_validate(run.step.given.said)
        return list(run.log), ItemFold(
            said, speaks=not said.model.startswith(WORKFLOW), run_id=run.id, created=time.time()
        )
    events = await _log(house, id)
    started, given = events[0] if events else None, _given(events)
    if not isinstance(started, RunStarted) or started.labels.get(FACE) != RESPONSES or given is None:
        raise _unknown(id)
    said = Said.model_validate(given.said)
    if not said.store:
        raise _unknown(id)
    return events, ItemFold(said, speaks=not said.model.startswith(WORKFLOW))


async def response_as_it_stands(house: House, id: str) -> ModelResponse:
    """Returns a response that was kept; raises ``Problem`` when there is none."""
    events, fold = await kept_response(house, id)
    for event in events:
        fold.take(event)
    if fold.status == "in_progress" and house.executions.run(_run_of(id)) is None:
        fold.fail("the server stopped before the run had ended; resume it")
    return fold.response()


async def kept_stream(house: House, id: str, after: int) -> AsyncIterator[bytes]:
    """Returns the events of a response that was kept, from its log, and live while it runs."""
    events, fold = await kept_response(house, id)
    run = house.executions.run(_run_of(id))
    if run is not None:
        settings = house.settings.server
        following = Following(run, pause=settings.heartbeat, patience=float("inf"))
        return response_stream(fold, following, after)
    told = [each for event in events for each in fold.take(event)]
    if fold.status == "in_progress":
        told += fold.fail("the server stopped before the run had ended; resume it")

    async def frames() -> AsyncIterator[bytes]:
        for each in told:
            if each["sequence_number"] > after:
                yield frame(each, each["type"])

    return frames()


async def cancel_response(house: House, id: str) -> ModelResponse:
    """Cancels a response that is being made, waits for its end and returns it; one that is over stays as it is."""
    await kept_response(house, id)
    await house.executions.cancel_run(_run_of(id), CANCELLED)
    return await response_as_it_stands(house, id)


async def delete_response(house: House, id: str) -> None:
    """Removes a response with its run, which is cancelled first; raises ``Problem`` when there is none."""
    await kept_response(house, id)
    await house.executions.cancel_run(_run_of(id), "its response is deleted")
    await house.store.delete(_run_of(id))


async def _before(house: House, id: str) -> list[Message]:
    """Returns the conversation up to and with a response; raises ``Problem`` when it cannot be gone on from."""
    turns: list[list[Message]] = []
    wanted: str | None = id
    while wanted is not None:
        events = await _log(house, wanted, _ENDS)
        given = _given(events)
        if given is None:
            raise _unknown(wanted)
        report = next((event.output for event in events if isinstance(event, RunEnded)), None)
        if not isinstance(report, Report):
            raise Problem(
                409, "conflict", f"response {wanted!r} has no answer of an agent; go on from one that is completed"
            )
        turns.append([*given.earlier, user_message(report.task), *report.messages[1:]])
        wanted = given.said.get("previous_response_id")
        if len(turns) > MOST_BEFORE:
            raise Problem(409, "conflict", f"more than {MOST_BEFORE:,} responses go on from each other; begin anew")
    return [message for turn in reversed(turns) for message in turn]


async def _log(house: House, id: str, kinds: Collection[str] | None = None) -> list[Event]:
    """Returns the log of a response; of one that is being made it is not all on disk."""
    run = house.executions.run(_run_of(id))
    if run is not None:
        return list(run.log)
    try:
        lines = await house.store.lines(_run_of(id), kinds=kinds)
    except RunNotFound:
        raise _unknown(id) from None
    return [decode(*line[1:]) for line in lines]


def _given(events: list[Event]) -> Given | None:
    for event in events:
        if isinstance(event, StepCompleted) and isinstance(event.output, Given):
            return event.output
    return None


def _run_of(id: str) -> str:
    return id.removeprefix("resp_")


def _unknown(id: str) -> Problem:
    return Problem(404, "response_not_found", f"there is no response {id!r:.200}; it was not stored, or is deleted")
