"""What is said to the database, as functions of a connection; each runs inside one transaction."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from stretto.core.errors import RunBusy, RunNotFound, StoreError
from stretto.core.journal import Line
from stretto.stores.bulk import insert_rows
from stretto.stores.dialects import insert_new
from stretto.stores.owner import is_alive
from stretto.stores.schema import answer, event, event_value, run, step_duration, value
from stretto.stores.store import KEPT_DURATIONS, check_answerable, no_reader
from stretto.stores.summary import OPEN, RunSummary, Status, Tally, status_of
from stretto.stores.values import LARGE, cut, mend
from stretto.stores.workflow_schema import execution

_DIGITS = 16  # a double in hexadecimal
_DURATIONS = {
    "sqlite": f"substr(step_duration.seconds || excluded.seconds, -{KEPT_DURATIONS * _DIGITS})",
    "postgresql": f"right(step_duration.seconds || excluded.seconds, {KEPT_DURATIONS * _DIGITS})",
}
_EVENT = "event (run, seq, kind, path, at, data)"
_SOME = 500  # names in one condition


class Search(NamedTuple):
    """Which runs are looked for, as ``Store.runs`` describes it."""

    limit: int | None
    offset: int
    status: Status | None
    name: str | None
    text: str | None
    since: float | None


class Claimed(NamedTuple):
    """A run that was claimed: its key, and what its log amounts to."""

    key: int
    tally: Tally


def claim(connection: sa.Connection, run_id: str, owner: str) -> Claimed:
    """Makes ``owner`` the one who writes a run; raises ``RunBusy``."""
    now = time.time()
    new = _columns(Tally(run_id, now)) | {"id": run_id, "created_at": now, "heartbeat": now, "cancelled": False}
    insert_new(connection, run, new)
    row = connection.execute(sa.select(run).where(run.c.id == run_id).with_for_update()).one()
    if row.owner is not None and is_alive(row.owner, row.heartbeat):
        raise RunBusy(run_id, row.owner)
    connection.execute(sa.update(run).where(run.c.key == row.key).values(owner=owner, heartbeat=now, cancelled=False))
    return Claimed(row.key, _tally(row))


def tally_again(connection: sa.Connection, run_id: str) -> Tally:
    """Returns what a run's log amounts to, after it is uncertain whether lines were written."""
    return _tally(_row(connection, run_id))


def release(connection: sa.Connection, run_id: str, owner: str) -> None:
    """Lets go of a run, and forgets one without lines."""
    mine = (run.c.id == run_id) & (run.c.owner == owner)
    connection.execute(sa.delete(run).where(mine, run.c.lines == 0))
    connection.execute(sa.update(run).where(mine).values(owner=None))


def append(
    connection: sa.Connection,
    claimed: Claimed,
    owner: str,
    lines: Sequence[Line],
    durations: Mapping[str, Sequence[float]],
) -> None:
    """Writes lines that the tally of ``claimed`` holds already; raises ``RunBusy`` when the run is another's by now."""
    key, tally = claimed
    mine = (run.c.key == key) & (run.c.id == tally.id) & (run.c.owner == owner) & (run.c.lines == lines[0].seq)
    written = connection.execute(sa.update(run).where(mine).values(_columns(tally) | {"heartbeat": time.time()}))
    if written.rowcount != 1:
        holder = _row(connection, tally.id).owner
        if holder == owner:
            raise StoreError(
                f"run {tally.id!r} has got lines since place {lines[0].seq} was read; read them, then go on"
            )
        raise RunBusy(tally.id, holder or "nobody, for it was given back")
    if any(len(line.data) > LARGE for line in lines):
        _insert_with_large(connection, key, lines)
    else:
        insert_rows(connection, _EVENT, ((key, *line) for line in lines))
    kept = [(step, _hexadecimal(durations[step])) for step in sorted(durations)]
    then = f"ON CONFLICT (step) DO UPDATE SET seconds = {_DURATIONS[connection.dialect.name]}"
    insert_rows(connection, "step_duration (step, seconds)", kept, then)


def _insert_with_large(connection: sa.Connection, key: int, lines: Sequence[Line]) -> None:
    large: dict[str, str] = {}
    links: list[tuple[int, int, str]] = []
    rows: list[tuple[Any, ...]] = []
    for line in lines:
        data = line.data
        if len(data) > LARGE:
            data, found = cut(data)
            large |= found
            links += [(key, line.seq, digest) for digest in found]
        rows.append((key, *line[:4], data))
    insert_rows(connection, _EVENT, rows)
    insert_rows(connection, "value (digest, data)", sorted(large.items()), "ON CONFLICT (digest) DO NOTHING")
    insert_rows(connection, "event_value (run, seq, digest)", links)


