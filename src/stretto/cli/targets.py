"""Finds what shall run: a Python file, ``file.py:name``, ``module:name``, or a plan file."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeGuard

from stretto.cli.exits import TargetNotFound
from stretto.core.errors import DefinitionError, StrettoError, listed
from stretto.core.function import as_step
from stretto.core.policies import ParallelResourceLimits
from stretto.core.step import Step
from stretto.planning.plan import ExecutionPlan
from stretto.workflows.branch import ParallelBranch
from stretto.workflows.planned import PlannedWorkflow
from stretto.workflows.workflow import Workflow

if TYPE_CHECKING:
    from stretto.planfiles import LoadedPlan

PLAN_FILES = (".yaml", ".yml", ".json")
"""How names of plan files end."""
NAME = "workflow"
"""What is run when no name is given."""


class TargetBroken(DefinitionError):
    """The user's file raised while it was imported; the cause is what it raised."""


@dataclass(frozen=True)
class Target:
    """What shall run; ``text`` names it again from any folder, ``folder`` is where modules are looked for."""

    text: str
    folder: str
    step: Step[Any, Any] | None
    plan: ExecutionPlan | None = None
    given: Any = None
    loaded: LoadedPlan | None = None

    def input(self, value: Any) -> Any:
        """Returns what is run on: of a plan file, the defaults of its inputs with the value's in their place."""
        if self.loaded is None or value is None:
            return value
        if not isinstance(value, Mapping):
            raise DefinitionError(f"the input of {self.text} is a mapping of names to values, not {value!r:.60}")
        return dict(self.loaded.with_input({**value}).given)

    @property
    def runnable(self) -> Step[Any, Any]:
        """The step; raises ``DefinitionError`` for a plan that can only be looked at."""
        if self.step is None:
            raise DefinitionError(f"{self.text} describes a plan that can be looked at and not run: `stretto plan`")
        return self.step


def find_target(text: str, folder: str = "") -> Target:
    """Returns what a text names; raises ``TargetNotFound``, or ``DefinitionError`` for what cannot run."""
    folder = folder or str(Path.cwd())
    path_text, name = _split(text)
    path = Path(folder, path_text).expanduser()
    if path.suffix.lower() in PLAN_FILES:
        return _plan_file(path.resolve(), folder)
    looks_like_path = path_text.endswith(".py") or "/" in path_text or "\\" in path_text
    if path.is_file() or looks_like_path:
        if path.is_dir():
            raise TargetNotFound(f"{path_text} is a directory; name a Python file or a plan in it")
        if not path.is_file():
            raise _no_file(path)
        module = _import_file(path.resolve())
        return _chosen(module, name, f"{path.resolve()}:{{}}", folder)
    if not _is_dotted(path_text):
        raise TargetNotFound(f"{text!r} names no Python file, module or plan; write flow.py, module:name or plan.yaml")
    module = _import_module(path_text, folder)
    return _chosen(module, name, f"{path_text}:{{}}", folder)


def _split(text: str) -> tuple[str, str | None]:
    head, colon, name = text.rpartition(":")
    if not colon or len(head) < 2 or "/" in name or "\\" in name:  # a colon behind one letter is a drive
        return text, None
    if not name:
        raise TargetNotFound(f"{text!r} names nothing behind the colon; write {head}:name")
    return head, name


def _is_dotted(text: str) -> bool:
    return bool(text) and all(part.isidentifier() for part in text.split("."))


def _no_file(path: Path) -> TargetNotFound:
    beside = [one.name for one in path.parent.glob("*") if one.suffix in (".py", *PLAN_FILES)]
    near = get_close_matches(path.name, beside, 1)
    return TargetNotFound(f"the file {path} does not exist" + (f"; did you mean {near[0]}?" if near else ""))


def _import_file(path: Path) -> ModuleType:
    """Imports a file under the name that other processes and a resumed run find it by."""
    root, name = path.parent, path.stem
    if name == "__init__":
        root, name = path.parent.parent, path.parent.name
    while (root / "__init__.py").is_file():
        root, name = root.parent, f"{root.name}.{name}"
    if not _is_dotted(name):
        raise DefinitionError(f"{path} cannot be imported: {name!r} is no module name; use letters, digits and _")
    return _import_module(name, str(root), path)


