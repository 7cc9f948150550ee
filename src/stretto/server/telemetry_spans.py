"""Folds the log of one run into OpenTelemetry's GenAI spans and metrics, with the log's own times.

Names are those of the GenAI semantic conventions; they are in development and leave the packages of OpenTelemetry, so
that they are written out here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from opentelemetry.metrics import Histogram
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.util.types import AttributeValue

from stretto.agents.call import CallResult
from stretto.agents.following import asked_of
from stretto.agents.report import Report, ReportStatus
from stretto.core import events as core
from stretto.core.events import TERMINAL, Event, Path, parent_of, step_name
from stretto.models.model import ModelCall, Reply
from stretto.server.preparation import LABEL
from stretto.server.telemetry_messages import answer_of, instructions_of, messages_of, value_of
from stretto.tools.tool import Invocation

OPERATIONS = {"agent": "invoke_agent", "model": "chat", "call": "execute_tool", "tool": "execute_tool"}
"""What the conventions call the kinds of steps that they know; other steps have no span."""
PROVIDERS = {
    "openai-responses": "openai", "mistral": "mistral_ai", "google": "gcp.gemini", "google-gla": "gcp.gemini",
    "google-vertex": "gcp.vertex_ai", "bedrock": "aws.bedrock", "xai": "x_ai", "grok": "x_ai",
    "azure": "azure.ai.openai",
}  # fmt: skip
"""The conventions' names of providers, where they differ from those before the colon of ``provider:model``."""
_Attributes = dict[str, AttributeValue]


@dataclass(slots=True)
class _Open:
    """A span that has begun: ``used`` is what a model took so far, ``heard`` when its first words came."""

    span: Span
    operation: str
    began: float
    used: _Attributes = field(default_factory=dict[str, AttributeValue])
    model: str = ""
    heard: float | None = None


