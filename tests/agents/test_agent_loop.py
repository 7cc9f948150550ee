"""An agent asks, calls, answers and reports: what it says about it is what happened, however it ends."""

from typing import Any

import pytest
from pydantic import ValidationError

from stretto import start, step
from stretto.agents.agent import Agent
from stretto.agents.config import AgentConfig
from stretto.agents.report import Report, ReportStatus
from stretto.core.errors import DefinitionError, UnknownSetting
from stretto.core.events import AgentStarted, ModelUsed, StepCancelled
from stretto.core.ledger import Budget, BudgetExceeded, Usage
from stretto.core.outcome import Cancelled, Completed, Failed
from stretto.core.step import Context
from stretto.models.messages import text_of
from stretto.models.model import ModelCall, Reply
from stretto.testing import Scripted, ScriptedModel, run_virtual
from tests.agents.desk import Delegate, Desk, helper, kinds, script_of, worked

CALL = Scripted(text="Let me look.", calls=(("look", {"at": "a"}),))
LOOK = Desk("look", reads=("file:{at}",))


def test_an_agent_asks_calls_and_answers() -> None:
    agent = helper(CALL, "It is fine.", tools=[LOOK])
    run = worked(agent, "Is it fine?")
    report = run.outcome.unwrap()
    assert (report.status, report.response, report.error) == (ReportStatus.SUCCESS, "It is fine.", "")
    assert (report.task, report.agent_id, report.metrics.iterations) == ("Is it fine?", "helper", 2)
    assert kinds(report.messages) == [["user-prompt"], ["text", "tool-call"], ["tool-return"], ["text"]]
    [use] = report.tool_uses
    assert (use.name, use.origin, use.arguments, use.output, use.success) == (
        "look", "local", {"at": "a"}, "look is done", True,
    )  # fmt: skip
    assert report.metrics.duration == 1.0
    [told] = [event for event in run.log if isinstance(event, AgentStarted)]
    assert (told.path, told.agent_id, told.name, told.level) == ("helper", "helper", "helper", 1)
    assert (told.model, told.task, told.tools) == ("scripted:model", "Is it fine?", ["look"])


def test_a_long_task_is_cut_for_the_log_and_not_for_the_model() -> None:
    agent = helper("ok")
    run = worked(agent, "x" * 5000)
    [told] = [event for event in run.log if isinstance(event, AgentStarted)]
    assert told.task == "x" * 2000
    assert text_of(script_of(agent).seen[0].messages[0], "user-prompt") == "x" * 5000


def test_what_the_model_is_asked_follows_the_configuration() -> None:
    config = AgentConfig.model_validate(
        {"name": "a/b", "id": "ab", "llm": {"temperature": 0.5, "max_tokens": 300}, "enable_thinking": False}
    )
    model = ScriptedModel("ok")
    agent = Agent(config, model=model, tools=[LOOK])
    assert agent.name == "a_b"
    worked(agent)
    [asked] = model.seen
    assert (asked.temperature, asked.max_tokens, asked.thinking, asked.output) == (0.5, 300, False, None)
    assert [(tool.name, tool.parameters) for tool in asked.tools] == [("look", LOOK.parameters)]


def test_an_agent_is_described_by_a_configuration_or_by_name() -> None:
    agent = helper("ok", tools=[LOOK], temperature=1.0, mcp_servers=["files"], system_prompt="Be brief.", id="x")
    assert agent.config == AgentConfig.model_validate(
        {
            "id": "x", "name": "helper", "llm": {"model": "scripted:model", "temperature": 1.0}, "tools": ("look",),
            "mcp_servers": ("files",), "system_prompt": "Be brief.",
        }
    )  # fmt: skip
    assert Agent(model=ScriptedModel(), name="Ça va?").config.id == "Ça-va-"
    with pytest.raises(DefinitionError, match="a configuration or name by name, not both"):
        Agent(agent.config, model=agent.model, name="other")
    with pytest.raises(UnknownSetting, match="temprature"):
        Agent(model=agent.model, temprature=1)  # type: ignore[call-arg]  # what a typing error gets
    with pytest.raises(DefinitionError, match="two tools that are called 'look'"):
        Agent(model=agent.model, tools=[LOOK, LOOK])
    with pytest.raises(ValidationError):
        Agent(model=agent.model, max_tool_iterations=201)


def test_agents_work_in_a_row_and_as_operations_of_a_plan() -> None:
    from stretto import Operation, PlannedWorkflow, SequentialWorkflow, analyze_dependencies

    first, second = helper("It rains."), Agent(name="second", model=ScriptedModel("Take a coat.", "Both.", "One."))
    row: Report = run_virtual(SequentialWorkflow(name="row", steps=(first, second)), "Weather?")
    assert row.task == "It rains."
    plan = analyze_dependencies([Operation(id="advise", step=second, inputs=("sky", "wind"), outputs=("advice",))],
                                given=("sky", "wind"))  # fmt: skip
    data: Any = run_virtual(PlannedWorkflow(plan=plan), {"sky": "grey", "wind": 3})
    assert data["advice"].task == '{"sky":"grey","wind":3}'
    assert run_virtual(second, {"sky": "blue"}).task == "blue"


