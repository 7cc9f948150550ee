"""The calls of one turn through the planner: together where they can, in order where they must, none lost."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.agents.agent import Agent
from stretto.agents.report import ReportStatus
from stretto.agents.task import Task
from stretto.agents.turn import path_name, resolved
from stretto.agents.validation import Proposal, Validation, Verdict
from stretto.core.checks import CheckFailed
from stretto.core.errors import HumanAborted
from stretto.core.events import Asked, PlanMade, Said, StepStarted
from stretto.core.outcome import Completed, Failed
from stretto.core.policies import ParallelResourceLimits, StepPolicy
from stretto.core.step import Answer, Context
from stretto.models.messages import ToolCall, calls_of
from stretto.stores.memory import MemoryStore
from stretto.testing import Scripted, ScriptedModel, StepHarness, run_virtual
from stretto.tools.tool import ToolFailed, Touches
from tests.agents.desk import Desk, helper, plans, script_of, spans, worked

READ = Desk("read_file", reads=("file:{path}",))
WRITE = Desk("refactor", writes=("file:{path}",))


def together(calls: tuple[Any, ...], tools: list[Any], **settings: Any) -> Any:
    run = worked(helper(Scripted(calls=calls), "done", tools=tools, **settings))
    assert isinstance(run.outcome, Completed), run.outcome
    return run


# -- the six classifications ---------------------------------------------------------------------------------------


def test_five_files_are_read_together() -> None:
    run = together(tuple(("read_file", {"path": f"{name}.py"}) for name in "abcde"), [READ])
    assert set(spans(run.log).values()) == {(0.0, 1.0)}
    [plan] = plans(run.log)
    assert [len(batch) for batch in plan["batches"]] == [5]
    assert plan["edges"] == []


def test_what_is_analysed_is_refactored_afterwards() -> None:
    analyse = Desk("analyse", reads=("file:{path}",))
    run = together((("analyse", {"path": "a.py"}), ("refactor", {"path": "a.py"})), [analyse, WRITE])
    assert spans(run.log) == {"analyse": (0.0, 1.0), "refactor": (1.0, 2.0)}
    [plan] = plans(run.log)
    assert [edge["because"] for edge in plan["edges"]] == ["'refactor' writes 'file:a.py' after 'analyse' has read it"]


def test_two_queries_run_together() -> None:
    tools = [Desk("query_users", reads=("table:users",)), Desk("query_messages", reads=("table:messages",))]
    run = together((("query_users", {}), ("query_messages", {})), tools)
    assert spans(run.log) == {"query_users": (0.0, 1.0), "query_messages": (0.0, 1.0)}


def test_what_is_fetched_is_stored_afterwards() -> None:
    tools = [Desk("fetch", writes=("cache:page",)), Desk("store", reads=("cache:page",), writes=("table:pages",))]
    run = together((("fetch", {}), ("store", {})), tools)
    assert spans(run.log) == {"fetch": (0.0, 1.0), "store": (1.0, 2.0)}


def test_two_mcp_servers_work_together_and_one_does_one_thing_at_a_time() -> None:
    def on(server: str, name: str) -> Desk:
        return Desk(f"mcp__{server}__{name}", writes=(f"mcp:{server}",), origin="mcp", server=server)

    tools = [on("files", "move"), on("browser", "click"), on("browser", "type")]
    run = together(tuple((tool.name, {}) for tool in tools), tools)
    assert spans(run.log) == {
        "mcp__files__move": (0.0, 1.0), "mcp__browser__click": (0.0, 1.0), "mcp__browser__type": (1.0, 2.0),
    }  # fmt: skip


def test_what_a_search_matches_is_refactored_afterwards() -> None:
    search = Desk("search_files", reads=("file:src/*",))
    run = together(
        (("search_files", {}), ("refactor", {"path": "src/a.py"}), ("refactor", {"path": "x"})), [search, WRITE]
    )
    assert spans(run.log) == {"search_files": (0.0, 1.0), "refactor": (1.0, 2.0), "refactor#2": (0.0, 1.0)}


# -- what conflicts ------------------------------------------------------------------------------------------------


def test_a_call_of_which_nobody_knows_runs_alone() -> None:
    tools = [READ, Desk("mystery", known=False), Desk("pure")]
    calls = (("read_file", {"path": "a"}), ("mystery", {}), ("mystery", {}), ("read_file", {"path": "a"}), ("pure", {}))
    run = together(calls, tools)
    assert spans(run.log) == {
        "read_file": (0.0, 1.0), "mystery": (1.0, 2.0), "mystery#2": (2.0, 3.0), "read_file#2": (3.0, 4.0),
        "pure": (0.0, 1.0),
    }  # fmt: skip


def test_a_failed_write_does_not_keep_the_next_call_from_being_made() -> None:
    tools = [Desk("save", writes=("table",), output=OSError("disk full")), Desk("load", reads=("table",))]
    run = together((("save", {}), ("load", {})), tools)
    save, load = run.outcome.value.tool_uses
    assert (save.success, save.error, load.success) == (False, "OSError: disk full", True)
    assert spans(run.log)["load"] == (1.0, 2.0)


NAMES = st.sampled_from(["a", "a/b", "a/b/c", "d", "a/*", "a/b/*", "*"])
TOUCHES = st.builds(
    lambda reads, writes, known: Touches(reads=tuple(reads), writes=tuple(writes), known=known),
    st.lists(NAMES, max_size=2), st.lists(NAMES, max_size=2), st.booleans(),
)  # fmt: skip


def meets(one: str, other: str) -> bool:
    def covers(pattern: str, name: str) -> bool:
        return pattern == "*" or (pattern.endswith("/*") and (name == pattern[:-2] or name.startswith(pattern[:-1])))

    return one == other or covers(one, other) or covers(other, one)


def conflict(one: Touches, other: Touches) -> bool:
    if not one.known or not other.known:
        return all(not each.known or each.reads or each.writes for each in (one, other))
    pairs = [(a, b) for a in one.writes for b in (*other.reads, *other.writes)]
    pairs += [(a, b) for a in one.reads for b in other.writes]
    return any(meets(a, b) for a, b in pairs)


@given(st.lists(TOUCHES, min_size=2, max_size=4))
def test_calls_share_a_name_exactly_where_they_conflict(touched: list[Touches]) -> None:
    found = resolved(touched)
    for place, one in enumerate(touched):
        for other, second in list(enumerate(touched))[place + 1 :]:
            mine, theirs = found[place], found[other]
            shared = (set(mine.writes) & {*theirs.reads, *theirs.writes}) | (set(mine.reads) & set(theirs.writes))
            assert bool(shared) == conflict(one, second), (one, second)


def test_a_line_feed_in_a_path_does_no_harm_to_the_plan() -> None:
    run = together((("read_file", {"path": "a\nb"}), ("refactor", {"path": "a\nb"})), [READ, WRITE])
    assert [use.success for use in run.outcome.value.tool_uses] == [True, True]
    assert spans(run.log)["refactor"] == (1.0, 2.0)


# -- the limits ----------------------------------------------------------------------------------------------------


def test_no_more_calls_run_at_once_than_the_limits_allow() -> None:
    calls = tuple(("read_file", {"path": str(number)}) for number in range(5))
    run = together(calls, [READ], limits=ParallelResourceLimits(max_concurrent_executions=2))
    assert sorted(began for began, _ in spans(run.log).values()) == [0.0, 0.0, 1.0, 1.0, 2.0]


def test_a_call_that_hangs_times_out_alone() -> None:
    tools = [Desk("hang", seconds=1e9, policy=StepPolicy(timeout=3)), Desk("quick")]
    run = together((("hang", {}), ("quick", {})), tools)
    hang, quick = run.outcome.value.tool_uses
    assert not hang.success
    assert "3 s" in hang.error
    assert hang.duration == 3.0
    assert quick.success
    assert quick.duration == 1.0
    limits = ParallelResourceLimits(execution_timeout=2)
    run = together((("hang", {}), ("quick", {})), [Desk("hang", seconds=1e9), Desk("quick")], limits=limits)
    assert [use.success for use in run.outcome.value.tool_uses] == [False, True]


def test_one_call_can_be_stopped_and_the_others_go_on() -> None:
    from stretto import start

    agent = helper(
        Scripted(calls=(("slow", {}), ("quick", {}))), "done", tools=[Desk("slow", seconds=9), Desk("quick")]
    )

    async def main() -> Any:
        async with start(agent, "x") as run:
            async for event in run.events():
                if event.path == "helper/tools/quick/run" and event.kind == "step_completed":
                    assert run.cancel_branch("helper/tools/slow", "the user does not want it")
        return run

    run = run_virtual(main())
    slow, quick = run.outcome.value.tool_uses
    assert slow.error == "it was stopped: the user does not want it"
    assert quick.success


# -- calls that cannot be made -------------------------------------------------------------------------------------


def test_what_cannot_be_made_is_told_to_the_model_and_counted() -> None:
    strict = Desk("strict", required=("path",))
    calls = (
        ("strikt", {"path": "a"}), ("strict", "{broken"), ("strict", "[1]"), ("strict", {}), ("strict", ""),
        ("strict", "[" * 100_000), ("strict", {"path": "a"}),
    )  # fmt: skip
    agent = helper(Scripted(calls=calls), "done", tools=[strict])
    run = worked(agent)
    report = run.outcome.unwrap()
    errors = [use.error for use in report.tool_uses]
    assert errors[0] == "there is no tool 'strikt'; did you mean 'strict'?"
    assert errors[1].startswith("the arguments of 'strict' are not valid JSON:")
    assert errors[2] == "the arguments of 'strict' must be a JSON object, not [1]"
    assert errors[3] == errors[4] == "the arguments of 'strict' do not follow its schema: path: is missing"
    assert "nested too deeply" in errors[5] or "not valid JSON" in errors[5]
    assert errors[6] == ""
    assert strict.called == [{"path": "a"}]
    assert report.metrics.bad_calls == 6
    assert report.status is ReportStatus.SUCCESS
    parts = script_of(agent).seen[1].messages[-1]["parts"]
    assert [part["outcome"] for part in parts] == ["failed"] * 6 + ["success"]
    assert parts[0]["content"] == f"Error: {errors[0]}"


def test_an_unknown_tool_without_near_names_is_told_which_there_are() -> None:
    report = worked(helper(Scripted(calls=(("zzz", {}),)), "done", tools=[READ])).outcome.unwrap()
    assert report.tool_uses[0].error == "there is no tool 'zzz'; there are 'read_file'"
    report = worked(helper(Scripted(calls=(("../x\n" * 90, {}),)), "done")).outcome.unwrap()
    assert report.tool_uses[0].error.endswith("there are none")


def test_five_turns_without_a_call_that_can_be_made_are_enough() -> None:
    agent = helper(Scripted(text="hm", calls=(("nothing", {}),)), *[Scripted(calls=(("nothing", {}),))] * 9)
    report = worked(agent).outcome.unwrap()
    assert report.status is ReportStatus.PARTIAL
    assert len(script_of(agent).seen) == 5
    assert report.error == "stopped after 5 turns in a row without a tool call that could be made"
    assert report.response == f"hm\n\n({report.error})"
    bad, good = Scripted(calls=(("nothing", {}),)), Scripted(calls=(("nothing", {}), ("read_file", {"path": "a"})))
    report = worked(helper(*[bad] * 4, good, *[bad] * 4, "done", tools=[READ])).outcome.unwrap()
    assert report.status is ReportStatus.SUCCESS
    assert report.metrics.bad_calls == 9


class Faulty(Desk):
    """A tool that cannot say what it touches."""

    def touches(self, arguments: Mapping[str, Any]) -> Touches:
        raise KeyError("path")


def test_a_tool_that_is_wrong_about_itself_takes_nobody_down() -> None:
    report = worked(
        helper(Scripted(calls=(("faulty", {}), ("read_file", {"path": "a"}))), "done", tools=[Faulty("faulty"), READ])
    ).outcome.unwrap()
    assert [use.success for use in report.tool_uses] == [False, True]
    assert report.tool_uses[0].error == "KeyError: 'path'"


@given(st.text(max_size=300))
def test_every_name_a_model_makes_up_can_stand_in_a_path(name: str) -> None:
    from stretto.core.step import check_name

    assert check_name(path_name(name))
    assert "#" not in path_name(name)


# -- how calls end -------------------------------------------------------------------------------------------------


def test_a_tool_that_fails_tells_the_model_in_its_own_words() -> None:
    tools = [
        Desk("coded", output=ToolFailed("NOT_FOUND", "there is no memory 'x'; list them first")),
        Desk("silent", output=ValueError()),
        Desk("group", output=ExceptionGroup("two failed", [ValueError("a"), OSError("b")])),
    ]
    agent = helper(Scripted(calls=(("coded", {}), ("silent", {}), ("group", {}))), "done", tools=tools)
    report = worked(agent).outcome.unwrap()
    assert [use.error for use in report.tool_uses] == [
        "[NOT_FOUND] there is no memory 'x'; list them first", "ValueError", "two failed: ValueError: a; OSError: b",
    ]  # fmt: skip
    assert report.status is ReportStatus.SUCCESS


def test_a_test_whose_script_does_not_fit_is_not_told_to_the_model() -> None:
    run = worked(helper(Scripted(calls=(("x", {}),)), "done", tools=[Desk("x", output=CheckFailed("the script ends"))]))
    assert isinstance(run.outcome, Failed)
    assert isinstance(run.outcome.error, CheckFailed)


def test_a_human_who_ends_the_run_does_not_wait_for_the_other_calls() -> None:
    tools = [Desk("x", output=HumanAborted("helper/tools/x/run", "x")), Desk("slow", seconds=1e6)]
    run = worked(helper(Scripted(calls=(("x", {}), ("slow", {}))), "done", tools=tools))
    assert isinstance(run.outcome, Failed)
    assert isinstance(run.outcome.error, HumanAborted)
    assert run.log[-1].at < 2


def test_results_stand_in_the_order_of_the_calls_whoever_ends_first() -> None:
    tools = [Desk("slow", seconds=5), Desk("quick")]
    agent = helper(Scripted(calls=(("slow", {}), ("quick", {}), ("slow", {}))), "done", tools=tools)
    report = worked(agent).outcome.unwrap()
    assert [(use.name, use.iteration, use.duration) for use in report.tool_uses] == [
        ("slow", 1, 5.0), ("quick", 1, 1.0), ("slow", 1, 5.0),
    ]  # fmt: skip
    parts = script_of(agent).seen[1].messages[-1]["parts"]
    assert [part["tool_call_id"] for part in parts] == ["call_0_0", "call_0_1", "call_0_2"]


def test_megabytes_are_kept_whole_cut_for_the_model_and_told() -> None:
    agent = helper(
        Scripted(calls=(("big", {}),)), "done", tools=[Desk("big", output="é" * 3_000_000)], max_tool_output=1000
    )
    run = worked(agent)
    [part] = script_of(agent).seen[1].messages[-1]["parts"]
    assert part["content"] == "é" * 1000 + "\n[The output was cut here: 1,000 of its 3,000,000 characters are shown.]"
    outputs = {event.path: event.output for event in run.log if event.kind == "step_completed"}
    assert len(outputs["helper/tools/big/run"]) == 3_000_000
    [said] = [event for event in run.log if isinstance(event, Said)]
    assert said.text == "'big' returned 3,000,000 characters; the model is shown 1,000 of them"
    assert said.path == "helper/tools/big"
    assert said.level == "warning"


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ({"a": [1, None, "é"]}, '{"a":[1,null,"é"]}'),
        (b"ab", '"YWI="'),
        ("x\ud800y", "x?y"),
        (12, "12"),
        (object, "<class 'object'>"),
    ],
)
def test_what_is_no_text_is_told_as_json(output: Any, told: str) -> None:
    agent = helper(Scripted(calls=(("t", {}),)), "done", tools=[Desk("t", output=lambda _: output)])
    worked(agent)
    [part] = script_of(agent).seen[1].messages[-1]["parts"]
    assert part["content"].strip('"') == told.strip('"')


def test_an_output_that_holds_itself_is_told_somehow() -> None:
    knot: list[Any] = []
    knot.append(knot)
    agent = helper(Scripted(calls=(("t", {}),)), "done", tools=[Desk("t", output=knot)])
    worked(agent)
    assert script_of(agent).seen[1].messages[-1]["parts"][0]["content"] == "[[...]]"


def test_nothing_is_cut_between_a_letter_and_its_accent() -> None:
    accented = "e\u0301" * 100
    agent = helper(Scripted(calls=(("t", {}),)), "done", tools=[Desk("t", output=accented)], max_tool_output=101)
    worked(agent)
    content = script_of(agent).seen[1].messages[-1]["parts"][0]["content"]
    assert content.startswith("e\u0301" * 50 + "\n[The output was cut here: 100 of its 200")


# -- who may -------------------------------------------------------------------------------------------------------

DELETE = (("delete", {"path": "a"}),)


def ask(answer: Any, **tool: Any) -> tuple[Any, StepHarness, Desk]:
    delete = Desk("delete", writes=("file:{path}",), destructive=True, risk="high", required=("path",), **tool)
    agent = helper(Scripted(calls=(*DELETE, ("read_file", {"path": "b"}))), "done", tools=[delete, READ])
    harness = StepHarness(answers=[answer])
    report = run_virtual(harness.execute(agent, "go"))
    return (report, agent), harness, delete


def test_a_destructive_call_asks_even_where_nobody_set_up_rules() -> None:
    (report, _), harness, delete = ask("approve")
    [asked] = harness.questions
    assert (asked.topic, asked.risk, asked.path) == ("approval", "high", "helper/tools/delete")
    assert "helper wants to call 'delete'" in asked.question
    assert asked.details["arguments"] == {"path": "a"}
    assert delete.called == [{"path": "a"}]
    assert report.tool_uses[0].success


def test_a_denied_call_is_told_with_the_reason_and_the_task_goes_on() -> None:
    (report, agent), _, delete = ask(Answer(choice="reject", reason="not on Fridays", by="ann"))
    assert delete.called == []
    assert report.status is ReportStatus.SUCCESS
    denied, read = report.tool_uses
    assert denied.error == "this call was denied by ann: not on Fridays"
    assert read.success
    part = script_of(agent).seen[1].messages[-1]["parts"][0]
    assert (part["outcome"], part["content"]) == ("denied", "Denied: this call was denied by ann: not on Fridays")


def test_edited_arguments_are_checked_again() -> None:
    (report, _), _, delete = ask(Answer(choice="approve", value={"path": "b.tmp"}, by="ann"))
    assert delete.called == [{"path": "b.tmp"}]
    assert report.tool_uses[0].arguments == {"path": "b.tmp"}
    (report, _), _, delete = ask(Answer(choice="approve", value={"pfad": "b"}, by="ann"))
    assert delete.called == []
    assert not report.tool_uses[0].success
    assert report.metrics.bad_calls == 0
    assert "ann has edited the arguments, and the arguments of 'delete' do not follow" in report.tool_uses[0].error


def test_a_call_that_was_edited_to_touch_something_else_waits_until_it_is_alone() -> None:
    delete = Desk("delete", writes=("file:{path}",), destructive=True)
    calls = (("delete", {"path": "a"}), ("read_file", {"path": "b"}), ("read_file", {"path": "c"}))
    for edited, when in (({"path": "b"}, (1.0, 2.0)), ({"path": "a", "force": 1}, (0.0, 1.0))):
        agent = helper(Scripted(calls=calls), "done", tools=[delete, READ])
        harness = StepHarness(answers=[Answer(choice="approve", value=edited)])
        report = run_virtual(harness.execute(agent, "go"))
        found = spans(harness.events)
        assert found.get("delete.edited", found.get("delete")) == when
        assert found["read_file"] == found["read_file#2"] == (0.0, 1.0)
        assert [use.arguments for use in report.tool_uses] == [edited, {"path": "b"}, {"path": "c"}]
        assert delete.called[-1] == edited
        assert script_of(agent).seen[1].messages[-1]["parts"][0]["content"] == "delete is done"


class Rules(Validation):
    """Approves what reads, and has an opinion on the rest."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict, self.proposals = verdict, list[Proposal]()

    async def validate(self, context: Context, proposal: Proposal) -> Verdict:
        self.proposals.append(proposal)
        return self.verdict


