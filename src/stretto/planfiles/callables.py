"""Finds the Python callables and errors that a plan file names as ``module:name``."""

from __future__ import annotations

import builtins
import importlib
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from stretto.core.errors import CommandFailed, DefinitionError
from stretto.planfiles.source import meant

ERRORS: dict[str, type[Exception]] = {"failure": CommandFailed, "timeout": TimeoutError}
"""The words for errors that have no Python name in a plan file."""


def find_callable(name: str, directory: Path) -> Any:
    """Returns what ``module:name`` names; the plan file's directory is looked into first.

    While the module is imported the directory stands first in ``sys.path``, afterwards last: so what the module
    imports later, and what another process imports, is found, and nothing that was found before is hidden.
    Raises ``DefinitionError`` naming the module or the attribute that is missing.
    """
    module_name, _, way = name.partition(":")
    found: Any = _import(module_name, directory)
    for part in way.split("."):
        if not hasattr(found, part):
            told = f"module {module_name!r}" if isinstance(found, ModuleType) else f"{found!r}"
            raise DefinitionError(f"{told} has no {part!r}{meant(part, _public(found))}")
        found = getattr(found, part)
    return found


def find_error(name: str, directory: Path) -> type[Exception]:
    """Returns the error that a word, a built-in name or ``module:Name`` names; raises ``DefinitionError``."""
    if name in ERRORS:
        return ERRORS[name]
    found = find_callable(name, directory) if ":" in name else getattr(builtins, name, None)
    if isinstance(found, type) and issubclass(found, Exception):
        return found
    known = [word for word, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, Exception)]
    near = meant(name, [*ERRORS, *known])
    raise DefinitionError(
        f"{name!r} is no error; name one of {', '.join(ERRORS)}, a built-in error, or module:Name"
        + (near if near.startswith("; did") else "")
    )


def _public(found: Any) -> list[str]:
    return [name for name in dir(found) if not name.startswith("_")]


def _import(name: str, directory: Path) -> ModuleType:
    try:
        with _first_in_path(str(directory)):
            importlib.invalidate_caches()
            module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            beside = [path.stem for path in directory.glob("*.py")]
            near = meant(error.name, [*beside, *sys.stdlib_module_names])
            hint = (
                near if near.startswith("; did") else f"; install it, or put it beside the plan file as {error.name}.py"
            )
            raise DefinitionError(f"there is no module {error.name!r}{hint}") from error
        raise DefinitionError(f"module {name!r} needs {error.name!r}, which is not installed") from error
    except (Exception, SystemExit) as error:
        raise DefinitionError(f"module {name!r} cannot be imported: {type(error).__name__}: {error}") from error
    _check_origin(name.partition(".")[0], directory)
    return module


def _check_origin(top: str, directory: Path) -> None:
    """Refuses a module of the same name that was imported from elsewhere before."""
    beside = [path for path in (directory / f"{top}.py", directory / top / "__init__.py") if path.is_file()]
    file = getattr(sys.modules.get(top), "__file__", None)
    if beside and file is not None and Path(file).resolve() != beside[0].resolve():
        raise DefinitionError(
            f"module {top!r} was imported from {file} before, "
            f"so {beside[0].name} beside the plan file cannot be; rename it"
        )


@contextmanager
def _first_in_path(directory: str) -> Generator[None, None, None]:
    if directory in sys.path:
        last = sys.path[-1] == directory
        if not last:
            yield
            return
        sys.path.pop()
    sys.path.insert(0, directory)
    try:
        yield
    finally:
        sys.path.remove(directory)
        sys.path.append(directory)
