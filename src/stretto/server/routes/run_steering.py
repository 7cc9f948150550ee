"""The operations that start and steer runs: start, cancel, answer, resume, and run again."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from stretto.server import run_reading, run_steering
from stretto.server.dependencies import Here, Line, Text
from stretto.server.problems import Problem, answers
from stretto.server.routes.runs import AnyRun
from stretto.server.run_steering import OnChange
from stretto.server.run_views import LibraryItem, RunItem

router = APIRouter(prefix="/api/runs", tags=["Runs"])
library = APIRouter(prefix="/api/library", tags=["Runs"])

LabelName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
LabelValue = Annotated[Line, Field(max_length=256)]


class NewRun(BaseModel):
    """A run of a library workflow; ``labels`` say something about it."""

    model_config = ConfigDict(extra="forbid")

    workflow: Line = Field(min_length=1, max_length=200, examples=["survey"])
    input: JsonValue = None
    labels: dict[LabelName, LabelValue] = Field(
        default_factory=dict[str, str], max_length=20, json_schema_extra={"additionalProperties": False}
    )


class WholeAgain(BaseModel):
    """All of a run is run again; one of a workflow takes another ``message``, any other another ``input``."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["all"]
    message: Text | None = Field(None, min_length=1, max_length=100_000)
    input: JsonValue = None


class FailedAgain(BaseModel):
    """What failed in a run is run again; with ``accept`` steps are kept also if their code is another by now."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["failed"]
    on_change: OnChange = "refuse"


class StepAgain(BaseModel):
    """The step at ``path`` is run again, and what came after it; ``on_change`` is as for what failed."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["step"]
    path: Line = Field(min_length=1, max_length=2000, examples=["survey/summarise"])
    on_change: OnChange = "refuse"


Repetition = Annotated[WholeAgain | FailedAgain | StepAgain, Field(discriminator="mode")]
"""What of a run shall be run again."""


class Repeated(BaseModel):
    """A repetition: its run, which a workflow may queue, and the run that it repeats."""

    run_id: str
    workflow_id: str | None
    rerun_of: str


class ResumeRequest(BaseModel):
    """How a run goes on; with ``accept`` also if the code of what has completed is another by now."""

    model_config = ConfigDict(extra="forbid")

    on_change: OnChange = "refuse"


class GivenAnswer(BaseModel):
    """An answer to a question of a run; ``by`` says who answers."""

    model_config = ConfigDict(extra="forbid")

    request_id: Text = Field(min_length=1, max_length=2000)
    choice: Text = Field("approve", max_length=10_000)
    value: JsonValue = None
    reason: Text = Field("", max_length=10_000)
    by: Line = Field("", max_length=200)


class Taken(BaseModel):
    """What was asked for is under way."""

    run_id: str


@library.get("", operation_id="list_library", summary="List the workflows that can be run by name")
async def list_library(house: Here) -> list[LibraryItem]:
    """Lists the library workflows that the server was started with."""
    return run_steering.library(house)


@router.post(
    "", operation_id="start_run", summary="Run a library workflow", status_code=201, responses=answers(404, 409)
)
async def start_run(house: Here, body: NewRun) -> RunItem:
    """Starts a run as soon as there is room for it, and tells of it when it is in the store."""
    _check_storable(body.input)
    return await run_reading.item(house, await run_steering.start(house, body.workflow, body.input, body.labels))


@router.post(
    "/{run_id}/rerun", operation_id="rerun_run", summary="Run a run again, all of it or a part", status_code=201,
    responses=answers(404, 409),
)  # fmt: skip
async def rerun_run(house: Here, run_id: AnyRun, body: Repetition) -> Repeated:
    """Starts a run, or queues an execution, that repeats another; what is kept of that one is not run again."""
    if isinstance(body, WholeAgain):
        given: dict[str, Any] = {"input": body.input} if "input" in body.model_fields_set else {}
        _check_storable(body.input)
        made, workflow_id = await run_steering.rerun(house, run_id, "all", None, message=body.message, given=given)
    else:
        path = body.path if isinstance(body, StepAgain) else None
        made, workflow_id = await run_steering.rerun(house, run_id, body.mode, path, on_change=body.on_change)
    return Repeated(run_id=made, workflow_id=workflow_id, rerun_of=run_id)


@router.post(
    "/{run_id}/resume", operation_id="resume_run", summary="Go on with a run", status_code=202,
    responses=answers(404, 409),
)  # fmt: skip
async def resume_run(house: Here, run_id: AnyRun, body: ResumeRequest) -> Taken:
    """Goes on with a run that was interrupted, was cancelled or has failed; what has completed is not run again."""
    await run_steering.resume(house, run_id, body.on_change)
    return Taken(run_id=run_id)


@router.post(
    "/{run_id}/cancel", operation_id="cancel_run", summary="Cancel a run", status_code=202, responses=answers(404, 409)
)
async def cancel_run(house: Here, run_id: AnyRun) -> Taken:
    """Asks whoever carries a run out, here or elsewhere, to stop it all the way down; what was done is kept."""
    await run_steering.cancel(house, run_id)
    return Taken(run_id=run_id)


@router.post(
    "/{run_id}/answer", operation_id="answer_run", summary="Answer a question of a run", status_code=204,
    responses=answers(404, 409),
)  # fmt: skip
async def answer_run(house: Here, run_id: AnyRun, body: GivenAnswer) -> Response:
    """Answers a question of a run, wherever that is carried out; one of a run that is interrupted waits for it."""
    _check_storable(body.value)
    await run_steering.answer(house, run_id, body.request_id, body.choice, body.value, body.reason, body.by)
    return Response(status_code=204)


def _check_storable(value: JsonValue) -> None:
    """Raises ``Problem`` for a value with a text that is no Unicode, or one that is nested too deeply."""
    level: list[JsonValue] = [value]
    for _ in range(100):
        texts = [text for each in level for text in _texts(each)]
        if not all(map(_is_unicode, texts)):
            raise Problem(422, "invalid", "a text of the value holds half a Unicode pair, which nobody could be sent")
        level = [held for each in level for held in _held(each)]
        if not level:
            return
    raise Problem(422, "invalid", "the value is nested more than 100 levels deep")


def _texts(value: JsonValue) -> list[str]:
    return [value] if isinstance(value, str) else list(value) if isinstance(value, dict) else []


def _held(value: JsonValue) -> list[JsonValue]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