def test_the_rules_of_the_run_decide() -> None:
    rules = Rules(Verdict(approved=False, arguments={}, reason="no"))
    tools = [Desk("mcp__fs__rm", origin="mcp", server="fs", risk="medium", destructive=True)]
    run = worked(helper(Scripted(calls=(("mcp__fs__rm", {"x": 1}),)), "done", tools=tools), resources=[rules])
    assert run.outcome.unwrap().tool_uses[0].error == "this call was denied by rule: no"
    [proposal] = rules.proposals
    assert (proposal.type, proposal.name, proposal.risk, proposal.destructive) == ("mcp", "mcp__fs__rm", "medium", True)
    assert proposal.arguments == {"x": 1}
    assert proposal.agent_id == "helper"
    assert proposal.details == {"server": "fs"}
    assert not [event for event in run.log if isinstance(event, Asked)]


def test_while_a_person_thinks_the_other_calls_are_made() -> None:
    from stretto import start

    slow = Desk("delete", destructive=True)
    limits = ParallelResourceLimits(max_concurrent_executions=1, execution_timeout=5)
    agent = helper(Scripted(calls=(("delete", {}), ("quick", {}))), "done", tools=[slow, Desk("quick")], limits=limits)

    async def main() -> Any:
        async with start(agent, "x") as run:
            async for event in run.events():
                if event.path == "helper/tools/quick" and event.kind == "step_completed":
                    run.answer(run.questions[0])
        return run

    run = run_virtual(main())
    assert [use.success for use in run.outcome.unwrap().tool_uses] == [True, True]


