"""Makes the operations of a plan of what a file says about them."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stretto.core.errors import DefinitionError
from stretto.core.function import FunctionStep
from stretto.core.policies import PLAIN, StepPolicy
from stretto.core.step import Step
from stretto.planfiles.binding import Binding
from stretto.planfiles.callables import find_callable
from stretto.planfiles.command_line import check_script, is_callable_name, split
from stretto.planfiles.document import Node
from stretto.planfiles.expression import When
from stretto.planfiles.kinds import is_function, is_step
from stretto.planfiles.model import RESERVED, Body
from stretto.planfiles.policy import PolicyReader, Surroundings
from stretto.planfiles.reference import Reference, Shape, Template
from stretto.planfiles.source import meant
from stretto.planfiles.steps import Arguments, CallStep, CommandStep, ForEach, HandOver
from stretto.planfiles.validation import shown
from stretto.planning.operation import Operation

_OF_COMMANDS = ("env", "cwd", "stdin", "parse", "shell")
_EMPTY = Template(("",))


@dataclass(frozen=True)
class Draft:
    """An operation as it was read: checked for itself, its references not followed yet."""

    id: str
    entry: Body
    node: Node
    around: Surroundings

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of its data: its id, unless it names others."""
        return tuple(self.entry.outputs or (self.id,))

    @cached_property
    def binding(self) -> Binding:
        """Where its references are gathered."""
        each = "for_each" in self.node.mapping
        return Binding(self.id, self.outputs, self.around.known, each, self.around.problems)

    def at(self, name: str) -> Node | None:
        """Returns the node of a setting, if it was written."""
        return self.node.mapping.get(name)

    @cached_property
    def _policy(self) -> PolicyReader:
        return PolicyReader(self.id, self.entry, self.node, self.around)

    def wrong(self, name: str, message: str) -> None:
        """Notes a problem with a setting; it is shown at its value, or where the operation begins."""
        node = self.at(name) or self.node
        self.around.problems.add(node.start, f"operation {self.id!r}: {message}")

    def build(self) -> Operation | None:
        """Returns the operation; what is wrong is noted, and then there may be none."""
        when = self._when()
        items = self._items()
        for name, required in (("inputs", True), ("optional_inputs", False)):
            for node in self._list(name):
                self.binding.name(node, required)
        try:
            step = self._step()
        except DefinitionError as error:
            self.wrong("run", str(error))
            return None
        optional = tuple(name for name in self.binding.wants if name not in self.binding.needs)
        if step is not None and self.at("for_each") is not None:
            step = ForEach(
                name=self.id,
                step=step,
                items=items,
                needed=tuple(self.binding.inner),
                outputs=self.outputs,
                optional=frozenset(optional),
            )
        return self._operation(step, when, optional)

    def _operation(
        self, step: Step[Any, Any] | None, when: When | bool | None, optional: tuple[str, ...]
    ) -> Operation | None:
        entry = self.entry
        for name in ("reads", "writes"):
            for node in self._list(name):
                if "${" in node.raw:
                    told = (
                        f"operation {self.id!r}: {name} is known before anything runs, so no reference may stand in it"
                    )
                    self.around.problems.add(node.start, told)
        try:
            return Operation(
                id=self.id,
                step=step,
                inputs=tuple(self.binding.needs),
                optional_inputs=optional,
                outputs=self.outputs,
                reads=tuple(entry.reads),
                writes=tuple(entry.writes),
                when=when,
                required=not entry.optional,
                duration=entry.duration,
            )
        except DefinitionError as error:
            self.around.problems.add(self.node.start, str(error))
            return None

    def _list(self, name: str) -> list[Node]:
        node = self.at(name)
        return node.items if node is not None else []

    def _when(self) -> When | bool | None:
        node = self.at("when")
        if node is None or not isinstance(node.content, str):
            return self.entry.when if node is not None else None
        made = self.binding.condition(node)
        return When(self.id, node.raw, made) if made is not None else None

    def _items(self) -> Shape:
        node = self.at("for_each")
        if node is None:
            return None
        with self.binding.outside():
            made = self.binding.shape(node)
        if isinstance(made, Template) and made != _EMPTY and not made.alone:
            self.wrong("for_each", f"for_each takes one reference to a list, such as ${{files}}, not {shown(node.raw)}")
        return made

    @property
    def _optional(self) -> frozenset[str]:
        return frozenset(self.binding.wants)

    def _arguments(self, item: bool) -> Arguments:
        node = self.at("with")
        shape = self.binding.shape(node) if node is not None else None
        item = item and shape is None
        if item:
            self.binding.note(Reference("item"), self.node)
        inputs = tuple(one.raw for name in ("inputs", "optional_inputs") for one in self._list(name))
        if inputs and shape is not None and not isinstance(shape, dict):
            self.wrong("with", "with inputs, 'with' is a mapping from argument to value")
        return Arguments(inputs=inputs, optional=self._optional, shape=shape, item=item)

    def _step(self) -> Step[Any, Any] | None:
        node = self.node.mapping["run"]
        if not self.entry.shell and isinstance(node.content, str) and is_callable_name(node.raw):
            for name in _OF_COMMANDS:
                if name in self.node.mapping:
                    self.around.problems.add(
                        self.node.keys[name].start,
                        f"operation {self.id!r}: {name!r} is for commands, and {node.raw!r} is Python",
                    )
            return self._python(node)
        if (key := self.node.keys.get("isolation")) is not None:
            told = f"operation {self.id!r}: 'isolation' is for Python functions; a command is a process of its own"
            self.around.problems.add(key.start, told)
        return self._command(node)

    # Python

    def _python(self, node: Node) -> Step[Any, Any]:
        arguments = self._arguments(self.at("for_each") is not None)
        found = _undecorated(find_callable(node.raw, self.around.directory))
        if is_step(found):
            target = copy(self._by_name(found, arguments, node))
            object.__setattr__(target, "policy", self._policy.read(target.policy, ""))
            return HandOver(name=self.id, step=target, arguments=arguments)
        if not callable(found):
            raise DefinitionError(f"{node.raw!r} is {type(found).__name__}, which cannot be called")
        policy = self._policy.read(PLAIN, f"{arguments!r} {_code(found)}")
        place = StepPolicy(isolation=policy.isolation, memory=policy.memory)
        function = FunctionStep[Any, Any](found, name=self.id, policy=place)
        return CallStep(
            name=self.id, policy=policy, function=self._fitting(function, arguments, node), arguments=arguments
        )

    def _by_name(self, step: Step[Any, Any], arguments: Arguments, node: Node) -> Step[Any, Any]:
        return self._fitting(step, arguments, node) if is_function(step) else step

    def _fitting(self, function: FunctionStep[Any, Any], arguments: Arguments, node: Node) -> FunctionStep[Any, Any]:
        """Returns the function as it takes the arguments; notes arguments that it does not take or lacks."""
        names = arguments.names
        if names is None:
            if not function.parameters and arguments.shape is not None:
                self.wrong("with", f"{node.raw!r} takes no argument")
            return function
        if isinstance(arguments.shape, dict) and self._strange(arguments.shape, function, node):
            return function
        fitting = function.by_name(names)
        if not fitting.reads_names and not isinstance(arguments.shape, dict):
            return fitting
        if missing := sorted(fitting.required - set(names)):
            self.wrong("run", f"{node.raw!r} needs {missing[0]!r}; give it in 'with', or name it in 'inputs'")
        return fitting

    def _strange(self, given: Collection[str], function: FunctionStep[Any, Any], node: Node) -> bool:
        """Notes arguments that a function does not take, and says whether there are any."""
        strange = [name for name in given if name not in function.parameters]
        keys = self.node.mapping["with"].keys
        for name in strange:
            near = meant(name, function.parameters).replace("; there are", "; it takes") or "; it takes none"
            told = f"operation {self.id!r}: {node.raw!r} takes no {name!r}{near}"
            self.around.problems.add(keys[name].start, told)
        return bool(strange)

    # commands

    def _command(self, node: Node) -> Step[Any, Any] | None:
        arguments = self._arguments(item=False)
        argv = self._argv(node)
        stdin = self.at("stdin")
        word = self.entry.stdin
        text = self.binding.template(stdin) if stdin is not None and word not in ("json", "none", None) else None
        gives_json = word == "json" or (word is None and arguments.any)
        env = self._environment()
        cwd = self.at("cwd") or self.around.defaults_node.mapping.get("cwd")
        directory = self.binding.template(cwd) if cwd is not None and isinstance(cwd.content, str) else None
        said = (argv, arguments, text, gives_json, env, directory, self.entry.parse)
        return CommandStep(
            name=self.id,
            policy=self._policy.read(PLAIN, f"{said!r} {self.around.directory if self.entry.cache else ''}"),
            argv=argv,
            arguments=arguments,
            directory=self.around.directory,
            parse=self.entry.parse,
            gives_json=gives_json,
            stdin=text,
            env=env,
            cwd=directory,
        )

    def _argv(self, node: Node) -> tuple[Template, ...]:
        if self.entry.shell:
            return self._script(node)
        if isinstance(node.content, list):
            if not node.items:
                self.wrong("run", "the command line is empty; name a program")
            return tuple(self.binding.template(one) for one in node.items)
        made = self.binding.template(node)
        return self.binding.read(node, lambda _: split(made)) or () if made != _EMPTY or not node.raw else ()

    def _script(self, node: Node) -> tuple[Template, ...]:
        if not isinstance(node.content, str):
            self.wrong("run", "with shell: true, run is one text: the script")
            return ()
        data = frozenset(self.around.known) | frozenset(RESERVED)
        variables = frozenset(self.entry.env) | frozenset(self.around.defaults.env)
        self.binding.read(node, lambda script: check_script(script, data, variables))
        return Template(("/bin/sh",)), Template(("-c",)), Template((node.raw,))

    def _environment(self) -> tuple[tuple[str, Template | None], ...]:
        nodes: dict[str, Node] = {}
        for owner in (self.around.defaults_node, self.node):
            nodes |= owner.mapping["env"].mapping if "env" in owner.mapping else {}
        return tuple(
            (name, None if node.content is None else self.binding.template(node)) for name, node in nodes.items()
        )


def _undecorated(found: Any) -> Any:
    """Returns the function of a step that has no settings of its own, and anything else as it is."""
    return found.function if is_function(found) and found.policy == PLAIN else found


def _code(function: Any) -> str:
    """Returns the source of a function, by which a resumed run notices that it has changed."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', function.__class__.__name__)}"
