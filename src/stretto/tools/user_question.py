"""UserQuestionTool asks the user: choices to tick, a text to write, or both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from stretto.core.errors import listed
from stretto.core.step import Answer, Context, Request
from stretto.tools.arguments import Arguments, Line, Prose
from stretto.tools.local import LocalTool
from stretto.tools.tool import Invocation

LONGEST_TEXT = 10_000
"""How many characters the text of an answer may have."""
ANSWER, SKIP = "answer", "skip"
"""What the user can do with a question."""


class Option(Arguments):
    """One choice."""

    id: Prose = Field(min_length=1, max_length=64)
    label: Prose = Field(min_length=1, max_length=256)


class Ask(Arguments):
    """Describes a question."""

    question: Prose = Field(min_length=1, max_length=2_000, description="1 to 2,000 characters.")
    question_type: Literal["checkbox", "text", "mixed"] = Field(
        "text", description="checkbox: choices to tick; text: free text; mixed: both."
    )
    options: tuple[Option, ...] = Field((), max_length=20, description="1 to 20 choices, for checkbox and mixed.")
    text_placeholder: Line = Field("", max_length=256, description="What the empty text field shows.")
    text_required: bool = Field(False, description="For mixed: whether a text must be given, too.")
    context: Line = Field("", max_length=5_000, description="What the user should know to answer.")
    timeout: float = Field(300.0, gt=0, le=86_400, description="How long to wait for an answer, in seconds.")

    @model_validator(mode="after")
    def _fitting(self) -> Ask:
        ids = [option.id for option in self.options]
        if self.question_type == "text" and ids:
            raise PydanticCustomError("options", "a question of type text takes no options; use checkbox or mixed")
        if self.question_type != "text" and not ids:
            raise PydanticCustomError("options", "a question of type checkbox or mixed needs 1 to 20 options")
        if len(set(ids)) < len(ids):
            raise PydanticCustomError("options", "two options have the same id; ids must differ")
        return self


class _Given(Arguments):
    """What the user said."""

    selected: tuple[str, ...] | None = None
    text: str | None = None


class UserQuestionTool(LocalTool):
    """Asks through the run's own door, so that the question is told, waits without room, and outlives a restart.

    The request's ``details`` hold the form, its ``reason`` what the user should know. An answer's ``value`` is
    ``{"selected": [ids], "text": "..."}``; a text alone, or a list of ids alone, will do where it can mean one thing
    only. One that does not fit is asked for again, with the reason. Sub-agents ask in the same way.
    """

    name = "UserQuestionTool"
    description = (
        "Asks the user when you cannot go on without knowing what they want: a choice, a preference, something that "
        "only they know. Ask once and for all that you need; do not ask what you can find out yourself. The user may "
        "skip the question, or not be there: go on as well as you can then."
    )
    models = (Ask,)
    transparent: ClassVar[bool] = True

    async def perform(self, asked: Any, call: Invocation, context: Context) -> Any:
        """Asks until there is an answer that fits, a refusal, or no time left."""
        reason = ""
        while True:
            answer = await context.ask(_request(asked, call, reason))
            if answer.choice == SKIP:
                return _without_answer(asked, answer)
            selected, text, reason = _read(asked, answer)
            if not reason:
                labels = {option.id: option.label for option in asked.options}
                chosen = {"selected": selected, "labels": [labels[id] for id in selected], "text": text}
                return {"success": True, "outcome": "answered", **chosen, "by": answer.by}


def _request(asked: Ask, call: Invocation, problem: str) -> Request:
    """Makes the question; what the user should know stands in ``reason``, which is kept whole."""
    details = asked.model_dump(mode="json", exclude={"question", "timeout", "context"})
    beside = {"agent_id": call.agent_id, "answer": {"selected": "ids of the options", "text": "text"}}
    return Request(
        question=asked.question, choices=(ANSWER, SKIP), details=details | beside, timeout=asked.timeout, default=SKIP,
        reason="\n\n".join(part for part in (problem, asked.context) if part),
    )  # fmt: skip


def _without_answer(asked: Ask, answer: Answer) -> dict[str, Any]:
    if answer.by == "timeout":
        outcome, message = "timeout", f"nobody answered within {asked.timeout:g} s; go on without the answer"
    else:
        outcome, message = "skipped", "the user has skipped the question; go on without the answer"
        message += f" ({answer.reason})" if answer.reason else ""
    nothing: dict[str, Any] = {"selected": [], "labels": [], "text": ""}
    return {"success": False, "outcome": outcome, **nothing, "message": message}


def _read(asked: Ask, answer: Answer) -> tuple[list[str], str, str]:
    """Returns the ids that were chosen, the text, and why this is no answer (empty when it is one)."""
    try:
        given = _Given.model_validate(_form(asked, answer.value))
    except ValidationError:
        return [], "", 'the answer must be of the form {"selected": [ids], "text": "..."}'
    known = [option.id for option in asked.options]
    ids, text = list(dict.fromkeys(given.selected or ())), given.text or ""
    if unknown := [id for id in ids if id not in known]:
        offered = listed(known) if known else "none"
        return [], "", f"{listed(unknown)} cannot be chosen; the options are {offered}"
    return ids, text, _lacking(asked, ids, text)


def _lacking(asked: Ask, selected: Sequence[str], text: str) -> str:
    if asked.question_type != "text" and not selected:
        return f"choose at least one of {listed(option.id for option in asked.options)}"
    if asked.question_type == "checkbox" and text:
        return "this question takes choices only, no text"
    needs_text = asked.question_type == "text" or (asked.question_type == "mixed" and asked.text_required)
    if needs_text and not text.strip():
        return "a text is needed"
    if len(text) > LONGEST_TEXT:
        return f"the text has {len(text):,} characters; at most {LONGEST_TEXT:,} are taken"
    return "the text holds a NUL character" if "\x00" in text else ""


def _form(asked: Ask, value: object) -> object:
    """Returns an answer given in short as the whole form: a text alone, or the ids alone."""
    if isinstance(value, str):
        return {"text": value} if asked.question_type == "text" else {"selected": [value]}
    if isinstance(value, list | tuple):
        return {"selected": value}  # pyright: ignore[reportUnknownVariableType]  # pydantic looks at what is inside
    return value
