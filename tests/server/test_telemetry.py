"""Spans and metrics as OpenTelemetry's own exporter and reader see them."""

import json
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from stretto import SequentialWorkflow, start, step
from stretto.agents.agent import Agent
from stretto.agents.config import AgentConfig
from stretto.configuring.settings import ServerTable
from stretto.core.errors import DefinitionError
from stretto.core.events import (
    ErrorRecord,
    Event,
    ModelDelta,
    ModelUsed,
    RunEnded,
    RunResumed,
    RunStarted,
    StepCancelled,
    StepCompleted,
    StepFailed,
    StepRetrying,
    StepStarted,
    StepTimedOut,
)
from stretto.core.ledger import Usage
from stretto.models.messages import ToolCall, ToolResult, assistant_message, results_message, user_message
from stretto.models.model import Reply
from stretto.server.rerunning import events_for
from stretto.server.telemetry import TelemetryMissing, open_telemetry
from stretto.server.telemetry_messages import LONGEST, cut, messages_of
from stretto.server.telemetry_sending import Sender
from stretto.testing import Scripted, ScriptedModel
from stretto.tools.calculator import CalculatorTool
from tests.server.conftest import Serve

PRODUCT = ("CalculatorTool", {"operation": "multiply", "a": 6, "b": 7})

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Seen:
    """A sender whose spans and metrics are looked at."""

    def __init__(self, *, content: bool = False) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.sender = Sender(self.exporter, self.reader, content=content)

    def follow(self, events: Sequence[Event]) -> dict[str, ReadableSpan]:
        follower = self.sender.follower()
        follower._since = 0.0  # what happened before is told, too
        follower.take(events)
        follower.close()
        return self.spans()

    def spans(self) -> dict[str, ReadableSpan]:
        self.sender.tracers.force_flush()
        return {span.name: span for span in self.exporter.get_finished_spans()}

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        if data is None:
            return []
        found = [metric for one in data.resource_metrics for scope in one.scope_metrics for metric in scope.metrics]
        return [point for metric in found if metric.name == name for point in metric.data.data_points]


