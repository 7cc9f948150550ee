"""A primary agent spawns, delegates and runs batches: what it may, what it is told, and how children end."""

from __future__ import annotations

from typing import Any

import pytest

from stretto.agents.crew import Delegation
from stretto.agents.delegation import DELEGATION_TOOLS, DelegateTaskTool, ParallelTasksTool, SpawnAgentTool
from stretto.agents.task import Task
from stretto.agents.validation import Proposal, Validation, Verdict
from stretto.core.errors import DefinitionError, HumanAborted, UnknownSetting
from stretto.core.events import Progress
from stretto.core.ledger import Budget, Usage
from stretto.core.outcome import Failed
from stretto.core.step import Context
from stretto.testing import Scripted, run_virtual
from stretto.tools.function import tool
from stretto.tools.tool import Invocation, ToolFailed, Touches, WrongArguments
from tests.agents.delegating import (
    agent,
    at,
    batch,
    calls,
    delegate,
    ended,
    lead,
    outputs,
    registry,
    scripted,
    spawn,
    watch,
)

SPAWN = "lead/tools/SpawnAgentTool"


def told(*asked: Any, configs: Any = (), delegation: Any = None, **models: Any) -> list[Any]:
    """Returns what a lead is told by these calls, made in one turn."""
    known = registry(lead(), *configs, delegation=delegation, lead=scripted(calls(*asked), "done"), **models)
    return outputs(watch(known.get("lead")))


def test_several_spawns_of_one_turn_overlap_and_each_is_told_when_it_ends() -> None:
    slow = scripted(calls(("wait", {"seconds": 30})), "slow done")
    fast = scripted(calls(("wait", {"seconds": 10})), "fast done")
    mid = scripted(calls(("wait", {"seconds": 20})), "mid done")
    asked = [spawn(name, model=f"test:{name}", tools=["wait"]) for name in ("slow", "fast", "mid")]
    known = registry(lead(), lead=scripted(calls(*asked), "done"), slow=slow, fast=fast, mid=mid)
    run = watch(known.get("lead"))
    assert [answer["report"] for answer in outputs(run)] == ["slow done", "fast done", "mid done"]
    paths = [f"{SPAWN}/run/slow", f"{SPAWN}#2/run/fast", f"{SPAWN}#3/run/mid"]
    assert [at(run.log, "step_started", path) for path in paths] == pytest.approx([0, 0, 0], abs=0.1)
    assert [at(run.log, "step_completed", path) for path in paths] == pytest.approx([30, 10, 20], abs=0.1)
    assert at(run.log, "run_ended", "") == pytest.approx(30, abs=0.1)


def test_a_child_inherits_model_tools_and_servers_but_never_delegation() -> None:
    boss = scripted(calls(spawn("coder", prompt="write")), "child's answer", "done")
    known = registry(lead("look", "wait"), lead=boss)
    run = watch(known.get("lead"))
    [answer] = outputs(run)
    assert answer["report"] == "child's answer"
    asked = boss.seen[1]
    assert [offer.name for offer in asked.tools] == ["look", "wait"]
    assert "You are coder, a sub-agent." in asked.system
    [started] = [event for event in run.log if event.kind == "agent_started" and event.path != "lead"]
    assert (started.level, started.parent_id, started.name, started.task) == (2, "lead", "coder", "write")
    assert started.agent_id == answer["child_id"]
    assert known.summaries() == registry(lead("look", "wait")).summaries()


def test_a_child_gets_the_model_the_tools_and_the_prompt_that_were_asked_for() -> None:
    other = scripted("mine")
    asked = spawn("coder", provider="test", model="other", tools=["look"], system_prompt="You count.")
    known = registry(lead("wait"), lead=scripted(calls(asked), "done"), other=other)
    [answer] = outputs(watch(known.get("lead")))
    assert answer["report"] == "mine"
    [call] = other.seen
    assert [offer.name for offer in call.tools] == ["look"]
    assert "You count." in call.system
    assert "sub-agent" not in call.system


