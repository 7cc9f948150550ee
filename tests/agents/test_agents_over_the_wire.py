"""Agents with the real classes of the providers, against a server on loopback that speaks their protocols."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from stretto import run_sync
from stretto.agents.agent import Agent
from stretto.agents.report import ReportStatus
from stretto.agents.task import Task
from stretto.core.errors import StrettoError
from stretto.models.messages import user_message
from tests.agents.desk import Desk
from tests.models.conftest import loopback, server  # noqa: F401  # fixtures
from tests.models.loopback import Loopback
from tests.models.talking import FACES, hasty, models_of


class Sum(BaseModel):
    """What came out."""

    total: int


def agent_at(server: Loopback, face: str, **settings: Any) -> Agent:  # noqa: F811
    return Agent(name="helper", model=hasty(models_of(server).get(f"{face}:test")), **settings)


class Adder(Desk):
    """Adds, and has the provider answer in words afterwards."""

    def __init__(self, server: Loopback, then: dict[str, Any]) -> None:  # noqa: F811
        super().__init__("add", seconds=0, required=("a", "b"))
        self.server, self.then = server, then

    async def execute(self, input: Any, context: Any) -> Any:
        self.server.behave(**self.then)
        return input.arguments["a"] + input.arguments["b"]


@pytest.mark.parametrize("face", FACES)
def test_an_agent_calls_tools_with_every_protocol(server: Loopback, face: str) -> None:  # noqa: F811
    server.behave(text="Let me see.", calls=[["add", {"a": 1, "b": 2}], ["nothing", {}], ["add", "{broken"]])
    agent = agent_at(server, face, tools=[Adder(server, {"text": "It is three."})])
    report = run_sync(agent, "What is 1 + 2?")
    assert (report.status, report.response) == (ReportStatus.SUCCESS, "It is three.")
    assert [use.output or use.error.partition(":")[0] for use in report.tool_uses] == [
        "3", "there is no tool 'nothing'; there are 'add'", "the arguments of 'add' are not valid JSON",
    ]  # fmt: skip
    [second] = server.requests
    sent = json.dumps(second["body"])
    assert "It is" not in sent
    assert "there is no tool 'nothing'" in sent
    assert report.metrics.usage.input_tokens == 40
    again = run_sync(agent, Task(description="And again?", history=report.messages))
    assert again.response == "It is three."
    told = json.dumps(server.requests[-1]["body"])
    assert "What is 1 + 2?" in told
    assert "And again?" in told


@pytest.mark.parametrize("face", FACES)
def test_a_conversation_that_a_provider_refuses_is_shortened(server: Loopback, face: str) -> None:  # noqa: F811
    server.behave(text="fine", statuses=[413])
    history = tuple(user_message(f"message {number} " + "x" * 100) for number in range(10))
    report = run_sync(agent_at(server, face), Task(description="now", history=history))
    assert report.response == "fine"
    refused, summary, asked = (json.dumps(request["body"]) for request in server.requests)
    assert "message 0" in refused
    assert "Summarise it" in summary
    assert "message 0" not in asked
    assert "message 9" in asked


@pytest.mark.parametrize("face", FACES)
def test_an_answer_of_a_declared_type_comes_from_every_provider(server: Loopback, face: str) -> None:  # noqa: F811
    if face == "magistral":
        server.behave(text="", calls=[["answer", {"total": 3}]])
    else:
        server.behave(text='{"total": 3}')
    report = run_sync(agent_at(server, face, output_type=Sum), "What is 1 + 2?")
    assert report.output == Sum(total=3)


@pytest.mark.parametrize("face", FACES)
def test_an_answer_that_breaks_off_is_asked_for_again_or_fails(server: Loopback, face: str) -> None:  # noqa: F811
    server.behave(text="one two three", breaks="close", break_times=1)
    assert run_sync(agent_at(server, face), "count").response == "one two three"
    server.behave(text="one two three", breaks="close", break_times=9)
    with pytest.raises(StrettoError, match=r"cannot be reached|broke off"):
        run_sync(agent_at(server, face), "count")


@pytest.mark.parametrize("face", FACES)
def test_half_of_a_letter_in_a_task_or_an_answer_does_not_end_a_conversation(server: Loopback, face: str) -> None:  # noqa: F811
    reply = "half \ud83d of one" if face != "magistral" else "a whole one"  # its client reads no such answer
    server.behave(text=reply)
    agent = agent_at(server, face)
    first = run_sync(agent, Task(description="Read \ud83d this", context={"name": "\ud83d"}))
    again = run_sync(agent, Task(description="And again?", history=first.messages))
    assert again.status is ReportStatus.SUCCESS
    sent = json.dumps(server.requests[-1]["body"])
    assert "Read ? this" in sent
    assert reply.replace("\ud83d", "?") in sent
