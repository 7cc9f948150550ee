"""Says how each status looks: its sign, its word and its colour in light and dark, the same in every drawing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from stretto.monitoring.spans import Span, Status

Mark: TypeAlias = Status | Literal["waiting"]
"""A status as it is drawn: a step that waits for a human is shown as ``waiting``, whatever else it does."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a mark looks: a sign (and one in ASCII), a word, the name of its colour, and its colour in a terminal."""

    sign: str
    plain: str
    word: str
    colour: str
    style: str


LOOKS: dict[Mark, Look] = {
    "pending": Look("○", ".", "not started", "pending", "bright_black"),
    "running": Look("◔", "*", "running", "running", "blue"),
    "waiting": Look("!", "!", "waiting for an answer", "waiting", "yellow"),
    "completed": Look("✓", "+", "completed", "completed", "green"),
    "failed": Look("✕", "x", "failed", "error", "red"),
    "timed_out": Look("◷", "t", "timed out", "error", "red"),
    "cancelled": Look("⊘", "-", "cancelled", "cancelled", "magenta"),
    "skipped": Look("↷", ">", "skipped", "pending", "bright_black"),
    "abandoned": Look("⊗", "?", "did not stop", "error", "red"),
}
"""Every mark. The signs are one cell wide in a terminal."""

WORST_FIRST: tuple[Mark, ...] = (
    "failed", "timed_out", "abandoned", "waiting", "running", "cancelled", "pending", "completed", "skipped"
)  # fmt: skip
"""The order in which one mark stands for many."""

DARK: dict[str, str] = {
    "bg-0": "#0f1216", "bg-1": "#161b22", "bg-2": "#1f2630", "line": "#303a46", "ctl": "#6b7785",
    "fg-0": "#e6edf3", "fg-1": "#aab6c2", "fg-2": "#8c99a6", "accent": "#4cc9c0", "on-accent": "#06201e",
    "pending": "#8c99a6", "running": "#58a6ff", "waiting": "#e3b341", "completed": "#3fb950", "error": "#ff7b72",
    "cancelled": "#bc8cff", "crit": "#f0883e",
}  # fmt: skip
"""The colours on a dark ground."""

LIGHT: dict[str, str] = {
    "bg-0": "#ffffff", "bg-1": "#f6f8fa", "bg-2": "#eaeef2", "line": "#d1d9e0", "ctl": "#818b98",
    "fg-0": "#1f2328", "fg-1": "#4a545e", "fg-2": "#5b6570", "accent": "#0b7a73", "on-accent": "#ffffff",
    "pending": "#5b6570", "running": "#0860c7", "waiting": "#855600", "completed": "#1a7030", "error": "#c2202b",
    "cancelled": "#7a46d8", "crit": "#ad4600",
}  # fmt: skip
"""The colours on a light ground."""


def mark_of(span: Span) -> Mark:
    """Returns the mark of a span; one that only its children tell of is running until they have all ended."""
    if span.question:
        return "waiting"
    if span.status == "pending" and any(child.status not in ("pending", "skipped") for child in span.children):
        return "running" if any(mark_of(child) in ("running", "waiting") for child in span.children) else "completed"
    return span.status


def variables(colours: dict[str, str], prefix: str = "") -> str:
    """Returns colours as CSS declarations of variables."""
    return ";".join(f"--{prefix}{name}:{colour}" for name, colour in colours.items())
