"""What the operations of a plan file do: they call a function, run a command line, or hand over to another step."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

from stretto.core.errors import CommandFailed, ExecutionError
from stretto.core.function import FunctionStep
from stretto.core.policies import PLAIN, ErrorMode, ParallelResourceLimits, StepPolicy
from stretto.core.resources import CommandResult, Workers
from stretto.core.step import Context, Step
from stretto.planfiles.kinds import is_row
from stretto.planfiles.reference import Reference, Scope, Shape, Template, as_json, fill
from stretto.planning.operation import Operation
from stretto.workflows.planned import Each, PlannedMap

TAIL = 2_000
"""How much of what a failed command wrote its error shows (characters)."""
SHOWN = 80
"""How much of an output that is not as expected an error shows (characters)."""
Parse: TypeAlias = Literal["text", "lines", "json"]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What an operation is given: ``inputs`` by their names, and ``shape``, a mapping or the input itself."""

    inputs: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()
    shape: Shape = None
    item: bool = False

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(self.inputs) or self.shape is not None or self.item

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of the arguments; None when the input is one value without names."""
        if self.shape is None:
            return None if self.item and not self.inputs else (*self.inputs, *(("item",) if self.item else ()))
        return (*self.inputs, *self.shape) if isinstance(self.shape, dict) else None

    def of(self, scope: Scope) -> Any:
        """Returns the arguments as a mapping, or the input itself where it has no names."""
        if self.names is None:
            return scope.data["item"] if self.shape is None else fill(self.shape, scope)
        named = {name: scope.look(Reference(name)) for name in self.inputs}
        if isinstance(self.shape, dict):
            return named | {name: fill(one, scope) for name, one in self.shape.items()}
        return named | {"item": scope.data["item"]} if self.item else named


@dataclass(frozen=True, kw_only=True)
class CallStep(Step[Mapping[str, Any], Any]):
    """Calls a function with the arguments of an operation; it runs where its own policy says."""

    kind: ClassVar[str] = "function"

    name: str
    policy: StepPolicy
    function: FunctionStep[Any, Any]
    arguments: Arguments

    async def execute(self, input: Mapping[str, Any], context: Context) -> Any:
        """Calls it."""
        scope = Scope(self.name, input, self.arguments.optional)
        return await self.function.execute(self.arguments.of(scope), context)


@dataclass(frozen=True, kw_only=True)
class HandOver(Step[Mapping[str, Any], Any]):
    """Runs another step (a workflow, an agent, a function with settings of its own) with an operation's arguments."""

    kind: ClassVar[str] = "workflow"
    transparent: ClassVar[bool] = True

    name: str
    policy: StepPolicy = PLAIN
    step: Step[Any, Any]
    arguments: Arguments

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the other step."""
        return {self.step.name: self.step}

    async def execute(self, input: Mapping[str, Any], context: Context) -> Any:
        """Runs it."""
        scope = Scope(self.name, input, self.arguments.optional)
        return await context.run(self.step, self.arguments.of(scope))


@dataclass(frozen=True, kw_only=True)
class CommandStep(Step[Mapping[str, Any], Any]):
    """Runs a command line without a shell; each of ``argv`` is one argument, whatever its references hold.

    ``stdin`` is a text; with ``gives_json`` the arguments are given as a JSON object. ``env`` is added to the
    environment, None takes a variable away. ``cwd`` is seen from ``directory``.
    """

    kind: ClassVar[str] = "tool"

    name: str
    policy: StepPolicy
    argv: tuple[Template, ...]
    arguments: Arguments
    directory: Path
    parse: Parse = "text"
    gives_json: bool = False
    stdin: Template | None = None
    env: tuple[tuple[str, Template | None], ...] = ()
    cwd: Template | None = None

    async def execute(self, input: Mapping[str, Any], context: Context) -> Any:
        """Runs it; raises ``CommandFailed`` unless it ends with status 0."""
        scope = Scope(self.name, input, self.arguments.optional)
        argv = [self._sendable(part.text(scope), "an argument") for part in self.argv]
        result = await context.resource(Workers).command(
            argv,
            stdin=self._stdin(scope),
            cwd=str(self.directory / (self._sendable(self.cwd.text(scope), "cwd") if self.cwd is not None else "")),
            env=self._environment(scope),
            memory=self.policy.memory,
        )
        if result.returncode:
            told = result.stderr[-4 * TAIL :].decode("utf-8", "backslashreplace").strip()[-TAIL:]
            raise CommandFailed(context.path, argv[0], result.returncode, told)
        return self._output(result)

    def _sendable(self, text: str, what: str) -> str:
        """Refuses what no command can be given."""
        if "\0" in text:
            raise ExecutionError(
                f"operation {self.name!r}: {what} holds a zero byte, which no command line can; use stdin"
            )
        try:
            os.fsencode(text)
        except UnicodeEncodeError as error:
            raise ExecutionError(
                f"operation {self.name!r}: {what} holds {text[error.start]!r}, which is no character"
            ) from error
        return text

    def _stdin(self, scope: Scope) -> bytes:
        if self.gives_json:
            return as_json(self.arguments.of(scope), f"operation {self.name!r}: its input").encode(
                "utf-8", "surrogateescape"
            )
        return b"" if self.stdin is None else self.stdin.text(scope).encode("utf-8", "surrogateescape")

    def _environment(self, scope: Scope) -> dict[str, str] | None:
        if not self.env:
            return None
        made = dict(os.environ)
        for name, value in self.env:
            if value is None:
                made.pop(name, None)
            else:
                made[name] = self._sendable(value.text(scope), f"the variable {name!r}")
        return made

    def _output(self, result: CommandResult) -> Any:
        """Returns what was written; bytes that are no UTF-8 (names of files) stay what they are in a text."""
        if self.parse != "json":
            text = result.stdout.decode("utf-8", "surrogateescape")
            return text.rstrip("\r\n") if self.parse == "text" else text.removesuffix("\n").split("\n") if text else []
        try:
            return json.loads(result.stdout.decode("utf-8"), parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            start = result.stdout[:SHOWN].decode("utf-8", "backslashreplace")
            told = f"{start!r} …" if len(result.stdout) > SHOWN else repr(start)
            raise ExecutionError(
                f"operation {self.name!r} says parse: json, but its command wrote {told}: {error}; "
                "let it write JSON, or say parse: text"
            ) from error


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


@dataclass(frozen=True, kw_only=True)
class ForEach(PlannedMap):
    """Runs a step once for each item of a list, as ``id[0]``, ``id[1]``; its data are lists in the items' order."""

    kind: ClassVar[str] = "workflow"
    transparent: ClassVar[bool] = True

    name: str
    step: Step[Any, Any]
    items: Shape
    needed: tuple[str, ...]
    outputs: tuple[str, ...]
    optional: frozenset[str]
    limits: ParallelResourceLimits = field(default_factory=ParallelResourceLimits)
    mode: ErrorMode = ErrorMode.FAIL_FAST

    def within(self, limits: ParallelResourceLimits, mode: ErrorMode) -> ForEach:
        """Returns the step with the plan's limits and error mode."""
        return replace(self, limits=limits, mode=mode)

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the step under the name of the operation."""
        return {self.name: self.step}

    async def execute(self, input: Mapping[str, Any], context: Context) -> Any:
        """Maps; raises ``ExecutionError`` when there is no list."""
        items = fill(self.items, Scope(self.name, input, self.optional))
        if not is_row(items):
            raise ExecutionError(
                f"operation {self.name!r} runs for each item of a list, and was given a {type(items).__name__}"
            )
        shared = {name: input[name] for name in self.needed if name in input}

        def inputs() -> Iterator[dict[str, Any]]:
            for place, item in enumerate(items):
                own = {"item": item, "index": place}
                yield shared | {name: value for name, value in own.items() if name in self.needed}

        operation = Operation(id=self.name, outputs=self.outputs)
        return await Each(operation, self.step, self.limits, self.mode).over(inputs(), len(items), context)
