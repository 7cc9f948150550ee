"""Reads the pages of the documentation: their blocks, headings and links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```\s*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the name of the file that it is (or nothing), its text, its first line's number."""

    language: str
    file: str
    text: str
    line: int


@cache
def pages() -> tuple[Path, ...]:
    """Returns the README and every page below docs/."""
    return (REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md")))


def name_of(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for found in _FENCE.finditer(text):
        language, _, file = found["info"].strip().partition(" ")
        yield Block(language, file.strip(), found["text"], text.count("\n", 0, found.start()) + 2)


def prose(page: Path) -> str:
    """Returns a page's text without its blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def headings(page: Path) -> set[str]:
    """Returns the anchors of a page's headings, as GitHub makes them."""
    anchors: set[str] = set()
    for title in re.findall(r"^#+\s+(.*?)\s*$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        anchors.add(re.sub(r"[^\w\- ]", "", plain.replace("`", "").lower()).replace(" ", "-"))
    return anchors


def links(page: Path) -> list[str]:
    """Returns where a page's links lead."""
    return re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose(page)))
