"""Servers that flood, hang, die or lie: each is held to bounds, each is told in words, none takes another down."""

import asyncio
import time

import pytest

from stretto import ParallelResourceLimits, run, start, step
from stretto.core.errors import CircuitOpen, StepTimeout
from stretto.core.events import Progress, Said
from stretto.tools.mcp import McpBadAnswer, McpServerDied, McpServers, McpUnreachable
from stretto.tools.tool import ToolFailed, WrongArguments
from tests.tools.mcp_for_tests import alive, by_hand, config, gone, tool_of


def lively(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 30))


def test_a_server_that_dies_fails_its_own_calls_only_and_is_started_again():
    async def story():
        async with McpServers(config(mortal=by_hand(), other=by_hand())) as servers:
            tools = await servers.tools()
            mortal = [tool for tool in tools if tool.server == "mortal"]
            other = [tool for tool in tools if tool.server == "other"]
            before = await run(tool_of(mortal, "look"), {})

            @step
            async def all_at_once(_, context):
                limits = ParallelResourceLimits(cancellation_timeout=5)
                async with context.branches(limits, error_mode=None) as branches:
                    await branches.start(tool_of(mortal, "hold"), {}, required=False)
                    await branches.start(tool_of(other, "echo"), {"text": "unharmed"}, required=False)
                    await branches.start(tool_of(mortal, "die"), {}, required=False)
                return [type(outcome).__name__ for outcome in branches.outcomes], branches.outcomes

            async with start(tool_of(mortal, "die"), {}) as running:
                with pytest.raises(McpServerDied) as died:
                    await running.result()
            after = await run(tool_of(mortal, "look"), {})
            names, outcomes = await run(all_at_once, None)
            return before, died.value, after, names, outcomes, servers.status()

    before, died, after, names, outcomes, status = lively(story())
    assert (died.server, died.exit, died.lines) == ("mortal", 3, ("something is very wrong",))
    assert "'mortal' ended with exit status 3" in str(died)
    assert before["pid"] != after["pid"]
    assert names[1] == "Completed"
    assert outcomes[1].value == "unharmed"
    assert {type(outcomes[place].error) for place in (0, 2)} == {McpServerDied}
    assert {each.name: each.restarts for each in status}["other"] == 0


def test_an_idempotent_call_is_made_again_when_its_server_dies_and_no_other_is(tmp_path):
    async def story():
        async with McpServers(config(twice=by_hand())) as servers:
            tools = await servers.tools()
            marker = tmp_path / "marker"
            with pytest.raises(McpServerDied):
                await run(tool_of(tools, "die"), {})
            return await run(tool_of(tools, "again"), {"marker": str(marker)}), servers.status()[0].restarts

    assert lively(story()) == ("the second time it works", 2)


def test_a_server_that_ends_at_once_is_tried_a_few_times_and_then_given_up():
    async def story():
        async with McpServers(config(short=by_hand("Short", max_restarts=1))) as servers:
            checks = [await servers.test("short") for _ in range(3)]
            return checks, servers.status()[0], await servers.tools(), servers.describe()

    checks, status, tools, described = lively(story())
    assert "'short' ended with exit status 7 before it had answered the handshake" in checks[0].error
    assert "no licence found" in checks[0].error
    assert not any(check.ok for check in checks)
    assert "is given up after 2 failures in a row; restart it when it works again" in checks[2].error
    assert (status.state, status.restarts, tools) == ("given_up", 1, ())
    assert "not available: MCP server 'short' is given up" in described


def test_a_server_that_was_given_up_works_again_when_it_is_restarted(tmp_path):
    async def story():
        env = {"COUNT": str(tmp_path / "count"), "BAD_STARTS": "1"}
        async with McpServers(config(counted=by_hand("Counted", env=env, max_restarts=0))) as servers:
            first, second = await servers.test("counted"), await servers.test("counted")
            await servers.restart("counted")
            return first, second, await servers.test("counted"), servers.status()[0].state

    first, second, third, state = lively(story())
    assert "exit status 9" in first.error
    assert "given up after 1 failures" in second.error
    assert third.ok
    assert state == "ready"
    assert (tmp_path / "count").read_text() == "xx"


def test_a_server_that_never_answers_the_handshake_is_given_its_time_and_no_more():
    async def story():
        began = time.monotonic()
        async with McpServers(config(mute=by_hand("Mute", connect_timeout=1), other=by_hand())) as servers:
            tools = await servers.tools()
            return tools, servers.status()[0], time.monotonic() - began

    tools, status, took = lively(story())
    assert {tool.server for tool in tools} == {"other"}
    assert "'mute' did not answer the handshake within 1 s" in status.last_error
    assert "I say nothing" in status.last_error
    assert took < 8


