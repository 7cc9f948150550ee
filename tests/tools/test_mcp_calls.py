"""Calls over a connection: what they return, what they say meanwhile, what they ask, how servers are steered."""

import asyncio
import json

import pytest

from stretto import run, start, step
from stretto.core.events import Asked, Progress, Said
from stretto.tools.mcp import McpConfig, McpServers, McpUnreachable, ServersElsewhere, UnknownServer
from stretto.tools.tool import Invocation, ToolFailed, WrongArguments
from tests.tools.mcp_for_tests import alive, by_hand, config, gone, tool_of


def lively(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 30))


def with_tools(story, **settings):
    """Runs a story with the tools of one polite server."""

    async def told():
        async with McpServers(config(hand=by_hand(**settings))) as servers:
            return await story(await servers.tools(), servers)

    return lively(told())


def test_a_tool_answers_with_structured_content_or_else_with_its_text():
    async def story(tools, _):
        given = Invocation(arguments={"text": "hello"}, agent_id="me")
        return await run(tool_of(tools, "echo"), given), await run(tool_of(tools, "look"), {})

    text, structured = with_tools(story)
    assert text == "hello"
    assert set(structured) == {"pid", "cancelled"}


def test_wrong_arguments_never_reach_the_server():
    async def story(tools, servers):
        with pytest.raises(WrongArguments) as wrong:
            await run(tool_of(tools, "echo"), {"text": 3})
        with pytest.raises(WrongArguments, match="'text' is a required property"):
            tool_of(tools, "echo").check({})
        return wrong.value, servers.status()[0].calls

    wrong, calls = with_tools(story)
    assert wrong.problems == ("text: 3 is not of type 'string'",)
    assert calls == 0


def test_a_tool_that_fails_keeps_its_words_and_opens_no_circuit():
    async def story(tools, _):
        words = []
        for name in ["fail", "raise"] * 4:
            with pytest.raises(ToolFailed) as failed:
                await run(tool_of(tools, name), {})
            words.append(str(failed.value))
        return words, await run(tool_of(tools, "echo"), {"text": "still trusted"})

    words, answer = with_tools(story)
    assert words[:2] == ["[MCP_ERROR] the disk is full", "[MCP_ERROR] no such row"]
    assert answer == "still trusted"


def test_control_characters_in_results_are_taken_out():
    async def story(tools, _):
        return await run(tool_of(tools, "nul"), {})

    assert with_tools(story) == {"k": ["v", 1]}


def test_progress_and_log_lines_are_events_of_the_calling_step():
    async def story(tools, _):
        async with start(tool_of(tools, "progress"), {}) as running:
            await running.result()
        async with start(tool_of(tools, "log"), {"lines": 150}) as talking:
            await talking.result()
        return running.log, talking.log

    first, second = with_tools(story)
    progress = [event for event in first if isinstance(event, Progress)]
    assert [(event.done, event.total, event.text) for event in progress] == [
        (1, 3, "part 1"), (2, 3, "part 2"), (3, 3, "part 3"), (50, 100, ""),
    ]  # fmt: skip
    assert {event.path for event in progress} == {"mcp__hand__progress"}
    said = [event for event in second if isinstance(event, Said)]
    assert (said[0].text, said[0].level) == ("hand: line 0", "warning")
    assert len(said) == 101


def test_many_calls_go_over_one_connection_at_once_and_no_more_than_allowed():
    async def story(tools, servers):
        @step
        async def many(_, context):
            async with context.branches() as branches:
                for number in range(12):
                    await branches.start(tool_of(tools, "echo"), {"text": str(number)}, name=str(number))
            return [outcome.unwrap() for outcome in branches.outcomes]

        most, connection = 0, servers._connections["hand"]
        plain = connection._perform

        async def watched(link, call, arguments):
            nonlocal most
            most = max(most, len(link.calls))
            await plain(link, call, arguments)

        connection._perform = watched
        return await run(many, None), most, servers.status()[0]

    texts, most, status = with_tools(story, max_concurrency=3)
    assert texts == [str(number) for number in range(12)]
    assert 1 < most <= 3
    assert status.calls == 12
    assert 0 <= status.p50 <= status.p95


async def answered(tool, *answers):
    """Runs a tool and answers what it asks; returns its output and the questions."""
    asked, left = [], list(answers)
    async with start(tool, {}) as running:
        async for event in running.events():
            if isinstance(event, Asked):
                asked.append(event)
                choice, value = left.pop(0)
                running.answer(event.request_id, choice, value=value)
        return json.loads(await running.result()), asked


def test_a_server_asks_the_user_through_the_step_that_called_it():
    async def story(tools, _):
        confirm, ask = tool_of(tools, "confirm"), tool_of(tools, "ask")
        return [
            await answered(confirm, ("yes", None)),
            await answered(confirm, ("decline", None)),
            await answered(ask, ('{"city": "Paris", "days": 3}', None)),
            await answered(ask, ("edited", {"city": "x", "days": 3}), ("edited", {"city": "Rome", "days": 1})),
            await answered(ask, ("hm", None), ("hm", None), ("hm", None)),
        ]

    yes, declined, text, value, never = with_tools(story)
    assert yes[0] == {"action": "accept", "content": {"sure": True}}
    question = yes[1][0]
    assert (question.question, question.topic) == ("Sure?", "question")
    assert question.choices == ["yes", "no", "decline", "cancel"]
    assert question.reason == "MCP server 'hand' asks while it does 'confirm'"
    assert declined[0] == {"action": "decline"}
    assert text[0]["content"] == {"city": "Paris", "days": 3}
    assert "answer with JSON" in text[1][0].question
    assert value[0]["content"] == {"city": "Rome", "days": 1}
    assert "city: 'x' is too short" in value[1][1].reason
    assert never[0] == {"action": "cancel"}


