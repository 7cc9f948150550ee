"""What is told: the measures as a page of Markdown, and its summary in a few lines."""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path


def write_report(
    root: str, out: str, files: dict, symbols: dict, imports: dict, comments: dict, notes: dict,
    commits: dict | None = None, churn: dict | None = None,
) -> dict[str, str]:  # fmt: skip
    """Writes the report; returns where it is and what it comes to."""
    commits = commits or {"why": "git's answer could not be read"}
    languages = sorted(files.get("languages", {}).items(), key=lambda row: -row[1]["lines"])
    lines, size = (sum(row[what] for _, row in languages) for what in ("lines", "bytes"))
    code = comments.get("code", 0)
    own = imports.get("own", {})
    others = {
        name: count
        for name, count in imports.get("modules", {}).items()
        if name not in own and name not in sys.stdlib_module_names
    }
    edges = {edge: count for edge, count in imports.get("edges", {}).items() if is_inner(edge, own)}
    functions, classes = symbols.get("functions", 0), symbols.get("classes", 0)
    summary = {
        "files": f"{files.get('files', 0):,} files, {lines:,} lines, {size / 1e6:,.1f} MB",
        "languages": ", ".join(f"{name} {row['lines']:,}" for name, row in languages[:4]) or "none",
        "symbols": f"{functions:,} functions, {classes:,} classes",
        "imports": ", ".join(f"{name} ({count})" for name, count in most(others, 5)) or "none from outside",
        "comments": f"{comments.get('comments', 0):,} lines for {code:,} lines of code" if code else "no code",
        "to do": f"{sum(notes.get('counts', {}).values()):,} notes",
        "history": commits.get("why") or told_history(commits),
        "report": out,
    }
    parts = [
        f"# Survey of {Path(root).name or root}",
        "\n".join(f"- **{name}**: {value}" for name, value in summary.items() if name != "report"),
        "## Languages",
        table(
            ("language", "files", "lines", "bytes"),
            ((name, row["files"], row["lines"], row["bytes"]) for name, row in languages),
        ),
        "## Largest files",
        table(("file", "bytes"), near(root, most(files.get("largest", {})))),
        "## Longest functions",
        table(("function", "lines"), near(root, most(symbols.get("longest", {})))),
        "## Imports",
        table(("from outside", "files"), most(others)),
        table(("most imported of all", "files"), most(imports.get("modules", {}))),
        table((f"who imports whom ({len(edges)} edges)", "imports"), most(edges, 15)),
        "## Left to do",
        table(("kind", "count"), most(notes.get("counts", {}))),
        *(f"- `{text}`" for text, _ in near(root, list(notes.get("some", {}).items())[:10])),
        "## History",
        commits.get("why") or table(("author", "commits"), most(commits["authors"])),
        table(("most changed file", "lines"), most(churn or {})),
    ]
    if files.get("unreadable"):
        parts.append(f"{files['unreadable']} files could not be read.")
    page = Path(out).expanduser()
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n\n".join(part for part in parts if part) + "\n", "utf-8", errors="replace")
    return summary


def told_history(commits: dict) -> str:
    people = commits["people"]
    return (
        f"{commits['commits']:,} commits by {people:,} {'person' if people == 1 else 'people'} since {commits['first']}"
    )


def is_inner(edge: str, own: Mapping[str, int]) -> bool:
    """Says whether an edge leads from one part of the tree to another."""
    origin, _, goal = edge.partition(" → ")
    return goal.partition(".")[0] in own and origin != goal


def most(counts: Mapping[str, int], number: int = 10) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:number]


def near(root: str, rows: Iterable[tuple[str, int]]) -> Iterable[tuple[str, int]]:
    """Says paths from the root on."""
    return [(text.removeprefix(root + os.sep), value) for text, value in rows]


def table(heads: tuple[str, ...], rows: Iterable[tuple]) -> str:
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell).replace("|", "\\|") for cell in row] for row in rows]
    if not cells:
        return ""
    rule = ["---", *("---:" for _ in heads[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rule, *cells))
