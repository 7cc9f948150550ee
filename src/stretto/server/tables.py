"""Tables as comma-separated values, for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def table_line(cells: Iterable[object]) -> bytes:
    """Returns a line of a table; a text that a spreadsheet would take for a formula begins with an apostrophe."""
    held = io.StringIO()
    csv.writer(held).writerow([_cell(value) for value in cells])
    return held.getvalue().encode()


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text
