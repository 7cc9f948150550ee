"""The examples that come with the library: ``stretto examples``, ``show``, ``run`` and ``copy``."""

from __future__ import annotations

import ast
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import stretto
from stretto.cli.exits import TargetNotFound
from stretto.configuring.examples import examples_folder
from stretto.core.errors import DefinitionError

if TYPE_CHECKING:
    from stretto.cli.screen import Screen

PLANS = (".yaml", ".yml")
_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc")

examples = typer.Typer(help="List, show, run and copy the examples.", invoke_without_command=True)


@dataclass(frozen=True)
class Example:
    """An example: a package with a ``__main__``, a Python file, or a plan file."""

    name: str
    path: Path
    caption: str

    @property
    def files(self) -> list[Path]:
        """Its source files."""
        return sorted(self.path.rglob("*.py")) if self.path.is_dir() else [self.path]

    @property
    def command(self) -> str:
        """How it is run."""
        return f"stretto examples run {self.name}"


def folder() -> Path:
    """Returns where the examples are: beside the sources in a checkout, else inside the installed package."""
    return examples_folder(Path(stretto.__file__).resolve().parent)


def find() -> list[Example]:
    """Returns the examples by name."""
    return sorted(_found(folder()), key=lambda example: example.name)


def _found(place: Path) -> Iterator[Example]:
    for path in place.glob("*"):
        if path.name.startswith(("_", ".")):
            continue
        if path.is_dir() and (path / "__main__.py").is_file():
            yield Example(path.name, path, _caption(path / "__init__.py"))
        elif path.is_dir() and not (path / "__init__.py").is_file():
            yield from (_plan(one, f"{path.name}/{one.stem}") for one in path.glob("*") if one.suffix in PLANS)
        elif path.suffix == ".py":
            yield Example(path.stem, path, _caption(path))
        elif path.suffix in PLANS:
            yield _plan(path, path.stem)


def _caption(path: Path) -> str:
    try:
        told = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    except (OSError, SyntaxError):
        told = None
    return (told or "").partition("\n")[0]


def _plan(path: Path, name: str) -> Example:
    comments = [line.removeprefix("# ") for line in path.read_text("utf-8").splitlines() if line.startswith("# ")]
    sentences = [line for line in comments if line[:1].isupper()]
    return Example(name, path, sentences[0] if sentences else "A plan file.")


def named(name: str) -> Example:
    """Returns the example of a name; raises ``TargetNotFound``, which lists those that there are."""
    known = find()
    for example in known:
        if name in (example.name, example.path.name):
            return example
    there = ", ".join(example.name for example in known) or "none"
    raise TargetNotFound(f"there is no example {name!r}; there are: {there}")


@examples.callback()
def list_examples(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array on stdout.")] = False,
) -> None:
    """List, show, run and copy the examples."""
    if context.invoked_subcommand is not None:
        return
    screen: Screen = context.obj
    found = find()
    if as_json:
        rows = [{"name": one.name, "caption": one.caption, "path": str(one.path)} for one in found]
        screen.line(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    if not found:
        screen.say(f"the examples are not installed here (there is no {folder()}); they are in the repository")
        return
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    for one in found:
        table.add_row(one.name, one.caption)
    screen.out.print(table, soft_wrap=False)
    screen.say(
        "\nstretto examples show NAME · stretto examples run NAME · stretto examples copy NAME DIR", "bright_black"
    )


@examples.command()
def show(context: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Write the source of an example."""
    screen: Screen = context.obj
    example = named(name)
    for path in example.files:
        if len(example.files) > 1:
            screen.result(f"── {path.relative_to(example.path.parent)} ──", "bold")
        _write_source(screen, path)


def _write_source(screen: Screen, path: Path) -> None:
    text = path.read_text("utf-8")
    if not screen.out.is_terminal:
        screen.out.file.write(text)
        return
    from rich.syntax import Syntax

    language = "python" if path.suffix == ".py" else "yaml"
    screen.out.print(Syntax(text, language, theme="ansi_dark", background_color="default"))


@examples.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    words: Annotated[list[str] | None, typer.Argument(metavar="[ARGS]...", help="What the example takes.")] = None,
) -> None:
    """Run an example; what follows its name goes to the example (a package), or makes `stretto run` of it."""
    import subprocess

    example = named(name)
    rest = words or []
    if example.path.is_dir():
        root = example.path.parent
        inside = (root.parent / "__init__.py").is_file()  # the examples that are installed with the package
        module = f"stretto.{root.name}.{example.name}" if inside else f"{root.name}.{example.name}"
        command = [sys.executable, "-m", module, *rest]
        code = subprocess.call(command, env=_environment(root.parent.parent if inside else root.parent))
    elif not rest and "__main__" in example.path.read_text("utf-8"):
        code = subprocess.call([sys.executable, str(example.path)])
    else:
        code = subprocess.call([sys.executable, "-m", "stretto", "run", str(example.path), *rest])
    if code:
        raise typer.Exit(code)


def _environment(place: Path) -> dict[str, str]:
    import os

    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(place), *([known] if known else [])])}


@examples.command()
def copy(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    into: Annotated[Path, typer.Argument(metavar="DIR", help="The directory, which is made when it is not there.")],
) -> None:
    """Copy an example into a directory of yours, to change it."""
    screen: Screen = context.obj
    example = named(name)
    goal = into / example.path.name
    if goal.exists():
        raise DefinitionError(f"{goal} exists already; choose another directory")
    into.mkdir(parents=True, exist_ok=True)
    if example.path.is_dir():
        shutil.copytree(example.path, goal, ignore=_IGNORED)
    else:
        shutil.copyfile(example.path, goal)
    way_on = f"cd {into} && python -m {example.name}" if example.path.is_dir() else f"stretto run {goal}"
    screen.result(f"copied to {goal}; run it: {way_on}")
