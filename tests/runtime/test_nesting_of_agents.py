"""Sub-agents may not start sub-agents, and orchestration is at most three levels deep: the door looks at the path."""

from __future__ import annotations

import pickle
from typing import Any, ClassVar

import pytest

from stretto import Context, SequentialWorkflow, Step, run_sync, step
from stretto.core.errors import DelegationForbidden
from stretto.runtime.nesting import TooManyLevels
from tests.runtime.stage import watch


class Thinking(Step[Any, Any]):
    """A step that counts as an agent and runs another."""

    kind: ClassVar[str] = "agent"
    transparent: ClassVar[bool] = True

    def __init__(self, name: str, below: Step[Any, Any] | None = None) -> None:
        self.name, self.below = name, below

    async def execute(self, input: Any, context: Context) -> Any:
        return await context.run(self.below, input) if self.below is not None else context.path


def flow(name: str, below: Step[Any, Any]) -> Step[Any, Any]:
    return SequentialWorkflow(name=name, steps=(below,))


def through(name: str, below: Step[Any, Any]) -> Step[Any, Any]:
    """Returns a step that is neither an agent nor a workflow, as a tool is."""

    @step(name=name)
    async def tool(x: Any, context: Context) -> Any:
        return await context.run(below, x)

    return tool


def test_a_primary_agent_starts_a_sub_agent_through_a_tool() -> None:
    lead = Thinking("lead", through("delegate", Thinking("coder")))
    assert run_sync(lead) == "lead/delegate/coder"


@pytest.mark.parametrize("between", [through, flow])
def test_a_sub_agent_cannot_start_an_agent_whatever_stands_between(between: Any) -> None:
    lead = Thinking("lead", through("delegate", Thinking("coder", between("again", Thinking("third")))))
    with pytest.raises(DelegationForbidden, match="the sub-agent at 'lead/delegate/coder' may not start") as caught:
        run_sync(lead)
    assert caught.value.path == "lead/delegate/coder"


def test_an_agent_that_may_not_be_is_not_started() -> None:
    run = watch(Thinking("lead", Thinking("coder", Thinking("third"))))
    assert [event.path for event in run.log if event.kind == "step_started"] == ["lead", "lead/coder"]


def test_agents_beside_each_other_are_all_primary() -> None:
    pair = SequentialWorkflow(name="pair", steps=(Thinking("first", Thinking("a")), Thinking("second", Thinking("b"))))
    assert run_sync(pair) == "pair/second/b"


def test_workflows_above_the_first_agent_are_no_levels() -> None:
    deep = flow("one", flow("two", flow("three", Thinking("lead", flow("plan", Thinking("coder"))))))
    assert run_sync(deep) == "one/two/three/lead/plan/coder"


def test_a_fourth_level_of_orchestration_is_refused_with_its_line() -> None:
    lead = Thinking("lead", flow("plan", through("tool", flow("inner", Thinking("coder")))))
    with pytest.raises(TooManyLevels, match=r"would be level 4 .*lead > lead/plan > lead/plan/tool/inner > ") as caught:
        run_sync(lead)
    path = "lead/plan/tool/inner/coder"
    assert caught.value.line == ("lead", "lead/plan", "lead/plan/tool/inner", path)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.path, str(again)) == (path, str(caught.value))


def test_workflows_that_start_no_agent_may_nest_below_one() -> None:
    lead = Thinking("lead", Thinking("coder", flow("a", flow("b", through("tool", flow("c", step(str)))))))
    assert run_sync(lead, 1) == "1"
