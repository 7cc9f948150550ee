"""An answer of a declared type is checked, asked for again with what was wrong, and kept as the value it is."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, Field

from stretto.agents.agent import Agent
from stretto.agents.output import NoOutput, OutputInvalid, OutputType
from stretto.agents.report import ReportStatus
from stretto.core.codec import from_plain, to_plain
from stretto.core.errors import DefinitionError
from stretto.core.outcome import Failed
from stretto.models.messages import text_of
from stretto.testing import Scripted, ScriptedModel
from tests.agents.desk import Desk, script_of, worked


class City(BaseModel):
    """A town and how many live there."""

    name: str
    people: int = Field(ge=0)


@dataclass
class Point:
    """A place on paper."""

    x: float
    y: float


def wants(output_type: Any, *script: Any, **settings: Any) -> Agent:
    return Agent(name="helper", model=ScriptedModel(*script), output_type=output_type, **settings)


def test_an_answer_is_read_as_the_declared_type() -> None:
    agent = wants(City, '{"name": "Lyon", "people": 500000}')
    report = worked(agent).outcome.unwrap()
    assert report.output == City(name="Lyon", people=500_000)
    assert report.status is ReportStatus.SUCCESS
    schema = script_of(agent).seen[0].output
    assert schema is not None
    assert set(schema["properties"]) == {"name", "people"}
    assert from_plain(to_plain(report)) == report


@pytest.mark.parametrize(
    ("output_type", "text", "value"),
    [
        (Point, '{"x": 1, "y": 2.5}', Point(1, 2.5)),
        (list[int], '{"value": [1, 2]}', [1, 2]),
        (int, '```json\n{"value": 7}\n```', 7),
        (list[City], '{"value": [{"name": "a", "people": 1}]}', [City(name="a", people=1)]),
        (tuple[int, str], '{"value": [1, "a"]}', (1, "a")),
        (City | None, '{"value": null}', None),
    ],
)
def test_whatever_pydantic_validates_can_be_asked_for(output_type: Any, text: str, value: Any) -> None:
    agent = wants(output_type, text)
    assert worked(agent).outcome.unwrap().output == value
    schema = script_of(agent).seen[0].output
    assert schema is not None
    assert schema["type"] == "object"
    json.dumps(schema)


def test_a_wrong_answer_is_asked_for_again_with_what_was_wrong() -> None:
    agent = wants(City, "Lyon, of course", '{"name": 3, "people": -1}', '{"name": "Lyon", "people": 1}')
    report = worked(agent).outcome.unwrap()
    assert report.output == City(name="Lyon", people=1)
    first, second = (text_of(call.messages[-1], "user-prompt") for call in script_of(agent).seen[1:])
    assert "the answer is no JSON" in first
    assert "- name: Input should be a valid string" in second
    assert "- people: Input should be greater than or equal to 0" in second
    assert len(report.messages) == 6


def test_three_wrong_answers_are_a_failure_in_words() -> None:
    run = worked(wants(list[int], *['{"value": ["a"]}', "{}", "[1]"]))
    assert isinstance(run.outcome, Failed)
    error = run.outcome.error
    assert isinstance(error, OutputInvalid)
    assert "none of 3 answers was one: the answer must be an object with 'value'" in str(error)
    assert (error.agent, error.tries) == ("helper", 3)


def test_a_limit_comes_before_the_third_try() -> None:
    report = worked(wants(City, "x", "y", max_tool_iterations=2)).outcome.unwrap()
    assert report.status is ReportStatus.PARTIAL
    assert report.output is None


def test_tools_are_used_on_the_way() -> None:
    agent = wants(int, Scripted(calls=(("look", {}),)), '{"value": 1}', tools=[Desk("look")])
    report = worked(agent).outcome.unwrap()
    assert report.output == 1
    assert len(report.tool_uses) == 1


def test_a_plain_answer_needs_no_schema() -> None:
    for output_type in (None, str):
        agent = wants(output_type, "words")
        assert worked(agent).outcome.unwrap().response == "words"
        assert script_of(agent).seen[0].output is None


def test_a_type_without_a_schema_is_refused_when_built() -> None:
    class Strange:
        """Nothing that pydantic knows."""

    with pytest.raises(DefinitionError, match="Strange has no JSON schema"):
        OutputType(Strange)


def test_many_problems_are_told_in_part() -> None:
    with pytest.raises(NoOutput) as caught:
        OutputType(list[int]).read(json.dumps({"value": ["a"] * 30}))
    assert len(caught.value.problems) == 10
