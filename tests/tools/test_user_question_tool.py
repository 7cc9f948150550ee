"""UserQuestionTool: forms, answers that fit and answers that do not, silence, and who may ask."""

from __future__ import annotations

from typing import Any

import pytest

from stretto import Answer, Context, step
from stretto.testing import StepHarness, VirtualClock, run_virtual
from stretto.tools import Invocation, Touches, UserQuestionTool, WrongArguments

TOOL = UserQuestionTool()
OPTIONS = [{"id": "red", "label": "Red wine"}, {"id": "tea", "label": "Tea"}]


def asked(answers: list[Any], **arguments: Any) -> tuple[dict[str, Any], StepHarness]:
    harness = StepHarness(answers=answers)
    invocation = Invocation(arguments={"question": "What to drink?", **arguments}, agent_id="waiter", level=2)
    return run_virtual(harness.execute(TOOL, invocation)), harness


def answer(**value: Any) -> Answer:
    return Answer(choice="answer", value=value, by="ann")


def test_choices_and_a_text_come_back_as_they_were_given():
    told, harness = asked(
        [answer(selected=["tea", "tea"], text="with milk")], question_type="mixed", options=OPTIONS,
        context="It is late.", text_placeholder="How?",
    )  # fmt: skip
    assert told == {
        "success": True, "outcome": "answered", "selected": ["tea"], "labels": ["Tea"], "text": "with milk",
        "by": "ann",
    }  # fmt: skip
    (question,) = harness.questions
    assert (question.question, question.choices, question.topic) == ("What to drink?", ["answer", "skip"], "question")
    assert (question.timeout, question.default, question.reason) == (300.0, "skip", "It is late.")
    assert question.details == {
        "question_type": "mixed", "options": OPTIONS, "text_placeholder": "How?", "text_required": False,
        "agent_id": "waiter", "answer": {"selected": "ids of the options", "text": "text"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "kind", "selected", "text"),
    [
        ("Water", "text", [], "Water"),
        ("tea", "checkbox", ["tea"], ""),
        (["tea", "red"], "mixed", ["tea", "red"], ""),
        ({"selected": ["tea"], "text": None}, "checkbox", ["tea"], ""),
        ({"text": "Water", "selected": None}, "text", [], "Water"),
    ],
)
def test_short_answers_are_understood_where_they_can_mean_one_thing(value, kind, selected, text):
    more = {} if kind == "text" else {"options": OPTIONS}
    told, _ = asked([Answer(choice="answer", value=value)], question_type=kind, **more)
    assert (told["selected"], told["text"]) == (selected, text)


@pytest.mark.parametrize(
    ("value", "kind", "why"),
    [
        (None, "checkbox", "must be of the form"),
        (7, "checkbox", "must be of the form"),
        ({"chosen": ["tea"]}, "checkbox", "must be of the form"),
        ({"selected": [1]}, "checkbox", "must be of the form"),
        ({"selected": ["beer"]}, "checkbox", "'beer' cannot be chosen; the options are 'red' and 'tea'"),
        ({"selected": []}, "checkbox", "choose at least one of 'red' and 'tea'"),
        ({"selected": ["tea"], "text": "hot"}, "checkbox", "takes choices only"),
        ({"selected": ["tea"], "text": " "}, "mixed", "a text is needed"),
        ({"text": ""}, "text", "a text is needed"),
        ({"text": "x" * 10_001}, "text", "at most 10,000 are taken"),
        ({"text": "a\x00"}, "text", "NUL"),
        ({"selected": ["tea"], "text": "x"}, "text", "the options are none"),
    ],
)
def test_an_answer_that_does_not_fit_is_asked_for_again_with_the_reason(value, kind, why):
    more: dict[str, Any] = {} if kind == "text" else {"options": OPTIONS, "text_required": kind == "mixed"}
    good = answer(text="fine") if kind == "text" else answer(selected=["red"], text="fine" if kind == "mixed" else "")
    bad = Answer(choice="answer", value=value)
    told, harness = asked([bad, good], question_type=kind, context="Why not.", **more)
    assert told["success"] is True
    again = harness.questions[1].reason
    assert why in again
    assert again.endswith("Why not.")


def test_a_skipped_question_is_told_as_skipped():
    told, _ = asked([Answer(choice="skip", reason="not now")])
    assert (told["success"], told["outcome"]) == (False, "skipped")
    assert "not now" in told["message"]


def test_when_nobody_answers_the_outcome_is_a_timeout_after_the_time_that_was_said():
    clock = VirtualClock()
    harness = StepHarness(answers=[None])
    told = run_virtual(harness.execute(TOOL, {"question": "Anybody?", "timeout": 20}), clock=clock)
    assert told["outcome"] == "timeout"
    assert "within 20 s" in told["message"]
    assert clock.elapsed == pytest.approx(20, abs=1)


def test_a_sub_agent_asks_like_any_other():
    @step
    async def sub_agent(_: Any, context: Context) -> Any:
        return await context.run(TOOL, Invocation(arguments={"question": "May I?"}, level=3))

    @step
    async def lead(_: Any, context: Context) -> Any:
        return await context.run(sub_agent, None)

    harness = StepHarness(answers={"May I?": answer(text="yes")})
    assert run_virtual(harness.execute(lead))["text"] == "yes"
    assert harness.questions[0].path == "lead/sub_agent/UserQuestionTool"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "question"),
        ({"question": "x" * 2001}, "question"),
        ({"question": "  "}, "question"),
        ({"question": "x", "question_type": "radio"}, "question_type"),
        ({"question": "x", "question_type": "checkbox"}, "needs 1 to 20 options"),
        ({"question": "x", "question_type": "mixed", "options": []}, "needs 1 to 20 options"),
        ({"question": "x", "options": OPTIONS}, "takes no options"),
        ({"question": "x", "question_type": "mixed", "options": OPTIONS * 2}, "two options have the same id"),
        ({"question": "x", "question_type": "mixed", "options": [{"id": "i" * 65, "label": "x"}]}, r"options\[0\].id"),
        ({"question": "x", "question_type": "mixed", "options": [{"id": "i", "label": ""}]}, r"options\[0\].label"),
        ({"question": "x", "context": "y" * 5001}, "context"),
        ({"question": "x", "timeout": 0}, "timeout"),
    ],
)
def test_bad_arguments_are_refused(arguments, why):
    with pytest.raises(WrongArguments, match=why):
        TOOL.check(arguments)


def test_twenty_options_and_two_thousand_characters_are_taken():
    options = [{"id": str(n), "label": "x" * 256} for n in range(20)]
    told, harness = asked([answer(selected=["19"])], question_type="checkbox", options=options, question="q" * 2000)
    assert told["selected"] == ["19"]
    assert len(harness.questions[0].question) == 2000


def test_a_question_touches_nothing_and_goes_on_after_a_restart():
    assert TOOL.touches({"question": "x"}) == Touches()
    assert TOOL.transparent
