"""A store in this process's memory: for tests, and for runs that nobody will ask about tomorrow."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from stretto.core.errors import RunBusy, RunNotFound, StoreError
from stretto.core.journal import Line
from stretto.core.step import Answer
from stretto.stores.archive_memory import MemoryArchive
from stretto.stores.owner import is_alive
from stretto.stores.records_memory import MemoryRecords
from stretto.stores.store import KEPT_DURATIONS, Store, answer_of, check_answerable, no_reader, not_claimed
from stretto.stores.summary import OPEN, RunSummary, Status, Tally
from stretto.stores.values import LARGE, cut


@dataclass(slots=True)
class _Kept:
    number: int
    tally: Tally
    created_at: float
    owner: str | None = None
    heartbeat: float = 0.0
    cancelled: bool = False
    lines: list[Line] = field(default_factory=list[Line])
    answers: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def alive(self) -> bool:
        return self.owner is not None and is_alive(self.owner, self.heartbeat)

    def summary(self) -> RunSummary:
        return self.tally.summary(self.owner, self.alive, time.time())


class MemoryStore(Store):
    """Keeps runs in memory, with everything that a store on disk does, and forgets them with the process."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._durations: dict[str, list[float]] = {}
        self._claims = 0
        self._closed = False
        self._archive = MemoryArchive(self._check_open)
        self._records = MemoryRecords(self._check_open, self._forget)

    @property
    def archive(self) -> MemoryArchive:
        return self._archive

    @property
    def records(self) -> MemoryRecords:
        return self._records

    async def claim(self, run_id: str, owner: str) -> int:
        self._check_open()
        kept = self._kept.get(run_id)
        now = time.time()
        if kept is None:
            self._claims += 1
            kept = self._kept[run_id] = _Kept(self._claims, Tally(run_id, now), now)
        elif kept.owner is not None and kept.alive:
            raise RunBusy(run_id, kept.owner)
        kept.owner, kept.heartbeat, kept.cancelled = owner, now, False
        kept.tally.in_flight.clear()
        return len(kept.lines)

    async def release(self, run_id: str, owner: str) -> None:
        self._check_open()
        kept = self._kept.get(run_id)
        if kept is None or kept.owner != owner:
            return
        kept.owner = None
        if not kept.lines:
            del self._kept[run_id]

    async def append(self, run_id: str, lines: Sequence[Line]) -> None:
        self._check_open()
        kept = self._kept.get(run_id)
        if kept is None or kept.owner is None:
            raise not_claimed(run_id)
        if not lines:
            return
        try:
            durations = kept.tally.add(lines)
        except Exception:
            kept.tally = Tally(run_id, kept.created_at)
            if kept.lines:
                kept.tally.add(kept.lines)
            raise
        kept.lines += lines
        kept.heartbeat = time.time()
        for step, new in durations.items():
            self._durations[step] = (self._durations.get(step, []) + new)[-KEPT_DURATIONS:]

    async def lines(
        self, run_id: str, since: int = 0, *, full: bool = True, kinds: Collection[str] | None = None,
        limit: int | None = None,
    ) -> list[Line]:  # fmt: skip
        found = self._run(run_id).lines[since:]
        if kinds is not None:
            found = [line for line in found if line.kind in kinds]
        found = found[:limit]
        if full:
            return found
        return [line._replace(data=cut(line.data)[0]) if len(line.data) > LARGE else line for line in found]

    async def durations(self, step: str, limit: int = 100) -> list[float]:
        self._check_open()
        return self._durations.get(step, [])[::-1][:limit]

    async def runs(
        self,
        limit: int | None = 50,
        offset: int = 0,
        *,
        status: Status | None = None,
        name: str | None = None,
        text: str | None = None,
        since: float | None = None,
    ) -> list[RunSummary]:
        found = [
            summary
            for kept in self._newest_first()
            if (name is None or kept.tally.name == name)
            and (text is None or text.casefold() in kept.tally.words())
            and (since is None or kept.tally.started_at >= since)
            and ((summary := kept.summary()).status == status or status is None)
        ]
        return found[offset:] if limit is None else found[offset : offset + limit]

    async def count_runs(
        self, *, status: Status | None = None, name: str | None = None, text: str | None = None,
        since: float | None = None,
    ) -> int:  # fmt: skip
        return len(await self.runs(None, status=status, name=name, text=text, since=since))

    async def summary(self, run_id: str) -> RunSummary:
        self._check_open()
        if run_id not in self._kept:
            raise RunNotFound(run_id)
        return self._kept[run_id].summary()

    async def ids(self, beginning: str, limit: int = 5) -> list[str]:
        found = [kept.tally.id for kept in self._newest_first() if kept.tally.id.startswith(beginning)]
        return sorted(found, key=beginning.__ne__)[:limit]

    async def remove(self, run_ids: Collection[str]) -> list[str]:
        self._check_open()
        gone = [run_id for run_id in run_ids if run_id in self._kept and not self._kept[run_id].alive]
        for run_id in gone:
            del self._kept[run_id]
        return gone

    async def silent(self, before: float) -> list[str]:
        found = [
            kept.tally.id
            for kept in reversed(self._newest_first())
            if max(kept.tally.started_at + kept.tally.at, kept.heartbeat) < before and not kept.alive
        ]
        of_workflows = {row.run_id for row in await self.records.executions()}
        return [run_id for run_id in found if run_id not in of_workflows]

    async def request_cancel(self, run_id: str) -> None:
        status = (await self.summary(run_id)).status
        if status not in OPEN:
            raise no_reader(run_id, status)
        self._kept[run_id].cancelled = True

    async def cancel_requested(self, run_id: str) -> bool:
        await self.summary(run_id)
        return self._kept[run_id].cancelled

    async def answers(self, run_id: str) -> dict[str, Answer]:
        await self.summary(run_id)
        return {request_id: answer_of(text) for request_id, text in self._kept[run_id].answers.items()}

    async def pass_over(self, run_id: str, request_id: str) -> None:
        await self.summary(run_id)
        self._kept[run_id].answers.pop(request_id, None)

    async def _post(self, run_id: str, request_id: str, answer: str) -> None:
        status = (await self.summary(run_id)).status
        given = self._kept[run_id].answers
        check_answerable(run_id, request_id, status, request_id in given)
        given[request_id] = answer

    async def close(self) -> None:
        self._closed = True

    def _forget(self, workflow_id: str, run_ids: Sequence[str]) -> None:
        held = [self._kept[run_id] for run_id in run_ids if run_id in self._kept]
        for kept in held:
            if kept.owner is not None and kept.alive:
                raise RunBusy(kept.tally.id, kept.owner)
        for kept in held:
            del self._kept[kept.tally.id]
        self._archive.forget_workflow(workflow_id)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed; open another one")

    def _newest_first(self) -> list[_Kept]:
        self._check_open()
        return sorted(self._kept.values(), key=lambda kept: (kept.tally.started_at, kept.number), reverse=True)

    def _run(self, run_id: str) -> _Kept:
        self._check_open()
        kept = self._kept.get(run_id)
        if kept is None or not kept.lines:
            raise RunNotFound(run_id)
        return kept