@pytest.mark.parametrize(
    ("model", "provider", "asked"),
    [("other", None, "test:other"), ("test:other", None, "test:other"), ("other", "else", "else:other"),
     ("test:other", "test", "test:other"), ("other:8b", "test", "test:other:8b")],
)  # fmt: skip
def test_a_childs_model_is_named_with_or_without_its_provider(model: str, provider: str | None, asked: str) -> None:
    [answer] = told(spawn("coder", model=model, **({"provider": provider} if provider else {})))
    assert answer == f"[INVALID_INPUT] there is no model {asked!r}"


def test_the_language_and_the_conversation_are_passed_on() -> None:
    boss = scripted(calls(spawn("coder")), "voilà", "fini")
    watch(registry(lead(), lead=boss).get("lead"), Task(description="va", locale="fr", workflow_id="w1"))
    assert "Answer in French." in boss.seen[1].system


def test_an_agent_works_on_a_delegated_task_with_its_own_configuration() -> None:
    coder = agent("coder", tools=("look", "SpawnAgentTool"), system_prompt="You code.", description="Codes.")
    model = scripted("coded")
    listing = ("DelegateTaskTool", {"operation": "list_agents"})
    answer, agents = told(delegate("coder", "code"), listing, configs=[coder, agent("gone", lifecycle="temporary")],
                          coder=model)  # fmt: skip
    assert (answer["agent_id"], answer["report"], answer["success"]) == ("coder", "coded", True)
    assert [offer.name for offer in model.seen[0].tools] == ["look"]
    assert "You code." in model.seen[0].system
    listed = {"id": "coder", "name": "coder", "description": "Codes.", "tools": ["look"], "mcp_servers": []}
    assert agents["agents"] == [listed]


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (delegate("lead"), "[INVALID_INPUT] you are 'lead' yourself; delegate to another agent"),
        (delegate("codr"), "[NOT_FOUND] there is no agent 'codr'; did you mean 'coder'?"),
        (delegate("gone"), "[PERMISSION_DENIED] 'gone' is a temporary agent; nobody can delegate to it"),
        (batch(("coder", "a"), ("lead", "b")), "[INVALID_INPUT] you are 'lead' yourself; delegate to another agent"),
        (spawn("x", tools=["lok"]), "[INVALID_INPUT] there is no tool 'lok'; did you mean 'look'?"),
        (
            spawn("x", tools=["look", "DelegateTaskTool"]),
            "[INVALID_INPUT] sub-agents do not delegate; leave 'DelegateTaskTool' out of its tools",
        ),
        (
            spawn("x", mcp_servers=["files"]),
            "[INVALID_INPUT] agent 'x' names the MCP servers 'files', and no servers were given; give the registry "
            "mcp=, use execute_with_mcp, or leave mcp_servers out",
        ),
        (("SpawnAgentTool", {"operation": "terminate", "child_id": "x"}),
         "[NOT_FOUND] no sub-agent 'x' is at work; at work: none"),
    ],
)  # fmt: skip
def test_what_cannot_be_delegated_is_told_with_the_way_out(call: Any, why: str) -> None:
    assert told(call, configs=[agent("coder"), agent("gone", lifecycle="temporary")], coder=scripted()) == [why]


