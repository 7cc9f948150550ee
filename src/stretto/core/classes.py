"""Classes of stored values: the names under which they are kept, and what a name may lead to.

A stored log may come from anywhere, so a name in it is a claim, not an order. A module that the program has imported
is looked into. One that it has not is imported only when its source, read without running it, defines a class of that
name with a decorator or a parent, as every dataclass, enumeration, error and pydantic model has; so no stored text can
make us import what merely does something when imported. What a name leads to must then be of the kind that the value
claims. Classes that are made rather than written (``namedtuple(...)``) come back once their program has imported them.
"""

from __future__ import annotations

import ast
import enum
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from stretto.core.errors import StoreError


def is_enum(found: type[object]) -> bool:
    """Says whether a class is an enumeration."""
    return isinstance(found, enum.EnumMeta)


def is_error(found: type[object]) -> bool:
    """Says whether a class is an exception."""
    return BaseException in found.__mro__


def is_dataclass(found: type[object]) -> bool:
    """Says whether a class is a dataclass, and nothing else that holds values."""
    return hasattr(found, "__dataclass_fields__") and not _BUILT_IN.intersection(found.__mro__)


def is_named_tuple(found: type[object]) -> bool:
    """Says whether a class is a tuple with names."""
    return tuple in found.__mro__ and hasattr(found, "_fields") and hasattr(found, "_make")


def is_model(found: type[object]) -> bool:
    """Says whether a class is a pydantic model."""
    return hasattr(found, "__pydantic_fields__") and hasattr(found, "model_validate")


_BUILT_IN = frozenset((BaseException, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset))

KINDS: dict[str, tuple[Callable[[type[object]], bool], str]] = {
    "$enum": (is_enum, "enumeration"),
    "$error": (is_error, "error"),
    "$data": (lambda found: is_dataclass(found) or is_named_tuple(found), "dataclass or named tuple"),
    "$model": (is_model, "pydantic model"),
}
"""What a class must be for each form of a value, and the word for it."""


_names: WeakKeyDictionary[type[object], str | None] = WeakKeyDictionary()


def name_of_class(cls: type[object]) -> str | None:
    """Returns ``module:qualname``, or None when this name does not lead to the class."""
    if cls not in _names:
        _names[cls] = _find_name(cls)
    return _names[cls]


def _find_name(cls: type[object]) -> str | None:
    found: Any = sys.modules.get(cls.__module__)
    for part in cls.__qualname__.split("."):
        found = getattr(found, part, None)
    named = isinstance(found, type) and (found.__module__, found.__qualname__) == (cls.__module__, cls.__qualname__)
    return f"{cls.__module__}:{cls.__qualname__}" if named else None


def class_named(name: str, tag: str) -> Any:
    """Returns the class of a stored value of the form ``tag``; raises ``StoreError`` when it may not be had."""
    module, _, qualname = name.partition(":")
    if module not in sys.modules and not _defines(module, qualname.partition(".")[0]):
        raise StoreError(
            f"a stored value is a {qualname} of {module!r}, which is not imported, and no source of that name defines "
            "such a class; import it first, or run this where the run was made"
        )
    try:
        found: Any = importlib.import_module(module)
        for part in qualname.split("."):
            found = getattr(found, part)
    except Exception as error:  # whatever the module raises
        raise StoreError(
            f"a stored value is a {qualname} of {module!r}, which cannot be imported: {type(error).__name__}: {error}"
        ) from error
    fits, word = KINDS[tag]
    if not isinstance(found, type) or not fits(found):
        raise StoreError(f"a stored value names {name!r}, which is no {word}")
    return found


def _defines(module: str, name: str) -> bool:
    """Says whether the source of a module defines such a class; nothing is imported to find out."""
    if not all(part.isidentifier() for part in module.split(".")):
        return False
    try:
        tree = ast.parse(_source(module) or "")
    except (ImportError, SyntaxError, ValueError):
        return False
    classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == name)
    return any(node.bases or node.decorator_list for node in classes)


def _source(module: str) -> str | None:
    place: Sequence[str] | None = None
    loader: object = None
    before = ""
    for part in module.split("."):
        before = f"{before}.{part}" if before else part
        found = (finder.find_spec(before, place) for finder in sys.meta_path)
        spec = next((one for one in found if one is not None), None)
        if spec is None or (before != module and spec.submodule_search_locations is None):
            return None
        place, loader = spec.submodule_search_locations, spec.loader
    read: Callable[[str], str | None] | None = getattr(loader, "get_source", None)
    return None if read is None else read(module)
