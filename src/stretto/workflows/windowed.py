"""Streams cut into windows, by count or by time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stretto.core.errors import DefinitionError
from stretto.core.policies import positive
from stretto.workflows.stages import Stage
from stretto.workflows.streaming import StreamingWorkflow
from stretto.workflows.windows import Cut, Late, Window
from stretto.workflows.workflow import check_kind, check_word, owner_of


@dataclass(frozen=True, kw_only=True)
class WindowedWorkflow(StreamingWorkflow):
    """Lets windows of the source's items flow through stages; each window is a list.

    Windows by count and by the clock begin at the opening of the stream; those by the clock close when their time is
    over, even while no item arrives, and empty ones are left out. With ``time``, which says when an item happened
    (seconds), windows are cut by that: they close when an item comes that happened ``lateness`` seconds after their
    end. An item whose windows are all closed is dropped and told (``late="drop"``, the default), put into the
    first window still open (``"next"``), or ends the stream with ``LateItem`` (``"error"``). The last windows are
    flushed when the source ends.
    """

    name: str = "windowed"
    window: Window
    time: Callable[[Any], float] | None = None
    lateness: float = 0.0
    late: Late | None = None

    def __post_init__(self) -> None:
        """Refuses settings that nothing would read."""
        check_kind(self, "window", self.window, Window)
        super().__post_init__()
        owner = owner_of(self)
        positive(owner, "lateness", self.lateness, zero=True)
        if self.late is not None:
            check_word(self, "late", self.late, ("drop", "next", "error"))
        if self.time is None and (self.late is not None or self.lateness):
            raise DefinitionError(
                f"{owner}: late and lateness are about time=, which is not given; say when an item happened"
            )
        if self.time is not None and self.window.by == "count":
            raise DefinitionError(
                f"{owner}: time= is read by windows in seconds, and this one counts items; leave it out"
            )

    def row(self) -> tuple[Stage, ...]:
        """Returns the cut, and the stages behind it."""
        return (
            Cut(window=self.window, time=self.time, lateness=self.lateness, late=self.late or "drop"),
            *super().row(),
        )
