"""A store on disk: SQLite by default, PostgreSQL by its address, through SQLAlchemy Core."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Self

import anyio

from stretto.core.errors import DefinitionError
from stretto.core.journal import Line
from stretto.core.step import Answer
from stretto.stores import queries
from stretto.stores.archive_sql import SqlArchive
from stretto.stores.database import Database, database_at
from stretto.stores.owner import BEAT
from stretto.stores.place import default_place
from stretto.stores.records_sql import SqlRecords
from stretto.stores.store import Store, answer_of, not_claimed
from stretto.stores.summary import RunSummary, Status


@dataclass(slots=True)
class _Claim:
    run: queries.Claimed
    owner: str
    beat: float
    uncertain: bool = False


class SqlStore(Store):
    """Keeps runs in a database, from which any process can read them, and another one can go on with them.

    When ``append`` returns, its lines are on disk: SQLite syncs every commit (``synchronous=FULL``), so that neither a
    crash nor a power failure takes them back. A group of lines is one transaction; many processes may use one file,
    and wait for each other up to ``busy_timeout`` seconds (SQLite only).

    The database is opened, and made or migrated, when it is used first: then ``DatabaseRefused`` tells of one that is
    damaged, foreign or newer, and ``StoreError`` of a place that cannot be used.
    """

    def __init__(self, place: str | PathLike[str], *, busy_timeout: float = 30.0) -> None:
        """Takes a path, or an address like ``postgresql://user@host/name``; raises ``DefinitionError`` for others."""
        if busy_timeout <= 0:
            raise DefinitionError(f"busy_timeout must be more than 0 seconds, not {busy_timeout:g}")
        self._database = database_at(fspath(place), busy_timeout)
        self._claims: dict[str, _Claim] = {}
        self._appending = anyio.Lock()
        self._archive = SqlArchive(self._database)
        self._records = SqlRecords(self._database)

    @classmethod
    def default(cls) -> Self:
        """Returns the user's own store: ``$STRETTO_DATABASE``, or ``stretto/runs.db`` in the XDG state directory."""
        return cls(default_place())

    @property
    def archive(self) -> SqlArchive:
        return self._archive

    @property
    def records(self) -> SqlRecords:
        return self._records

    @property
    def database(self) -> Database:
        """What its transactions run in."""
        return self._database

    @property
    def place(self) -> str:
        """Where it is: a path, or an address without its password."""
        return self._database.place

    async def claim(self, run_id: str, owner: str) -> int:
        claimed = await self._database.write(queries.claim, run_id, owner)
        self._claims[run_id] = _Claim(claimed, owner, time.monotonic())
        return claimed.tally.lines

    async def release(self, run_id: str, owner: str) -> None:
        await self._database.write(queries.release, run_id, owner)
        if run_id in self._claims and self._claims[run_id].owner == owner:
            del self._claims[run_id]

    async def append(self, run_id: str, lines: Sequence[Line]) -> None:
        async with self._appending:
            claim = self._claims.get(run_id)
            if claim is None:
                raise not_claimed(run_id)
            if not lines:
                return
            if claim.uncertain:
                tally = await self._database.write(queries.tally_again, run_id)  # after whatever is being written
                claim.run = queries.Claimed(claim.run.key, tally)
            claim.uncertain = True  # until the database has said yes
            durations = claim.run.tally.add(lines)
            await self._database.write(queries.append, claim.run, claim.owner, lines, durations)
            claim.uncertain = False
            claim.beat = time.monotonic()

    async def lines(
        self, run_id: str, since: int = 0, *, full: bool = True, kinds: Collection[str] | None = None,
        limit: int | None = None,
    ) -> list[Line]:  # fmt: skip
        return await self._database.read(queries.lines, run_id, since, full, kinds, limit)

    async def durations(self, step: str, limit: int = 100) -> list[float]:
        return await self._database.read(queries.durations, step, limit)

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
        return await self._database.read(queries.runs, queries.Search(limit, offset, status, name, text, since))

    async def count_runs(
        self, *, status: Status | None = None, name: str | None = None, text: str | None = None,
        since: float | None = None,
    ) -> int:  # fmt: skip
        return await self._database.read(queries.count_runs, queries.Search(None, 0, status, name, text, since))

    async def summary(self, run_id: str) -> RunSummary:
        return await self._database.read(queries.summary, run_id)

    async def ids(self, beginning: str, limit: int = 5) -> list[str]:
        return await self._database.read(queries.ids, beginning, limit)

    async def remove(self, run_ids: Collection[str]) -> list[str]:
        return await self._database.write(queries.remove, run_ids)

    async def silent(self, before: float) -> list[str]:
        return await self._database.read(queries.silent, before)

    async def request_cancel(self, run_id: str) -> None:
        await self._database.write(queries.request_cancel, run_id)

    async def cancel_requested(self, run_id: str) -> bool:
        claim = self._claims.get(run_id)
        if claim is not None and time.monotonic() - claim.beat > BEAT:
            await self._database.write(queries.beat, run_id, claim.owner)
            claim.beat = time.monotonic()
        return await self._database.read(queries.cancel_requested, run_id)

    async def answers(self, run_id: str) -> dict[str, Answer]:
        posted = await self._database.read(queries.answers, run_id)
        return {request_id: answer_of(text) for request_id, text in posted.items()}

    async def pass_over(self, run_id: str, request_id: str) -> None:
        await self._database.write(queries.pass_over, run_id, request_id)

    async def _post(self, run_id: str, request_id: str, answer: str) -> None:
        await self._database.write(queries.post, run_id, request_id, answer)

    async def close(self) -> None:
        for run_id, claim in list(self._claims.items()):
            await self.release(run_id, claim.owner)
        await self._database.close()