def _hexadecimal(seconds: Sequence[float]) -> str:
    last = seconds[-KEPT_DURATIONS:]
    return struct.pack(f">{len(last)}d", *last).hex()


def lines(
    connection: sa.Connection, run_id: str, since: int, full: bool, kinds: Collection[str] | None = None,
    limit: int | None = None,
) -> list[Line]:  # fmt: skip
    """Returns a run's lines from a place on; raises ``RunNotFound`` when it has none at all."""
    row = _row(connection, run_id)
    if row.lines == 0:
        raise RunNotFound(run_id)
    wanted = sa.select(event.c.seq, event.c.kind, event.c.path, event.c.at, event.c.data)
    if kinds is not None:
        wanted = wanted.where(event.c.kind.in_(sorted(kinds)))
    wanted = wanted.where(event.c.run == row.key, event.c.seq >= since).order_by(event.c.seq)
    rows = connection.execute(wanted if limit is None else wanted.limit(limit))
    found = [Line(*held) for held in rows]
    if not full:
        return found
    linked = sa.select(event_value.c.seq, value.c.digest, value.c.data).join_from(event_value, value)
    if kinds is not None or limit is not None:
        linked = linked.where(event_value.c.seq.in_([line.seq for line in found]))
    large: dict[int, dict[str, str]] = {}
    for seq, digest, data in connection.execute(linked.where(event_value.c.run == row.key, event_value.c.seq >= since)):
        large.setdefault(seq, {})[digest] = data
    return [line._replace(data=mend(line.data, large[line.seq])) if line.seq in large else line for line in found]


def durations(connection: sa.Connection, step: str, limit: int) -> list[float]:
    """Returns the last durations of a step, newest first (seconds)."""
    held = connection.scalar(sa.select(step_duration.c.seconds).where(step_duration.c.step == step)) or ""
    packed = bytes.fromhex(held)
    return list(struct.unpack(f">{len(packed) // 8}d", packed))[::-1][:limit]


def runs(connection: sa.Connection, search: Search) -> list[RunSummary]:
    """Returns the runs of a search, newest first."""
    dead = _dead(connection)
    wanted = _searched(search, dead, sa.select(run)).order_by(run.c.started_at.desc(), run.c.key.desc())
    if search.limit is not None:
        wanted = wanted.limit(search.limit)
    if search.offset:
        wanted = wanted.offset(search.offset)
    now = time.time()
    return [_tally(row).summary(row.owner, row.key not in dead, now) for row in connection.execute(wanted)]


def count_runs(connection: sa.Connection, search: Search) -> int:
    """Returns how many runs a search finds, whatever its limit."""
    wanted = _searched(search, _dead(connection), sa.select(sa.func.count()).select_from(run))
    return int(connection.scalar(wanted) or 0)


def _dead(connection: sa.Connection) -> set[int]:
    """Returns the keys of the runs without an end whose process is gone."""
    open_runs = connection.execute(sa.select(run.c.key, run.c.owner, run.c.heartbeat).where(run.c.status.in_(OPEN)))
    return {key for key, owner, heartbeat in open_runs if owner is None or not is_alive(owner, heartbeat)}


def _searched(search: Search, dead: set[int], wanted: sa.Select[Any]) -> sa.Select[Any]:
    if search.status == "interrupted":
        wanted = wanted.where(run.c.key.in_(dead))
    elif search.status is not None:
        wanted = wanted.where(run.c.status == search.status, run.c.key.not_in(dead))
    if search.name is not None:
        wanted = wanted.where(run.c.name == search.name)
    if search.text is not None:
        wanted = wanted.where(run.c.words.contains(search.text.casefold(), autoescape=True))
    if search.since is not None:
        wanted = wanted.where(run.c.started_at >= search.since)
    return wanted


def summary(connection: sa.Connection, run_id: str) -> RunSummary:
    """Returns how a run stands; raises ``RunNotFound``."""
    return _summary(_row(connection, run_id))


def ids(connection: sa.Connection, beginning: str, limit: int) -> list[str]:
    """Returns ids that begin so, the id itself first, then the newest."""
    wanted = sa.select(run.c.id).where(sa.func.substr(run.c.id, 1, len(beginning)) == beginning)
    ordered = wanted.order_by(run.c.id != beginning, run.c.started_at.desc(), run.c.key.desc())
    return list(connection.scalars(ordered.limit(limit)))


