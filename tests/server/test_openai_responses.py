"""Responses: asked by the openai package over real HTTP, kept as runs from which others go on."""

from contextlib import asynccontextmanager

import anyio
import openai
import pytest

from stretto import Request, SequentialWorkflow, step
from stretto.agents.config import AgentConfig, ModelChoice
from stretto.core.ledger import Usage
from stretto.core.policies import RetryPolicy, StepPolicy
from stretto.core.resources import Clock
from stretto.testing import Scripted, ScriptedModel

pytestmark = pytest.mark.anyio
STARTED = []


@pytest.fixture
def anyio_backend():
    return "asyncio"


def helper(**fields):
    choice = ModelChoice.model_validate({"model": "scripted:model"})
    return AgentConfig.model_validate({"id": "helper", "name": "helper", "llm": choice, **fields})


@step
async def double(x):
    return x * 2


@step
async def ask(x, context):
    return (await context.ask(Request(question="May it?"))).choice


@step
async def slow(x, context):
    STARTED.append(x)
    await context.resource(Clock).sleep(600)


STEPS = {each.name: SequentialWorkflow(name=each.name, steps=(each,)) for each in (double, ask, slow)}


@asynccontextmanager
async def asking(serve, *script, settings=None, model=None, place=None, **fields):
    chosen = model or ScriptedModel(*(script or ("Done.",)), forever=True)
    given = {"models": [chosen], "agents": [helper(**fields)], "steps": STEPS, "place": place}
    async with serve(**given, settings=settings or {"server": {"grace": 0}}) as served:
        async with openai.AsyncOpenAI(
            base_url=f"{served.url}/v1", api_key="none", _strict_response_validation=True
        ) as client:
            yield client.responses, chosen, served


async def test_a_response_has_reasoning_calls_and_words_as_items(serve):
    script = [
        Scripted(text="I count.", reasoning="hm", calls=(("CalculatorTool", {"expression": "6*7"}),)),
        Scripted(
            text="It is 42.",
            usage=Usage(input_tokens=20, output_tokens=7, cached_tokens=3, cache_write_tokens=2, reasoning_tokens=1),
        ),
    ]
    async with asking(serve, *script, tools=("CalculatorTool",)) as (responses, _, _served):
        told = await responses.create(model="helper", input="6 * 7?", metadata={"a": "b"}, instructions="Be brief.")
        kept = await responses.retrieve(told.id)
    assert [item.type for item in told.output] == ["reasoning", "message", "mcp_call", "message"]
    reasoning, first, call, last = told.output
    assert reasoning.content[0].text == "hm"
    assert (first.phase, last.phase) == ("commentary", "final_answer")
    assert (call.name, call.server_label, call.status) == ("CalculatorTool", "stretto", "completed")
    assert '"expression": "6*7"' in call.arguments
    assert "42" in call.output
    assert told.output_text == "I count.It is 42."
    assert (told.status, told.metadata, told.instructions) == ("completed", {"a": "b"}, "Be brief.")
    assert (told.usage.input_tokens, told.usage.output_tokens, told.usage.total_tokens) == (30, 12, 42)
    details = told.usage.input_tokens_details
    assert (details.cached_tokens, details.cache_write_tokens) == (3, 2)
    assert told.usage.output_tokens_details.reasoning_tokens == 1
    assert kept == told


async def test_a_stream_builds_the_same_response_event_by_event(serve):
    script = [
        Scripted(text="I count.", reasoning="hm", calls=(("CalculatorTool", {"expression": "1/0"}),)),
        "It is nothing.",
    ]
    async with asking(serve, *script, tools=("CalculatorTool",)) as (responses, _, _served):
        async with responses.stream(model="helper", input="1 / 0?") as stream:
            events = [event async for event in stream]
            final = await stream.get_final_response()
        kept = await responses.retrieve(final.id)
        again = [event async for event in await responses.retrieve(final.id, stream=True)]
        rest = [event async for event in await responses.retrieve(final.id, stream=True, starting_after=5)]
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert {"response.reasoning_text.delta", "response.mcp_call.failed", "response.output_text.done"} <= set(kinds)
    words = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert words == final.output_text == kept.output_text == "I count.It is nothing."
    call = next(item for item in final.output if item.type == "mcp_call")
    assert (call.status, call.error.type) == ("failed", "mcp_tool_execution_error")
    numbers = [event.sequence_number for event in again]
    assert numbers == list(range(len(again)))
    assert [event.sequence_number for event in rest] == numbers[6:]
    assert again[-1].response.output == kept.output