def _import_module(name: str, folder: str, path: Path | None = None) -> ModuleType:
    if folder not in sys.path:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise TargetNotFound(f"there is no module {name!r} in {folder} or among what is installed") from None
        raise TargetBroken(f"{name} cannot be imported: {error}") from error
    except StrettoError:
        raise
    except (Exception, SystemExit) as error:
        raise TargetBroken(f"{path or name} raised {type(error).__name__} while it was imported: {error}") from error
    found = getattr(module, "__file__", None)
    if path is not None and (found is None or Path(found).resolve() != path):
        raise DefinitionError(f"{path} is called like the module {name!r} that Python has already; rename the file")
    return module


def _chosen(module: ModuleType, name: str | None, text: str, folder: str) -> Target:
    wanted = name or NAME
    held: Any = module
    for part in wanted.split("."):
        if not hasattr(held, part):
            known = sorted(_runnables(module))
            near = get_close_matches(wanted, known, 1)
            there = f"; it has {listed(known)}" if known else "; it defines no step or workflow"
            way_out = f", write {module.__name__}:{near[0] if near else known[0]}" if known else ""
            raise TargetNotFound(f"{module.__name__} has no {wanted!r}{there}{way_out}")
        held = getattr(held, part)
    step = _as_step(held, wanted)
    plan = step.plan if isinstance(step, PlannedWorkflow) else None
    return Target(text.format(wanted), folder, step, plan, getattr(module, "example_input", None))


def _as_step(held: Any, name: str) -> Step[Any, Any]:
    if isinstance(held, ExecutionPlan):
        return PlannedWorkflow(plan=held)
    if _is_step(held):
        return held
    if inspect.isfunction(held):
        return as_step(held)
    if hasattr(held, "build"):
        raise DefinitionError(f"{name!r} is a builder; end it with .build()")
    raise DefinitionError(f"{name!r} is a {type(held).__name__}, and no step, workflow, plan or function")


def _is_step(held: object) -> TypeGuard[Step[Any, Any]]:
    return isinstance(held, Step)


def _is_description(held: object) -> TypeGuard[Workflow[Any, Any] | ParallelBranch]:
    return isinstance(held, Workflow | ParallelBranch)


def _is_row(held: object) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(held, tuple)


def _runnables(module: ModuleType) -> Iterator[str]:
    for name, held in vars(module).items():
        if not name.startswith("_") and isinstance(held, Step | ExecutionPlan):
            yield name


def _plan_file(path: Path, folder: str) -> Target:
    if not path.is_file():
        raise _no_file(path)
    from stretto.planfiles import load_plan

    loaded = load_plan(path)
    step = None if loaded.format == "wfformat" else loaded.workflow
    return Target(str(path), folder, step, loaded.plan, dict(loaded.given) or None, loaded)


def bounded(step: Step[Any, Any], most: int) -> Step[Any, Any]:
    """Returns a workflow that runs at most ``most`` branches at once, those nested in it too.

    Raises ``DefinitionError`` for a step that has no such limit.
    """
    found = _bounded(step, most)
    if found is None:
        raise DefinitionError(f"--max-concurrency: {type(step).__name__} {step.name!r} runs nothing at once")
    return found


def _bounded(workflow: Any, most: int) -> Step[Any, Any] | None:
    """Returns another workflow (or branch of one) with the limit, or None for what is none or has no limits."""
    if not _is_description(workflow):
        return None
    changes: dict[str, Any] = {}
    for field in fields(workflow):
        held: Any = getattr(workflow, field.name)
        if isinstance(held, ParallelResourceLimits):
            changes[field.name] = replace(held, max_concurrent_executions=most)
        elif (inner := _bounded(held, most)) is not None:
            changes[field.name] = inner
        elif _is_row(held):
            made = [_bounded(one, most) for one in held]
            if any(one is not None for one in made):
                changes[field.name] = tuple(new or old for new, old in zip(made, held, strict=True))
    return replace(workflow, **changes) if changes else None