def remove(connection: sa.Connection, run_ids: Collection[str]) -> list[str]:
    """Removes the runs among these that are not live, and the large values that nobody holds any more."""
    gone: list[str] = []
    digests: set[str] = set()
    for some in _in_parts(list(run_ids)):
        wanted = (
            sa.select(run.c.key, run.c.id, run.c.owner, run.c.heartbeat).where(run.c.id.in_(some)).with_for_update()
        )
        over = [
            row for row in connection.execute(wanted) if row.owner is None or not is_alive(row.owner, row.heartbeat)
        ]
        keys = [row.key for row in over]
        digests |= set(connection.scalars(sa.select(event_value.c.digest).where(event_value.c.run.in_(keys))))
        connection.execute(sa.delete(run).where(run.c.key.in_(keys)))
        gone += [row.id for row in over]
    if digests and connection.dialect.name == "postgresql":  # nobody may refer to a value while it is found unused
        connection.exec_driver_sql("LOCK TABLE value IN SHARE ROW EXCLUSIVE MODE")
    held = sa.select(event_value.c.digest).where(event_value.c.digest == value.c.digest)
    for part in _in_parts(sorted(digests)):
        connection.execute(sa.delete(value).where(value.c.digest.in_(part), ~held.exists()))
    return gone


def silent(connection: sa.Connection, before: float) -> list[str]:
    """Returns the runs of no workflow that are over, or were left, and have told nothing since."""
    of_workflow = sa.select(execution.c.run_id).where(execution.c.run_id == run.c.id)
    asked = sa.select(run.c.id, run.c.owner, run.c.heartbeat).where(
        run.c.started_at + run.c.at < before, run.c.heartbeat < before, ~of_workflow.exists()
    )
    rows = connection.execute(asked.order_by(run.c.started_at, run.c.key))
    return [row.id for row in rows if row.owner is None or not is_alive(row.owner, row.heartbeat)]


def _in_parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _SOME):
        yield names[start : start + _SOME]


def request_cancel(connection: sa.Connection, run_id: str) -> None:
    """Marks a live run as to be cancelled."""
    row = _row(connection, run_id)
    status = _summary(row).status
    if status not in OPEN:
        raise no_reader(run_id, status)
    connection.execute(sa.update(run).where(run.c.key == row.key).values(cancelled=True))


def cancel_requested(connection: sa.Connection, run_id: str) -> bool:
    """Says whether a run is marked."""
    return bool(_row(connection, run_id).cancelled)


def beat(connection: sa.Connection, run_id: str, owner: str) -> None:
    """Gives a sign of life."""
    connection.execute(sa.update(run).where(run.c.id == run_id, run.c.owner == owner).values(heartbeat=time.time()))


def post(connection: sa.Connection, run_id: str, request_id: str, data: str) -> None:
    """Keeps an answer."""
    row = _row(connection, run_id, lock=True)
    held = sa.select(answer.c.request_id).where(answer.c.run == row.key, answer.c.request_id == request_id)
    check_answerable(run_id, request_id, _summary(row).status, connection.scalar(held) is not None)
    connection.execute(sa.insert(answer).values(run=row.key, request_id=request_id, data=data))


def pass_over(connection: sa.Connection, run_id: str, request_id: str) -> None:
    """Takes an answer out."""
    key = _row(connection, run_id).key
    connection.execute(sa.delete(answer).where(answer.c.run == key, answer.c.request_id == request_id))


def answers(connection: sa.Connection, run_id: str) -> dict[str, str]:
    """Returns the answers of a run by their questions."""
    key = _row(connection, run_id).key
    return {held.request_id: held.data for held in connection.execute(sa.select(answer).where(answer.c.run == key))}


def _row(connection: sa.Connection, run_id: str, lock: bool = False) -> Any:
    wanted = sa.select(run).where(run.c.id == run_id)
    row = connection.execute(wanted.with_for_update() if lock else wanted).one_or_none()
    if row is None:
        raise RunNotFound(run_id)
    return row


def _columns(tally: Tally) -> dict[str, Any]:
    return {
        "name": tally.name,
        "status": tally.status,
        "started_at": tally.started_at,
        "at": tally.at,
        "lines": tally.lines,
        "size": tally.size,
        "error": tally.error,
        "labels": json.dumps(tally.labels),
        "counts": json.dumps(tally.counts),
        "words": tally.words(),
    }


def _tally(row: Any) -> Tally:
    return Tally(
        row.id, row.started_at, row.name, status_of(row.status), row.at, row.lines, row.size, row.error,
        json.loads(row.labels), json.loads(row.counts),
    )  # fmt: skip


def _summary(row: Any) -> RunSummary:
    alive = row.owner is not None and is_alive(row.owner, row.heartbeat)
    return _tally(row).summary(row.owner, alive, time.time())