class RunSpans:
    """Follows one run.

    A step has a span when it is an agent, a call of a model, or of a tool; around them stands one for the run, which
    bears ids made of the run's, so that a run that goes on in another process stays one trace. Only what ends after
    this was made is told. Without ``content`` nothing that people or models have written leaves: no messages, no
    arguments, no words of errors.
    """

    def __init__(
        self, tracer: Tracer, choose: Callable[[str], None], tokens: Histogram, durations: Histogram, *, content: bool
    ) -> None:
        self._tracer, self._choose, self._tokens, self._durations = tracer, choose, tokens, durations
        self._content, self._since, self._started_at = content, time.time(), 0.0
        self._root: Span | None = None
        self._shared: _Attributes = {}
        self._open: dict[Path, _Open] = {}
        self._models: dict[Path, str] = {}

    def take(self, events: Sequence[Event]) -> None:
        """Takes the next events of the run's log, from its beginning."""
        for event in events:
            if isinstance(event, core.RunStarted):
                self._begin_run(event)
            elif self._root is not None and self._started_at + event.at >= self._since:
                self._take(event)

    def close(self) -> None:
        """Forgets what has not ended: whoever goes on with the run tells of it."""
        self._open.clear()
        self._root = None

    def _take(self, event: Event) -> None:
        match event:
            case core.RunResumed():
                self._open.clear()
            case core.RunEnded():
                self._end_run(event)
            case core.StepStarted():
                self._begin(event)
            case core.AgentStarted():
                self._join(event)
            case core.ModelDelta() if (held := self._open.get(event.path)) is not None and held.heard is None:
                held.heard = event.at
            case core.ModelUsed():
                self._used(event)
            case core.StepRetrying() if (held := self._open.get(event.path)) is not None:
                told: _Attributes = {"error.type": event.error.type, "stretto.attempt": event.attempt}
                held.span.add_event("retry", told, self._nanoseconds(event.at))
            case _ if event.kind in TERMINAL and event.path in self._open:
                self._end(event, self._open.pop(event.path))
            case _:
                pass

    def _nanoseconds(self, at: float) -> int:
        return round((self._started_at + at) * 1e9)

    # -- the run -------------------------------------------------------------------------------------------------------

    def _begin_run(self, event: core.RunStarted) -> None:
        self._started_at = event.started_at
        self._shared = {"gen_ai.conversation.id": event.labels[LABEL]} if LABEL in event.labels else {}
        told: _Attributes = {
            "gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": event.name,
            "stretto.run.id": event.run_id, **self._shared,
        }  # fmt: skip
        self._choose(event.run_id)
        began = self._nanoseconds(event.at)
        name = f"invoke_workflow {event.name}"
        self._root = self._tracer.start_span(name, kind=SpanKind.INTERNAL, attributes=told, start_time=began)

    def _end_run(self, event: core.RunEnded) -> None:
        if self._root is None:
            return
        if event.status != "completed":
            message = "" if event.error is None else event.error.message
            self._failed(self._root, event.status if event.error is None else event.error.type, message)
        self._root.end(self._nanoseconds(event.at))
        self.close()

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _begin(self, event: core.StepStarted) -> None:
        operation, above = OPERATIONS.get(event.step), self._open.get(parent_of(event.path))
        if operation is None or self._root is None:
            return
        if event.step == "tool" and above is not None and above.operation == operation:
            return  # the call around it is the tool's execution, with its name and the model's id of it
        told: _Attributes = {"gen_ai.operation.name": operation, "stretto.path": event.path, **self._shared}
        name, kind = f"{operation} {step_name(event.path)}", SpanKind.INTERNAL
        if operation == "chat":
            kind = SpanKind.CLIENT
            told |= self._asked(event.input)
        elif operation == "execute_tool":
            tool, called = self._called(event)
            told |= called
            name = f"{operation} {tool}"
        context = set_span_in_context(self._around(event.path))
        began = self._nanoseconds(event.at)
        span = self._tracer.start_span(name, context, kind, told, start_time=began)
        self._open[event.path] = _Open(span, operation, event.at)

    def _around(self, path: Path) -> Span:
        assert self._root is not None
        while path := parent_of(path):
            if path in self._open:
                return self._open[path].span
        return self._root

    def _asked(self, input: object) -> _Attributes:
        told: _Attributes = {}
        if isinstance(input, ModelCall):
            if input.temperature is not None:
                told["gen_ai.request.temperature"] = input.temperature
            if input.max_tokens is not None:
                told["gen_ai.request.max_tokens"] = input.max_tokens
            if self._content:
                told["gen_ai.system_instructions"] = instructions_of(input.system)
                told["gen_ai.input.messages"] = messages_of(input.messages)
        return told

    def _called(self, event: core.StepStarted) -> tuple[str, _Attributes]:
        """Returns the name of the tool that a step calls, and what is told of that."""
        name = step_name(event.path)
        told: _Attributes = {"gen_ai.tool.type": "function"}
        arguments: object = None
        if event.step == "call":
            asked = asked_of(event.path, event.input)
            name, arguments = asked.tool, asked.arguments
            if asked.id:
                told["gen_ai.tool.call.id"] = asked.id
        elif isinstance(event.input, Invocation):
            arguments = dict(event.input.arguments)
        if self._content and arguments is not None:
            told["gen_ai.tool.call.arguments"] = value_of(arguments)
        return name, {"gen_ai.tool.name": name, **told}

    def _join(self, event: core.AgentStarted) -> None:
        self._models[event.path] = event.model
        held = self._open.get(event.path)
        if held is not None:
            held.span.update_name(f"invoke_agent {event.name}")
            told = {"gen_ai.agent.id": event.agent_id, "gen_ai.agent.name": event.name, **_model(event.model)}
            held.span.set_attributes(told)

    def _used(self, event: core.ModelUsed) -> None:
        told = {"gen_ai.operation.name": "chat", **_model(event.model)}
        for kind, count in (("input", event.input_tokens), ("output", event.output_tokens)):
            self._tokens.record(count, {**told, "gen_ai.token.type": kind})
        held = self._open.get(event.path)
        if held is None:
            return
        held.model = event.model
        for name, count in (
            ("input_tokens", event.input_tokens), ("output_tokens", event.output_tokens),
            ("cache_read.input_tokens", event.cached_tokens),
            ("cache_creation.input_tokens", event.cache_write_tokens),
            ("reasoning.output_tokens", event.reasoning_tokens),
        ):  # fmt: skip
            self._add(held, f"gen_ai.usage.{name}", count)
        if event.cost is not None:
            self._add(held, "stretto.cost_usd", event.cost)

    def _add(self, held: _Open, name: str, amount: float) -> None:
        """Adds to what a call has taken: the attempts of one call are one span."""
        before = held.used.get(name, 0)
        held.used[name] = amount + before if isinstance(before, int | float) else amount

    def _end(self, event: Event, held: _Open) -> None:
        if isinstance(event, core.StepCompleted) and event.source == "cache":
            return  # it was not carried out
        span, problem = held.span, ""
        match event:
            case core.StepCompleted():
                problem = self._ended_well(event, held)
            case core.StepFailed():
                problem = event.error.type
                self._failed(span, problem, event.error.message)
            case core.StepTimedOut():
                problem = "timeout"
                self._failed(span, problem, f"took longer than {event.seconds:g} s")
            case _:
                span.set_attribute("stretto.outcome", "cancelled")
        if held.operation == "chat":
            self._end_chat(event, held, problem)
        span.end(self._nanoseconds(event.at))

    def _ended_well(self, event: core.StepCompleted, held: _Open) -> str:
        """Tells what a step handed back; returns the type of an error that it tells of."""
        output, problem, message = event.output, "", ""
        if event.source != "run":
            held.span.set_attribute("stretto.source", event.source)
        if isinstance(output, Reply):
            held.span.set_attribute("gen_ai.response.model", output.model)
            if output.finish_reason is not None:
                held.span.set_attribute("gen_ai.response.finish_reasons", [output.finish_reason])
            if self._content:
                held.span.set_attribute("gen_ai.output.messages", answer_of(output))
        elif isinstance(output, CallResult):
            problem, message = ("", "") if output.ending == "success" else (output.ending, output.error)
            if self._content:
                held.span.set_attribute("gen_ai.tool.call.result", value_of(output.content))
        elif isinstance(output, Report):
            problem, message = (output.status.value, output.error) if output.status is ReportStatus.FAILED else ("", "")
        if problem:
            self._failed(held.span, problem, message)
        return problem

    def _end_chat(self, event: Event, held: _Open, problem: str) -> None:
        model = held.model or next((self._models[path] for path in _above(event.path) if path in self._models), "")
        told = _model(model)
        if model:
            held.span.update_name(f"chat {told['gen_ai.request.model']}")
        held.span.set_attributes({**told, **held.used})
        if held.heard is not None:
            held.span.set_attribute("gen_ai.response.time_to_first_chunk", held.heard - held.began)
        measured = {"gen_ai.operation.name": "chat", **told, **({"error.type": problem} if problem else {})}
        self._durations.record(max(0.0, event.at - held.began), measured)

    def _failed(self, span: Span, type: str, message: str) -> None:
        span.set_attribute("error.type", type)
        span.set_status(Status(StatusCode.ERROR, message if self._content else None))


def _model(id: str) -> dict[str, str]:
    """Returns what the conventions say of ``provider:model``."""
    provider, colon, model = id.partition(":")
    if not colon:
        return {"gen_ai.request.model": id, "gen_ai.provider.name": "unknown"} if id else {}
    return {"gen_ai.request.model": model, "gen_ai.provider.name": PROVIDERS.get(provider, provider)}


def _above(path: Path) -> list[Path]:
    found: list[Path] = []
    while path := parent_of(path):
        found.append(path)
    return found
