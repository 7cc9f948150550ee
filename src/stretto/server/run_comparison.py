"""Compares two runs step by step: how long each took, how it ended, what models took for it, and what only one has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel

from stretto.core.events import Path
from stretto.monitoring.metrics import end_of
from stretto.monitoring.spans import Span, SpanFold, Status
from stretto.server.run_views import RunItem, shown

Side = Literal["both", "first", "second"]
"""Which of the two runs has a step."""
Which = Literal["all", "different", "first", "second"]
"""Which steps are told: all, those that differ in anything but time, or those that only one run has."""


class StepFigures(BaseModel):
    """A step of one run: ``duration`` in seconds, tokens and US dollars of it and all below it.

    ``cost`` is None when a price is unknown. ``source`` is ``cache`` for a step that a repetition kept. ``error`` says
    what it raised.
    """

    status: Status
    duration: float
    queued: float
    attempts: int
    source: str
    tokens_input: int
    tokens_output: int
    cost: float | None
    error: str | None


class ComparedStep(BaseModel):
    """A step of two runs; differences are the second's figure less the first's, None where one of them has none.

    ``same_outcome`` says whether it ended alike in both.
    """

    path: str
    kind: str
    where: Side
    same_outcome: bool
    first: StepFigures | None
    second: StepFigures | None
    duration_difference: float | None
    tokens_difference: int | None
    cost_difference: float | None


class Comparison(BaseModel):
    """Two runs beside each other; ``total`` counts the steps that were asked for, ``steps`` is a page of them.

    Steps are those of the first run in its order, then those that only the second has. When the two runs are of
    different workflows, the name of the second's stands for that of the first's at the beginning of its paths.
    """

    first: RunItem
    second: RunItem
    whole: ComparedStep
    only_first: int
    only_second: int
    different: int
    steps: list[ComparedStep]
    total: int
    limit: int
    offset: int


def compared(first: SpanFold, second: SpanFold) -> tuple[ComparedStep, list[ComparedStep]]:
    """Returns the runs as a whole, and every step that either of them has."""
    place = _places(first, second)
    theirs = {place(path): span for path, span in second.spans.items()}
    steps = [
        _step(path, (span, first), (theirs[path], second) if path in theirs else None)
        for path, span in first.spans.items()
    ]
    steps += [_step(path, None, (span, second)) for path, span in theirs.items() if path not in first.spans]
    return _step("", (first.root, first), (second.root, second)), steps


def is_different(step: ComparedStep) -> bool:
    """Says whether two runs differ in a step by more than time: in its outcome, its attempts or its tokens."""
    if step.first is None or step.second is None or not step.same_outcome:
        return True
    return step.first.attempts != step.second.attempts or bool(step.tokens_difference)


def chosen(steps: list[ComparedStep], which: Which) -> list[ComparedStep]:
    """Returns the steps that are asked for."""
    if which == "all":
        return steps
    return [step for step in steps if (is_different(step) if which == "different" else step.where == which)]


def _places(first: SpanFold, second: SpanFold) -> Callable[[Path], Path]:
    """Returns where a step of the second run stands in the first: elsewhere only when its workflow has another name."""
    tops = [[child.name for child in fold.root.children] for fold in (first, second)]
    if len(tops[0]) != 1 or len(tops[1]) != 1 or tops[0] == tops[1]:
        return lambda path: path
    ours, theirs = tops[0][0], len(tops[1][0])
    return lambda path: ours + path[theirs:]


def _step(path: Path, first: tuple[Span, SpanFold] | None, second: tuple[Span, SpanFold] | None) -> ComparedStep:
    left = None if first is None else _figures(*first)
    right = None if second is None else _figures(*second)
    kind = next((one[0].kind for one in (first, second) if one is not None), "")
    where: Side = "both" if left and right else "first" if left else "second"
    duration: float | None = None
    tokens: int | None = None
    cost: float | None = None
    same = False
    if left is not None and right is not None:
        same = left.status == right.status
        duration = right.duration - left.duration
        tokens = right.tokens_input + right.tokens_output - left.tokens_input - left.tokens_output
        if left.cost is not None and right.cost is not None:
            cost = right.cost - left.cost
    return ComparedStep(
        path=path, kind=kind, where=where, same_outcome=same, first=left, second=right,
        duration_difference=duration, tokens_difference=tokens, cost_difference=cost,
    )  # fmt: skip


def _figures(span: Span, fold: SpanFold) -> StepFigures:
    spent, error = span.spent, span.error
    duration = end_of(fold) - (span.start or 0.0) if span is fold.root else span.duration(fold.now)
    return StepFigures(
        status=span.status, duration=duration, queued=span.queued, attempts=span.attempts, source=span.source,
        tokens_input=0 if spent is None else spent.input_tokens,
        tokens_output=0 if spent is None else spent.output_tokens,
        cost=0.0 if spent is None else spent.cost,
        error=None if error is None else shown(f"{error.type}: {error.message}"),
    )  # fmt: skip
