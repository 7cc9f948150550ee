"""What a provider is sent: prompt, tools, settings, structured output, and the headers of one's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stretto.core.ledger import Budget
from stretto.models import Keys, Models, ProviderConfig
from stretto.models.providers import _quicken
from tests.models.loopback import KEY, Loopback
from tests.models.talking import FACES, QUESTION, ask, models_of

SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}


def body(server: Loopback) -> dict[str, Any]:
    return server.requests[-1]["body"]


@pytest.mark.parametrize("face", FACES)
def test_system_prompt_tools_and_settings_are_sent(face: str, server: Loopback) -> None:
    call = replace(QUESTION, temperature=0.2, max_tokens=77, settings={"top_p": 0.5})
    ask(models_of(server).get(f"{face}:one"), call)
    sent = body(server)
    assert "Be short." in str(sent)
    assert "What is the answer?" in str(sent["messages"])
    assert "Adds two numbers." in str(sent["tools"])
    assert (sent["temperature"], sent["top_p"]) == (0.2, 0.5)
    assert 77 in {sent.get("max_tokens"), sent.get("max_completion_tokens")}
    assert sent["stream"] is True


@pytest.mark.parametrize("face", FACES)
def test_structured_output_comes_as_json_text_even_by_a_tool(face: str, server: Loopback) -> None:
    server.behave(text="I will say it so.", calls=[["answer", {"x": 3}]])
    heard = ask(models_of(server).get(f"{face}:one"), replace(QUESTION, output=SCHEMA))
    assert heard.reply.text.replace(" ", "") == '{"x":3}'
    assert heard.reply.tool_calls == ()
    assert {piece.part for piece in heard.pieces} == {"text"}
    assert "answer" in str(body(server)["tools"])


def test_an_output_that_bears_the_name_of_a_tool_gets_another(server: Loopback) -> None:
    server.behave(text="", calls=[["add_output", {"x": 3}], ["add", {"a": 1}]])
    heard = ask(models_of(server).get("chat:one"), replace(QUESTION, output=SCHEMA, output_name="add"))
    assert heard.reply.text.replace(" ", "") == '{"x":3}'
    assert [call.name for call in heard.reply.tool_calls] == ["add"]


def test_thinking_is_asked_for_as_the_protocol_says_it(server: Loopback) -> None:
    config = ProviderConfig(name="claude", kind="anthropic", base_url=server.url)
    model = Models([config], keys=Keys({})).get("claude:claude-sonnet-5")
    ask(model, replace(QUESTION, thinking=True))
    assert body(server)["thinking"]["type"] in {"enabled", "adaptive"}
    ask(model, replace(QUESTION, thinking=False))
    assert body(server).get("thinking", {"type": "disabled"})["type"] == "disabled"


def test_headers_of_ones_own_are_sent_with_every_request(server: Loopback) -> None:
    config = ProviderConfig(name="own", base_url=f"{server.url}/v1", headers={"x-team": "blue"})
    ask(Models([config], keys=Keys({})).get("own:one"))
    assert server.requests[-1]["headers"]["x-team"] == "blue"


def test_the_key_is_sent_and_only_there(server: Loopback) -> None:
    ask(models_of(server).get("chat:one"))
    assert server.requests[-1]["headers"]["authorization"] == f"Bearer {KEY}"
    assert KEY not in str(body(server))


def test_under_a_budget_the_answer_is_bounded_by_what_was_reserved(server: Loopback) -> None:
    model = models_of(server).get("chat:one")
    ask(model)
    assert "max_completion_tokens" not in body(server)
    ask(model, budget=Budget(tokens=100_000))
    assert body(server)["max_completion_tokens"] == 4096


def test_connections_are_kept_for_the_next_request(server: Loopback) -> None:
    import asyncio

    from tests.models.talking import listened

    async def thrice() -> None:
        async with models_of(server) as models:
            for name in ("chat:one", "chat:two", "chat:one"):
                await listened(models.get(name))

    asyncio.run(thrice())
    ports = {request["client"] for request in server.requests}
    assert len(server.requests) == 3
    assert len(ports) == 1


def test_ollama_is_found_where_the_environment_says(server: Loopback) -> None:
    heard = ask(Models(keys=Keys({"OLLAMA_BASE_URL": server.url})).get("ollama:llama3"))
    assert server.requests[-1]["path"] == "/v1/chat/completions"
    assert heard.reply.cost == 0.0


def test_a_piece_that_the_client_has_no_type_for_is_read_in_its_own_way() -> None:
    from openai.types.chat import ChatCompletionChunk

    read: list[object] = []

    class Client:
        def _process_response_data(self, *, data: object, cast_to: Any, response: Any) -> object:
            read.append(data)
            return "as before"

    client: Any = Client()
    _quicken(client)
    choice: dict[str, Any] = {"index": 0, "delta": {"content": "x", "reasoning": "why"}, "finish_reason": "stop"}
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    made = client._process_response_data(data=chunk, cast_to=ChatCompletionChunk, response=None)
    assert made.choices[0].delta.content == "x"
    assert made.choices[0].delta.reasoning == "why"
    choice["finish_reason"] = "a word of their own"
    assert client._process_response_data(data=chunk, cast_to=ChatCompletionChunk, response=None) == "as before"
    assert read == [chunk]
