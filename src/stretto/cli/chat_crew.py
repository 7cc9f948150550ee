"""What a chat shows of a run: agents, what each does now, and the calls of their tools; folded from the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stretto.cli.values import is_object, short
from stretto.core import events as core
from stretto.core.events import Event, Path, name_of, parent_of
from stretto.monitoring.labels import clean
from stretto.monitoring.palette import Mark, mark_of
from stretto.monitoring.spans import Span, SpanFold
from stretto.monitoring.units import cost_text, count_text

ARGUMENTS = 60
"""How many characters of a call's arguments are shown."""
TAIL = 60
"""How many characters of what an agent is writing are shown."""


@dataclass(slots=True)
class Member:
    """One agent: what it is, what it does now, and what it has taken so far; ``cost`` counts the known prices."""

    path: Path
    id: str
    name: str
    model: str
    doing: str = ""
    tail: str = ""
    calls: int = 0
    failed: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cached: int = 0
    reasoning: int = 0
    cost: float = 0.0
    unpriced: int = 0
    asked: int = 0

    def told(self) -> str:
        """Returns calls and tokens in words."""
        parts = [f"{self.calls} {'call' if self.calls == 1 else 'calls'}"] if self.calls else []
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.tokens_in or self.tokens_out:
            parts.append(f"{count_text(self.tokens_in + self.tokens_out)} tokens")
        return " · ".join(parts)


class CrewRow(NamedTuple):
    """One line of the tree of what runs: how deep, how it stands, who or what, words about it, and since when."""

    depth: int
    mark: Mark
    name: str
    told: str
    span: Span
    agent: bool


@dataclass
class Crew:
    """The agents of a run by their paths; the first one is the primary."""

    members: dict[Path, Member] = field(default_factory=dict[Path, Member])
    arguments: dict[Path, str] = field(default_factory=dict[Path, str])
    errors: dict[Path, str] = field(default_factory=dict[Path, str])
    primary: Member | None = None
    _owners: dict[Path, Member | None] = field(default_factory=dict[Path, "Member | None"])

    def take(self, event: Event) -> None:
        """Takes the next event of the log."""
        match event:
            case core.AgentStarted():
                self._join(event)
            case core.ModelDelta():
                self._heard(event)
            case core.ModelUsed():
                self._used(event)
            case core.StepStarted() if event.step == "call":
                self.arguments[event.path] = arguments_text(event.input)
            case core.StepCompleted():
                self._completed(event)
            case _:
                pass

    def owner(self, path: Path) -> Member | None:
        """Returns the agent to which a path belongs: the nearest one above it, or itself."""
        if path not in self._owners:
            found = self.members.get(path)
            above = parent_of(path)
            self._owners[path] = found if found is not None or not above else self.owner(above)
        return self._owners[path]

    def _join(self, event: core.AgentStarted) -> None:
        member = Member(event.path, event.agent_id, clean(event.name), event.model, doing="thinking")
        known = self.members.get(event.path)
        if known is None:
            self.members[event.path] = member
            self._owners.clear()
        if self.primary is None:
            self.primary = member

    def _heard(self, event: core.ModelDelta) -> None:
        member = self.owner(event.path)
        if member is None:
            return
        if event.part == "text":
            member.doing = "writing"
            member.tail = clean((member.tail + event.text)[-TAIL:])
        elif event.part == "reasoning":
            member.doing, member.tail = "thinking", ""
        else:
            member.doing, member.tail = f"calling {clean(event.tool)}", ""

    def _used(self, event: core.ModelUsed) -> None:
        member = self.owner(event.path)
        if member is None:
            return
        member.tokens_in += event.input_tokens
        member.tokens_out += event.output_tokens
        member.cached += event.cached_tokens
        member.reasoning += event.reasoning_tokens
        member.asked += bool(event.input_tokens or event.output_tokens)  # a refused request is no answer
        if event.cost is None:
            member.unpriced += 1
        else:
            member.cost += event.cost

    def _completed(self, event: core.StepCompleted) -> None:
        ending = getattr(event.output, "ending", None)
        if event.path not in self.arguments or ending is None:
            return
        member = self.owner(event.path)
        if member is not None:
            member.calls += 1
            member.failed += ending != "success"
            member.doing, member.tail = "thinking", ""
        if ending != "success":
            self.errors[event.path] = clean(str(getattr(event.output, "error", "")) or ending)

    def belongs_to_primary(self, path: Path) -> bool:
        """Says whether a call was asked for by the primary agent itself."""
        return path in self.arguments and self.primary is not None and self.owner(path) is self.primary

    def rows(self, fold: SpanFold, *, below: Path | None = None, live: bool = True) -> Iterator[CrewRow]:
        """Yields the agents and calls below a path, by default the primary agent's; ``live`` leaves out what has ended.

        Of the calls of an agent below another only those that run are shown: its line counts the others.
        """
        top = below if below is not None else self.primary.path if self.primary is not None else None
        if top is None or top not in fold.spans:
            return
        yield from self._rows(fold.spans[top], 0, live)

    def _rows(self, above: Span, depth: int, live: bool) -> Iterator[CrewRow]:
        for span in above.children:
            member = self.members.get(span.path)
            if member is not None:
                mark = mark_of(span)
                told = member.told()
                if span.is_live and mark != "waiting":
                    now = f"{member.doing}{': …' + member.tail if member.tail else ''}"
                    told = f"{now} · {told}" if told else now
                yield CrewRow(depth, mark, member.name, told, span, True)
                yield from self._rows(span, depth + 1, live=True)
            elif span.path in self.arguments:
                if live and not span.is_live:
                    continue
                mark = "failed" if span.path in self.errors else mark_of(span)
                told = self.errors.get(span.path, clean(span.question) or self.arguments[span.path])
                yield CrewRow(depth, mark, clean(name_of(span.path)), told, span, False)
                yield from self._rows(span, depth + 1, live)
            else:
                yield from self._rows(span, depth, live)


def arguments_text(input: Any) -> str:
    """Returns a call's arguments on one line, cut."""
    given = getattr(input, "arguments", None)
    if not is_object(given):
        return ""
    pairs = [f"{name}={short(value, 40)}" for name, value in given.items() if value not in (None, "", [])]
    text = clean(" ".join(pairs))
    return text if len(text) <= ARGUMENTS else text[: ARGUMENTS - 1] + "…"


def spent_text(cost: float, unpriced: int) -> str:
    """Returns a cost in US dollars; what has no known price is told, and never taken for nothing."""
    if unpriced and not cost:
        return "cost unknown"
    told = cost_text(cost)
    return f"{told} and {unpriced} {'call' if unpriced == 1 else 'calls'} of unknown price" if unpriced else told
