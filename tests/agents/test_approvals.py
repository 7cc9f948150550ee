"""Approvals: a table of who is asked about what, and people who approve, edit, reject, pass on, or say nothing."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stretto.agents.agent import Agent
from stretto.agents.auditing import audit
from stretto.agents.validation import (
    ApprovalRule,
    Approvals,
    ApprovalSettings,
    OperationKind,
    Proposal,
    Validation,
    Verdict,
    decide,
    details_of,
)
from stretto.core.errors import DefinitionError
from stretto.core.events import Answered, Asked, Event, Said, StepStarted
from stretto.core.function import step
from stretto.core.policies import ErrorMode, ParallelResourceLimits
from stretto.core.step import Answer, Context
from stretto.runtime.run import Run, start
from stretto.runtime.virtual import VirtualClock
from stretto.testing import Scripted, ScriptedModel, run_virtual
from stretto.tools import ListFilesTool, tool
from stretto.tools.tool import WrongArguments

KINDS: tuple[OperationKind, ...] = ("tool", "mcp", "sub_agent", "file_op", "db_op")
RISKS = ("low", "medium", "high")
SWITCH = {"tool": "tools", "mcp": "mcp", "sub_agent": "sub_agents", "file_op": "file_ops", "db_op": "db_ops"}


def proposal(**given: Any) -> Proposal:
    told: dict[str, Any] = {"type": "mcp", "name": "mcp__fs__write", "operation": "write a file", "risk": "medium"}
    return Proposal(**{**told, **given})


# -- the table -----------------------------------------------------------------------------------------------------
# Rows from the top, the first that fits counts: which calls they are about, and what becomes of these.
# None stands for whatever; "selected" is the switch of the call's kind.

ROWS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"rule": "deny"}, "deny"),
    ({"rule": "ask"}, "ask"),
    ({"always_confirm_high": True, "risk": "high"}, "ask"),
    ({"rule": "allow+destructive"}, "allow"),
    ({"rule": "allow", "destructive": False}, "allow"),
    ({"destructive": True}, "ask"),
    ({"mode": "auto"}, "allow"),
    ({"mode": "manual"}, "ask"),
    ({"selected": False}, "allow"),
    ({"type": "tool"}, "ask"),
    ({"risk": "low", "auto_approve_low": True}, "allow"),
    ({}, "ask"),
)
FACTS: dict[str, tuple[Any, ...]] = {
    "mode": ("auto", "manual", "selective"),
    "type": KINDS,
    "risk": RISKS,
    "selected": (True, False),
    "destructive": (True, False),
    "auto_approve_low": (True, False),
    "always_confirm_high": (True, False),
    "rule": (None, "deny", "ask", "allow", "allow+destructive"),
}


def by_table(facts: dict[str, Any]) -> str:
    return next(course for row, course in ROWS if all(facts[name] == value for name, value in row.items()))


def decided(facts: dict[str, Any]) -> str:
    rules: tuple[ApprovalRule, ...] = ()
    if facts["rule"] is not None:
        then, _, wide = facts["rule"].partition("+")
        rules = (
            ApprovalRule(then="deny", tool="another_*"),
            ApprovalRule(then=then, tool="x*", destructive=bool(wide)),
        )
    settings = ApprovalSettings(
        mode=facts["mode"],
        auto_approve_low=facts["auto_approve_low"],
        always_confirm_high=facts["always_confirm_high"],
        rules=rules,
        **{SWITCH[facts["type"]]: facts["selected"]},
    )
    call = proposal(type=facts["type"], name="x_call", risk=facts["risk"], destructive=facts["destructive"])
    return decide(settings, call).course


def test_a_rule_can_be_about_one_agent() -> None:
    rule = ApprovalRule(then="allow", agent="lead*")
    assert rule.fits(proposal(agent_id="lead-2"))
    assert not rule.fits(proposal(agent_id="reader"))


def test_every_case_is_decided_as_the_table_says() -> None:
    used = set()
    for values in itertools.product(*FACTS.values()):
        facts = dict(zip(FACTS, values, strict=True))
        assert decided(facts) == by_table(facts), facts
        used.add(next(n for n, (row, _) in enumerate(ROWS) if all(facts[name] == value for name, value in row.items())))
    assert used == set(range(len(ROWS)))


@given(st.fixed_dictionaries({name: st.sampled_from(values) for name, values in FACTS.items()}))
def test_what_destroys_is_never_done_unasked_without_a_rule_that_says_so(facts: dict[str, Any]) -> None:
    if facts["destructive"] and facts["rule"] != "allow+destructive":
        assert decided(facts) != "allow"


def test_the_defaults_ask_for_what_can_do_harm_and_for_nothing_else() -> None:
    plain = ApprovalSettings()
    assert decide(plain, proposal(type="tool", risk="high")).course == "allow"
    assert decide(plain, proposal(type="tool", destructive=True)).course == "ask"
    assert decide(plain, proposal(risk="low")).course == "allow"
    assert decide(plain, proposal(risk="medium")).course == "ask"


def test_manual_mode_asks_for_local_tools_of_low_risk() -> None:
    assert decide(ApprovalSettings(mode="manual"), proposal(type="tool", risk="low")).course == "ask"


def test_selecting_tools_has_an_effect() -> None:
    assert decide(ApprovalSettings(tools=True), proposal(type="tool", risk="low")).course == "ask"


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ({"tool": "mcp__fs__*"}, True),
        ({"tool": "mcp__git__*"}, False),
        ({"server": "f?"}, True),
        ({"server": "git"}, False),
        ({"server": "fs", "tool": "*__read"}, False),
        ({"server": "fs", "tool": "*__write"}, True),
        ({"tool": "MCP__*"}, False),
    ],
)
def test_a_rule_fits_by_tool_and_server(rule: dict[str, str], fits: bool) -> None:
    assert ApprovalRule.model_validate({"then": "deny", **rule}).fits(proposal()) is fits


def test_a_rule_for_servers_fits_no_local_tool_and_the_server_that_is_told_counts() -> None:
    assert not ApprovalRule(then="deny", server="*").fits(proposal(type="tool", name="mcp__fs__write"))
    assert ApprovalRule(then="deny", server="real").fits(proposal(details={"server": "real"}))
    assert ApprovalRule(then="deny", server="real").fits(proposal(details={"server_name": "real"}))


def test_of_the_rules_the_first_that_fits_counts() -> None:
    read = ApprovalRule(then="allow", tool="*__read")
    everything = ApprovalRule(then="deny", reason="closed today")
    settings = ApprovalSettings(rules=(read, everything))
    assert decide(settings, proposal(name="mcp__fs__read")).course == "allow"
    assert decide(settings, proposal()).reason == "the rule for '*' says deny: closed today"
    assert decide(ApprovalSettings(rules=(everything, read)), proposal(name="mcp__fs__read")).course == "deny"
    assert str(ApprovalRule(then="ask", server="fs")) == "the rule for '*' of 'fs' says ask"


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "never"},
        {"timeout": 29},
        {"timeout": 301},
        {"on_timeout": "escalate"},
        {"escalation_timeout": 60},
        {"on_timeout": "shrug"},
        {"audit": True},
        {"rules": ({"then": "perhaps"},)},
        {"rules": ({"then": "deny", "destructive": True},)},
        {"rules": ({"then": "deny", "tool": ""},)},
    ],
)
def test_settings_that_nobody_could_follow_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ApprovalSettings.model_validate(wrong)


# -- asking --------------------------------------------------------------------------------------------------------


def asks(*calls: Proposal, at_once: bool = False) -> Any:
    """Returns a step that has each call validated in a step of its own, and returns the verdicts."""

    @step(name="call")
    async def call(wanted: Proposal, context: Context) -> Any:
        verdict = await context.resource(Validation).validate(context, wanted)
        return [verdict.approved, dict(verdict.arguments), verdict.reason, verdict.by]

    @step(name="all")
    async def every(_: Any, context: Context) -> Any:
        if not at_once:
            return [await context.run(call, wanted) for wanted in calls]
        async with context.branches(ParallelResourceLimits(), ErrorMode.FAIL_FAST) as branches:
            for number, wanted in enumerate(calls):
                await branches.start(call, wanted, name=f"call[{number}]")
        return [outcome.unwrap() for outcome in branches.outcomes]

    return every


class People:
    """Answers questions as they come; ``None`` says nothing until time is up."""

    def __init__(self, *answers: Answer | str | None) -> None:
        self.answers = list(answers)
        self.asked: list[Asked] = []

    async def sit(self, work: Any, settings: ApprovalSettings, **given: Any) -> Run[Any]:
        async with start(work, resources=[Approvals(settings)], **given) as run:
            async for event in run.events(len(given.get("resume", ()))):
                if isinstance(event, Asked):
                    self.asked.append(event)
                    if (said := self.answers.pop(0)) is not None:
                        answer = Answer(choice=said, by="ann") if isinstance(said, str) else said
                        await asyncio.sleep(1)
                        run.answer(
                            event.request_id, answer.choice, value=answer.value, reason=answer.reason, by=answer.by
                        )
        assert not self.answers
        return run


def verdicts(people: People, *calls: Proposal, settings: ApprovalSettings | None = None, **given: Any) -> Any:
    run = run_virtual(people.sit(asks(*calls), settings or ApprovalSettings(), **given))
    return run, run.outcome.unwrap()


def test_what_is_allowed_or_denied_by_rule_asks_nobody() -> None:
    settings = ApprovalSettings(mode="auto", rules=(ApprovalRule(then="deny", tool="bad", reason="not here"),))
    run, said = verdicts(People(), proposal(arguments={"x": 1}), proposal(name="bad"), settings=settings)
    assert said == [
        [True, {"x": 1}, "the mode is auto", "rule"],
        [False, {}, "the rule for 'bad' says deny: not here", "rule"],
    ]
    (row,) = audit(run.log)
    assert (row.result, row.name, row.by, row.request_id, row.waited) == ("denied", "bad", "rule", "", None)
    assert row.reason == "the rule for 'bad' says deny: not here"
    assert row.answered_at is not None


def test_a_human_sees_what_it_is_about_and_approves() -> None:
    people = People(Answer(choice="approve", by="ann", reason="fine"))
    run, said = verdicts(people, proposal(arguments={"path": "a"}, agent_id="lead", risk="high"))
    assert said == [[True, {"path": "a"}, "fine", "ann"]]
    (asked,) = people.asked
    assert (asked.topic, asked.risk, asked.question, asked.value) == (
        "approval",
        "high",
        "write a file",
        {"path": "a"},
    )
    assert asked.choices == ["approve", "approve_all", "reject"]
    assert asked.reason == "calls of mcp are asked for"
    assert (asked.timeout, asked.default) == (None, None)
    (row,) = audit(run.log)
    assert (row.result, row.by, row.reason, row.edited, row.agent_id, row.risk, row.arguments) == (
        "approved", "ann", "fine", False, "lead", "high", {"path": "a"},
    )  # fmt: skip


@pytest.mark.parametrize(("reason", "told"), [("too late", "too late"), ("", "rejected by ann")])
def test_a_human_rejects_with_a_reason(reason: str, told: str) -> None:
    run, said = verdicts(People(Answer(choice="reject", by="ann", reason=reason)), proposal())
    assert said == [[False, {}, told, "ann"]]
    assert [row.result for row in audit(run.log)] == ["rejected"]


def checked(arguments: Any) -> Any:
    if set(arguments) != {"path"}:
        raise WrongArguments("write", ("'path' is missing",))
    return {"mode": "w", **arguments}


def test_edited_arguments_are_checked_and_asked_about_again_when_they_do_not_fit() -> None:
    people = People(
        Answer(choice="approve", value=[1], by="ann"),
        Answer(choice="approve", value={"pfad": "b"}, by="ann"),
        Answer(choice="approve", value={"path": "b"}, by="bob"),
    )
    run, said = verdicts(people, proposal(arguments={"path": "a"}, check=checked))
    assert said == [[True, {"mode": "w", "path": "b"}, "", "bob"]]
    assert "they must be a JSON object, not [1]; approve it as it was" in people.asked[1].reason
    assert "'path' is missing" in people.asked[2].reason
    assert [asked.request_id for asked in people.asked] == ["all/call?1", "all/call?2", "all/call?3"]
    *_, last = audit(run.log)
    assert (last.edited, last.arguments, last.by) == (True, {"path": "b"}, "bob")


def test_an_edit_without_a_check_is_taken_as_it_is() -> None:
    _, said = verdicts(People(Answer(choice="approve", value={"any": 1})), proposal(arguments={"path": "a"}))
    assert said == [[True, {"any": 1}, "", ""]]


# -- time ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "destructive", "approved"),
    [("reject", False, False), ("approve", False, True), ("approve", True, False), ("reject", True, False)],
)
def test_when_time_is_up_the_policy_holds_but_silence_does_not_destroy(
    policy: Any, destructive: bool, approved: bool
) -> None:
    clock = VirtualClock()
    settings = ApprovalSettings(timeout=45, on_timeout=policy)
    run = clock.run(People(None).sit(asks(proposal(destructive=destructive)), settings))
    ((verdict, _, reason, by),) = run.outcome.unwrap()
    assert (verdict, reason, by) == (approved, "nobody answered within 45 s", "timeout")
    assert clock.elapsed == pytest.approx(45)


@pytest.mark.parametrize(("limit", "said"), [(None, "approve"), (600, "approve"), (600, None)])
def test_what_nobody_answers_is_escalated_with_its_reason(limit: float | None, said: str | None) -> None:
    clock = VirtualClock()
    settings = ApprovalSettings(timeout=30, on_timeout="escalate", escalation_timeout=limit)
    people = People(None, said)
    run = clock.run(people.sit(asks(proposal(arguments={"x": 1})), settings))
    first, second = people.asked
    assert (first.choices[-1], first.default) == ("escalate", "escalate")
    assert second.choices == ["approve", "approve_all", "reject"]
    assert second.reason == "escalated: nobody answered within 30 s"
    assert second.details["escalated"] is True
    assert (second.timeout, second.default) == (limit, None if limit is None else "reject")
    ((approved, *_),) = run.outcome.unwrap()
    assert approved is (said is not None)
    assert clock.elapsed == pytest.approx(31 if said else 630)
    rows = audit(run.log)
    assert [(row.result, row.escalated, row.by) for row in rows] == [
        ("escalated", False, "timeout"),
        ("approved", True, "ann") if said else ("rejected", True, "timeout"),
    ]


def test_a_human_may_pass_it_on_before_time_is_up() -> None:
    settings = ApprovalSettings(timeout=300, on_timeout="escalate")
    people = People(Answer(choice="escalate", by="ann"), Answer(choice="reject", by="boss"))
    _, said = verdicts(people, proposal(), settings=settings)
    assert people.asked[1].reason == "escalated: passed on by ann"
    assert said == [[False, {}, "rejected by boss", "boss"]]


# -- approve all ---------------------------------------------------------------------------------------------------


def test_approving_all_covers_later_calls_of_the_same_tool_that_are_no_riskier() -> None:
    people = People("approve_all", "approve", "approve", "approve")
    calls = (
        proposal(arguments={"n": 1}),
        proposal(arguments={"n": 2}),
        proposal(arguments={"n": 3}, risk="high"),
        proposal(arguments={"n": 4}, destructive=True),
        proposal(arguments={"n": 5}, name="mcp__fs__move"),
    )
    run, said = verdicts(people, *calls)
    assert [asked.value for asked in people.asked] == [{"n": n} for n in (1, 3, 4, 5)]
    assert said[1] == [True, {"n": 2}, "all calls of 'mcp__fs__write' were approved for this run", "ann"]
    rows = audit(run.log)
    assert [(row.result, row.choice, row.by) for row in rows] == [
        ("approved", "approve_all", "ann"),
        ("approved", "", "ann"),
        ("approved", "approve", "ann"),
        ("approved", "approve", "ann"),
        ("approved", "approve", "ann"),
    ]


def test_what_is_confirmed_each_time_is_covered_by_nothing() -> None:
    settings = ApprovalSettings(always_confirm_high=True)
    people = People("approve_all", "approve", "approve")
    calls = (proposal(), proposal(risk="high"), proposal(risk="high"))
    verdicts(people, *calls, settings=settings)
    assert people.asked[1].choices == ["approve", "reject"]


def test_approving_all_answers_what_is_open_of_the_same_tool() -> None:
    calls = [proposal(arguments={"n": n}) for n in range(2)]
    work = asks(proposal(name="other"), *calls, at_once=True)

    async def main() -> Run[Any]:
        async with start(work, resources=[Approvals()]) as run:
            await asyncio.sleep(1)
            assert len(run.questions) == 3
            run.answer("all/call[2]?1", "approve_all", by="ann")
            await asyncio.sleep(1)
            assert run.questions == ["all/call[0]?1"]
            run.answer("all/call[0]?1", "reject", by="bob")
        return run

    run = run_virtual(main())
    assert [said[0] for said in run.outcome.unwrap()] == [False, True, True]
    by_id = {event.request_id: event for event in run.log if isinstance(event, Answered)}
    assert by_id["all/call[1]?1"].reason == "all calls of 'mcp__fs__write' were approved for this run"
    assert by_id["all/call[1]?1"].by == "ann"


def test_what_was_approved_for_the_run_holds_after_a_restart_and_changes_no_answer() -> None:
    calls = tuple(proposal(arguments={"n": n}) for n in range(4))
    run, said = verdicts(People("reject", "approve_all"), *calls)
    assert [one[0] for one in said] == [False, True, True, True]
    cut = next(n for n, event in enumerate(run.log) if isinstance(event, StepStarted) and event.path == "all/call#4")
    log: list[Event] = [event for event in run.log[:cut] if event.kind not in ("step_completed", "said")]
    again, same = verdicts(People(), *calls, resume=log, in_flight="retry")
    assert same == said  # the rejected one stays rejected although all were approved later
    assert [event.request_id for event in again.log if isinstance(event, Asked)] == ["all/call?1", "all/call#2?1"]


def test_gone_through_again_it_is_told_once() -> None:
    calls = tuple(proposal(arguments={"n": n}) for n in range(2))
    run, _ = verdicts(People("approve_all"), *calls)
    doubled = [*run.log, *(event for event in run.log if isinstance(event, Said))]
    assert len(audit(doubled)) == 2


def test_a_request_that_nobody_answered_is_open_and_withdrawn_when_its_step_ends() -> None:
    async def main() -> list[Event]:
        async with start(asks(proposal()), resources=[Approvals()]) as run:
            await asyncio.sleep(5)
            assert [row.result for row in audit(run.log)] == ["open"]
            run.cancel("enough")
        return run.log

    assert [(row.result, row.waited) for row in audit(run_virtual(main()))] == [("withdrawn", None)]


# -- what is shown -------------------------------------------------------------------------------------------------

LONG = "ä€🎉" * 100


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        (
            proposal(type="tool", name="t", arguments={"x": 1}),
            {"tool_name": "t", "operation": "write a file", "arguments_preview": '{"x":1}'},
        ),
        (
            proposal(arguments={"text": LONG}),
            {"server_name": "fs", "tool_name": "mcp__fs__write", "arguments_preview": f'{{"text":"{LONG}'[:199] + "…"},
        ),
        (
            proposal(type="sub_agent", arguments={"name": "coder", "prompt": LONG, "tools": ["a"]}),
            {
                "operation_type": "spawn", "sub_agent_name": "coder", "prompt_preview": LONG[:199] + "…",
                "prompt_length": 300, "tools": ["a"], "mcp_servers": [],
            },
        ),
        (
            proposal(type="sub_agent", arguments={"agent_id": "a1", "prompt": "p"}, details={"target_agent_name": "A"}),
            {
                "operation_type": "delegate", "target_agent_id": "a1", "target_agent_name": "A", "prompt_preview": "p",
                "prompt_length": 1,
            },
        ),
        (
            proposal(type="sub_agent", arguments={"tasks": [{"agent_id": "a1", "prompt": LONG}, {}]}),
            {
                "operation_type": "parallel_batch", "task_count": 2,
                "tasks": [
                    {"agent_id": "a1", "prompt_preview": LONG[:99] + "…"}, {"agent_id": "", "prompt_preview": ""},
                ],
            },
        ),
    ],
)  # fmt: skip
def test_a_human_is_shown_what_belongs_to_the_kind_of_call(call: Proposal, shown: dict[str, Any]) -> None:
    found = details_of(call)
    assert found.pop("approves")["type"] == call.type
    assert found.pop("agent_id") == ""
    assert found == shown


def test_a_verdict_by_rule_says_so() -> None:
    assert Verdict(approved=True, arguments={}).by == "rule"


@pytest.mark.parametrize("switch", ["file_ops", "db_ops"])
@pytest.mark.parametrize("on", [True, False])
def test_calls_that_work_on_files_or_databases_have_switches_of_their_own(
    switch: str, on: bool, tmp_path: Path
) -> None:
    @tool(reads=("users",), operation="db_op")
    async def query() -> int:
        """Asks the database."""
        return 1

    asked = query if switch == "db_ops" else ListFilesTool(tmp_path)
    model = ScriptedModel(Scripted(calls=((asked.name, {}),)), "done")
    rules = Approvals(ApprovalSettings(auto_approve_low=False, **{switch: on}))
    agent = Agent(name="lead", model=model, tools=[asked])

    async def main() -> list[str]:
        async with start(agent, "go", resources=[rules]) as run:
            async for event in run.events():
                if isinstance(event, Asked):
                    run.answer(event.request_id, "approve")
        run.outcome.unwrap()
        return [event.kind for event in run.log if isinstance(event, Asked)]

    assert run_virtual(main) == (["asked"] if on else [])


def test_a_tool_works_on_files_or_databases_and_on_nothing_else() -> None:
    with pytest.raises(DefinitionError, match="operation is file_op or db_op, not 'mail'"):

        @tool(operation="mail")  # type: ignore[call-overload]  # what is refused is shown
        async def send() -> None:
            """Sends."""
