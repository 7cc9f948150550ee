"""Chat completions: asked by the openai package over real HTTP, told from the log of a run."""

import json
from contextlib import asynccontextmanager

import anyio
import openai
import pytest

from stretto import Request, SequentialWorkflow, step
from stretto.agents.config import AgentConfig, ModelChoice
from stretto.core.ledger import Usage
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
    return {"doubled": 2 * x["x"]} if isinstance(x, dict) else x * 2


@step
async def ask(x, context):
    return (await context.ask(Request(question="May it?"))).choice


@step
async def slow(x, context):
    STARTED.append(x)
    await context.resource(Clock).sleep(600)


@step
async def broken(x):
    raise ZeroDivisionError("by nothing")


STEPS = {
    "double": SequentialWorkflow(name="double", steps=(double,)),
    "ask": SequentialWorkflow(name="ask", steps=(ask,)),
    "slow": SequentialWorkflow(name="slow", steps=(slow,)),
    "broken": SequentialWorkflow(name="broken", steps=(broken,)),
}


@asynccontextmanager
async def asking(serve, *script, settings=None, **fields):
    model = ScriptedModel(*(script or ("Done.",)), forever=True)
    chosen = settings or {"server": {"grace": 0}}
    async with serve(models=[model], agents=[helper(**fields)], steps=STEPS, settings=chosen) as served:
        async with openai.AsyncOpenAI(
            base_url=f"{served.url}/v1", api_key="none", _strict_response_validation=True
        ) as client:
            yield client, model, served


def user(text="Hello."):
    return {"role": "user", "content": text}


async def test_agents_and_workflows_are_models(serve):
    async with asking(serve) as (client, _, served):
        listed = [model.id async for model in client.models.list()]
        one = await client.models.retrieve("workflow/double")
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.models.retrieve("nobody")
    assert "helper" in listed
    assert listed[-4:] == ["workflow/double", "workflow/ask", "workflow/slow", "workflow/broken"]
    assert (one.id, one.owned_by, one.created) == ("workflow/double", "workflows", int(served.house.started_at))
    assert unknown.value.body["code"] == "model_not_found"


async def test_an_answer_has_its_words_and_what_they_took(serve):
    script = Scripted(text="Four.", reasoning="2 + 2", usage=Usage(input_tokens=10, output_tokens=5, cached_tokens=4))
    async with asking(serve, script) as (client, _, served):
        told = await client.chat.completions.create(model="helper", messages=[user("2 + 2?")], metadata={"a": "b"})
        run = await served.store.summary(told.id.removeprefix("chatcmpl-"))
    assert told.choices[0].message.content == "Four."
    assert told.choices[0].message.reasoning_content == "2 + 2"
    assert told.choices[0].finish_reason == "stop"
    assert (told.usage.prompt_tokens, told.usage.completion_tokens, told.usage.total_tokens) == (10, 5, 15)
    assert told.usage.prompt_tokens_details.cached_tokens == 4
    assert told.metadata == {"a": "b"}
    assert (run.labels["stretto.face"], run.labels["stretto.model"]) == ("openai.chat", "helper")