def test_a_mapping_can_be_a_whole_task() -> None:
    agent = helper("ok")
    report = worked(agent, {"description": "go", "locale": "fr"}).outcome.unwrap()
    assert (report.task, report.task_id) == ("go", "helper")
    assert "Answer in French." in report.system_prompt


@pytest.mark.parametrize(
    ("given", "told"),
    [(" ", "without words"), (7, "not int"), (None, "not NoneType"), ({"description": "x", "langue": 1}, "langue")],
)
def test_what_is_no_task_is_refused(given: Any, told: str) -> None:
    run = worked(helper("ok"), given)
    assert isinstance(run.outcome, Failed)
    assert isinstance(run.outcome.error, DefinitionError)
    assert told in str(run.outcome.error)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", "x" * 65), ("name", "a\nb"), ("id", "a b"), ("id", "x" * 129), ("system_prompt", ""),
        ("system_prompt", "x" * 10_001), ("max_tool_iterations", 0), ("max_tool_iterations", 201),
        ("mcp_servers", ["a b"]), ("mcp_servers", ["x" * 65]), ("history_limit", 0), ("context", "forget"),
        ("max_tool_output", 99), ("description", "x" * 1001), ("lifecycle", "eternal"), ("nothing", 1),
        ("llm", {"temperature": 2.1}), ("llm", {"max_tokens": 255}), ("llm", {"max_tokens": 128_001}),
        ("llm", {"model": "x" * 194}), ("llm", {"provider": "x"}),
    ],
)  # fmt: skip
def test_a_configuration_beyond_its_limits_is_refused(field: str, value: Any) -> None:
    AgentConfig.model_validate({"name": "x" * 64, "system_prompt": "x" * 10_000, "max_tool_iterations": 200})
    with pytest.raises(ValidationError, match=field):
        AgentConfig.model_validate({"name": "helper", field: value})


# -- endings -------------------------------------------------------------------------------------------------------


def test_an_endless_loop_of_calls_ends_as_partial_and_says_so() -> None:
    look = Desk("look")
    agent = helper(*[CALL] * 9, tools=[look], max_tool_iterations=3)
    report = worked(agent).outcome.unwrap()
    assert report.status is ReportStatus.PARTIAL
    assert report.error == "stopped after 3 answers of the model (max_tool_iterations) before the task was done"
    assert report.response == f"Let me look.\n\n({report.error})"
    assert len(script_of(agent).seen) == 3
    assert len(look.called) == 2
    assert [use.success for use in report.tool_uses] == [True, True, False]
    assert "was not made" in report.tool_uses[-1].error
    assert kinds(report.messages)[-1] == ["tool-return"]
    report = worked(
        helper(Scripted(calls=(("look", {}), ("?", {}))), tools=[look], max_tool_iterations=1)
    ).outcome.unwrap()
    assert report.response.startswith("(stopped after 1 answers")


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_answer_is_told_as_what_it_is(text: str) -> None:
    report = worked(helper(CALL, Scripted(text=text), tools=[LOOK])).outcome.unwrap()
    assert report.status is ReportStatus.PARTIAL
    assert report.error == "the model ended with an empty answer"
    report = worked(helper(Scripted(text=text))).outcome.unwrap()
    assert report.response == "(the model ended with an empty answer)"


class Ending(ScriptedModel):
    """Ends its answers for a reason of the test's."""

    reason = "length"

    async def execute(self, input: ModelCall, context: Context) -> Reply:
        reply = await super().execute(input, context)
        return Reply(message=reply.message, model=reply.model, usage=reply.usage, finish_reason=self.reason)


def test_an_answer_that_was_cut_off_is_partial() -> None:
    model = Ending("Once upon a")
    report = worked(Agent(model=model)).outcome.unwrap()
    assert report.status is ReportStatus.PARTIAL
    assert report.response.startswith("Once upon a\n\n(the answer was cut off")
    model = Ending("Once")
    model.reason = "content_filter"
    report = worked(Agent(model=model)).outcome.unwrap()
    assert report.error == "the provider's content filter stopped the answer"


def test_a_failed_model_call_is_a_failed_agent() -> None:
    run = worked(helper(CALL, ConnectionError("no route"), tools=[LOOK]))
    assert isinstance(run.outcome, Failed)
    assert isinstance(run.outcome.error, ConnectionError)
    assert "helper/model#2" in "".join(getattr(run.outcome.error, "__notes__", []))


def test_a_budget_stops_an_agent_before_it_spends_more() -> None:
    run = worked(helper(*[CALL] * 5, tools=[LOOK]), budget=Budget(tokens=40))
    assert isinstance(run.outcome, Failed)
    assert isinstance(run.outcome.error, BudgetExceeded)
    assert sum(isinstance(event, ModelUsed) for event in run.log) == 2


