"""What a type checker must say about agents: a task goes in, a report comes out."""

from typing import assert_type

from stretto import run, run_sync
from stretto.agents import Agent, Report, Task
from stretto.testing import ScriptedModel

helper = Agent(name="helper", model=ScriptedModel("ok"), system_prompt="Be brief.", max_tool_iterations=5)


async def check() -> None:
    """Runs with everything that can be a task."""
    assert_type(await run(helper, "go"), Report)
    assert_type(await run(helper, Task(description="go")), Report)


assert_type(run_sync(helper, {"description": "go"}), Report)
Agent(name="helper", model=ScriptedModel(), max_iterations=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # unknown