def test_a_plan_is_told_only_where_there_is_something_to_plan() -> None:
    run = together((("read_file", {"path": "a"}),), [READ])
    assert not plans(run.log)
    run = together((("read_file", {"path": "a"}), ("read_file", {"path": "b"})), [READ])
    [told] = [event for event in run.log if isinstance(event, PlanMade)]
    assert told.path == "helper/tools"
    paths = [event.path for event in run.log if isinstance(event, StepStarted)]
    assert paths[2:] == [
        "helper/tools", "helper/tools/read_file", "helper/tools/read_file/run", "helper/tools/read_file#2",
        "helper/tools/read_file#2/run", "helper/model#2",
    ] or sorted(paths[2:]) == sorted([
        "helper/tools", "helper/tools/read_file", "helper/tools/read_file/run", "helper/tools/read_file#2",
        "helper/tools/read_file#2/run", "helper/model#2",
    ])  # fmt: skip


def test_a_turn_can_be_run_by_itself() -> None:
    from stretto.agents.turn import Calls, Turn
    from stretto.tools.tool import Invocation

    calls = Calls(calls=(ToolCall("1", "read_file", '{"path": "a"}'),), caller=Invocation(arguments={}))
    [result] = run_virtual(Turn([READ]), calls)
    assert result.content == "read_file is done"
    assert result.whole is None


