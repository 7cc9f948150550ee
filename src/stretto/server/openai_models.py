"""What can be asked by OpenAI's protocols: agents by their ids, library workflows as ``workflow/`` and their name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from stretto.agents.registry import UnknownAgent
from stretto.agents.report import Report, ReportStatus
from stretto.agents.task import Task
from stretto.core.step import Step
from stretto.models.messages import Message
from stretto.server.house import House
from stretto.server.openai_requests import Wanted
from stretto.server.problems import FieldProblem, Problem, ProblemDetails

WORKFLOW = "workflow/"
"""What stands before a workflow's name."""
FACE = "stretto.face"
"""The label by which a run says through which protocol it was asked for."""
MODEL = "stretto.model"
"""The label by which a run says as which model it was asked for."""


class ModelCard(BaseModel):
    """Something that can be asked; ``created`` is when this server started (seconds since the Unix epoch)."""

    id: str
    object: str = "model"
    created: int
    owned_by: str


class ModelList(BaseModel):
    """Everything that can be asked."""

    object: str = "list"
    data: list[ModelCard]


class OpenAIError(BaseModel):
    """What was wrong; ``param`` is the field that was, ``code`` is for programs."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAIErrorBody(BaseModel):
    """An error as OpenAI's protocols tell it."""

    error: OpenAIError


def openai_error(problem: ProblemDetails) -> dict[str, Any]:
    """Returns a problem as OpenAI's protocols tell it."""
    kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    kind = kinds.get(problem.status, "invalid_request_error" if problem.status < 500 else "server_error")
    first = problem.errors[0] if problem.errors else FieldProblem(field="", rule="")
    param = first.field.removeprefix("body.").removeprefix("body") or None
    error = OpenAIError(message=problem.detail, type=kind, param=param, code=problem.code)
    return OpenAIErrorBody(error=error).model_dump()


def models(house: House) -> list[ModelCard]:
    """Returns what can be asked: agents, then workflows."""
    created = int(house.started_at)
    agents = [ModelCard(id=each.id, created=created, owned_by="agents") for each in house.room.registry.summaries()]
    return agents + [ModelCard(id=WORKFLOW + name, created=created, owned_by="workflows") for name in house.steps]


def model_card(house: House, id: str) -> ModelCard:
    """Returns one of them; raises ``Problem`` for an id that none has."""
    for card in models(house):
        if card.id == id:
            return card
    raise _unknown(id)


@dataclass(frozen=True)
class Asked:
    """What is run for a request: a step and its input; ``speaks`` says whether the answer is its model's own words."""

    model: str
    step: Step[Any, Any]
    input: Any
    speaks: bool


def asked_of(house: House, model: str, wanted: Wanted, before: list[Message]) -> Asked:
    """Returns what is run for a request; ``before`` are messages that came before those of the request.

    A workflow is given the last words alone: the value when they are a JSON object or array, else the text. Raises
    ``Problem`` for an unknown model, and what ``AgentRegistry.get`` raises.
    """
    if model.startswith(WORKFLOW):
        step = house.steps.get(model.removeprefix(WORKFLOW))
        if step is None:
            raise _unknown(model)
        return Asked(model, step, _value(wanted.words), speaks=False)
    try:
        agent = house.room.agent(model)
    except UnknownAgent:
        raise _unknown(model) from None
    config = agent.config
    said = {"temperature": wanted.temperature, "max_tokens": wanted.max_tokens}
    changed = {name: value for name, value in said.items() if value is not None}
    if changed or wanted.thinking is not None:
        thinking = config.enable_thinking if wanted.thinking is None else wanted.thinking
        update = {"llm": config.llm.model_copy(update=changed), "enable_thinking": thinking}
        agent = house.room.registry.make(config.model_copy(update=update))
    context = {"instructions": wanted.instructions} if wanted.instructions else {}
    task = Task(
        description=wanted.words, history=(*before, *wanted.earlier), context=context,
        locale=house.room.settings.locale or "",
    )  # fmt: skip
    return Asked(model, agent, task, speaks=True)


def _value(words: str) -> Any:
    if not words.lstrip().startswith(("{", "[")):
        return words
    try:
        return json.loads(words)
    except (ValueError, RecursionError):
        return words


def words_of(output: Any) -> str:
    """Returns the output of a workflow in words: a text or an agent's answer as it is, everything else as JSON."""
    if isinstance(output, Report):
        return output.response
    return output if isinstance(output, str) else to_json(output, fallback=repr).decode()


def left_out(output: Any) -> str:
    """Returns why an agent has not done all of its task, nothing when it has."""
    return output.error if isinstance(output, Report) and output.status is ReportStatus.PARTIAL else ""


def _unknown(model: str) -> Problem:
    return Problem(404, "model_not_found", f"there is no model {model!r:.200}; GET /v1/models lists what can be asked")
