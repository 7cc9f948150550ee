"""Chooses what of a run's tree is worth a line on the terminal, without looking at all of it again and again."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from stretto.core import events as core
from stretto.core.events import Event, Path, parent_of
from stretto.monitoring.palette import Mark, mark_of
from stretto.monitoring.spans import Span, SpanFold

SHOWN = 12
"""How many children of one step are shown when there are more."""
ALL_SHOWN = 16
"""Up to how many children are all shown: to hide two or three behind a line would save nothing."""
FAILED_SHOWN = 4
"""How many of them may be failed ones while others run."""
DEEPEST = 6
"""How many levels are shown."""


class TreeRow(NamedTuple):
    """One line: a span, or (without one) the sum of those that are not shown."""

    guide: str
    span: Span | None
    mark: Mark
    text: str
    done: int | None = None
    total: int | None = None


@dataclass(slots=True)
class Family:
    """What is known of the children of one step."""

    ended: int = 0
    failed: list[Path] = field(default_factory=list[Path])
    slowest: list[tuple[float, Path]] = field(default_factory=list[tuple[float, Path]])


@dataclass
class Interest:
    """Counts as events come, so that drawing need not count again."""

    completed: int = 0
    failed: int = 0
    retries: int = 0
    longest: tuple[float, Path] = (0.0, "")
    families: dict[Path, Family] = field(default_factory=dict[Path, Family])

    def take(self, fold: SpanFold, fresh: Sequence[Event]) -> None:
        """Takes events that the fold has taken already."""
        for event in fresh:
            if isinstance(event, core.StepCompleted):
                self.completed += 1
                self._ended(fold, event, failed=False)
            elif event.kind in core.TERMINAL:
                failed = not isinstance(event, core.StepCancelled)
                self.failed += failed
                self._ended(fold, event, failed=failed)
            elif isinstance(event, core.StepRetrying):
                self.retries += 1

    def _ended(self, fold: SpanFold, event: Event, *, failed: bool) -> None:
        span = fold.spans[event.path]
        above = parent_of(event.path)
        family = self.families.get(above)
        if family is None:
            family = self.families[above] = Family()
        family.ended += 1
        took = event.at - span.start if span.start is not None else 0.0
        if took > self.longest[0] and not span.children:
            self.longest = (took, event.path)
        if failed:
            if len(family.failed) < SHOWN:
                family.failed.append(event.path)
        elif len(family.slowest) < SHOWN:
            heapq.heappush(family.slowest, (took, event.path))
        elif took > family.slowest[0][0]:
            heapq.heapreplace(family.slowest, (took, event.path))

    def bottleneck(self, fold: SpanFold) -> tuple[float, Path]:
        """Returns the operation that took longest so far, a running one too (seconds, path)."""
        found = self.longest
        for place, span in enumerate(fold.live()):
            if place >= 1000:
                break
            if not span.children and (took := span.duration(fold.now)) > found[0]:
                found = (took, span.path)
        return found

    def rows(self, fold: SpanFold, most: int, *, final: bool = False) -> list[TreeRow]:
        """Returns at most ``most`` lines.

        Branches that have ended well are folded; the ``final`` tree unfolds as many levels as there is room for.
        """
        live: dict[Path, list[Span]] = {}
        for span in fold.live():
            live.setdefault(parent_of(span.path), []).append(span)
        rows: list[TreeRow] = []
        for levels in range(DEEPEST, 0, -1) if final else (0,):
            rows = []
            for span in fold.root.children:
                self._add(rows, fold, span, live, "", "", 0, levels)
            if len(rows) <= most:
                return rows
        hidden = len(rows) - most + 1
        return [*rows[: most - 1], TreeRow("", None, "pending", f"… {hidden:,} more lines; a higher window shows more")]

    def _add(
        self,
        rows: list[TreeRow],
        fold: SpanFold,
        span: Span,
        live: dict[Path, list[Span]],
        head: str,
        below: str,
        depth: int,
        levels: int,
    ) -> None:
        done, total = span.done, span.total
        family = self.families.get(span.path)
        if done is None and len(span.children) > ALL_SHOWN:
            done, total = (family.ended if family else 0), None
        elif done is not None and family is not None and (total is None or family.ended <= total):
            done = max(done, family.ended)
        rows.append(TreeRow(head, span, mark_of(span), span.name, done, total))
        if depth >= DEEPEST or not span.children or not self._opens(span, depth, levels):
            return
        shown, rest = self._chosen(fold, span, live)
        for place, child in enumerate(shown):
            last = place == len(shown) - 1 and not rest
            self._add(
                rows,
                fold,
                child,
                live,
                below + ("└─ " if last else "├─ "),
                below + ("   " if last else "│  "),
                depth + 1,
                levels,
            )
        if rest:
            rows.append(TreeRow(below + "└─ ", None, "pending", rest))

    @staticmethod
    def _opens(span: Span, depth: int, levels: int) -> bool:
        if span.end is None or span.status in ("failed", "timed_out", "cancelled", "abandoned"):
            return True
        return depth < levels

    def _chosen(self, fold: SpanFold, span: Span, live: dict[Path, list[Span]]) -> tuple[list[Span], str]:
        """Returns the children to show, and a sentence about the others."""
        if len(span.children) <= ALL_SHOWN:
            return span.children, ""
        family = self.families.get(span.path, Family())
        running = live.get(span.path, [])
        failed = [fold.spans[path] for path in family.failed[: FAILED_SHOWN if running else SHOWN]]
        shown = [*failed, *running[: SHOWN - len(failed)]]
        known = {one.path for one in shown}
        for _, path in sorted(family.slowest, reverse=True):
            if len(shown) >= SHOWN:
                break
            if path not in known:
                shown.append(fold.spans[path])
        left_running = max(0, len(running) - sum(one.is_live for one in shown))
        left_done = family.ended - sum(one.end is not None for one in shown)
        left = len(span.children) - len(shown) - left_running - left_done
        counted = ((left_done, "done"), (left_running, "running"), (left, "not started"))
        told = ", ".join(f"{count:,} more {word}" for count, word in counted if count > 0)
        return shown, f"… {told}" if told else ""