@pytest.mark.parametrize(
    ("tool", "arguments", "problem"),
    [
        (SpawnAgentTool, {"operation": "spwan"}, "operation: there is no operation 'spwan'; did you mean 'spawn'?"),
        (SpawnAgentTool, {}, "operation: is missing; it is one of 'spawn', 'list_children' and 'terminate'"),
        (SpawnAgentTool, {"operation": "spawn", "name": "a", "prompt": "  "}, "prompt"),
        (SpawnAgentTool, {"operation": "spawn", "name": "", "prompt": "x"}, "name"),
        (SpawnAgentTool, {"operation": "spawn", "name": "a", "prompt": "x", "provider": "p"}, "without a model"),
        (DelegateTaskTool, {"operation": "delegate", "agent_id": "a", "prompt": "x", "wait": True}, "wait"),
        (ParallelTasksTool, {"tasks": []}, "tasks"),
        (ParallelTasksTool, {"tasks": [{"agent_id": "a", "prompt": "\n"}]}, "tasks[0].prompt"),
        (ParallelTasksTool, {"tasks": [{"agent_id": "a", "prompt": "x"}] * 16}, "at most 15 may run at once"),
    ],
)
def test_malformed_arguments_are_refused_before_anything_starts(tool: Any, arguments: Any, problem: str) -> None:
    known = registry(lead(), lead=scripted())
    [made] = [each for each in known.get("lead").tools if isinstance(each, tool)]
    with pytest.raises(WrongArguments) as caught:
        made.check(arguments)
    assert problem in str(caught.value)


def test_the_tools_say_what_they_are_to_models_and_to_people() -> None:
    tools = {tool.name: tool for tool in registry(lead(), lead=scripted()).get("lead").tools}
    assert tuple(tools) == DELEGATION_TOOLS
    assert [(tool.origin, tool.risk, tool.destructive) for tool in tools.values()] == [
        ("sub_agent", "medium", False), ("sub_agent", "medium", False), ("sub_agent", "high", False),
    ]  # fmt: skip
    assert tools["ParallelTasksTool"].parameters["properties"]["tasks"]["maxItems"] == 15
    assert tools["SpawnAgentTool"].parameters["type"] == "object"
    assert tools["SpawnAgentTool"].touches(spawn("a")[1]) == Touches()


def test_a_batch_is_told_in_its_order_though_the_first_ends_last() -> None:
    slow = scripted(calls(("wait", {"seconds": 9})), "slow")
    fast = scripted(Scripted(text="fast", cost=0.5))
    configs = [agent("slow", tools=("wait",)), agent("fast")]
    known = registry(
        lead(), *configs, lead=scripted(calls(batch(("slow", "a"), ("fast", "b"))), "ok"), slow=slow, fast=fast
    )
    run = watch(known.get("lead"))
    [answer] = outputs(run)
    assert [row["agent_id"] for row in answer["results"]] == ["slow", "fast"]
    assert (answer["success"], answer["completed"], answer["failed"]) == (True, 2, 0)
    assert answer["metrics"] == {"duration_ms": 9000, "tokens_input": 30, "tokens_output": 15, "cost_usd": None}
    report = answer["aggregated_report"]
    assert report.index("## Agent Report: slow") < report.index("> slow") < report.index("## Agent Report: fast")
    order = [path for path in ended(run.log) if path.endswith(("run/slow", "run/fast"))]
    assert [path.rpartition("/")[2] for path in order] == ["fast", "slow"]
    assert at(run.log, "step_completed", order[0]) < 1
    assert [(e.done, e.total, e.text) for e in run.log if isinstance(e, Progress)] == [
        (1, 2, "fast: completed"), (2, 2, "slow: completed"),
    ]  # fmt: skip


def test_one_agent_may_have_several_tasks_of_a_batch_and_they_do_not_collide() -> None:
    model = scripted(lambda call: call.messages[-1]["parts"][0]["content"].upper(), forever=True)
    known = registry(lead(), agent("w"), lead=scripted(calls(batch(("w", "a"), ("w", "b"))), "ok"), w=model)
    run = watch(known.get("lead"))
    children = [event for event in run.log if event.kind == "agent_started" and event.level == 2]
    assert [event.path.rpartition("/")[2] for event in children] == ["w", "w#2"]
    assert [event.task for event in children] == ["a", "b"]
    assert "> A\n" in outputs(run)[0]["aggregated_report"]


def test_a_failed_child_fails_its_call_with_its_words_and_the_primary_goes_on() -> None:
    child = scripted(RuntimeError("the provider is gone"))
    known = registry(lead(), lead=scripted(calls(spawn("coder", model="child")), "went on"), child=child)
    run = watch(known.get("lead"))
    report = run.outcome.unwrap()
    assert (report.response, report.status) == ("went on", "success")
    assert outputs(run) == ["[EXECUTION_FAILED] the sub-agent 'coder' failed: RuntimeError: the provider is gone"]
    assert f"{SPAWN}/run/coder" in ended(run.log, "step_failed")