def test_a_call_that_hangs_ends_with_its_timeout_and_the_server_is_told_to_cancel():
    async def story():
        async with McpServers(config(slow=by_hand(timeout=0.3))) as servers:
            tools = await servers.tools()
            with pytest.raises(StepTimeout):
                await run(tool_of(tools, "wait"), {})
            await asyncio.sleep(0.05)
            return await run(tool_of(tools, "look"), {})

    assert lively(story())["cancelled"] >= 1


def test_a_cancelled_step_cancels_its_call_at_the_server_and_leaves_the_connection():
    async def story():
        async with McpServers(config(slow=by_hand())) as servers:
            tools = await servers.tools()
            async with start(tool_of(tools, "wait"), {"announce": True}) as running:
                async for event in running.events():
                    if isinstance(event, Progress):
                        running.cancel()
            return (await run(tool_of(tools, "look"), {}))["cancelled"], servers.status()[0].restarts

    assert lively(story()) == (1, 0)


def test_the_circuit_of_a_server_that_keeps_failing_opens_and_that_of_another_stays_closed():
    async def story():
        async with McpServers(config(broken=by_hand(max_restarts=50), sound=by_hand())) as servers:
            tools = await servers.tools()
            broken = [tool for tool in tools if tool.server == "broken"]
            sound = [tool for tool in tools if tool.server == "sound"]

            @step
            async def insist(_, context):
                errors = []
                for _ in range(7):
                    for connection in servers._connections.values():
                        connection._ended_at = -1e9  # no pause between restarts
                    try:
                        await context.run(tool_of(broken, "die"), {})
                    except Exception as error:
                        errors.append(type(error))
                    with pytest.raises(ToolFailed):
                        await context.run(tool_of(sound, "fail"), {})
                return errors

            return await run(insist, None)

    errors = lively(story())
    assert errors[:5] == [McpServerDied] * 5
    assert errors[5:] == [CircuitOpen] * 2


def test_a_flood_of_notifications_is_slowed_down_and_shown_in_part():
    async def story():
        async with McpServers(config(flood=by_hand("Flood", timeout=1.5), calm=by_hand())) as servers:
            tools = await servers.tools()
            flood = [tool for tool in tools if tool.server == "flood"]
            calm = tool_of([tool for tool in tools if tool.server == "calm"], "echo")

            @step
            async def both(_, context):
                async with context.branches() as branches:
                    await branches.start(tool_of(flood, "wait"), {}, required=False)
                    times = []
                    for _ in range(20):
                        began = time.monotonic()
                        await context.run(calm, {"text": "x"})
                        times.append(time.monotonic() - began)
                        await asyncio.sleep(0.05)
                return times, branches.outcomes[0]

            async with start(both, None) as running:
                times, outcome = await running.result()
            return times, outcome, running.log

    times, outcome, log = lively(story())
    assert isinstance(getattr(outcome, "error", None), StepTimeout) or type(outcome).__name__ == "TimedOut"
    assert sorted(times)[len(times) // 2] < 0.5
    said = [event for event in log if isinstance(event, Said)]
    assert len(said) <= 103
    assert any("says more than is shown" in event.text for event in said)
    assert sum(isinstance(event, Progress) for event in log) <= 1_001


def test_a_line_without_end_ends_the_server_and_nobody_elses_memory():
    async def story():
        async with McpServers(config(huge=by_hand("Huge", max_message=2**20), calm=by_hand())) as servers:
            tools = await servers.tools()
            huge = tool_of([tool for tool in tools if tool.server == "huge"], "echo")
            with pytest.raises(McpServerDied, match="a message of more than 1,048,576 bytes"):
                await run(huge, {"text": "x"})
            return await run(tool_of([tool for tool in tools if tool.server == "calm"], "echo"), {"text": "fine"})

    assert lively(story()) == "fine"


def test_what_is_no_message_is_passed_over_and_kept_beside_stderr():
    async def story():
        async with McpServers(config(noise=by_hand("Noise"))) as servers:
            tools = await servers.tools()
            return await run(tool_of(tools, "echo"), {"text": "through"}), servers.status()[0].stderr

    answer, stderr = lively(story())
    assert answer == "through"
    assert "(not a message of the protocol) Debug: about to echo" in stderr


def test_lies_about_tools_are_told_and_the_honest_tools_stay():
    async def story():
        async with McpServers(config(liar=by_hand("Liar"))) as servers:
            tools = {tool._listed.remote: tool for tool in await servers.tools()}
            status, described = servers.status()[0], servers.describe()
            good = await run(tools["good"], {})
            errors = {}
            for name, given in (("result", {}), ("output", {}), ("nonsense", {}), ("far", {"a": 1})):
                with pytest.raises((McpBadAnswer, WrongArguments)) as wrong:
                    await run(tools[name], given)
                errors[name] = str(wrong.value)
            return tools, status, described, good, errors, await run(tools["good"], {})

    tools, status, described, good, errors, again = lively(story())
    assert good == again == "good"
    assert set(tools) == {
        "good", "twice", "far", "../../etc/passwd", "très drôle", "x" * 100, "long words", "result", "output",
        "nonsense",
    }  # fmt: skip
    problems = "\n".join(status.problems)
    assert "two tools called 'twice': the first one is offered" in problems
    assert "tool 'no schema' is not offered: its inputSchema is no JSON Schema" in problems
    assert "tool 'large' is not offered: its inputSchema has 200" in problems
    assert "twice" in described
    assert len(tools["long words"].description) < 4_100
    names = [tool.name for tool in tools.values()]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 64 and name.replace("_", "").replace("-", "").isascii() for name in names)
    assert "'many' is not of type 'integer'" in errors["result"]
    assert "the call of 'output'" in errors["output"]
    assert "the call of 'nonsense' with what it may not" in errors["nonsense"]
    assert "the schema cannot be followed" in errors["far"]


