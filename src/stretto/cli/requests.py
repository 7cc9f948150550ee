"""What runs ask people, for the reader: which requests are open, how each is shown, and what a typed answer means."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from stretto.cli.values import readable, short
from stretto.core.errors import DefinitionError, StoreError, listed
from stretto.core.events import Asked
from stretto.monitoring.labels import clean
from stretto.monitoring.units import duration_text
from stretto.stores.questions import unanswered

if TYPE_CHECKING:
    from stretto.stores.store import Store

RISKS: Mapping[str, str] = {"low": "green", "medium": "yellow", "high": "bold red"}
"""The colour of each risk."""
KEYS: Mapping[str, str] = {"approve": "a", "approve_all": "l", "reject": "r", "escalate": "p"}
"""The letter of each choice of an approval; ``e`` edits first."""
WORDS: Mapping[str, str] = {
    "approve": "approve", "approve_all": "approve all of this kind", "reject": "reject", "escalate": "pass on",
}  # fmt: skip
MOST_LINES, MOST_TEXT = 12, 2000
"""How much of one argument is shown."""

Line = tuple[str, str]
"""A line of text, and its style."""


@dataclass(frozen=True)
class Waiting:
    """A request that nobody has answered: of which run, and whether a process runs that now."""

    run_id: str
    run_name: str
    live: bool
    asked: Asked

    @property
    def deadline(self) -> float:
        """When its time is up (seconds since the Unix epoch), infinity when it waits for ever."""
        return deadline_of(self.asked)


class Reply(NamedTuple):
    """What was typed: a choice, a value where one goes with it, and why."""

    choice: str
    value: Any = None
    reason: str = ""


def deadline_of(asked: Asked) -> float:
    """Returns when a request's time is up (seconds since the Unix epoch), infinity when it waits for ever."""
    return math.inf if asked.timeout is None or not asked.asked_at else asked.asked_at + asked.timeout


async def waiting(store: Store, run_id: str | None = None) -> list[Waiting]:
    """Returns what runs ask (one of them, or all), the oldest first."""
    if run_id is None:
        runs = [run for status in ("running", "interrupted") for run in await store.runs(None, status=status)]
    else:
        runs = [await store.summary(run_id)]
    found = [
        Waiting(run.id, run.name, run.status == "running", asked)
        for run in runs
        if run.steps.started
        for asked in await unanswered(store, run.id)
    ]
    return sorted(found, key=lambda one: one.asked.asked_at)


def find_request(run_id: str, found: Sequence[Asked], named: str | None) -> Asked:
    """Returns the request that is meant: the one that begins so, or the only one; raises ``StoreError``."""
    if named is not None:
        fitting = [one for one in found if one.request_id == named] or [
            one for one in found if one.request_id.startswith(named)
        ]
        if len(fitting) == 1:
            return fitting[0]
        asks = f"it asks {listed(one.request_id for one in found)}" if found else "it asks nothing (any more)"
        raise StoreError(f"{named!r} is no open question of run {run_id!r}; {asks}")
    if not found:
        raise StoreError(f"run {run_id!r} asks nothing (any more)")
    if len(found) > 1:
        ids = listed(one.request_id for one in found)
        raise StoreError(f"run {run_id!r} asks {len(found)} questions; name one of {ids}")
    return found[0]


def agent_of(asked: Asked) -> str:
    """Returns the id of the agent on whose behalf something is asked, nothing where no agent is named."""
    return str(asked.details.get("agent_id", "")) if _is_object(asked.details) else ""


# -- what is shown -------------------------------------------------------------------------------------------------


def lines_of(asked: Asked, counter: str = "") -> list[Line]:
    """Returns a request as lines: what it is about, who asks, what goes with it, and how long it waits."""
    heading = [asked.topic, *([counter] if counter else [])]
    risk = f"risk {asked.risk}" if asked.risk else ""
    found: list[Line] = []
    if asked.topic != "question" or counter:
        found.append((" · ".join([*heading, *([risk] if risk else [])]), RISKS.get(asked.risk, "yellow")))
    found.append((f"? {clean(asked.question)}", "bold yellow"))
    found += [(f"  {clean(paragraph)}", "") for paragraph in asked.reason.splitlines()]
    agent = agent_of(asked)
    found.append((f"  asked by {clean(asked.path)}" + (f" for agent {clean(agent)}" if agent else ""), _FAINT))
    if form_of(asked) is not None:
        found += [(f"  {number} {clean(label)}", "") for number, (_, label) in enumerate(_options(asked), 1)]
    elif asked.value is not None:
        found += _arguments(readable(asked.value))
    elif asked.details is not None:
        found += [(f"  {clean(short(readable(asked.details), 600))}", "")]
    if (told := time_left(asked)) is not None:
        found.append((f"  {told}", _FAINT))
    return found


_FAINT = "bright_black"


def _arguments(value: Any) -> list[Line]:
    """Returns what is to be approved, one argument below the other; texts of several lines as such."""
    if not _is_object(value):
        return [(f"    {clean(short(value, MOST_TEXT))}", "")]
    room = min(24, max((len(key) for key in value), default=0))
    found: list[Line] = []
    for key, held in value.items():
        name = clean(str(key)).ljust(room)
        if isinstance(held, str) and "\n" in held:
            shown = held[:MOST_TEXT].splitlines()[:MOST_LINES]
            found.append((f"    {name}  {len(held):,} characters:", ""))
            found += [(f"      │ {clean(line)}", "") for line in shown]
            if len("\n".join(shown)) < len(held.rstrip("\n")):
                found.append(("      │ …", _FAINT))
        else:
            found.append((f"    {name}  {clean(short(held, MOST_TEXT))}", ""))
    return found or [("    without arguments", _FAINT)]