def test_a_batch_goes_on_when_one_fails_and_is_an_error_when_all_do() -> None:
    bad, good = scripted(RuntimeError("no"), forever=True), scripted("yes")
    configs = [agent("bad"), agent("good")]
    mixed, none = told(
        batch(("bad", "a"), ("good", "b")), batch(("bad", "a"), ("bad", "b")), configs=configs, bad=bad, good=good
    )
    assert (mixed["success"], mixed["completed"], mixed["failed"]) == (False, 1, 1)
    assert mixed["results"][0]["error"] == "the sub-agent 'bad' failed: RuntimeError: no"
    assert mixed["results"][0]["status"] == "failed"
    assert mixed["metrics"]["cost_usd"] is None  # the one that answered has no known price
    assert "## Sub-Agent Error: bad" in mixed["aggregated_report"]
    assert none.startswith("[EXECUTION_FAILED] all 2 tasks of the batch failed: bad: the sub-agent 'bad' failed")


def test_a_partial_report_of_a_child_is_told_as_one() -> None:
    child = scripted(calls(("look", {"what": "it"})), forever=True)
    partial = agent("w", tools=("look",), max_tool_iterations=2)
    one, several = told(delegate("w"), batch(("w", "a")), configs=[partial], w=child)
    assert (one["success"], one["status"]) == (True, "partial")
    assert (several["success"], several["results"][0]["status"]) == (False, "partial")


def test_children_are_counted_while_they_live() -> None:
    child = scripted("ok", forever=True)
    asked = [spawn(str(number), model="child") for number in range(3)]
    boss = scripted(calls(*asked), calls(*asked[:2]), "done")
    known = registry(lead(), lead=boss, child=child, delegation=Delegation(max_children=2))
    first, second, third, fourth, fifth = outputs(watch(known.get("lead")))
    assert [answer["success"] for answer in (first, second, fourth, fifth)] == [True] * 4
    assert third.startswith("[LIMIT_REACHED] 2 of at most 2 sub-agents are at work, so 1 more cannot start")


def test_those_who_live_are_listed_and_one_of_them_can_be_stopped() -> None:
    child = scripted(calls(("wait", {"seconds": 60})), "late", forever=True)
    asked = [spawn("slow", "count slowly", model="child", tools=["wait"]), spawn("other", model="quick")]
    look_on = ("SpawnAgentTool", {"operation": "list_children"})
    stop = ("SpawnAgentTool", {"operation": "terminate", "child_id": "slow"})
    known = registry(lead(), lead=scripted(calls(*asked, look_on, stop), "done"), child=child, quick=scripted("quick"))
    run = watch(known.get("lead"))
    slow, other, listed, stopped = outputs(run)
    assert slow == "[CANCELLED] the sub-agent 'slow' was stopped: terminated by the agent that started it"
    assert other["report"] == "quick"
    assert [child["name"] for child in listed["children"]] == ["slow", "other"]
    assert (listed["children"][0]["task"], listed["remaining_slots"]) == ("count slowly", 13)
    assert (stopped["child_id"], stopped["status"]) == (listed["children"][0]["child_id"], "terminated")
    assert at(run.log, "run_ended", "") < 1


def test_one_of_a_batch_and_a_name_that_several_bear_are_not_stopped_by_guess() -> None:
    child = scripted("ok", forever=True)
    stop = [("SpawnAgentTool", {"operation": "terminate", "child_id": id}) for id in ("w", "twin")]
    asked = [batch(("w", "a"), ("w", "b")), spawn("twin", model="w"), spawn("twin", model="w")]
    *_, batched, twin = told(*asked, *stop, configs=[agent("w")], w=child)
    assert "several sub-agents are called 'w'" in batched
    assert "several sub-agents are called 'twin'; say which id: sub_" in twin
    *_, batched = told(batch(("w", "a"), ("v", "b")), stop[0], configs=[agent("w"), agent("v")],
                       w=scripted("ok"), v=scripted("ok"))  # fmt: skip
    assert batched == "[INVALID_INPUT] 'w' works in a batch, which goes on as a whole"


