"""Reads what refers: the texts of one operation become templates, and each reference is checked and remembered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from typing import TypeVar

from stretto.planfiles.document import Node
from stretto.planfiles.expression import Expression, read_expression
from stretto.planfiles.model import RESERVED
from stretto.planfiles.reference import Misspelt, Reference, Shape, Template, read_template
from stretto.planfiles.source import Problems, meant

T = TypeVar("T")


class Binding:
    """The references of one operation: ``needs`` must be there, ``wants`` need not, ``inner`` are those of one item."""

    def __init__(
        self, operation: str, own: Collection[str], known: Collection[str], item: bool, problems: Problems
    ) -> None:
        self._operation, self._own, self._known, self._item, self._problems = operation, own, known, item, problems
        self.needs: dict[str, None] = {}
        self.wants: dict[str, None] = {}
        self.inner: dict[str, None] = {}
        self._outside = False

    @contextmanager
    def outside(self) -> Generator[None, None, None]:
        """Reads what belongs to the operation as a whole: there is no item there."""
        self._outside = True
        try:
            yield
        finally:
            self._outside = False

    def read(self, node: Node, parse: Callable[[str], T]) -> T | None:
        """Returns what a text means, or None after noting where it means nothing."""
        try:
            return parse(node.raw)
        except Misspelt as error:
            self._problems.add(node.offset_of(self._problems.source.text, error.offset), error.message)
            return None

    def template(self, node: Node) -> Template:
        """Returns a text as a template; a number or a truth value counts as written."""
        if isinstance(node.content, list | dict):
            kind = "list" if isinstance(node.content, list) else "mapping"
            self._problems.add(node.start, f"here stands a text, not a {kind}")
            return Template(("",))
        made = self.read(node, read_template) or Template(("",))
        for reference in made.references:
            self.note(reference, node)
        return made

    def shape(self, node: Node) -> Shape:
        """Returns values with templates where the texts are."""
        if isinstance(node.content, dict):
            return {key: self.shape(inner) for key, inner in node.content.items()}
        if isinstance(node.content, list):
            return [self.shape(inner) for inner in node.content]
        return self.template(node) if isinstance(node.content, str) else node.content

    def condition(self, node: Node) -> Expression | None:
        """Returns a condition, which belongs to the operation as a whole."""
        made = self.read(node, read_expression)
        with self.outside():
            for reference, required in made.references() if made is not None else ():
                self.note(reference, node, required)
        return made

    def note(self, reference: Reference, node: Node, required: bool = True) -> None:
        """Remembers a reference, and notes it as a problem when it points at nothing."""
        name = reference.name
        if self._check(reference, node):
            if not self._outside:
                self.inner[name] = None
            if name not in RESERVED:
                (self.needs if required else self.wants)[name] = None

    def name(self, node: Node, required: bool) -> None:
        """Remembers a datum that is named without a reference."""
        self.note(Reference(node.raw), node, required)

    def _check(self, reference: Reference, node: Node) -> bool:
        told = self._wrong(reference.name)
        if told:
            offset = node.offset_of(self._problems.source.text, reference.offset)
            self._problems.add(offset, f"operation {self._operation!r} {told}")
        return not told

    def _wrong(self, name: str) -> str:
        if name in RESERVED:
            if self._item and not self._outside:
                return ""
            why = "'when' and 'for_each' are about the operation as a whole" if self._item else "that needs for_each"
            return f"refers to {name!r}, which is known for each item only: {why}"
        if name in self._own:
            return f"refers to {name!r}, which it makes itself"
        if name in self._known:
            return ""
        return f"refers to {name!r}, which no operation makes and no input gives{meant(name, self._known)}"