@pytest.mark.parametrize("depth", [140, 900, 5000])
def test_arguments_that_are_nested_without_end_are_told_and_take_nothing_else_down(depth: int) -> None:
    deep = '{"x":' * depth + "1" + "}" * depth
    agent = helper(Scripted(calls=(("read_file", deep), ("read_file", {"path": "a"}))), "done", tools=[READ])
    report = worked(agent, store=MemoryStore()).outcome.unwrap()
    assert "nested too deeply" in report.tool_uses[0].error
    assert [use.success for use in report.tool_uses] == [False, True]


def test_an_error_of_megabytes_is_cut_as_an_output_is_and_no_half_of_a_letter_is_sent() -> None:
    loud = Desk("loud", output=ToolFailed("LOUD", "\ud83d" + "x" * 100_000))
    name = "n" * 100_000
    agent = helper(Scripted(calls=(("loud", {}), (name, {}))), "done", tools=[loud], max_tool_output=1000)
    report = worked(agent).outcome.unwrap()
    parts = script_of(agent).seen[1].messages[-1]["parts"]
    assert all(len(part["content"]) < 1200 for part in parts)
    assert "of its 100,0" in parts[0]["content"]
    assert all(part["content"].isascii() or part["content"].encode() for part in parts)
    assert all(len(use.error) < 1200 for use in report.tool_uses)