def test_thousands_of_tools_on_pages_without_end_are_cut():
    async def story():
        async with McpServers(config(crowd=by_hand("Crowd"))) as servers:
            return await servers.tools(), servers.status()[0].problems

    tools, problems = lively(story())
    assert len(tools) == 500
    assert "more than 500 tools" in problems[0]


def test_a_list_of_tools_that_is_none_is_the_servers_fault_and_leaves_the_others():
    async def story():
        forger, none = by_hand("Forger"), by_hand("Toolless")
        async with McpServers(config(garbled=by_hand("Garbled"), none=none, ok=by_hand(), forger=forger)) as servers:
            tools = await servers.tools()
            return {tool.server for tool in tools}, servers.describe(), servers.status()

    names, described, status = lively(story())
    assert names == {"ok"}
    assert "garbled (not available: MCP server 'garbled' answered the question for its tools" in described
    assert "none (tools: none)" in described
    assert "tools.1.inputSchema.type: Input should be 'object'" in described
    assert status[1].problems == ("it says that it has no tools",)


def test_nothing_is_left_of_a_server_that_will_not_end_nor_of_what_it_started():
    async def story():
        async with McpServers(config(stubborn=by_hand("Stubborn", stop_timeout=0.4))) as servers:
            pids = (await run(tool_of(await servers.tools(), "look"), {}))["pids"]
            assert alive(*pids) == pids
            began = time.monotonic()
        return pids, time.monotonic() - began

    pids, took = lively(story())
    assert gone(*pids)
    assert took < 4


def test_a_full_stderr_never_stops_a_server():
    async def story():
        env = {"API_TOKEN": "tok-123456"}
        async with McpServers(config(chatty=by_hand(env=env))) as servers:
            answer = await run(tool_of(await servers.tools(), "stderr"), {})
            return answer, servers.status()[0].stderr

    answer, stderr = lively(story())
    assert answer == "still here"
    assert len(stderr) <= 20
    assert "tok-123456" not in "".join(stderr)


def test_who_needs_a_server_and_is_cancelled_meanwhile_leaves_no_process():
    async def story():
        async with McpServers(config(mute=by_hand("Mute", connect_timeout=20, stop_timeout=0.2))) as servers:
            asking = asyncio.ensure_future(servers.tools())
            connection = servers._connections["mute"]
            while connection._link is None or connection._link.process is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            pid = connection._link.process.pid
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            return pid, connection.state

    pid, state = lively(story())
    assert gone(pid)
    assert state == "idle"


def test_a_server_can_be_stopped_while_it_keeps_silent():
    async def story():
        async with McpServers(config(mute=by_hand("Mute", connect_timeout=20, stop_timeout=0.2))) as servers:
            asking = asyncio.ensure_future(servers.test("mute"))
            while servers.status()[0].state != "connecting":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await servers.stop("mute")
            return await asyncio.wait_for(asking, 10), servers.status()[0].state

    check, state = lively(story())
    assert check.error == "MCP server 'mute' was stopped"
    assert state == "stopped"


def test_a_program_or_a_directory_that_is_not_there_is_told(tmp_path):
    async def story():
        missing = {"command": "no-such-program-anywhere"}
        file = tmp_path / "not_executable"
        file.write_text("x")
        async with McpServers(
            config(a=missing, b=by_hand(cwd=str(tmp_path / "gone")), c={"command": str(file)})
        ) as servers:
            with pytest.raises(McpUnreachable, match="there is no program 'no-such-program-anywhere'"):
                await servers.start("a")
            return [(await servers.test(name)).error for name in "abc"]

    a, b, c = lively(story())
    assert "cannot be started" in a
    assert "there is no directory" in b
    assert "cannot be started" in c
