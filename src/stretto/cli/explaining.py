"""The command that looks before anything runs: ``stretto plan``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from stretto.cli.screen import Screen
    from stretto.core.step import Step

DEEPEST = 8
"""How many levels of a workflow's steps are drawn."""
MOST_LINES = 200
"""How many lines a drawing of steps has."""


def plan(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="flow.py, flow.py:name, module:name, plan.yaml or instance.json", show_default=False
        ),
    ],
    mermaid: Annotated[bool, typer.Option("--mermaid", help="A Mermaid flowchart on stdout.")] = False,
    dot: Annotated[bool, typer.Option("--dot", help="Graphviz's language on stdout.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The plan as one JSON document on stdout.")] = False,
    slots: Annotated[
        int | None, typer.Option(min=1, help="How many operations at once are reckoned with.", metavar="K")
    ] = None,
    whole: Annotated[bool, typer.Option("--all", help="Tell everything, however long.")] = False,
) -> None:
    """Explain a plan before it runs: batches, the reason for every edge, the critical path.

    Of a workflow that is no plan, the tree of its steps is drawn.
    """
    from stretto.cli.targets import find_target
    from stretto.core.errors import DefinitionError
    from stretto.planning.explain import DEFAULT_LIMIT
    from stretto.planning.plan import DEFAULT_SLOTS

    screen: Screen = context.obj
    if mermaid + dot + as_json > 1:
        raise DefinitionError("--mermaid, --dot and --json say the same in three languages; choose one")
    found = find_target(target)
    step, drawn = found.step, found.plan
    limits = getattr(step, "limits", None)
    room: int = slots or (limits.max_concurrent_executions if limits is not None else DEFAULT_SLOTS)
    if drawn is None:
        if as_json:
            raise DefinitionError(f"{found.text} is no plan: its steps decide as they run; --json is for plans")
        _draw_steps(screen, found.runnable, mermaid=mermaid, dot=dot)
    elif mermaid:
        screen.out.file.write(drawn.to_mermaid())
    elif dot:
        screen.out.file.write(drawn.to_dot())
    elif as_json:
        screen.line(json.dumps(drawn.to_json(room), ensure_ascii=False, indent=2))
    else:
        screen.out.file.write(drawn.explain(limit=None if whole else DEFAULT_LIMIT, slots=room))


def _draw_steps(screen: Screen, step: Step[Any, Any], *, mermaid: bool, dot: bool) -> None:
    nodes = list(_walk(step))
    if mermaid or dot:
        screen.out.file.write(_mermaid(nodes) if mermaid else _dot(nodes))
        return
    for name, found, guide, _ in nodes[:MOST_LINES]:
        screen.out.print(guide, style="bright_black", end="")
        screen.out.print(name, style="bold" if found.children() else "", end="")
        screen.out.print(f"  {_kind(found)}", style="bright_black")
    if len(nodes) > MOST_LINES:
        screen.result(f"… {len(nodes) - MOST_LINES:,} more steps", "bright_black")


def _kind(step: Step[Any, Any]) -> str:
    kind = type(step).__name__ if step.kind == "workflow" else step.kind
    limits = getattr(step, "limits", None)
    notes = [kind]
    if limits is not None:
        notes.append(f"at most {limits.max_concurrent_executions} at once")
    timeout = step.policy.timeout
    if isinstance(timeout, int | float):
        notes.append(f"timeout {timeout:g} s")
    if step.policy.retry is not None:
        notes.append(f"up to {step.policy.retry.attempts} attempts")
    return " · ".join(notes)


Node = tuple[str, Any, str, int]


def _walk(step: Step[Any, Any]) -> Iterator[Node]:
    """Yields name, step, guide and the number of the parent (-1: none) of every step, parents first."""
    waiting: list[tuple[str, Any, str, str, int, int]] = [(step.name, step, "", "", -1, 0)]
    number = 0
    while waiting:
        name, found, guide, below, parent, depth = waiting.pop()
        yield name, found, guide, parent
        children = list(found.children().items()) if depth < DEEPEST else []
        for place in reversed(range(len(children))):
            last = place == len(children) - 1
            child_name, child = children[place]
            waiting.append(
                (
                    child_name,
                    child,
                    below + ("└─ " if last else "├─ "),
                    below + ("   " if last else "│  "),
                    number,
                    depth + 1,
                )
            )
        number += 1


def _mermaid(nodes: list[Node]) -> str:
    codes = str.maketrans({'"': "#quot;", "<": "#lt;", ">": "#gt;", "#": "#35;", "`": "#96;", "\\": "#92;"})
    lines = ["flowchart TD"]
    for number, (name, _, _, parent) in enumerate(nodes):
        lines.append(f'    n{number}["{name.translate(codes)}"]')
        if parent >= 0:
            lines.append(f"    n{parent} --> n{number}")
    return "\n".join(lines) + "\n"


def _dot(nodes: list[Node]) -> str:
    codes = str.maketrans({'"': '\\"', "\\": "\\\\"})
    lines = ["digraph steps {", "  node [shape=box, style=rounded];"]
    for number, (name, _, _, parent) in enumerate(nodes):
        lines.append(f'  n{number} [label="{name.translate(codes)}"];')
        if parent >= 0:
            lines.append(f"  n{parent} -> n{number};")
    return "\n".join([*lines, "}"]) + "\n"