async def test_the_model_sees_the_whole_conversation_and_the_callers_wishes(serve):
    messages = [
        {"role": "system", "content": "Be brief."},
        user("What is in a.txt?"),
        {
            "role": "assistant", "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "read", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "nothing"},
        {"role": "tool", "tool_call_id": "gone", "content": "of a call that is not there"},
        {"role": "assistant", "content": "Nothing."},
        {"role": "user", "content": [{"type": "text", "text": "And in "}, {"type": "text", "text": "b.txt?"}]},
    ]  # fmt: skip
    async with asking(serve) as (client, model, _):
        await client.chat.completions.create(
            model="helper", messages=messages, temperature=0.25, max_tokens=400, reasoning_effort="none"
        )
        await client.chat.completions.create(model="helper", messages=[user()], reasoning_effort="high")
    asked, later = model.seen
    kinds = [[part["part_kind"] for part in message["parts"]] for message in asked.messages]
    assert kinds == [["user-prompt"], ["tool-call"], ["tool-return"], ["text"], ["user-prompt"]]
    last = asked.messages[-1]["parts"][0]["content"]
    assert last.startswith("And in b.txt?")
    assert "Be brief." in last
    assert (asked.temperature, asked.max_tokens, asked.thinking) == (0.25, 400, False)
    assert (later.temperature, later.max_tokens, later.thinking) == (None, None, True)


async def test_a_stream_has_the_same_words_as_the_whole_and_tells_calls_beside_them(serve):
    script = [
        Scripted(text="I count.", reasoning="hm", calls=(("CalculatorTool", {"expression": "6*7"}),)),
        Scripted(text="It is 42.", reasoning="so"),
    ]
    async with asking(serve, *script, *script, tools=("CalculatorTool",)) as (client, _, _served):
        whole = await client.chat.completions.create(model="helper", messages=[user()])
        chunks = [
            chunk
            async for chunk in await client.chat.completions.create(
                model="helper", messages=[user()], stream=True, stream_options={"include_usage": True}
            )
        ]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    words = "".join(delta.content or "" for delta in deltas)
    assert words == whole.choices[0].message.content == "I count.\n\nIt is 42."
    thought = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert thought == whole.choices[0].message.reasoning_content == "hm\n\nso"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens == 30
    assert all(chunk.usage is None for chunk in chunks[:-1])
    beside = [chunk.stretto for chunk in chunks if hasattr(chunk, "stretto")]
    assert [told["seq"] for told in beside] == [told["seq"] for told in whole.stretto["chunks"]]
    calls = [told["chunk_type"] for told in beside if told.get("tool") == "CalculatorTool"]
    assert calls == ["tool_start", "tool_end"]


async def test_what_was_said_before_a_new_attempt_is_not_in_the_whole(serve):
    script = [Scripted(text="Half an", breaks=ConnectionError("broke off")), "The answer."]
    async with asking(serve, *script, *script) as (client, _, _served):
        with pytest.raises(openai.APIStatusError) as failed:
            await client.chat.completions.create(model="helper", messages=[user()])
        again = await client.chat.completions.create(model="helper", messages=[user()])
    assert failed.value.status_code == 502
    assert again.choices[0].message.content == "The answer."


async def test_an_agent_that_stops_at_a_limit_says_so(serve):
    call = Scripted(text="I go on.", calls=(("CalculatorTool", {"expression": "1"}),))
    async with asking(serve, call, tools=("CalculatorTool",), max_tool_iterations=2) as (client, _, _served):
        told = await client.chat.completions.create(model="helper", messages=[user()])
    assert told.choices[0].finish_reason == "length"
    assert "max_tool_iterations" in told.choices[0].message.content


async def test_a_workflow_takes_the_last_words_and_answers_with_its_output(serve):
    async with asking(serve) as (client, _, _served):
        text = await client.chat.completions.create(model="workflow/double", messages=[user("no"), user("ab")])
        value = await client.chat.completions.create(model="workflow/double", messages=[user('{"x": 4}')])
        broken = await client.chat.completions.create(model="workflow/double", messages=[user("{no")])
        stream = await client.chat.completions.create(model="workflow/double", messages=[user("ab")], stream=True)
        parts = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert text.choices[0].message.content == "".join(parts) == "abab"
    assert json.loads(value.choices[0].message.content) == {"doubled": 8}
    assert broken.choices[0].message.content == "{no{no"


async def test_a_run_that_fails_is_an_error_that_clients_do_not_repeat(serve):
    async with asking(serve) as (client, _, served):
        with pytest.raises(openai.APIStatusError) as failed:
            await client.chat.completions.create(model="workflow/broken", messages=[user()])
        with pytest.raises(openai.APIError, match="by nothing"):
            async for _ in await client.chat.completions.create(
                model="workflow/broken", messages=[user()], stream=True
            ):
                pass
        runs = await served.store.runs()
    assert failed.value.status_code == 502
    assert failed.value.body["type"] == "server_error"
    assert "by nothing" in failed.value.body["message"]
    assert len(runs) == 2


REFUSED = [
    ({"tools": [{"type": "function", "function": {"name": "x"}}]}, "tools"),
    ({"n": 2}, "n"),
    ({"top_p": 0.5}, "top_p"),
    ({"frequency_penalty": 1.0}, "frequency_penalty"),
    ({"response_format": {"type": "json_object"}}, "response_format.type"),
    ({"seed": 1}, "seed"),
    ({"temperature": 3}, "temperature"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "assistant", "content": "Hi."}]}, None),
    ({"messages": [{"role": "user", "content": "  "}]}, None),
    ({"metadata": {"a": "b" * 513}}, "metadata.a"),
]


