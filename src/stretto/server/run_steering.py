"""Starts runs of library workflows, and cancels, answers, resumes and repeats runs wherever they are carried out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Literal, TypeGuard

from stretto.core.errors import DefinitionError, StoreError, listed
from stretto.core.events import Event, RunStarted
from stretto.core.outcome import Failed
from stretto.core.records import ExecutionRow
from stretto.core.step import Step
from stretto.runtime.fingerprints import fingerprints
from stretto.runtime.replay import check_code, replay
from stretto.server.house import House
from stretto.server.problems import Problem
from stretto.server.rerunning import RERUN, Mode, events_for
from stretto.server.run_reading import execution_of, plain_log
from stretto.server.run_views import LibraryItem
from stretto.stores.questions import unanswered
from stretto.stores.summary import OPEN, RunSummary

STEP, INPUT = "stretto.step", "stretto.input"
"""The labels by which a run remembers which library workflow it is of, and what it was given."""
LONGEST_INPUT = 100_000
"""How many characters of JSON of an input are remembered; a longer one has to be given again."""
OnChange = Literal["refuse", "accept"]
"""What happens when the code of steps that are kept is another now."""
_MARKS = frozenset({"$cut", "$repr", "$data", "$large"})


class InputForgotten(StoreError):
    """The input of a run was too large to be remembered."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"the input of run {run_id!r} is not kept whole; give it again")
        self.run_id = run_id


class WorkflowUnknown(StoreError):
    """A run is of a workflow that this server does not have."""

    def __init__(self, run_id: str, name: str, known: Mapping[str, Any]) -> None:
        there = f"it has {listed(sorted(known))}" if known else "it has none"
        super().__init__(
            f"run {run_id!r} is of the workflow {name!r}, which this server does not have: {there}; "
            "`stretto serve` takes workflows by their files, and `stretto resume` goes on with a run of `stretto run`"
        )
        self.run_id, self.name = run_id, name


# -- library workflows -------------------------------------------------------------------------------------------------


def library(house: House) -> list[LibraryItem]:
    """Returns the workflows that can be run by their names."""
    return [
        LibraryItem(name=name, kind=step.kind, about=_about(step), steps=list(step.children()))
        for name, step in sorted(house.steps.items())
    ]


def _about(step: Step[Any, Any]) -> str:
    """Returns the first line of a step's own documentation; a class of this package describes itself, not the step."""
    documented = getattr(step, "function", step)
    if type(documented).__module__.partition(".")[0] == "stretto":
        return ""
    return (documented.__doc__ or "").strip().partition("\n")[0]


async def start(house: House, name: str, input: Any, labels: Mapping[str, str]) -> str:
    """Starts a run of a library workflow, and returns its id when it is in the store.

    Raises ``Problem`` for a workflow that is not there.
    """
    step = house.steps.get(name)
    if step is None:
        near = get_close_matches(name, house.steps, 3)
        there = f"there are {listed(sorted(house.steps))}" if house.steps else "name some behind `stretto serve`"
        hint = f"did you mean {listed(near)}?" if near else there
        raise Problem(404, "not_found", f"there is no workflow {name!r}; {hint}")
    return await _begun(house, await house.executions.start_step(step, input, labels=_labels(name, input, labels)))


def _labels(name: str, input: Any, labels: Mapping[str, str]) -> dict[str, str]:
    text = json.dumps(input)
    return {**labels, STEP: name, **({INPUT: text} if len(text) <= LONGEST_INPUT else {})}


async def _begun(house: House, run_id: str) -> str:
    """Waits until a run has said its first word; raises what kept it from that."""
    run = house.executions.run(run_id)
    if run is not None:
        async for _ in run.batches():
            return run_id
        if isinstance(run.outcome, Failed):
            raise run.outcome.error
    return run_id


# -- on with a run -----------------------------------------------------------------------------------------------------


async def resume(house: House, run_id: str, on_change: OnChange) -> None:
    """Goes on with a run that was interrupted, cancelled or has failed; what has completed is not run again.

    Raises ``RunNotFound``, ``CodeChanged``, and ``StoreError`` for a run that cannot go on.
    """
    if await execution_of(house, run_id) is not None:
        await house.executions.resume(run_id, on_change=on_change)
        return
    summary = await house.store.summary(run_id)
    if summary.status == "completed":
        raise StoreError(f"run {run_id!r} has completed; there is nothing to go on with, but it can be run again")
    if summary.status in OPEN:
        raise StoreError(f"run {run_id!r} runs in {summary.owner or 'another process'}; there is nothing to go on with")
    name, step = _step_of(house, summary)
    events = await house.store.events(run_id)
    _check_code(run_id, events, step, on_change)
    input, labels = _remembered(events, run_id), _labels_of(summary)
    await _begun(
        house,
        await house.executions.start_step(
            step, input, labels=_labels(name, input, labels), run_id=run_id, on_change=on_change
        ),
    )