def told(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def log_of_an_agent(*script: Any) -> list[Event]:
    config = AgentConfig.model_validate({"id": "counter", "name": "Counter", "llm": {"model": "scripted:model"}})
    agent = Agent(config, model=ScriptedModel(*script), tools=[CalculatorTool()])
    async with start(agent, "What is 6 * 7?", labels={"stretto.workflow": "w1"}, run_id="r1") as run:
        pass
    return list(run.log)


async def test_an_agents_run_becomes_spans_of_the_genai_conventions_with_the_logs_times():
    calls = Scripted(calls=(PRODUCT,), usage=Usage(input_tokens=30), cost=0.25)
    log = await log_of_an_agent(calls, Scripted(text="42", usage=Usage(output_tokens=5), cost=0.5))
    seen = Seen()
    spans = seen.follow(log)
    root, agent, tool = (
        spans["invoke_workflow Counter"],
        spans["invoke_agent Counter"],
        spans["execute_tool CalculatorTool"],
    )
    chats = [span for span in seen.exporter.get_finished_spans() if span.name == "chat model"]
    assert len(chats) == 2
    assert root.parent is None
    assert agent.parent is not None
    assert agent.parent.span_id == root.context.span_id
    assert {span.parent.span_id for span in (tool, *chats) if span.parent} == {agent.context.span_id}
    assert told(agent) | {
        "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": "counter", "gen_ai.agent.name": "Counter",
        "gen_ai.request.model": "model", "gen_ai.provider.name": "scripted", "gen_ai.conversation.id": "w1",
    } == told(agent)  # fmt: skip
    assert told(chats[0]) | {
        "gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 30, "gen_ai.usage.output_tokens": 0,
        "stretto.cost_usd": 0.25, "gen_ai.response.model": "scripted:model",
    } == told(chats[0])  # fmt: skip
    assert told(tool)["gen_ai.tool.name"] == "CalculatorTool"
    assert told(tool)["gen_ai.tool.call.id"]
    assert (agent.kind, chats[0].kind) == (SpanKind.INTERNAL, SpanKind.CLIENT)
    begun = log[0]
    assert isinstance(begun, RunStarted)
    ended = log[-1]
    assert root.start_time == round((begun.started_at + begun.at) * 1e9)
    assert root.end_time == round((begun.started_at + ended.at) * 1e9)


async def test_what_was_written_leaves_only_when_it_is_asked_for():
    calls = Scripted(text="Let me see.", calls=(PRODUCT,))
    log = await log_of_an_agent(calls, "The answer is forty-two.")
    silent, open_ = Seen(), Seen(content=True)
    silent.follow(log)
    everything = str([told(span) for span in silent.exporter.get_finished_spans()])
    for secret in ("6 * 7", "forty-two", "Let me see", "multiply"):
        assert secret not in everything
    open_.follow(log)
    chats = [told(span) for span in open_.exporter.get_finished_spans() if span.name == "chat model"]
    assert json.loads(chats[0]["gen_ai.input.messages"])[0] == {
        "role": "user", "parts": [{"type": "text", "content": "What is 6 * 7?"}],
    }  # fmt: skip
    [answer] = json.loads(chats[1]["gen_ai.output.messages"])
    assert answer["parts"] == [{"type": "text", "content": "The answer is forty-two."}]
    assert json.loads(chats[0]["gen_ai.system_instructions"])[0]["type"] == "text"
    roles = [message["role"] for message in json.loads(chats[1]["gen_ai.input.messages"])]
    assert roles == ["user", "assistant", "tool"]
    tool = told(open_.spans()["execute_tool CalculatorTool"])
    assert json.loads(tool["gen_ai.tool.call.arguments"]) | {"a": 6} == json.loads(tool["gen_ai.tool.call.arguments"])
    assert "42" in tool["gen_ai.tool.call.result"]


async def test_tokens_and_durations_are_measured():
    log = await log_of_an_agent(Scripted(text="42", usage=Usage(input_tokens=30, output_tokens=5)))
    seen = Seen()
    seen.follow(log)
    tokens = {point.attributes["gen_ai.token.type"]: point for point in seen.points("gen_ai.client.token.usage")}
    assert (tokens["input"].sum, tokens["output"].sum) == (30, 5)
    assert tokens["input"].attributes["gen_ai.provider.name"] == "scripted"
    [duration] = seen.points("gen_ai.client.operation.duration")
    assert (duration.count, duration.attributes["gen_ai.operation.name"]) == (1, "chat")


def model_log(*ending: Event, run: str = "completed", error: ErrorRecord | None = None) -> list[Event]:
    return [
        RunStarted("", 0.0, "r1", "flow", 1000.0), StepStarted("flow", 0.0, step="workflow"),
        StepStarted("flow/ask", 1.0, step="model"), *ending, RunEnded("", 9.0, run, error=error),
    ]  # fmt: skip


ERROR = ErrorRecord("builtins.ValueError", "the secret is 123")


@pytest.mark.parametrize(
    ("ending", "type", "status"),
    [
        (StepFailed("flow/ask", 3.0, ERROR), "builtins.ValueError", StatusCode.ERROR),
        (StepTimedOut("flow/ask", 3.0, 2.0), "timeout", StatusCode.ERROR),
        (StepCancelled("flow/ask", 3.0), None, StatusCode.UNSET),
    ],
)
async def test_a_call_that_ends_badly_says_how_and_not_with_what_words(ending: Event, type: str | None, status: Any):
    for content in (False, True):
        seen = Seen(content=content)
        spans = seen.follow(model_log(ending, run="failed", error=ERROR))
        span = spans["chat ask"]
        assert (told(span).get("error.type"), span.status.status_code) == (type, status)
        assert ("secret" in str(span.status.description)) == (content and isinstance(ending, StepFailed))
        assert spans["invoke_workflow flow"].status.status_code is StatusCode.ERROR
        assert (span.start_time, span.end_time) == (1001 * 10**9, 1003 * 10**9)
        [point] = seen.points("gen_ai.client.operation.duration")
        assert (point.sum, point.attributes.get("error.type")) == (2.0, type)


async def test_a_run_that_was_cancelled_has_failed_with_its_status():
    span = Seen().follow(model_log(StepCancelled("flow/ask", 3.0), run="cancelled"))["invoke_workflow flow"]
    assert told(span)["error.type"] == "cancelled"


async def test_attempts_are_one_span_and_the_first_words_are_timed():
    log = model_log(
        ModelUsed("flow/ask", 1.5, "google:gemini", 10, 1, cost=0.5),
        StepRetrying("flow/ask", 1.5, 1, ERROR, 0.1),
        ModelDelta("flow/ask", 2.0, "text", "a"),
        ModelDelta("flow/ask", 2.5, "text", "b"),
        ModelUsed("flow/ask", 3.0, "google:gemini", 10, 2, 3, 4, 1),
        StepCompleted("flow/ask", 3.0, Reply(message=assistant_message("ab"), model="google:x", finish_reason="stop")),
    )
    span = Seen().follow(log)["chat gemini"]
    assert told(span) | {
        "gen_ai.provider.name": "gcp.gemini", "gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 3, "gen_ai.usage.cache_creation.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 1, "gen_ai.response.time_to_first_chunk": 1.0,
        "gen_ai.response.finish_reasons": ("stop",), "stretto.cost_usd": 0.5,
    } == told(span)  # fmt: skip
    assert [event.name for event in span.events] == ["retry"]


async def test_what_came_from_a_cache_was_not_carried_out_and_is_not_told():
    seen = Seen()
    spans = seen.follow(model_log(StepCompleted("flow/ask", 3.0, 1, "cache")))
    assert list(spans) == ["invoke_workflow flow"]
    assert seen.points("gen_ai.client.operation.duration") == []
    human = seen.follow(model_log(StepCompleted("flow/ask", 3.0, 1, "human")))["chat ask"]
    assert told(human)["stretto.source"] == "human"


async def test_a_resumed_run_stays_one_trace_and_tells_nothing_twice():
    before = [RunStarted("", 0.0, "r1", "flow", 1000.0), StepStarted("a", 0.0, step="tool"), StepCompleted("a", 1.0, 1)]
    before += [StepStarted("b", 1.0, step="tool")]
    after = [RunResumed("", 500.0, 1), StepStarted("b", 500.0, step="tool"), StepCompleted("b", 501.0, 1)]
    after += [RunEnded("", 502.0, "completed")]
    first, second = Seen(), Seen()
    assert list(first.follow(before)) == ["execute_tool a"]
    follower = second.sender.follower()
    follower._since = 1400.0
    follower.take([*before, *after])
    spans = second.spans()
    assert sorted(spans) == ["execute_tool b", "invoke_workflow flow"]
    root, b = spans["invoke_workflow flow"], spans["execute_tool b"]
    a = first.spans()["execute_tool a"]
    assert a.context.trace_id == b.context.trace_id == root.context.trace_id
    assert a.parent is not None
    assert a.parent.span_id == root.context.span_id
    assert (b.start_time, root.start_time) == (1500 * 10**9, 1000 * 10**9)
    other = Seen().follow([RunStarted("", 0.0, "r2", "flow", 1.0), RunEnded("", 1.0, "completed")])
    assert other["invoke_workflow flow"].context.trace_id != root.context.trace_id


async def test_a_repetition_tells_only_of_what_it_runs():
    log = await log_of_an_agent(Scripted(calls=(PRODUCT,)), "3")
    kept = events_for(log, "step", "Counter/model#2")
    seen = Seen()
    spans = seen.follow([*kept, RunEnded("", 1.0, "completed")])
    assert list(spans) == ["invoke_workflow Counter"]
    assert seen.points("gen_ai.client.token.usage") == []


async def test_steps_that_the_conventions_do_not_know_have_no_span():
    @step
    async def work(value: int) -> int:
        return value

    async with start(SequentialWorkflow(name="row", steps=(work,)), 1) as run:
        pass
    assert list(Seen().follow(list(run.log))) == ["invoke_workflow row"]


async def test_a_follower_of_events_without_a_beginning_tells_nothing():
    assert Seen().follow([StepStarted("a", 1.0, step="tool"), RunEnded("", 2.0, "completed")]) == {}


async def test_messages_of_every_kind_have_their_form_and_long_ones_are_cut():
    call = ToolCall("c1", "look", '{"at": 1}')
    written = json.loads(
        messages_of(
            [
                user_message("hello"),
                assistant_message("hi", [call], reasoning="hm"),
                results_message([ToolResult(call, {"found": [1]})]),
                {"kind": "request", "parts": [
                    {"part_kind": "user-prompt", "content": ["see", {"kind": "image-url"}, 7]},
                    {"part_kind": "user-prompt", "content": None}, {"part_kind": "other"},
                ]},
            ]
        )
    )  # fmt: skip
    assert [message["role"] for message in written] == ["user", "assistant", "tool", "user"]
    assert [part["type"] for part in written[1]["parts"]] == ["reasoning", "text", "tool_call"]
    assert json.loads(written[2]["parts"][0]["response"]) == {"found": [1]}
    assert [part["content"] for part in written[3]["parts"]] == ["see\n(image-url)\n(file)", ""]
    assert cut("a" * (LONGEST + 1)).endswith(f"… ({LONGEST + 1:,} characters)")


# -- where it goes -----------------------------------------------------------------------------------------------------


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Serves as a collector does, and keeps what it is sent."""
    got: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            got.append((self.path, body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_spans_and_metrics_are_sent_to_the_collector_that_the_settings_name():
    log = await log_of_an_agent(Scripted(text="secret answer", usage=Usage(input_tokens=3)))
    for content in (False, True):
        with collector() as (place, got):
            telemetry = open_telemetry(ServerTable(telemetry=place + "/", telemetry_content=content))
            follower = telemetry.follower()
            follower.take([begun := log[0], *log[1:]])
            assert isinstance(begun, RunStarted)
            follower.close()
            later = telemetry.follower()
            assert isinstance(begun, RunStarted)
            begun.started_at += 1e6  # it lies before the follower otherwise
            later.take(log)
            begun.started_at -= 1e6
            await telemetry.close()
        assert sorted(path for path, _ in got) == ["/v1/metrics", "/v1/traces"]
        sent = dict(got)
        traces = ExportTraceServiceRequest.FromString(sent["/v1/traces"])
        [resource] = traces.resource_spans
        facts = {one.key: one.value.string_value for one in resource.resource.attributes}
        assert facts["service.name"] == "stretto"
        names = {span.name for scope in resource.scope_spans for span in scope.spans}
        assert names == {"invoke_workflow Counter", "invoke_agent Counter", "chat model"}
        assert (b"secret answer" in sent["/v1/traces"]) == content
        metrics = ExportMetricsServiceRequest.FromString(sent["/v1/metrics"])
        [told_metrics] = metrics.resource_metrics
        assert {metric.name for scope in told_metrics.scope_metrics for metric in scope.metrics} >= {
            "gen_ai.client.token.usage", "gen_ai.client.operation.duration",
        }  # fmt: skip


async def test_a_server_sends_what_its_executions_and_its_library_runs_tell(serve: Serve):
    @step
    async def work(value: int) -> int:
        return value

    with collector() as (place, got):
        async with serve(settings={"server": {"telemetry": place}}, steps={"work": work}) as served:
            asked = await served.ask(workflow_id := await served.create())
            assert await served.over(asked["run_id"]) == "completed"
            run = (await served.client.post("/api/runs", json={"workflow": "work", "input": 1})).json()
            if (live := served.house.executions.run(run["id"])) is not None:
                await live.ended.wait()
    sent = [ExportTraceServiceRequest.FromString(body) for path, body in got if path == "/v1/traces"]
    spans = [span for each in sent for one in each.resource_spans for scope in one.scope_spans for span in scope.spans]
    assert {span.name for span in spans} == {
        "invoke_workflow helper", "invoke_agent helper", "chat model", "invoke_workflow work",
    }  # fmt: skip
    conversations = [
        fact.value.string_value for span in spans for fact in span.attributes if "conversation" in fact.key
    ]
    assert conversations == [workflow_id] * 3


async def test_nothing_is_sent_unless_the_settings_say_where():
    telemetry = open_telemetry(ServerTable())
    follower = telemetry.follower()
    follower.take([RunStarted("", 0.0, "r", "flow", 1.0)])
    follower.close()
    await telemetry.close()
    assert type(telemetry).__name__ == "_Off"


async def test_an_address_that_is_none_and_a_missing_extra_are_refused(monkeypatch: pytest.MonkeyPatch):
    for place in ("localhost:4318", "ftp://x", "http://"):
        with pytest.raises(DefinitionError, match="must be an address as http://localhost:4318"):
            open_telemetry(ServerTable(telemetry=place))
    monkeypatch.delitem(sys.modules, "stretto.server.telemetry_sending", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.metric_exporter", None)
    with pytest.raises(TelemetryMissing, match="install stretto\\[telemetry\\]"):
        open_telemetry(ServerTable(telemetry="http://localhost:4318"))
