"""Splits a command line into arguments before its references are followed, so that no value is ever split."""

from __future__ import annotations

import re
import shlex

from stretto.planfiles.reference import NAME, Misspelt, Reference, Template

_CALLABLE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_HELD = re.compile("\0([0-9]+)\0")
_SHELL_SIGNS = frozenset(("|", "||", "&&", "&", ";", ">", ">>", "<", "<<", "2>", "2>&1", "&>"))
_IN_SHELL = re.compile(rf"\$\{{\s*({NAME})\s*(?=[}}.\[])")


def is_callable_name(text: str) -> bool:
    """Says whether a text is a Python callable ``module:name``, and no command line."""
    return _CALLABLE.fullmatch(text) is not None


def split(template: Template) -> tuple[Template, ...]:
    """Returns the words of a command line, quotes and backslashes as in a shell; a reference stays in its word.

    Raises ``Misspelt`` for a quote without an end, for nothing at all, and for signs that only a shell understands.
    """
    if any(isinstance(part, str) and "\0" in part for part in template.parts):
        raise Misspelt(0, "a command line cannot hold a zero byte")
    held = [part if isinstance(part, str) else f"\0{place}\0" for place, part in enumerate(template.parts)]
    try:
        words = shlex.split("".join(held))
    except ValueError as error:
        raise Misspelt(0, f"this command line cannot be split into words: {error}") from None
    if not words or not words[0]:
        raise Misspelt(0, "the command line is empty; name a program")
    for word in words:
        if word in _SHELL_SIGNS:
            raise Misspelt(
                0,
                f"{word!r} means something to a shell, and no shell is used here: "
                "say shell: true, or give run as a list",
            )
    return tuple(_word(word, template) for word in words)


def _word(word: str, template: Template) -> Template:
    pieces = _HELD.split(word)
    parts: list[str | Reference] = [
        template.parts[int(piece)] if place % 2 else piece for place, piece in enumerate(pieces) if piece
    ]
    return Template(tuple(parts) or ("",))


def check_script(script: str, data: frozenset[str], variables: frozenset[str]) -> None:
    """Raises ``Misspelt`` where a shell script holds a reference to a datum, which a shell could read as code."""
    for found in _IN_SHELL.finditer(script):
        name = found[1]
        if name in data and name not in variables:
            raise Misspelt(
                found.start(),
                f"a reference may not stand in a shell's script, which could run its value as code; "
                f'say env: {{{name.upper()}: ${{{name}}}}} and write "${name.upper()}"',
            )