def test_a_child_that_takes_too_long_is_stopped_and_told() -> None:
    child = scripted(calls(("wait", {"seconds": 60})), forever=True)
    answers = told(
        delegate("w"), batch(("w", "a"), ("v", "b")), configs=[agent("w", tools=("wait",)), agent("v")], w=child,
        v=scripted("quick"), delegation=Delegation(timeout=5),
    )  # fmt: skip
    assert answers[0] == "[TIMEOUT] the sub-agent 'w' was stopped: it worked longer than 5 s"
    assert [row["status"] for row in answers[1]["results"]] == ["timed_out", "success"]


def test_a_sub_agent_that_is_given_a_delegation_tool_all_the_same_is_refused() -> None:
    known = registry(lead(), agent("w"), lead=scripted(), w=scripted("ok"))
    [tool] = [each for each in known.get("lead").tools if isinstance(each, DelegateTaskTool)]
    arguments = {"operation": "delegate", "agent_id": "w", "prompt": "x"}
    with pytest.raises(ToolFailed, match=r"PERMISSION_DENIED. only the primary agent delegates"):
        run_virtual(tool, Invocation(arguments=arguments, level=2))


def test_a_tool_that_starts_an_agent_below_a_sub_agent_is_refused_at_the_door() -> None:
    third = registry(agent("third"), third=scripted("never")).get("third")

    @tool(reads=())
    async def sneak(context: Context) -> str:
        """Starts another agent."""
        return str(await context.run(third, "x"))

    child = scripted(calls(("sneak", {})), "could not")
    known = registry(lead(), agent("w", tools=("sneak",)), lead=scripted(calls(delegate("w")), "ok"), w=child,
                     tools=[sneak])  # fmt: skip
    run = watch(known.get("lead"))
    assert outputs(run)[0]["report"] == "could not"
    told = str(child.seen[1].messages[-1])
    assert "the sub-agent at 'lead/tools/DelegateTaskTool/run/w' may not start sub-agents" in told


def test_a_human_who_ends_the_run_ends_it_also_inside_a_child() -> None:
    @tool(reads=())
    def ask() -> str:
        """Is refused."""
        raise HumanAborted("x", "may it?", "no")

    known = registry(lead(), agent("w", tools=("ask",)), lead=scripted(calls(delegate("w")), "ok"),
                     w=scripted(calls(("ask", {})), "ok"), tools=[ask])  # fmt: skip
    outcome = watch(known.get("lead")).outcome
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, HumanAborted)


def test_limits_under_which_nobody_could_delegate_are_refused() -> None:
    for settings in ({"max_children": 0}, {"timeout": 0}):
        with pytest.raises(DefinitionError):
            Delegation(**settings)
    with pytest.raises(UnknownSetting):
        Delegation(most=3)  # type: ignore[call-arg]


def test_what_children_take_and_cost_is_theirs_and_their_parents() -> None:
    usage = Usage(input_tokens=100, output_tokens=20, cached_tokens=30)
    child = scripted(Scripted(text="ok", usage=usage, cost=0.25), forever=True)
    boss = scripted(
        calls(spawn("a", model="child"), spawn("b", model="child"), cost=1.0), Scripted(text="done", cost=2.0)
    )
    run = watch(registry(lead(), lead=boss, child=child).get("lead"))
    first, second = outputs(run)
    assert first["metrics"] == second["metrics"] == {
        "duration_ms": 0, "tokens_input": 100, "tokens_output": 20, "cost_usd": 0.25,
    }  # fmt: skip
    total = run.outcome.unwrap().metrics
    assert (total.cost, total.usage.input_tokens, total.usage.cached_tokens) == (3.5, 220, 60)