async def test_one_goes_on_from_another_also_after_a_restart(serve, tmp_path):
    place = tmp_path / "kept.db"
    async with asking(serve, place=place) as (responses, _, _served):
        items = [
            {"role": "user", "content": "My name is Ada."},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"role": "assistant", "content": [{"type": "output_text", "text": "Hello Ada.", "annotations": []}]},
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "seen"},
            {"type": "mcp_call", "id": "c2", "name": "read", "arguments": "{}", "output": "was read"},
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "First."},
        ]
        first = await responses.create(model="helper", input=items)
        second = await responses.create(model="helper", input="Second.", previous_response_id=first.id)
    async with asking(serve, place=place) as (responses, model, served):
        third = await responses.create(model="helper", input="Third.", previous_response_id=second.id)
        run = await served.store.summary(third.id.removeprefix("resp_"))
    seen = [part.get("content", part["part_kind"]) for message in model.seen[0].messages for part in message["parts"]]
    assert seen == [
        "My name is Ada.", "Hello Ada.", "tool-call", "seen", "tool-call", "was read", "First.", "Done.", "Second.",
        "Done.", "Third.",
    ]  # fmt: skip
    assert third.previous_response_id == run.labels["stretto.previous"] == second.id


async def test_what_is_not_stored_is_forgotten_and_what_is_deleted_is_gone(serve):
    async with asking(serve) as (responses, _, served):
        passing = await responses.create(model="helper", input="Hello.", store=False)
        with anyio.fail_after(20):
            while await served.store.runs():  # noqa: ASYNC110
                await anyio.sleep(0.02)
        kept = await responses.create(model="helper", input="Hello.")
        chat = await served.client.post(
            "/v1/chat/completions", json={"model": "helper", "messages": [{"role": "user", "content": "Hello."}]}
        )
        await responses.delete(kept.id)
        foreign = chat.json()["id"].replace("chatcmpl-", "resp_")
        for id in (passing.id, kept.id, foreign, "resp_nothing"):
            with pytest.raises(openai.NotFoundError) as unknown:
                await responses.retrieve(id)
            assert unknown.value.body["code"] == "response_not_found"
            with pytest.raises(openai.NotFoundError):
                await responses.create(model="helper", input="More.", previous_response_id=id)


async def test_a_workflow_answers_with_its_output_and_nobody_goes_on_from_it(serve):
    async with asking(serve) as (responses, _, _served):
        told = await responses.create(model="workflow/double", input="ab")
        with pytest.raises(openai.ConflictError):
            await responses.create(model="helper", input="More.", previous_response_id=told.id)
    assert told.output_text == "abab"
    assert told.output[0].phase == "final_answer"


async def test_in_the_background_it_is_made_without_its_client_and_can_be_cancelled(serve):
    STARTED.clear()
    async with asking(serve) as (responses, _, served):
        queued = await responses.create(model="workflow/slow", input="x", background=True)
        assert (queued.status, queued.background) == ("in_progress", True)
        with anyio.fail_after(20):
            while not STARTED:  # noqa: ASYNC110
                await anyio.sleep(0.01)
        assert (await responses.retrieve(queued.id)).status == "in_progress"
        ended = await responses.cancel(queued.id)
        assert ended.status == "cancelled"
        streamed = await responses.create(model="helper", input="x", background=True, stream=True)
        async for event in streamed:
            id = event.response.id
            break
        await streamed.close()
        with anyio.fail_after(20):
            while (await responses.retrieve(id)).status != "completed":  # noqa: ASYNC110
                await anyio.sleep(0.02)
        with pytest.raises(openai.NotFoundError):
            await responses.cancel("resp_nothing")
        with anyio.fail_after(20):
            while served.house.executions.running:  # noqa: ASYNC110
                await anyio.sleep(0.02)


