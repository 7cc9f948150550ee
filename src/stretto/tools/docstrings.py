"""What a function's docstring says about it and about its parameters, in Google's, NumPy's or Sphinx's style."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

_SECTIONS = re.compile(r"^\s*(:\w+.*:|-{3,}|[A-Z]\w*( \w+)?:)\s*", re.MULTILINE)


def described(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """Returns the description, with what is returned, and a text for each parameter that is described."""
    doc = inspect.getdoc(function) or ""
    if not _SECTIONS.search(doc):
        return doc.strip(), {}
    import griffe  # takes a quarter of a second, and most docstrings have no sections

    quiet = griffe.PerStyleOptions(google={"warnings": False}, numpy={"warnings": False}, sphinx={"warnings": False})
    order = [griffe.Parser.sphinx, griffe.Parser.google, griffe.Parser.numpy]
    sections = griffe.parse_auto(
        griffe.Docstring(doc), style_order=order, default=griffe.Parser.sphinx, per_style_options=quiet
    )
    texts: list[str] = []
    parameters: dict[str, str] = {}
    for section in sections:
        if isinstance(section, griffe.DocstringSectionText):
            texts.append(section.value.strip())
        elif isinstance(section, griffe.DocstringSectionParameters):
            for parameter in section.value:
                parameters.setdefault(parameter.name.lstrip("*"), parameter.description.strip())
        elif isinstance(section, griffe.DocstringSectionReturns):
            texts.append("Returns: " + " ".join(part.description.strip() for part in section.value))
    return "\n\n".join(text for text in texts if text), parameters
