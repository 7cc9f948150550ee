"""Runs a step in this terminal as ``stretto run`` does: for the command line, and for programs of one's own."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stretto.cli.execution import Session, Viewer
from stretto.cli.exits import Exit
from stretto.cli.screen import Screen
from stretto.core.errors import StrettoError
from stretto.core.step import Step
from stretto.runtime.run import RunSettings
from stretto.stores.store import Store

TARGET, FOLDER, INPUT, LIMIT, TIMEOUT = (
    "stretto.target", "stretto.folder", "stretto.input", "stretto.max_concurrency", "stretto.timeout",
)  # fmt: skip
"""The labels by which a run remembers how it was started."""
LONGEST_LABEL = 100_000
"""How many characters of an input are remembered; a longer one has to be given again."""


@dataclass(frozen=True)
class Showing:
    """How a run is shown: ``json`` and ``events`` for programs, ``plan`` before it runs, ``gantt`` at its end."""

    json: bool = False
    events: bool = False
    quiet: bool = False
    plan: bool = False
    gantt: bool = False
    tell: Callable[[Any], Any] | None = None

    @property
    def machine(self) -> str:
        """``json``, ``events`` or nothing: what is written to stdout at the end for a program to read."""
        return "events" if self.json and self.events else "json" if self.json else ""


def watch(
    step: Step[Any, Any],
    input: Any = None,
    *,
    target: str | None = None,
    folder: str = "",
    store: str | None = None,
    plan: bool = False,
    gantt: bool = False,
    tell: Callable[[Any], Any] | None = None,
) -> int:
    """Runs a step before the eyes of whoever sits at the terminal, keeps the run, and returns the exit status.

    ``target`` (``module:name``) and ``folder`` (where that module is found) let ``stretto resume`` go on with it.
    ``plan`` explains a plan before it runs, ``gantt`` draws the chart afterwards, ``tell`` makes of the run's value
    what is shown of it. Errors become sentences on stderr, as on the command line.
    """
    from stretto.cli.failures import tell as tell_error
    from stretto.cli.places import open_store

    screen = Screen()
    labels = {} if target is None else remembered(target, folder, input)
    try:
        settings = RunSettings(labels=labels)
        return execute(screen, step, input, settings, open_store(store), Showing(plan=plan, gantt=gantt, tell=tell))
    except StrettoError as error:
        return tell_error(screen, error)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED


def remembered(
    target: str, folder: str, value: Any, most: int | None = None, timeout: str | None = None
) -> dict[str, str]:
    """Returns the labels by which ``stretto resume`` finds what a run was made of."""
    labels = {TARGET: target, FOLDER: str(Path(folder).resolve())}
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = ""
    if text and len(text) <= LONGEST_LABEL:
        labels[INPUT] = text
    if most is not None:
        labels[LIMIT] = str(most)
    if timeout is not None:
        labels[TIMEOUT] = timeout
    return labels


def execute(
    screen: Screen, step: Step[Any, Any], value: Any, settings: RunSettings, store: Store, showing: Showing
) -> Exit:
    """Runs a step, shows it, says how it ended, and returns the exit status for that."""
    from stretto.cli.ending import report
    from stretto.cli.questions import Questions, can_ask
    from stretto.monitoring.terminal import draw_rich
    from stretto.planning.plan import ExecutionPlan

    known = getattr(step, "plan", None)
    if showing.plan and isinstance(known, ExecutionPlan):
        limits = getattr(step, "limits", None)
        slots = {} if limits is None else {"slots": limits.max_concurrent_executions}
        screen.err.print(known.explain(limit=8, **slots), no_wrap=True, overflow="ellipsis", soft_wrap=False)
    session = Session(screen, store, _viewers(screen, showing), Questions(screen, can_ask()))
    finished = session.execute(step, value, settings)
    code = report(screen, finished, machine=showing.machine, quiet=showing.quiet, tell=showing.tell)
    if showing.gantt and finished.fold.spans:
        console = screen.err if showing.machine else screen.out
        console.print()
        console.print(draw_rich(finished.fold, width=console.width, ascii=not screen.unicode), end="", soft_wrap=True)
    return code


def _viewers(screen: Screen, showing: Showing) -> list[Viewer]:
    from stretto.cli.lines import EventLines, LineView
    from stretto.cli.live import LiveView

    viewers: list[Viewer] = [EventLines()] if showing.events else []
    if showing.quiet or (showing.events and sys.stdout.isatty()):
        return viewers
    return [*viewers, LiveView(screen) if screen.err.is_terminal else LineView(screen)]
