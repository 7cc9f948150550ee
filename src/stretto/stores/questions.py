"""What a run asks and nobody has answered yet, found in its log and its mailbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stretto.core.decisions import Decisions
from stretto.core.events import TERMINAL, Asked, Event
from stretto.stores.plain import plain_event

if TYPE_CHECKING:
    from stretto.stores.store import Store


async def unanswered(store: Store, run_id: str) -> list[Asked]:
    """Returns the questions of a run that nobody has answered, neither in its log nor in its mailbox."""
    from stretto.stores.store import PEOPLE

    lines = await store.lines(run_id, full=False, kinds=PEOPLE)
    events: list[Event] = [plain_event(line) for line in lines]
    if opened := Decisions.of(events).open:
        first = next(line.seq for line in lines if line.path == opened[0].path)
        ends = await store.lines(run_id, first, full=False, kinds={*TERMINAL, "step_abandoned"})
        merged = sorted([*lines, *ends], key=lambda line: line.seq)
        opened = Decisions.of(plain_event(line) for line in merged).open
    posted = await store.answers(run_id) if opened else {}
    return [one for one in opened if one.request_id not in posted]


async def whole(store: Store, run_id: str, asked: Asked) -> Asked:
    """Returns a request with its value, however large."""
    lines = await store.lines(run_id, kinds={"asked"})
    events = [plain_event(line) for line in lines]
    return next(e for e in reversed(events) if isinstance(e, Asked) and e.request_id == asked.request_id)