def time_left(asked: Asked) -> str | None:
    """Says how long a request waits, and what stands then; None for one that waits for ever."""
    deadline = deadline_of(asked)
    if deadline == math.inf:
        return None
    then = f"then {asked.default!r} stands"
    left = deadline - time.time()
    return f"answer within {duration_text(math.ceil(left))}, {then}" if left > 0 else f"its time is over: {then}"


def prompt_of(asked: Asked) -> str:
    """Returns the line that says what may be typed."""
    if asked.topic == "approval":
        offered = [(KEYS.get(choice, choice), WORDS.get(choice, choice)) for choice in asked.choices]
        if "approve" in asked.choices and _is_object(asked.value):
            offered.insert(1, ("e", "edit"))
        return "  " + "   ".join(f"[{key}] {word}" for key, word in offered) + " > "
    form = form_of(asked)
    if form is not None:
        how = {"checkbox": "numbers, as 1,3", "text": form.get("text_placeholder") or "your answer"}
        written = how.get(form["question_type"], "numbers: your text, as 1,3: because")
        return f"  {clean(written)} (skip passes over it) > "
    numbered = "  ".join(f"{number} {choice}" for number, choice in enumerate(asked.choices, 1))
    return f"  {numbered} > " if numbered else "  > "


# -- what is typed -------------------------------------------------------------------------------------------------


def choose(asked: Asked, text: str) -> str:
    """Returns the choice that a text means: the word, a beginning of it, its number, or an approval's letter.

    Raises ``DefinitionError`` for anything else.
    """
    text = text.strip()
    if not asked.choices or text in asked.choices:
        return text
    if text.isdigit() and 1 <= int(text) <= len(asked.choices):
        return asked.choices[int(text) - 1]
    if asked.topic == "approval":
        for choice in asked.choices:
            if text.casefold() in (KEYS.get(choice), WORDS.get(choice)):
                return choice
    near = [choice for choice in asked.choices if text and choice.casefold().startswith(text.casefold())]
    if len(near) != 1:
        raise DefinitionError(f"{text!r} is none of the choices; choose {', '.join(asked.choices)}")
    return near[0]


def read_reply(asked: Asked, text: str) -> Reply:
    """Returns what a typed text means; raises ``DefinitionError`` for what is no answer.

    An approval takes a word and a reason (``r too late``), a question with options their numbers, ids or labels, and a
    text behind a colon where one is wanted.
    """
    if asked.topic == "approval":
        word, _, reason = text.strip().partition(" ")
        return Reply(choose(asked, word), None, reason.strip())
    if form_of(asked) is None or text.strip() in asked.choices:
        return Reply(choose(asked, text))
    return Reply("answer", read_form(asked, text))


def form_of(asked: Asked) -> Mapping[str, Any] | None:
    """Returns the form of a question with options or a text field; None for every other request."""
    details = asked.details
    if _is_object(details) and "question_type" in details and "answer" in asked.choices:
        return details
    return None


def read_form(asked: Asked, text: str) -> dict[str, Any]:
    """Returns the value of an answer to a question with options or a text field; raises ``DefinitionError``."""
    kind = (form_of(asked) or {}).get("question_type", "text")
    text = text.strip()
    if kind == "text":
        if not text:
            raise DefinitionError("write a text, or skip")
        return {"selected": [], "text": text}
    written = ""
    try:
        selected = _selected(asked, text)
    except DefinitionError:
        head, colon, written = text.partition(":")
        if kind != "mixed" or not colon:
            raise
        selected = _selected(asked, head)
    if kind == "mixed" and (form_of(asked) or {}).get("text_required") and not written.strip():
        raise DefinitionError("a text is needed, too: numbers, a colon, your text")
    return {"selected": selected, "text": written.strip()}


def _options(asked: Asked) -> list[tuple[str, str]]:
    held: Any = (form_of(asked) or {}).get("options") or []
    shown = held.get("$cut", []) if _is_object(held) else held  # the log's preview of very many
    return [(str(option["id"]), str(option["label"])) for option in shown]


def _selected(asked: Asked, text: str) -> list[str]:
    options = _options(asked)
    words = [word.strip() for word in text.split(",") if word.strip()]
    if len(words) == 1 and all(part.isdigit() for part in words[0].split()):
        words = words[0].split()
    found: list[str] = []
    for word in words:
        exact = [id for id, _ in options if id == word]
        if word.isdigit() and not exact and 1 <= int(word) <= len(options):
            exact = [options[int(word) - 1][0]]
        near = exact or [id for id, label in options if label.casefold().startswith(word.casefold())]
        if len(near) != 1:
            offered = ", ".join(f"{number} {label}" for number, (_, label) in enumerate(options, 1))
            raise DefinitionError(f"{word!r} is none of the options; choose among {offered}")
        found.append(near[0])
    if not found:
        raise DefinitionError("choose one option at least, or skip")
    return list(dict.fromkeys(found))


def read_edit(text: str) -> dict[str, Any]:
    """Returns edited arguments; raises ``DefinitionError`` for what is no JSON object."""
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise DefinitionError(f"the edited arguments are no JSON: {error}") from None
    if not _is_object(value):
        raise DefinitionError(f"the edited arguments must be a JSON object, not {short(value, 60)}")
    return value


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)