async def rerun(
    house: House, run_id: str, mode: Mode, path: str | None, *, on_change: OnChange = "refuse",
    message: str | None = None, given: Mapping[str, Any] | None = None,
) -> tuple[str, str | None]:  # fmt: skip
    """Runs a run again, all of it or a part, and returns the new run's id and its workflow's, if it is of one.

    With the mode ``all`` a run of a workflow takes another ``message``, any other another input (``given["input"]``):
    what other modes keep was made of the old one. Raises ``RunNotFound``, ``StepNotRun``, ``NothingFailed``,
    ``CodeChanged``, ``WorkflowUnknown``, ``InputForgotten``, and ``StoreError`` for a run that has not ended.
    """
    given = given or {}
    summary = await house.store.summary(run_id)
    if mode != "all" and summary.status in OPEN:
        raise StoreError(f"run {run_id!r} has not ended; cancel it, or wait, before a part of it is run again")
    row = await execution_of(house, run_id)
    if row is not None:
        if given:
            raise StoreError(f"run {run_id!r} is of a workflow, which takes a message and no input")
        return await _execute_again(house, row, mode, path, message, on_change), row.workflow_id
    if message is not None:
        raise StoreError(f"run {run_id!r} is of no workflow of agents; it takes an input and no message")
    name, step = _step_of(house, summary)
    events = await house.store.events(run_id)
    input = given["input"] if given else _remembered(events, run_id)
    labels = _labels(name, input, _labels_of(summary)) | {RERUN: run_id}
    if mode != "all":
        code = fingerprints(step) if on_change == "accept" else None
        kept = events_for(events, mode, path, code=code, labels=labels)
        _check_code(run_id, kept, step, "refuse")
        return await _begun(house, await house.executions.start_step(step, input, labels=labels, resume=kept)), None
    return await _begun(house, await house.executions.start_step(step, input, labels=labels)), None


async def _execute_again(
    house: House, row: ExecutionRow, mode: Mode, path: str | None, message: str | None, on_change: OnChange
) -> str:
    if mode != "all":
        events_for(await plain_log(house, row.run_id), mode, path)  # refuses what cannot be, before it is queued
    told = {"run_id": row.run_id, "mode": mode, "path": path, "on_change": on_change}
    asked = await house.executions.ask(
        row.workflow_id, row.message if message is None else message, row.agent_id, row.locale, rerun=told
    )
    return asked.run_id


def _step_of(house: House, summary: RunSummary) -> tuple[str, Step[Any, Any]]:
    name = summary.labels.get(STEP, summary.name)
    step = house.steps.get(name)
    if step is None:
        raise WorkflowUnknown(summary.id, name, house.steps)
    return name, step


def _labels_of(summary: RunSummary) -> dict[str, str]:
    """Returns the labels that people gave a run."""
    return {name: value for name, value in summary.labels.items() if not name.startswith("stretto.")}


def _check_code(run_id: str, events: list[Event], step: Step[Any, Any], on_change: OnChange) -> None:
    check_code(run_id, replay(events), fingerprints(step), on_change)


def _remembered(events: list[Event], run_id: str) -> Any:
    """Returns a run's input; raises ``InputForgotten`` when the log shows it cut."""
    started = next((event for event in events if isinstance(event, RunStarted)), None)
    if started is None:
        raise InputForgotten(run_id)
    if INPUT in started.labels:
        return json.loads(started.labels[INPUT])
    if _is_cut(started.input):
        raise InputForgotten(run_id)
    return started.input


def _is_cut(plain: object) -> bool:
    if _is_list(plain):
        return any(map(_is_cut, plain))
    if _is_object(plain):
        return not _MARKS.isdisjoint(plain) or any(map(_is_cut, plain.values()))
    return False


def _is_list(plain: object) -> TypeGuard[list[Any]]:
    return isinstance(plain, list)


def _is_object(plain: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(plain, dict)


# -- people ------------------------------------------------------------------------------------------------------------


async def cancel(house: House, run_id: str) -> None:
    """Asks whoever carries out a run to stop it, all the way down; raises ``RunNotFound``, ``StoreError``."""
    run = house.executions.run(run_id)
    if run is not None:
        run.cancel("cancelled by the user")
    else:
        await house.store.request_cancel(run_id)


async def answer(house: House, run_id: str, request_id: str, choice: str, value: Any, reason: str, by: str) -> None:
    """Answers a question of a run, here or in the process that carries it out.

    Raises ``RunNotFound``, and ``StoreError`` when nobody waits for the answer, or not for such a choice.
    """
    run = house.executions.run(run_id)
    try:
        if run is not None and run.answer(request_id, choice, value=value, reason=reason, by=by):
            return
    except DefinitionError as error:
        raise StoreError(str(error)) from None
    if not await still_asks(house, run_id, request_id):
        raise StoreError(f"run {run_id!r} does not ask {request_id!r} (any more); its questions tell what it asks")
    await house.store.post_answer(run_id, request_id, choice, value, reason, by)


async def still_asks(house: House, run_id: str, request_id: str) -> bool:
    """Says whether a question stands in a run's log without an answer.

    A run that goes on after a restart has not come to its question yet: it finds the answer in its mailbox then.
    """
    run = house.executions.run(run_id)
    if run is not None:
        await run.state.log.flushed()
    return request_id in [asked.request_id for asked in await unanswered(house.store, run_id)]