def test_every_call_has_a_result_of_its_own_when_a_model_uses_an_id_twice() -> None:
    class Repeating(ScriptedModel):
        """Gives every call the same id, and none to those of its second answer."""

        async def execute(self, input: Any, context: Any) -> Any:
            reply = await super().execute(input, context)
            parts = [
                {**part, "tool_call_id": "" if len(self.seen) == 2 else "c"} if "tool_call_id" in part else part
                for part in reply.message["parts"]
            ]
            return replace(reply, message={**reply.message, "parts": parts})

    both = Scripted(calls=(("read_file", {"path": "a"}), ("read_file", {"path": "b"})))
    model = Repeating(both, both, both, "done")
    report = worked(Agent(name="helper", model=model, tools=[READ])).outcome.unwrap()
    asked = [call.id for message in report.messages for call in calls_of(message)]
    answered = [
        part["tool_call_id"] for message in report.messages for part in message["parts"]
        if part["part_kind"] == "tool-return"
    ]  # fmt: skip
    assert asked == answered == ["c", "c_2", "call", "call_2", "c_3", "c_4"]
    assert [use.arguments["path"] for use in report.tool_uses] == ["a", "b"] * 3
    assert model.seen[3].messages == report.messages[:-1]
    later = Repeating(both, "done")
    history = report.messages
    agent = Agent(name="helper", model=later, tools=[READ])
    again = worked(agent, Task(description="again", history=history)).outcome.unwrap()
    assert [call.id for call in calls_of(again.messages[1])] == ["c_5", "c_6"]


def test_what_a_thousand_calls_touch_is_told_in_few_words_although_nobody_knows_it_of_half_of_them() -> None:
    calls = [Touches(known=False) if place % 2 else Touches(reads=(f"file:{place}",)) for place in range(1000)]
    assert sum(len(each.reads) + len(each.writes) for each in resolved(calls)) <= 2 * len(calls)
    assert resolved([Touches(reads=("a",)), Touches(writes=("b",))])[0].reads == ("a",)
