"""Reads a batch's report: which agent said what, taking nothing that an agent has quoted for the report's own."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FENCE = re.compile(r"^(`{3,})\w*$")


def answers_in(report: str) -> tuple[str, ...]:
    """Returns the answers of a batch's agents in the order of the report.

    The report's own headings stand at the beginning of a line; an answer stands in a quotation or, as code, in a fence.
    """
    answers: list[list[str]] = []
    for line, own in _lines(report):
        if own and line.startswith("## "):
            answers.append([])
        elif answers and not (own and line.startswith(("### ", "---"))):
            answers[-1].append(line)
    return tuple("\n".join(lines).strip() for lines in answers)


def _lines(report: str) -> Iterator[tuple[str, bool]]:
    """Yields each line without the marks of its quotation or fence, and whether it is the report's own."""
    fence = ""
    for line in report.splitlines():
        opened = _FENCE.match(line)
        if fence:
            if line == fence:
                fence = ""
            else:
                yield line, False
        elif opened is not None:
            fence = opened[1]
        elif line.startswith(">"):
            yield line[1:].removeprefix(" "), False
        else:
            yield line, True