async def test_one_that_is_being_made_is_streamed_to_whoever_asks(serve):
    async with asking(serve) as (responses, _, served):
        queued = await responses.create(model="workflow/ask", input="x", background=True)
        run = served.house.executions.run(queued.id.removeprefix("resp_"))
        kinds = []
        async for event in await responses.retrieve(queued.id, stream=True):
            kinds.append(event.type)
            if len(kinds) == 2:
                with anyio.fail_after(20):
                    while not run.questions:  # noqa: ASYNC110
                        await anyio.sleep(0.01)
                assert run.answer(run.questions[0], "approve")
    assert kinds[-1] == "response.completed"


async def test_a_run_that_fails_or_is_given_up_is_a_failed_response(serve):
    model = ScriptedModel(Scripted(text="I beg", breaks=RuntimeError("the model broke")), "Good.", forever=True)
    settings = {"server": {"execution_timeout": 0.3, "grace": 0}}
    async with asking(serve, model=model, settings=settings) as (responses, _, _served):
        failed = await responses.create(model="helper", input="x")
        unanswered = await responses.create(model="workflow/ask", input="x")
        kept = await responses.retrieve(unanswered.id)
        late = await responses.create(model="workflow/slow", input="x")
        with pytest.raises(openai.ConflictError):
            await responses.create(model="helper", input="More.", previous_response_id=failed.id)
    assert (failed.status, failed.error.code) == ("failed", "server_error")
    assert "the model broke" in failed.error.message
    assert failed.output[0].status == "incomplete"
    assert unanswered.status == kept.status == late.status == "failed"
    assert "May it?" in unanswered.error.message
    assert "took longer" in late.error.message


async def test_what_was_said_before_a_new_attempt_stays_incomplete(serve):
    policy = StepPolicy(idempotent=True, retry=RetryPolicy(attempts=2, wait=0.001))
    model = ScriptedModel(Scripted(text="Half an", breaks=ConnectionError("off")), "The answer.", policy=policy)
    async with asking(serve, model=model) as (responses, _, _served):
        told = await responses.create(model="helper", input="x")
    assert [(item.status, item.content[0].text) for item in told.output] == [
        ("incomplete", "Half an"), ("completed", "The answer."),
    ]  # fmt: skip


async def test_an_agent_that_stops_at_a_limit_is_incomplete(serve):
    call = Scripted(text="I go on.", calls=(("CalculatorTool", {"expression": "1"}),))
    async with asking(serve, call, tools=("CalculatorTool",), max_tool_iterations=2) as (responses, _, _served):
        told = await responses.create(model="helper", input="x")
    assert told.status == "incomplete"
    assert "max_tool_iterations" in told.output_text


async def test_a_client_that_goes_cancels_its_response(serve):
    STARTED.clear()
    async with asking(serve) as (responses, _, served):
        async with await responses.create(model="workflow/slow", input="x", stream=True) as stream:
            async for event in stream:
                if event.type == "response.in_progress":
                    break
        with anyio.fail_after(20):
            while served.house.executions.running:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        (run,) = await served.store.runs()
    assert run.status == "cancelled"


async def test_requests_that_cannot_be_answered_are_refused(serve):
    async with asking(serve) as (responses, _, served):
        for change in (
            {"input": []}, {"input": ""}, {"input": [{"role": "assistant", "content": "Hi."}]}, {"conversation": "c"},
            {"tools": [{"type": "web_search"}]}, {"reasoning": {"effort": "endless"}}, {"previous_response_id": "x"},
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
        ):  # fmt: skip
            with pytest.raises(openai.UnprocessableEntityError) as refused:
                await responses.create(**{"model": "helper", "input": "x", **change})
            assert refused.value.body["type"] == "invalid_request_error"
        assert await served.store.runs() == []
