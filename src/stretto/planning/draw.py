"""A plan as a picture: Mermaid, Graphviz, and a page for notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise

from stretto.planning.graph import Edge
from stretto.planning.operation import Operation, OperationType

_SHAPES: dict[OperationType, tuple[str, str, str]] = {
    OperationType.SUB_AGENT: ("([", "])", "oval"),
    OperationType.TOOL: ("{{", "}}", "hexagon"),
    OperationType.MCP: ("[(", ")]", "cylinder"),
    OperationType.WORKFLOW: ("[[", "]]", "folder"),
    OperationType.FUNCTION: ("[", "]", "box"),
}
"""How each type of operation is drawn: Mermaid's brackets, and Graphviz's shape."""

MOST_DRAWN = 100
"""Up to how many operations a notebook shows a plan as a drawing."""
_COLUMN, _ROW, _BOX, _HEIGHT = 220, 52, 170, 32


def label_of(operation: Operation) -> str:
    """Returns what stands in an operation's box: its id, how often it runs, and whether that is certain."""
    times = f" × each of {operation.for_each}" if operation.for_each is not None else ""
    return f"{operation.id}{times}{' ?' if operation.when is not None else ''}"


def words_of(edge: Edge) -> str:
    """Returns what stands at an arrow: the data that flow, or the resource and the kind of conflict."""
    about = ", ".join(edge.about)
    return about if edge.kind == "data" else f"{edge.kind} {about}".rstrip()


def _steps_of(path: Sequence[str]) -> set[tuple[str, str]]:
    return set(pairwise(path))


def mermaid(operations: Mapping[str, Operation], edges: Sequence[Edge], critical_path: Sequence[str]) -> str:
    """Draws a flowchart: data as full arrows, conflicts as dotted ones, the critical path thick."""
    names = {id: f"n{place}" for place, id in enumerate(operations)}
    critical = _steps_of(critical_path)
    lines = ["flowchart LR"]
    for id, operation in operations.items():
        left, right, _ = _SHAPES[operation.operation_type]
        lines.append(f'    {names[id]}{left}"{_mermaid_text(label_of(operation))}"{right}')
    for edge in edges:
        arrow = "-.->" if edge.kind != "data" else "==>" if (edge.origin, edge.target) in critical else "-->"
        text = f'|"{_mermaid_text(words)}"|' if (words := words_of(edge)) else ""
        lines.append(f"    {names[edge.origin]} {arrow}{text} {names[edge.target]}")
    if critical_path:
        lines.append("    classDef critical stroke-width:3px")
        lines.append(f"    class {','.join(names[id] for id in critical_path)} critical")
    return "\n".join(lines) + "\n"


def _mermaid_text(text: str) -> str:
    """Writes every character that Mermaid could read as its own language as an entity (``#34;``)."""
    return "".join(c if c.isalnum() or c in " _-.,:/?×" else f"#{ord(c)};" for c in text)


def dot(operations: Mapping[str, Operation], edges: Sequence[Edge], critical_path: Sequence[str]) -> str:
    """Draws a directed graph for Graphviz: conflicts dashed, the critical path bold."""
    names = {id: f"n{place}" for place, id in enumerate(operations)}
    critical, bold = _steps_of(critical_path), set(critical_path)
    lines = ["digraph plan {", "    rankdir=LR;", '    node [shape=box, fontname="sans-serif"];']
    for id, operation in operations.items():
        style = ", style=bold" if id in bold else ""
        shape = _SHAPES[operation.operation_type][2]
        lines.append(f"    {names[id]} [label={_dot_text(label_of(operation))}, shape={shape}{style}];")
    for edge in edges:
        style = ", style=dashed" if edge.kind != "data" else ""
        style = ", style=bold" if not style and (edge.origin, edge.target) in critical else style
        lines.append(f"    {names[edge.origin]} -> {names[edge.target]} [label={_dot_text(words_of(edge))}{style}];")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_text(text: str) -> str:
    """Quotes a label; Graphviz reads entities (``&amp;``) in labels, too."""
    quoted = text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def html(
    operations: Mapping[str, Operation],
    edges: Sequence[Edge],
    batches: Sequence[Sequence[str]],
    critical_path: Sequence[str],
    explanation: str,
) -> str:
    """Returns a self-contained piece of HTML: a drawing of a small plan, and the explanation of every one."""
    told = f"<pre>{escape(explanation)}</pre>"
    if not operations or len(operations) > MOST_DRAWN:
        return told
    summary = '<summary style="cursor:pointer">Explanation</summary>'
    return f"{_svg(operations, edges, batches, critical_path)}<details>{summary}{told}</details>"


def _svg(
    operations: Mapping[str, Operation],
    edges: Sequence[Edge],
    batches: Sequence[Sequence[str]],
    critical_path: Sequence[str],
) -> str:
    """Draws a column per batch; hovering over an arrow tells its reason."""
    places = {id: (10 + _COLUMN * x, 10 + _ROW * y) for x, batch in enumerate(batches) for y, id in enumerate(batch)}
    width = _COLUMN * len(batches) - (_COLUMN - _BOX) + 20
    height = _ROW * max(map(len, batches)) + 8
    critical, thick = _steps_of(critical_path), set(critical_path)
    shapes: list[str] = []
    for edge in edges:
        (x1, y1), (x2, y2) = places[edge.origin], places[edge.target]
        x1, y1, y2 = x1 + _BOX, y1 + _HEIGHT // 2, y2 + _HEIGHT // 2
        stroke = 2.5 if (edge.origin, edge.target) in critical else 1
        dashes = "" if edge.kind == "data" else ' stroke-dasharray="4 3"'
        shapes.append(
            f'<path d="M{x1} {y1} C{x1 + 25} {y1} {x2 - 25} {y2} {x2} {y2}" fill="none" stroke="currentColor" '
            f'stroke-opacity="0.6" stroke-width="{stroke}"{dashes}><title>{escape(edge.because)}</title></path>'
        )
    for id, (x, y) in places.items():
        stroke, label = (2.5 if id in thick else 1), label_of(operations[id])
        shown = label if len(label) <= 24 else label[:23] + "…"
        shapes.append(
            f'<g><title>{escape(label)}</title><rect x="{x}" y="{y}" width="{_BOX}" height="{_HEIGHT}" rx="6" '
            f'fill="none" stroke="currentColor" stroke-width="{stroke}"/><text x="{x + _BOX // 2}" y="{y + 21}" '
            f'text-anchor="middle" font-family="sans-serif" font-size="12" fill="currentColor">'
            f"{escape(shown)}</text></g>"
        )
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>Execution plan</title>'
    return head + "".join(shapes) + "</svg>"