def test_what_a_failed_child_has_taken_counts_in_its_batch() -> None:
    used = Usage(input_tokens=100, output_tokens=20)
    bad = scripted(Scripted(calls=(("look", {"what": "it"}),), usage=used, cost=0.25), RuntimeError("gone"))
    good = scripted(Scripted(text="yes", usage=used, cost=0.5))
    [mixed] = told(
        batch(("bad", "a"), ("good", "b")), configs=[agent("bad", tools=("look",)), agent("good")], bad=bad, good=good
    )
    took = {name: value for name, value in mixed["metrics"].items() if name != "duration_ms"}
    assert took == {"tokens_input": 200, "tokens_output": 40, "cost_usd": 0.75}
    assert "**Tokens**: 200 in, 40 out" in mixed["aggregated_report"]
    assert "**Cost**: $0.75" in mixed["aggregated_report"]


def test_people_are_asked_about_work_for_others_and_not_about_looking() -> None:
    asked: list[tuple[str, str]] = []

    class Noting(Validation):
        async def validate(self, context: Context, proposal: Proposal) -> Verdict:
            asked.append((str(proposal.arguments["operation"]), f"{proposal.type} {proposal.risk}"))
            return Verdict(approved=proposal.risk != "high", arguments=proposal.arguments, reason="too much")

    look_on = [("SpawnAgentTool", {"operation": "list_children"}), ("DelegateTaskTool", {"operation": "list_agents"})]
    stop = ("SpawnAgentTool", {"operation": "terminate", "child_id": "nobody"})
    work = [spawn("a", model="w"), delegate("w"), batch(("w", "x"))]
    boss = scripted(calls(*work), calls(*look_on, stop), "done")
    run = watch(registry(lead(), agent("w"), lead=boss, w=scripted("ok", forever=True)).get("lead"),
                resources=[Noting()])  # fmt: skip
    assert dict(asked) == {
        "spawn": "sub_agent medium", "delegate": "sub_agent medium", "execute_batch": "sub_agent high",
        "list_children": "sub_agent low", "list_agents": "sub_agent low", "terminate": "sub_agent low",
    }  # fmt: skip
    assert "too much" in outputs(run)[2]


def test_a_child_whose_server_of_mcp_is_not_configured_fails_with_the_servers_that_are() -> None:
    class Servers:
        async def tools(self, servers: Any) -> Any:
            raise DefinitionError(f"there is no MCP server {servers[0]!r}; there are 'files'")

        def describe(self, servers: Any) -> str:
            return ""

    known = registry(lead(), lead=scripted(calls(spawn("a", mcp_servers=["fils"])), "done"))
    [answer] = outputs(watch(known.get("lead", mcp=Servers())))
    assert answer == "[EXECUTION_FAILED] the sub-agent 'a' failed: there is no MCP server 'fils'; there are 'files'"


def test_children_spend_from_the_budget_of_the_run() -> None:
    dear = scripted(Scripted(text="no", usage=Usage(input_tokens=90, output_tokens=20)), forever=True)
    boss = scripted(calls(spawn("a", model="dear"), spawn("b", model="cheap")), "done")
    known = registry(lead(), lead=boss, dear=dear, cheap=scripted("yes"))
    first, second = outputs(watch(known.get("lead"), budget=Budget(tokens=100)))
    assert first.startswith("[EXECUTION_FAILED] the sub-agent 'a' failed: the call at 'lead/tools/SpawnAgentTool/run/a")
    assert second["report"] == "yes"


def test_a_primary_agent_is_told_in_its_prompt_to_whom_it_can_delegate() -> None:
    boss = scripted("done")
    coder = agent("coder", name="The coder", description="Writes code. And tests.")
    watch(registry(lead(), coder, agent("gone", lifecycle="temporary"), lead=boss).get("lead"))
    assert "- coder (The coder): Writes code.\n" in boss.seen[0].system + "\n"
    assert "gone" not in boss.seen[0].system
