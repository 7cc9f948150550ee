"""What is said to the database about memories, as functions of a connection."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from stretto.core.archive import Memory, MemoryKind, Scope
from stretto.stores import archive_rules as rules
from stretto.stores.archive_schema import memory
from stretto.stores.archive_words import share_of_best, words
from stretto.stores.dialects import insert_new, is_lite, query_of, vector_of

_IN_DATA = ("content", "tags", "priority", "agent_source", "importance", "embedder")
_POSITIONS, _LAST_POSITION = 256, 16_383  # how many of a word's places PostgreSQL keeps, and how far it counts


class Wanted(NamedTuple):
    """Which memories are looked for, as ``Archive.memories`` describes it."""

    types: Sequence[MemoryKind]
    scope: Scope
    workflow_id: str | None

    def condition(self) -> sa.ColumnElement[bool]:
        """Returns what holds for these memories."""
        rules.check_scope(self.scope, self.workflow_id)
        kept = _live()
        if self.types:
            kept &= memory.c.type.in_(self.types)
        if self.scope == "general":
            return kept & memory.c.workflow_id.is_(None)
        if self.scope == "workflow":
            return kept & (memory.c.workflow_id == self.workflow_id)
        if self.workflow_id is not None:
            return kept & (memory.c.workflow_id.is_(None) | (memory.c.workflow_id == self.workflow_id))
        return kept


def _live() -> sa.ColumnElement[bool]:
    return memory.c.expires_at.is_(None) | (memory.c.expires_at > time.time())


def add(connection: sa.Connection, new: Memory) -> None:
    """Keeps a memory; an expired one with its id gives way."""
    connection.execute(sa.delete(memory).where(memory.c.id == new.id, ~_live()))
    if not insert_new(connection, memory, _values(connection, new)):
        raise rules.IdTaken("memory", new.id)


def one(connection: sa.Connection, id: str) -> Memory:
    """Returns a memory with its vector."""
    row = connection.execute(sa.select(memory).where(memory.c.id == id, _live())).one_or_none()
    if row is None:
        raise rules.not_kept("memory", id, ())
    return _memory(row, row.embedding)


def some(connection: sa.Connection, wanted: Wanted, limit: int | None, offset: int, embedded: bool) -> list[Memory]:
    """Returns memories, newest first."""
    rules.check_bounds(limit, offset)
    asked = sa.select(*_columns(), *([memory.c.embedding] if embedded else [])).where(wanted.condition())
    asked = asked.order_by(memory.c.created_at.desc(), memory.c.key.desc())
    rows = connection.execute(asked.limit(limit).offset(offset))
    return [_memory(row, row.embedding if embedded else None) for row in rows]


def count(connection: sa.Connection, wanted: Wanted) -> int:
    """Returns how many memories there are."""
    asked = sa.select(sa.func.count()).select_from(memory).where(wanted.condition())
    return int(connection.scalar(asked) or 0)


def match(connection: sa.Connection, query: str, wanted: Wanted, limit: int) -> list[tuple[Memory, float]]:
    """Returns the memories that hold all words of a query, best first, with the rank as a share of the best one's."""
    rules.check_bounds(limit)
    kept = wanted.condition()
    asked = sorted(set(words(query)))
    if not asked:
        return []
    rank: sa.ColumnElement[float]
    if is_lite(connection):
        found = sa.table("memory_words", sa.column("rowid"))
        rank = -sa.literal_column("bm25(memory_words)", sa.Double)
        text = " ".join(f'"{word}"' for word in asked)
        source = sa.select(*_columns(), rank.label("rank")).join_from(found, memory, found.c.rowid == memory.c.key)
        source = source.where(sa.literal_column("memory_words").op("MATCH")(text))
    else:
        text_query = query_of(" & ".join(f"'{word}'" for word in asked))
        rank = sa.func.ts_rank(memory.c.words, text_query, 1)
        source = sa.select(*_columns(), rank.label("rank")).where(memory.c.words.op("@@")(text_query))
    ordered = source.where(kept).order_by(rank.desc(), memory.c.created_at.desc(), memory.c.key.desc())
    rows = connection.execute(ordered.limit(limit)).all()
    shares = share_of_best([row.rank for row in rows])
    return [(_memory(row, None), share) for row, share in zip(rows, shares, strict=True)]


def change(connection: sa.Connection, new: Memory) -> None:
    """Puts a memory in the place of the one with its id."""
    kept = (memory.c.id == new.id) & _live()
    if connection.execute(sa.update(memory).where(kept).values(_values(connection, new))).rowcount != 1:
        raise rules.not_kept("memory", new.id, ())


def delete(connection: sa.Connection, id: str) -> None:
    """Forgets a memory."""
    if connection.execute(sa.delete(memory).where(memory.c.id == id, _live())).rowcount != 1:
        raise rules.not_kept("memory", id, ())


def clear(connection: sa.Connection, wanted: Wanted) -> int:
    """Forgets memories, and returns how many."""
    return connection.execute(sa.delete(memory).where(wanted.condition())).rowcount


def purge(connection: sa.Connection) -> int:
    """Removes what has expired, and returns how many."""
    return connection.execute(sa.delete(memory).where(~_live())).rowcount


def _columns() -> list[sa.Column[Any]]:
    return [column for column in memory.c if column.name not in ("words", "embedding")]


def _values(connection: sa.Connection, new: Memory) -> Mapping[str, Any]:
    held = {name: getattr(new, name) for name in _IN_DATA}
    found = words(new.content, *new.tags)
    return {
        "id": new.id,
        "type": new.type,
        "workflow_id": new.workflow_id,
        "created_at": new.created_at,
        "expires_at": new.expires_at,
        "data": rules.json_text("memory", new.id, held),
        "words": " ".join(found) if is_lite(connection) else vector_of(_vector(found)),
        "embedding": rules.packed(new.embedding),
    }


def _vector(found: Sequence[str]) -> str:
    """Returns words with their places as PostgreSQL writes a ``tsvector``; letters and digits need no escapes."""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(found, 1):
        held = places.setdefault(word, [])
        if len(held) < _POSITIONS and (not held or held[-1] < _LAST_POSITION):
            held.append(min(place, _LAST_POSITION))
    return " ".join(f"'{word}':{','.join(map(str, held))}" for word, held in places.items())


def _memory(row: Any, embedding: bytes | None) -> Memory:
    held = json.loads(row.data)
    held["tags"] = tuple(held["tags"])
    return Memory(
        id=row.id, type=row.type, workflow_id=row.workflow_id, created_at=row.created_at, expires_at=row.expires_at,
        embedding=rules.unpacked(embedding), **held,
    )  # fmt: skip