def test_the_time_of_a_call_stands_still_while_the_user_is_asked():
    async def story(tools, _):
        async with start(tool_of(tools, "confirm"), {}) as running:
            async for event in running.events():
                if isinstance(event, Asked):
                    await asyncio.sleep(0.6)
                    running.answer(event.request_id, "no")
            return json.loads(await running.result())

    assert with_tools(story, timeout=0.4)["content"] == {"sure": False}


def test_with_several_calls_under_way_the_oldest_asks_and_says_so():
    async def story(tools, _):
        @step
        async def both(_, context):
            async with context.branches() as branches:
                await branches.start(tool_of(tools, "hold"), {}, name="older", required=False)
                await asyncio.sleep(0.1)
                await branches.start(tool_of(tools, "confirm"), {}, name="younger")
                async for branch in branches.completed():
                    if branch.name == "younger":
                        branches.cancel()

        async with start(both, None) as running:
            async for event in running.events():
                if isinstance(event, Asked):
                    running.answer(event.request_id, "yes")
                    return event
        return None

    event = with_tools(story)
    assert event.path == "both/older"
    assert "this is the oldest" in event.reason


def test_a_question_is_withdrawn_when_its_call_ends():
    async def story(tools, servers):
        async with start(tool_of(tools, "confirm"), {}) as running:
            async for event in running.events():
                if isinstance(event, Asked):
                    await servers.stop("hand")
            return running.outcome, running.questions

    outcome, questions = with_tools(story)
    assert "was stopped" in str(outcome.error)
    assert not questions


def test_only_what_was_configured_reaches_a_server_and_its_secrets_come_back_from_nobody(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    monkeypatch.setenv("MY_TOKEN", "tok-123456")

    async def story(tools, _):
        return await run(tool_of(tools, "env"), {})

    env = with_tools(story, env={"API_TOKEN": "${MY_TOKEN}", "PLAIN": "${NOT_SET:-seen}"})
    assert "OPENAI_API_KEY" not in env
    assert "MY_TOKEN" not in env
    assert env["PLAIN"] == "seen"
    assert env["API_TOKEN"] == "[secret]"
    assert "PATH" in env


def test_the_list_of_tools_is_kept_until_the_server_says_that_it_changed():
    async def story(tools, servers):
        connection = servers._connections["hand"]
        kept = connection.listed
        await servers.tools()
        same = connection.listed is kept
        await run(tool_of(tools, "change"), {})
        while connection.listed is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        return same, [tool.name for tool in await servers.tools(["hand"])]

    same, names = with_tools(story)
    assert same
    assert "mcp__hand__new" in names


def test_servers_are_started_stopped_and_tried_by_name():
    async def story():
        async with McpServers(config(hand=by_hand(), idle=by_hand(), off=by_hand(disabled=True))) as servers:
            states = {each.name: each.state for each in servers.status()}
            check = await servers.test("hand")
            pid = servers._connections["hand"]._link.process.pid
            lived = alive(pid)
            await servers.stop("hand")
            stopped = await servers.test("hand")
            await servers.start("hand")
            with pytest.raises(UnknownServer, match="did you mean 'hand'"):
                await servers.tools(["hnad"])
            with pytest.raises(McpUnreachable, match="is disabled"):
                await servers.start("off")
            return states, check, (pid, lived), stopped, servers.describe(), servers.names

    states, check, (pid, lived), stopped, described, names = lively(story())
    assert states == {"hand": "idle", "idle": "idle", "off": "disabled"}
    assert check.text.startswith("hand: found 17 tools in ")
    assert lived == [pid]
    assert gone(pid)
    assert (stopped.ok, stopped.text) == (False, "MCP server 'hand' is stopped")
    assert "- off (disabled)" in described
    assert names == ("hand", "idle", "off")


def test_another_configuration_takes_effect_at_once_and_leaves_what_did_not_change():
    async def story():
        first = config(kept=by_hand(), changed=by_hand(), gone=by_hand())
        async with McpServers(first) as servers:
            pids = {tool.server: (await run(tool, {}))["pid"] for tool in await servers.tools() if "look" in tool.name}
            await servers.reconfigure(McpConfig.of(config(kept=by_hand(), changed=by_hand(env={"NEW": "1"}))))
            tools = await servers.tools()
            env = await run(tool_of([tool for tool in tools if tool.server == "changed"], "env"), {})
            kept = await run(tool_of([tool for tool in tools if tool.server == "kept"], "look"), {})
            return pids, env, kept["pid"], servers.names

    pids, env, kept, names = lively(story())
    assert env["NEW"] == "1"
    assert kept == pids["kept"]
    assert gone(pids["changed"], pids["gone"])
    assert names == ("kept", "changed")


def test_servers_are_used_where_they_are_open_only():
    servers = McpServers(config(hand=by_hand()))
    with pytest.raises(ServersElsewhere, match="they are not open"):
        servers.status()

    async def elsewhere():
        async with servers:
            await asyncio.to_thread(lambda: asyncio.run(use()))

    async def use():
        servers.status()

    with pytest.raises(ServersElsewhere, match="another event loop"):
        asyncio.run(elsewhere())


def test_what_the_block_raises_comes_out_as_it_is():
    async def story():
        async with McpServers(config(hand=by_hand())) as servers:
            await servers.tools()
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        lively(story())