def test_cancelling_stops_the_model_in_the_middle_of_a_word_and_the_tools_too() -> None:
    async def main(until: str, agent: Agent) -> Any:
        async with start(agent, "x") as run:
            async for event in run.events():
                if event.kind == until and event.path.startswith("helper/"):
                    run.cancel("enough")
        return run

    slow = Agent(name="helper", model=ScriptedModel("one two three", tokens_per_second=1))
    run = run_virtual(main("model_delta", slow))
    assert isinstance(run.outcome, Cancelled)
    assert sum(event.kind == "model_delta" for event in run.log) == 1
    hanging = helper(Scripted(calls=(("look", {}), ("look", {}))), tools=[Desk("look", seconds=1e6)])

    async def in_tools() -> Any:
        async with start(hanging, "x") as run:
            started = 0
            async for event in run.events():
                started += event.kind == "step_started" and event.path.endswith("/run")
                if started == 2:
                    run.cancel("enough")
                    break
        return run

    run = run_virtual(in_tools())
    assert isinstance(run.outcome, Cancelled)
    stopped = {event.path for event in run.log if isinstance(event, StepCancelled)}
    assert {"helper/tools/look/run", "helper/tools/look#2/run", "helper/tools", "helper"} <= stopped
    assert not run.abandoned


def test_fifty_agents_at_once_do_not_hear_each_other() -> None:
    def answer(call: ModelCall) -> Scripted | str:
        task = text_of(call.messages[0], "user-prompt")
        if len(call.messages) == 1:
            return Scripted(calls=(("echo", {"word": task}),))
        [part] = call.messages[-1]["parts"]
        return f"{task}:{part['content']}"

    echo = Desk("echo", output=lambda arguments: arguments["word"])
    agent = Agent(name="helper", model=ScriptedModel(answer, forever=True), tools=[echo])

    @step
    async def crowd(_: Any, context: Context) -> list[Report]:
        from stretto import ParallelResourceLimits

        async with context.branches(ParallelResourceLimits(max_concurrent_executions=50)) as branches:
            for number in range(50):
                await branches.start(agent, f"task {number}", name=f"agent[{number}]")
        return [outcome.unwrap() for outcome in branches.outcomes]

    reports: list[Report] = run_virtual(crowd)
    for number, report in enumerate(reports):
        assert report.response == f"task {number}:task {number}"
        assert report.metrics.usage == Usage(input_tokens=20, output_tokens=10)
        assert [use.arguments for use in report.tool_uses] == [{"word": f"task {number}"}]


# -- what it took --------------------------------------------------------------------------------------------------


def test_what_sub_agents_spend_is_counted_where_they_were_called_and_nowhere_else() -> None:
    def priced(cost: float | None, text: str = "sub", calls: Any = ()) -> Scripted:
        return Scripted(
            text=text, calls=calls, cost=cost, usage=Usage(input_tokens=100, output_tokens=7, cached_tokens=9)
        )

    sub = Agent(name="sub", model=ScriptedModel(priced(0.5), priced(0.25)))
    calls = (("delegate", {"task": "a"}), ("delegate", {"task": "b"}))
    lead = Agent(name="lead", model=ScriptedModel(priced(1.0, calls=calls), priced(2.0)), tools=[Delegate(sub)])
    run = worked(lead)
    report = run.outcome.unwrap()
    assert report.metrics.usage == Usage(input_tokens=400, output_tokens=28, cached_tokens=36)
    assert report.metrics.cost == 3.75
    subs = [event.output.metrics for event in run.log if event.kind == "step_completed" and event.path.endswith("/sub")]
    assert sorted(metrics.cost for metrics in subs) == [0.25, 0.5]
    assert [use.origin for use in report.tool_uses] == ["sub_agent", "sub_agent"]


def test_a_cost_is_unknown_when_the_price_of_any_call_is() -> None:
    agent = helper(
        Scripted(text="", calls=(("look", {}),), cost=1.0), Scripted(text="x", cost=None), tools=[Desk("look")]
    )
    assert worked(agent).outcome.unwrap().metrics.cost is None
    assert worked(helper(Scripted(text="x", cost=0.0))).outcome.unwrap().metrics.cost == 0.0


# -- the room -------------------------------------------------------------------------------------------------------


def test_the_room_hands_its_names_on_lazily() -> None:
    import stretto.agents as room

    for name in room.__all__:
        assert getattr(room, name) is not None
    assert "Agent" in dir(room)
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = room.nothing_of_the_kind


def test_a_completed_agent_is_a_completed_run() -> None:
    assert isinstance(worked(helper("ok")).outcome, Completed)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"model": "offline:surveyor"}, r"not 'offline:surveyor'; Models\(\)\.get"),
        ({"model": ScriptedModel(), "tools": ["CalculatorTool"]}, "an agent's tool is a Tool, not 'CalculatorTool'"),
    ],
)
def test_a_name_in_the_place_of_a_part_is_refused_with_the_way_to_what_it_names(parts: Any, told: str) -> None:
    with pytest.raises(DefinitionError, match=told):
        Agent(**parts)
