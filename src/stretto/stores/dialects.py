"""What SQLite and PostgreSQL say differently; the dialect of PostgreSQL is imported by those who speak it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator, TypeEngine


def is_lite(connection: sa.Connection) -> bool:
    """Says whether a connection speaks with SQLite."""
    return connection.dialect.name == "sqlite"


def insert_new(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> bool:
    """Inserts a row unless one with its keys is there, and says whether it did."""
    first = next(iter(table.c))
    if is_lite(connection):
        from sqlalchemy.dialects.sqlite import insert as lite

        made = connection.execute(lite(table).values(values).on_conflict_do_nothing().returning(first))
    else:
        from sqlalchemy.dialects.postgresql import insert

        made = connection.execute(insert(table).values(values).on_conflict_do_nothing().returning(first))
    return made.first() is not None


class Words(TypeDecorator[str]):
    """Is the type of a column whose words are looked for: text in SQLite, ``tsvector`` in PostgreSQL."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        if dialect.name != "postgresql":
            return dialect.type_descriptor(sa.Text())
        from sqlalchemy.dialects.postgresql import TSVECTOR

        return dialect.type_descriptor(TSVECTOR())


def vector_of(text: str) -> sa.ColumnElement[Any]:
    """Returns PostgreSQL's ``tsvector`` of how one is written."""
    from sqlalchemy.dialects.postgresql import TSVECTOR

    return sa.cast(sa.literal(text), TSVECTOR)


def query_of(text: str) -> sa.ColumnElement[Any]:
    """Returns PostgreSQL's ``tsquery`` of how one is written."""
    from sqlalchemy.dialects.postgresql import TSQUERY

    return sa.cast(sa.literal(text), TSQUERY)
