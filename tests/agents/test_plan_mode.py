"""Plan mode: operations start while the answer is still being written, get each other's outputs, and are told truly."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from stretto import Run, start
from stretto.agents.agent import Agent
from stretto.agents.call import CallResult
from stretto.agents.plan_mode import PLAN_TOOL, PlanAsk, Planning, Thought
from stretto.agents.report import Report, ReportStatus
from stretto.core.events import Event, ModelDelta, PlanMade, StepCompleted, StepSkipped, StepStarted
from stretto.core.outcome import Failed
from stretto.core.policies import ParallelResourceLimits, RetryPolicy, StepPolicy
from stretto.core.resources import Clock
from stretto.core.step import Context
from stretto.models.messages import user_message
from stretto.models.model import ModelCall
from stretto.stores.memory import MemoryStore
from stretto.testing import Scripted, ScriptedModel, VirtualClock, run_virtual
from stretto.tools.tool import Invocation, Tool, ToolFailed, Touches

CALLER = Invocation(arguments={}, agent_id="lead")


class Slow(Tool):
    """Takes its time, and returns what it was given."""

    description = "Returns its arguments."
    parameters: Mapping[str, Any] = {"type": "object"}

    def __init__(self, name: str, seconds: float = 0.5, touches: Touches | None = None, **settings: Any) -> None:
        self.name, self.seconds, self._touches = name, seconds, touches or Touches(reads=(name,))
        self.made: list[Mapping[str, Any]] = []
        for setting, value in settings.items():
            setattr(self, setting, value)

    def check(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return arguments

    def touches(self, arguments: Mapping[str, Any]) -> Touches:
        return self._touches

    async def execute(self, input: Invocation | Mapping[str, Any], context: Context) -> Any:
        arguments = Invocation.of(input).arguments
        self.made.append(arguments)
        await context.resource(Clock).sleep(self.seconds)
        if "fails" in arguments:
            raise ToolFailed("NOT_FOUND", str(arguments["fails"]))
        return {"got": dict(arguments), "from": self.name}


def plan(*operations: Any, **settings: Any) -> Scripted:
    return Scripted(calls=((PLAN_TOOL, json.dumps({"operations": operations})),), **settings)


def op(id: str, tool: str, after: Sequence[str] = (), **arguments: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"id": id, "tool": tool, "arguments": arguments}
    return made | ({"after": list(after)} if after else {})


def carried_out(
    model: ScriptedModel, *tools: Tool, clock: VirtualClock | None = None, most: int = 10, **settings: Any
) -> Run[Thought]:
    planning = Planning(model, tools, limits=ParallelResourceLimits(max_concurrent_executions=most))
    ask = PlanAsk(call=ModelCall(messages=(user_message("go"),)), caller=CALLER)

    async def main() -> Run[Thought]:
        async with start(planning, ask, **settings) as run:
            await run.ended.wait()
        return run

    run: Run[Thought] = run_virtual(main, clock=clock)
    return run


def thought(run: Run[Thought]) -> Thought:
    return run.outcome.unwrap()


def told(run: Run[Thought]) -> dict[str, Any]:
    answered = thought(run).answered
    assert answered is not None
    read: dict[str, Any] = json.loads(answered.content)
    return read


def at(run: Run[Any], path: str, kind: type[Event] = StepStarted) -> float:
    return next(event.at for event in run.log if isinstance(event, kind) and event.path == path)


def test_an_answer_without_a_plan_is_handed_on_as_it_is() -> None:
    run = carried_out(ScriptedModel("just words"))
    assert (thought(run).reply.text, thought(run).answered, thought(run).results) == ("just words", None, ())


def test_operations_start_while_the_answer_is_still_being_written() -> None:
    answer = plan(op("a", "one", x=1), op("b", "two", x=2), op("c", "three", x="${a.got.x} and ${b.got.x}"))
    tools = [Slow("one"), Slow("two"), Slow("three")]
    run = carried_out(ScriptedModel(answer, tokens_per_second=50), *tools)
    ends = max(event.at for event in run.log if isinstance(event, ModelDelta))
    assert at(run, "plan/a") < at(run, "plan/b") < ends
    assert tools[2].made == [{"x": "1 and 2"}]
    last = max(at(run, "plan/a", StepCompleted), at(run, "plan/b", StepCompleted))
    assert at(run, "plan/c") == pytest.approx(max(last, at(run, "plan/c")))
    assert [result.call.name for result in thought(run).results] == ["one", "two", "three"]
    assert told(run)["results"]["c"]["status"] == "completed"


def test_three_tools_and_a_join_take_hardly_longer_than_writing_one_tool_and_the_join() -> None:
    answer = plan(op("a", "one"), op("b", "two"), op("c", "three"), op("d", "join", x=["${a}", "${b}", "${c}"]))
    clock = VirtualClock()
    run = carried_out(
        ScriptedModel(answer, tokens_per_second=100), Slow("one"), Slow("two"), Slow("three"), Slow("join"), clock=clock
    )
    writing = max(event.at for event in run.log if isinstance(event, ModelDelta))
    assert clock.elapsed <= 1.15 * (writing + 0.5 + 0.5)
    (made,) = [event for event in run.log if isinstance(event, PlanMade)]
    assert made.plan["batches"] == [["a", "b", "c"], ["d"]]


def test_what_could_do_harm_waits_for_the_whole_answer() -> None:
    writes, reads = Slow("writes", touches=Touches(writes=("f",))), Slow("reads", touches=Touches(reads=("g",)))
    nobody = Slow("nobody", touches=Touches(known=False))
    destroys = Slow("destroys", touches=Touches(writes=("h",)), policy=StepPolicy(idempotent=True), destructive=True)
    puts = Slow("puts", touches=Touches(writes=("p",)), policy=StepPolicy(idempotent=True))
    agent = Slow("agent", touches=Touches(), origin="sub_agent")
    answer = plan(*[op(name, name) for name in ("reads", "puts", "writes", "agent")], text="and so on " * 50)
    run = carried_out(ScriptedModel(answer, tokens_per_second=50), writes, reads, puts, agent, nobody, destroys)
    ends = at(run, "plan/model", StepCompleted)
    assert at(run, "plan/reads") < ends
    assert at(run, "plan/puts") < ends
    assert at(run, "plan/writes.once") >= ends
    assert at(run, "plan/agent.once") >= ends


def test_a_write_waits_for_what_it_conflicts_with_also_through_references_and_patterns() -> None:
    reads, writes = Slow("reads", touches=Touches(reads=("src/*",))), Slow("writes", touches=Touches(writes=("src/a",)))
    apart = Slow("apart", touches=Touches(writes=("doc/x",)))
    run = carried_out(
        ScriptedModel(plan(op("r", "reads"), op("w", "writes"), op("d", "apart"), op("r2", "reads"))),
        reads, writes, apart,
    )  # fmt: skip
    assert at(run, "plan/r") == at(run, "plan/d.once") == 0
    assert at(run, "plan/w.once") == 0.5
    assert at(run, "plan/r2") == 1.0


def test_who_does_not_know_what_it_touches_runs_alone() -> None:
    unknown = Slow("unknown", touches=Touches(known=False))
    run = carried_out(
        ScriptedModel(plan(op("r", "reads"), op("u", "unknown"), op("v", "unknown"), op("r2", "reads"))),
        unknown, Slow("reads"),
    )  # fmt: skip
    assert [at(run, f"plan/{id}") for id in ("r", "u.once", "v.once", "r2")] == [0, 0.5, 1.0, 1.5]


def test_a_failure_takes_with_it_what_needs_its_output_and_nothing_else() -> None:
    run = carried_out(
        ScriptedModel(
            plan(op("a", "t", fails="no such page"), op("b", "t", x="${a}"), op("c", "t"), op("d", "t", ["b"]))
        ),
        Slow("t"),
    )
    results = told(run)["results"]
    assert results["a"] == {"status": "failed", "output": "Error: [NOT_FOUND] no such page"}
    assert "it needs 'a', but 'a' failed" in results["b"]["output"]
    assert results["c"]["status"] == "completed"
    assert "it needs 'b', but 'b' did not run" in results["d"]["output"]
    assert [event.path for event in run.log if isinstance(event, StepSkipped)] == ["plan/b", "plan/d"]


def test_what_is_wrong_with_a_plan_is_told_and_the_rest_is_carried_out() -> None:
    answer = plan(
        op("a", "t", n=1), op("a", "t"), {"id": "x"}, op("lost", "t", x="${nobody}"), op("p", "t", x="${a.got.z}"),
        op("q", "unknown"), op("r1", "t", ["r2"]), op("r2", "t", ["r1"]), op("self", "t", x="${self}"),
    )  # fmt: skip
    read = told(carried_out(ScriptedModel(answer), Slow("t")))
    assert any("'a'" in problem for problem in read["problems"])
    assert any("tool: " in problem for problem in read["problems"])
    results = read["results"]
    assert results["a"]["status"] == "completed"
    assert "needs 'nobody'" in results["lost"]["output"]
    assert "does not have" in results["p"]["output"]
    assert "there is no tool 'unknown'" in results["q"]["output"]
    assert all(results[id]["status"] == "failed" for id in ("r1", "r2", "self"))


@pytest.mark.parametrize("arguments", ["{}", "{broken", '{"operations": 3}', '{"operations": [{"id": oops}]}'])
def test_a_plan_without_operations_is_a_failed_call(arguments: str) -> None:
    run = carried_out(ScriptedModel(Scripted(calls=((PLAN_TOOL, arguments),))), Slow("t"))
    answered = thought(run).answered
    assert answered is not None
    assert (answered.ending, answered.bad) == ("failed", True)
    assert told(run)["problems"]


def test_only_so_many_operations_and_only_one_plan_are_carried_out() -> None:
    many = [op(f"o{number}", "t") for number in range(102)]
    two = Scripted(calls=plan(*many).calls + plan(op("other", "t")).calls)
    read = told(carried_out(ScriptedModel(two), Slow("t", 0), most=200))
    assert len(read["results"]) == 100
    assert sum("one too many" in problem for problem in read["problems"]) == 2
    assert f"only the first {PLAN_TOOL} of an answer is carried out" in read["problems"]


def test_no_more_operations_run_at_once_than_the_limits_allow() -> None:
    clock = VirtualClock()
    carried_out(ScriptedModel(plan(*[op(f"o{n}", "t") for n in range(6)])), Slow("t"), clock=clock, most=2)
    assert clock.elapsed == 1.5


class Broken(ScriptedModel):
    """Tells its listener that the answer is asked for anew, as a real model does after a cut."""

    async def execute(self, input: ModelCall, context: Context) -> Any:
        try:
            return await super().execute(input, context)
        except ConnectionError:
            assert input.listener is not None
            assert input.listener.restart()
            raise


def test_a_broken_answer_is_asked_for_anew_and_what_it_wanted_does_not_count() -> None:
    retry = StepPolicy(idempotent=True, retry=RetryPolicy(attempts=2, wait=0.1, jitter=0))
    model = Broken(
        plan(op("a", "t", x=1), op("b", "t", x=1), breaks=ConnectionError("gone")), plan(op("a", "t", x=2)),
        policy=retry, tokens_per_second=100,
    )  # fmt: skip
    tool = Slow("t", 5)
    run = carried_out(model, tool)
    assert [result.arguments for result in thought(run).results] == [{"x": 2}]
    assert list(told(run)["results"]) == ["a"]


def test_a_failed_model_fails_the_step_and_stops_what_was_started() -> None:
    model = ScriptedModel(plan(op("a", "t"), breaks=ConnectionError("gone")), tokens_per_second=100)
    clock = VirtualClock()
    run = carried_out(model, Slow("t", 100), clock=clock)
    assert isinstance(run.outcome, Failed)
    assert isinstance(run.outcome.error, ConnectionError)
    assert clock.elapsed < 10


def test_after_a_crash_at_any_place_the_run_goes_on_and_no_whole_answer_is_asked_for_twice() -> None:
    answer = plan(op("a", "one", x=1), op("b", "one", x="${a.got.x}"), op("c", "two"))
    whole = carried_out(ScriptedModel(answer, tokens_per_second=100), Slow("one"), Slow("two"))
    for cut in range(1, len(whole.log)):
        log = whole.log[:cut]
        model = ScriptedModel(answer, tokens_per_second=100)
        run = carried_out(model, Slow("one"), Slow("two"), resume=log, in_flight="retry")
        assert told(run) == told(whole)
        answered = any(isinstance(event, StepCompleted) and event.path == "plan/model" for event in log)
        assert len(model.seen) == (0 if answered else 1)


def test_what_another_answer_wanted_under_a_name_is_not_taken_for_this_one() -> None:
    first = carried_out(ScriptedModel(plan(op("a", "t", x=1)), tokens_per_second=20), Slow("t"))
    done = next(i for i, event in enumerate(first.log) if isinstance(event, StepCompleted) and event.path == "plan/a")
    log = [
        event for event in first.log[: done + 1] if not (event.path == "plan/model" and event.kind == "step_completed")
    ]
    run = carried_out(ScriptedModel(plan(op("a", "t", x=2))), Slow("t"), resume=log, in_flight="retry")
    assert [result.arguments for result in thought(run).results] == [{"x": 2}]
    assert at(run, "plan/a#2") >= 0


def planner(model: ScriptedModel, *tools: Tool, **fields: Any) -> Report:
    agent = Agent(name="lead", model=model, tools=tools, plan_mode=True, **fields)
    report: Report = run_virtual(agent, "go")
    return report


def test_an_agent_plans_sees_what_came_of_it_and_plans_again_or_answers() -> None:
    model = ScriptedModel(plan(op("a", "t", x=1)), plan(op("b", "t", x=2), op("c", "t", fails="no")), "done")
    report = planner(model, Slow("t"))
    assert (report.response, report.status) == ("done", ReportStatus.SUCCESS)
    assert [(use.name, use.success, use.iteration) for use in report.tool_uses] == [
        ("t", True, 1), ("t", True, 2), ("t", False, 2),
    ]  # fmt: skip
    shown = json.loads(model.seen[2].messages[-1]["parts"][0]["content"])
    assert shown["results"]["c"] == {"status": "failed", "output": "Error: [NOT_FOUND] no"}
    assert PLAN_TOOL in model.seen[0].system
    assert [offer.name for offer in model.seen[0].tools] == ["t", PLAN_TOOL]


def test_calls_beside_a_plan_are_made_too_and_every_call_gets_its_result() -> None:
    both = Scripted(calls=(("t", {"x": 0}), *plan(op("a", "t", x=1)).calls, *plan(op("z", "t")).calls))
    model = ScriptedModel(both, "done")
    report = planner(model, Slow("t"))
    assert [use.arguments for use in report.tool_uses] == [{"x": 1}, {"x": 0}]
    parts = model.seen[1].messages[-1]["parts"]
    assert [part["tool_name"] for part in parts] == ["t", PLAN_TOOL, PLAN_TOOL]
    assert [part["tool_call_id"] for part in parts] == ["call_0_0", "call_0_1", "call_0_2"]


def test_the_last_answer_of_an_agent_is_not_asked_to_plan() -> None:
    model = ScriptedModel(plan(op("a", "t")), "all I know")
    report = planner(model, Slow("t"), max_tool_iterations=2)
    assert report.response == "all I know"
    assert PLAN_TOOL not in [offer.name for offer in model.seen[1].tools]


def test_five_plans_in_a_row_that_are_none_end_the_task() -> None:
    report = planner(ScriptedModel(Scripted(calls=((PLAN_TOOL, "{}"),)), forever=True), Slow("t"))
    assert report.status is ReportStatus.PARTIAL
    assert "5 turns in a row" in report.response


def test_what_may_not_be_done_twice_is_not_done_again_after_a_crash_although_a_broken_answer_used_its_name() -> None:
    retry = StepPolicy(idempotent=True, retry=RetryPolicy(attempts=2, wait=0.1, jitter=0))
    script = (
        plan(op("a", "read"), op("b", "read"), breaks=ConnectionError("gone")),
        plan(op("a", "write", x=1), op("b", "sleep")),
    )

    def tools() -> list[Slow]:
        writes = Slow("write", 0, Touches(writes=("it",)), policy=StepPolicy())
        return [Slow("read", 5), writes, Slow("sleep", 60)]

    whole = carried_out(Broken(*script, policy=retry, tokens_per_second=100), *tools())
    written = next(
        i for i, event in enumerate(whole.log)
        if isinstance(event, StepCompleted) and event.path.startswith("plan/a") and isinstance(event.output, CallResult)
        and event.output.call.name == "write"
    )  # fmt: skip
    assert any(event.path == "plan/a/run" and isinstance(event, StepStarted) for event in whole.log[:written])
    assert not any(event.path == "plan/a" and isinstance(event, StepCompleted) for event in whole.log[:written])
    again = tools()
    carried_out(Broken(), *again, resume=whole.log[: written + 1], in_flight="retry")
    assert again[1].made == []


def test_a_tool_is_told_the_same_call_id_before_and_after_a_crash() -> None:
    class Noting(Slow):
        async def execute(self, input: Invocation | Mapping[str, Any], context: Context) -> Any:
            ids.append(Invocation.of(input).call_id)
            return await super().execute(input, context)

    ids: list[str] = []
    first = carried_out(ScriptedModel(plan(op("a", "t"))), Noting("t"))
    answered = next(i for i, event in enumerate(first.log) if isinstance(event, StepCompleted))
    assert first.log[answered].path == "plan/model"
    log = [event for event in first.log[: answered + 1] if not event.path.startswith("plan/a")]
    carried_out(ScriptedModel(), Noting("t"), resume=log)
    assert ids == ["call_0_0.a", "call_0_0.a"]


def test_an_operation_may_be_called_like_the_model_is() -> None:
    run = carried_out(ScriptedModel(plan(op("model", "t", x="${nobody}"), op("b", "t"))), Slow("t"))
    assert told(run)["results"]["model"]["status"] == "failed"
    assert "plan/model" not in [event.path for event in run.log if isinstance(event, StepSkipped)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"operations": [{"id": "a", "tool": "t"}, {"id": "b", "to', "broken"),
        ('{"operations": [{"id": "a", "tool": "t"}', "broken"),
        ('{"operations": [{"id": "a", "tool": "t"}, "b", 3]}', "2 of its operations are no objects"),
    ],
)
def test_a_plan_of_which_a_part_was_not_carried_out_says_so(text: str, problem: str) -> None:
    read = told(carried_out(ScriptedModel(Scripted(calls=((PLAN_TOOL, text),))), Slow("t")))
    assert read["results"]["a"]["status"] == "completed"
    assert any(problem in told for told in read["problems"])


@pytest.mark.parametrize("depth", [140, 900, 5000])
def test_arguments_that_are_nested_without_end_take_only_their_own_operation_down(depth: int) -> None:
    deep = '{"x":' * depth + "1" + "}" * depth
    text = f'{{"operations": [{{"id": "deep", "tool": "t", "arguments": {deep}}}, {{"id": "b", "tool": "t"}}]}}'
    read = told(carried_out(ScriptedModel(Scripted(calls=((PLAN_TOOL, text),))), Slow("t")))
    assert read["results"]["b"]["status"] == "completed"
    assert "nested too deeply" in json.dumps(read)


def test_an_output_whose_keys_are_no_texts_can_be_referenced() -> None:
    class Table(Slow):
        async def execute(self, input: Invocation | Mapping[str, Any], context: Context) -> Any:
            return {(1, 2): {3: "x"}}

    tool = Slow("t")
    run = carried_out(ScriptedModel(plan(op("a", "table"), op("b", "t", x="${a}", y="of ${a}"))), Table("table"), tool)
    assert told(run)["results"]["b"]["status"] == "completed"
    assert tool.made == [{"x": {"1,2": {"3": "x"}}, "y": 'of {"1,2": {"3": "x"}}'}]


def test_an_output_that_only_fits_into_a_store_alone_fails_its_own_operation() -> None:
    class Deep(Slow):
        async def execute(self, input: Invocation | Mapping[str, Any], context: Context) -> Any:
            found: Any = 1
            for _ in range(150):
                found = [found]
            return found

    run = carried_out(ScriptedModel(plan(op("a", "deep"), op("b", "t"))), Deep("deep"), Slow("t"), store=MemoryStore())
    read = told(run)["results"]
    assert (read["a"]["status"], read["b"]["status"]) == ("failed", "completed")


def test_operations_that_cannot_be_called_as_they_are_written_are_counted() -> None:
    report = planner(ScriptedModel(plan(op("a", "nope"), op("b", "t")), "done"), Slow("t"))
    assert report.metrics.bad_calls == 1
    never = planner(ScriptedModel(plan(op("a", "nope")), forever=True), Slow("t"))
    assert (never.status, never.metrics.iterations) == (ReportStatus.PARTIAL, 5)