async def test_what_cannot_be_done_is_refused_by_its_name(serve):
    async with asking(serve) as (client, _, served):
        for change, param in REFUSED:
            with pytest.raises(openai.UnprocessableEntityError) as refused:
                await client.chat.completions.create(**{"model": "helper", "messages": [user()], **change})
            assert refused.value.body["type"] == "invalid_request_error"
            assert refused.value.body["param"] == param
        assert await served.store.runs() == []


async def test_unknown_models_and_broken_bodies_are_told_in_the_protocols_form(serve):
    async with asking(serve) as (client, _, served):
        for model in ("nobody", "workflow/nothing"):
            with pytest.raises(openai.NotFoundError) as unknown:
                await client.chat.completions.create(model=model, messages=[user()])
            assert model in unknown.value.body["message"]
        answer = await served.client.post(
            "/v1/chat/completions", content=b"{", headers={"content-type": "application/json"}
        )
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_a_question_that_nobody_answers_fails_with_a_sentence(serve):
    async with asking(serve, settings={"server": {"execution_timeout": 0.3}}) as (client, _, _served):
        with pytest.raises(openai.APIStatusError) as failed:
            await client.chat.completions.create(model="workflow/ask", messages=[user()])
        with pytest.raises(openai.APIError, match="nobody has answered"):
            async for _ in await client.chat.completions.create(model="workflow/ask", messages=[user()], stream=True):
                pass
    assert "May it?" in failed.value.body["message"]


async def test_a_question_can_be_answered_elsewhere(serve):
    async with asking(serve) as (client, _, served):
        parts = []
        async for chunk in await client.chat.completions.create(model="workflow/ask", messages=[user()], stream=True):
            told = getattr(chunk, "stretto", None) or {}
            if told.get("chunk_type") in ("user_question_start", "validation_required"):
                run = served.house.executions.run(told["run_id"])
                assert run.answer(run.questions[0], "approve")
            parts += [choice.delta.content or "" for choice in chunk.choices]
    assert "".join(parts) == "approve"


async def test_one_that_takes_too_long_is_cancelled(serve):
    async with asking(serve, settings={"server": {"execution_timeout": 0.2}}) as (client, _, served):
        with pytest.raises(openai.APIStatusError, match="took longer than"):
            await client.chat.completions.create(model="workflow/slow", messages=[user()])
        assert [run.status for run in await served.store.runs()] == ["cancelled"]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_goes_cancels_its_run(serve, stream):
    STARTED.clear()
    async with asking(serve) as (client, _, served):
        with anyio.move_on_after(60) as scope:
            async with anyio.create_task_group() as tasks:

                async def leave():
                    while not STARTED:  # noqa: ASYNC110
                        await anyio.sleep(0.01)
                    scope.cancel()

                tasks.start_soon(leave)
                told = await client.chat.completions.create(
                    model="workflow/slow", messages=[user()], stream=stream, timeout=60
                )
                async for _ in told:
                    pass
        with anyio.fail_after(20):
            while served.house.executions.running:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        (run,) = await served.store.runs()
        ended = (await served.store.events(run.id))[-1]
    assert (ended.status, ended.output) == ("cancelled", "the client went away")


async def test_a_silent_stream_shows_that_it_is_alive(serve):
    async with asking(serve, settings={"server": {"heartbeat": 0.05}}) as (_, _model, served):
        body = {"model": "workflow/slow", "messages": [user()], "stream": True}
        async with served.client.stream("POST", "/v1/chat/completions", json=body) as answer:
            async for line in answer.aiter_lines():
                if line == ": still there":
                    break
        assert answer.headers["content-type"].startswith("text/event-stream")
