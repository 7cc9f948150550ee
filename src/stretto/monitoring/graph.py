"""Draws who started whom in a run, as Mermaid and as DOT."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from stretto.monitoring.gantt import ROWS, Gantt, Row, lay_out
from stretto.monitoring.labels import clean, title
from stretto.monitoring.palette import LIGHT, LOOKS, Mark
from stretto.monitoring.spans import Source
from stretto.monitoring.units import duration_text

_MERMAID_CODES = {"#": "#35;", "&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;", "\\": "#92;"}
_MERMAID = str.maketrans(_MERMAID_CODES)
_DOT = str.maketrans({'"': '\\"', "\\": "\\\\"})


def draw_mermaid(source: Source, *, max_nodes: int = ROWS) -> str:
    """Returns the steps that ran as a Mermaid flowchart: arrows from who started to who was started.

    A dotted arrow leads from each step of the critical path to the next. At most ``max_nodes`` steps are drawn; equal
    ones stand in one node when there are more. A name cannot break out of its node, whatever it holds.
    """
    gantt = lay_out(source, max_rows=max_nodes)
    lines = ["flowchart LR", f"  run([{_mermaid(title(gantt))}])", f"  class run {gantt.mark}"]
    rows, parents = gantt.visible(), _parents(gantt)
    for number, row in enumerate(rows):
        shape = ("[[", "]]") if row.folded else ("[", "]")
        lines.append(f"  n{number}{shape[0]}{_mermaid(_label(row))}{shape[1]}")
        lines.append(f"  {parents[number]} --> n{number}")
        lines.append(f"  class n{number} {row.mark}{'_critical' if _is_critical(row) else ''}")
    lines += [f"  n{first} -.-> n{second}" for first, second in _chain(rows)]
    for mark, look in LOOKS.items():
        stroke = f"stroke:{LIGHT[look.colour]},color:{LIGHT[look.colour]},fill:{LIGHT['bg-1']}"
        lines.append(f"  classDef {mark} {stroke}")
        lines.append(f"  classDef {mark}_critical {stroke},stroke-width:3px")
    return "\n".join(lines) + "\n"


def draw_dot(source: Source, *, max_nodes: int = ROWS) -> str:
    """Returns the same graph in Graphviz's DOT language."""
    gantt = lay_out(source, max_rows=max_nodes)
    rows, parents = gantt.visible(), _parents(gantt)
    lines = [
        "digraph run {",
        '  rankdir=LR; bgcolor="transparent";',
        '  node [shape=box, style="rounded,filled", fontname="Inter, Helvetica, sans-serif", fontsize=11];',
        f'  run [label="{_dot(title(gantt))}", shape=ellipse, {_colours(gantt.mark, critical=False)}];',
    ]
    for number, row in enumerate(rows):
        shape = ", peripheries=2" if row.folded else ""
        colours = _colours(row.mark, critical=_is_critical(row))
        lines.append(f'  n{number} [label="{_dot(_label(row))}", tooltip="{_dot(row.path)}", {colours}{shape}];')
        lines.append(f"  {parents[number]} -> n{number};")
    lines += [
        f'  n{first} -> n{second} [style=dashed, constraint=false, color="{LIGHT["crit"]}"];'
        for first, second in _chain(rows)
    ]
    return "\n".join([*lines, "}"]) + "\n"


def _colours(mark: Mark, *, critical: bool) -> str:
    own, width = LIGHT[LOOKS[mark].colour], 2.5 if critical else 1
    edge = LIGHT["crit"] if critical else own
    return f'color="{edge}", fontcolor="{own}", fillcolor="{LIGHT["bg-1"]}", penwidth={width}'


def _label(row: Row) -> str:
    took = f" {duration_text(row.duration)}" if row.start is not None else ""
    return f"{LOOKS[row.mark].sign} {clean(row.label)}{took}"


def _is_critical(row: Row) -> bool:
    return row.critical and (row.folded or not row.foldable)


def _parents(gantt: Gantt) -> list[str]:
    """Returns the name of the node above each visible row."""
    numbers: dict[str, int] = {}
    above: list[str] = []
    for number, row in enumerate(gantt.visible()):
        numbers[row.key] = number
        above.append("run" if row.parent < 0 else f"n{numbers[gantt.rows[row.parent].key]}")
    return above


def _chain(rows: tuple[Row, ...]) -> Iterator[tuple[int, int]]:
    """Yields the critical path as pairs of numbers of nodes, in the order of time."""
    path = sorted((row.start, number) for number, row in enumerate(rows) if _is_critical(row) and row.start is not None)
    yield from ((first, second) for (_, first), (_, second) in pairwise(path))


def _mermaid(text: str) -> str:
    return f'"{text.translate(_MERMAID)}"'


def _dot(text: str) -> str:
    return clean(text).translate(_DOT)
