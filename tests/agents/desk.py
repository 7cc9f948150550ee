"""Tools and runs for the tests of agents: what is called takes a second of virtual time, and its order can be read."""

from collections.abc import Mapping, Sequence
from typing import Any

from stretto import start
from stretto.agents.agent import Agent
from stretto.agents.report import Report
from stretto.core.events import Event, PlanMade, StepCompleted, StepFailed, StepStarted, StepTimedOut
from stretto.core.policies import StepPolicy
from stretto.core.resources import Clock
from stretto.core.step import Context
from stretto.runtime.run import Run
from stretto.testing import ScriptedModel, run_virtual
from stretto.tools.tool import Invocation, Tool, ToolRisk, Touches, WrongArguments


class Desk(Tool):
    """Returns what it was given after ``seconds``; ``reads`` and ``writes`` may name arguments, as ``file:{path}``."""

    def __init__(
        self,
        name: str,
        *,
        reads: Sequence[str] = (),
        writes: Sequence[str] = (),
        known: bool = True,
        seconds: float = 1.0,
        output: Any = None,
        required: Sequence[str] = (),
        policy: StepPolicy | None = None,
        destructive: bool = False,
        risk: ToolRisk = "low",
        origin: Any = "local",
        server: str = "",
    ) -> None:
        self.name, self.description = name, f"Does what {name} says. And more than that."
        self.parameters = {"type": "object", "properties": {}, "required": list(required)}
        self.reads, self.writes, self.known = tuple(reads), tuple(writes), known
        self.seconds, self.output, self.required = seconds, output, tuple(required)
        self.policy = policy or StepPolicy(idempotent=True)
        self.destructive, self.risk, self.origin, self.server = destructive, risk, origin, server
        self.called: list[dict[str, Any]] = []

    def check(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        missing = tuple(f"{name}: is missing" for name in self.required if name not in arguments)
        if missing:
            raise WrongArguments(self.name, missing)
        return arguments

    def touches(self, arguments: Mapping[str, Any]) -> Touches:
        fill = {name: str(value) for name, value in arguments.items()}
        return Touches(
            reads=tuple(name.format(**fill) for name in self.reads),
            writes=tuple(name.format(**fill) for name in self.writes),
            known=self.known,
        )

    async def execute(self, input: Invocation | Mapping[str, Any], context: Context) -> Any:
        given = Invocation.of(input)
        self.called.append(dict(given.arguments))
        await context.resource(Clock).sleep(self.seconds)
        if isinstance(self.output, Exception):
            raise self.output
        if callable(self.output):
            return self.output(given.arguments)
        return f"{self.name} is done" if self.output is None else self.output


def worked(agent: Agent, task: Any = "do it", **settings: Any) -> Run[Report]:
    """Runs an agent on the virtual clock, and returns the run whichever way it ended."""

    async def main() -> Run[Report]:
        async with start(agent, task, **settings) as run:
            pass
        return run

    return run_virtual(main())


def helper(*script: Any, tools: Sequence[Tool] = (), **settings: Any) -> Agent:
    """Returns an agent called helper with a scripted model."""
    return Agent(name="helper", model=ScriptedModel(*script), tools=tools, **settings)


def script_of(agent: Agent) -> ScriptedModel:
    """Returns an agent's scripted model."""
    assert isinstance(agent.model, ScriptedModel)
    return agent.model


def spans(log: Sequence[Event], end: str = "/run") -> dict[str, tuple[float, float]]:
    """Returns when each step whose path ends so began and ended, by the name above."""
    began = {event.path: event.at for event in log if isinstance(event, StepStarted)}
    ended = {event.path: event.at for event in log if isinstance(event, StepCompleted | StepFailed | StepTimedOut)}
    return {
        path.removesuffix(end).rpartition("/")[2]: (at, ended[path])
        for path, at in began.items()
        if path.endswith(end) and path in ended
    }


def plans(log: Sequence[Event]) -> list[dict[str, Any]]:
    """Returns the plans that were told."""
    return [event.plan for event in log if isinstance(event, PlanMade)]


def kinds(messages: Any) -> list[list[str]]:
    """Returns the kinds of the parts of each message."""
    return [[part["part_kind"] for part in message["parts"]] for message in messages]


class Delegate(Tool):
    """Gives a task to another agent."""

    name, description, origin = "delegate", "Delegates.", "sub_agent"
    parameters: Any = {"type": "object"}

    def __init__(self, agent: Agent) -> None:
        self.agent = agent

    def briefing(self) -> str:
        return f"- {self.agent.name}: {self.agent.config.description}\n- nobody else"

    def check(self, arguments: Any) -> Any:
        return arguments

    def touches(self, arguments: Any) -> Touches:
        return Touches()

    async def execute(self, input: Any, context: Context) -> Any:
        report: Report = await context.run(self.agent, str(Invocation.of(input).arguments["task"]))
        return report.response
