"""Reads plan files: from a text to a plan, with everything that is wrong told at once, each at its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stretto.core.errors import (
    CyclicDependency,
    DefinitionError,
    DoubleProducer,
    PlanError,
    PlanFileError,
    UnreachableOperation,
)
from stretto.core.policies import ErrorMode, ParallelResourceLimits
from stretto.planfiles.document import Node
from stretto.planfiles.json_text import read_json
from stretto.planfiles.model import RESERVED, Body, HeadEntry, InputEntry, LimitsEntry, OperationEntry
from stretto.planfiles.operations import Draft
from stretto.planfiles.planfile import LoadedPlan, PlanInput
from stretto.planfiles.policy import Surroundings
from stretto.planfiles.source import Mark, Problems, Source, meant, read_source
from stretto.planfiles.validation import shown, validate
from stretto.planfiles.wfformat import Instance, is_instance, read_instance
from stretto.planfiles.yaml_text import read_yaml
from stretto.planning.operation import Operation
from stretto.planning.plan import ExecutionPlan, analyze_dependencies


def load_plan(path: str | Path, input: Mapping[str, Any] | None = None) -> LoadedPlan:
    """Reads a plan file (YAML, or JSON where the name ends so), or a WfFormat instance, which its content tells.

    ``input`` replaces the defaults of the plan's inputs. Modules that the plan names are imported, those beside it
    included; nothing is run. Raises ``PlanFileError`` with every problem and its place, ``DefinitionError`` for input.
    """
    path = Path(path)
    source = read_source(path)
    if path.suffix.lower() == ".json" or source.text.lstrip()[:1] == "{":
        document = _json(source)
        if is_instance(document):
            return _instance(path, read_instance(source, document))
    problems = Problems(source)
    node = read_json(source, problems) if path.suffix.lower() == ".json" else read_yaml(source, problems)
    loaded = _Loader(path, node, problems).load()
    return loaded if input is None else loaded.with_input(input)


def load_wfformat(path: str | Path) -> LoadedPlan:
    """Reads a WfFormat instance (1.4 to 1.6): tasks become operations, files their data, runtimes their durations.

    Raises ``PlanFileError`` when the file is something else.
    """
    path = Path(path)
    source = read_source(path)
    document = _json(source)
    if not is_instance(document):
        read_json(source, Problems(source))
        raise source.refuse(0, "this is no WfFormat instance: it has no 'workflow' with tasks, or no 'schemaVersion'")
    return _instance(path, read_instance(source, document))


def _json(source: Source) -> Any:
    try:
        return json.loads(source.text)
    except (ValueError, RecursionError):
        return None


def _instance(path: Path, instance: Instance) -> LoadedPlan:
    return LoadedPlan(
        path=path,
        name=instance.name,
        description=instance.description,
        plan=instance.plan,
        given=dict.fromkeys(instance.plan.given),
        inputs={
            name: PlanInput(type="any", required=False, default=None, description="a file")
            for name in instance.plan.given
        },
        marks={},
        descriptions=instance.descriptions,
        notes=instance.notes,
        format="wfformat",
    )


class _Loader:
    def __init__(self, path: Path, node: Node, problems: Problems) -> None:
        self._path, self._node, self._problems = path, node, problems
        self._bodies: list[tuple[str, Node, Body | None]] = []

    def load(self) -> LoadedPlan:
        """Reads everything, and raises ``PlanFileError`` with all that is wrong."""
        if not isinstance(self._node.content, dict):
            self._problems.add(self._node.start, "a plan is a mapping with 'operations'")
            self._problems.check()
        head = self._head()
        self._read_operations()
        inputs = self._inputs(head)
        known = [*inputs, *self._names()]
        limits = self._limits(head.limits) if head is not None else ParallelResourceLimits()
        around = self._surroundings(head or HeadEntry(), known)
        drafts = [Draft(id, entry, node, around) for id, node, entry in self._bodies if entry is not None]
        operations = [operation for draft in drafts if (operation := draft.build()) is not None]
        self._problems.check()
        loaded = LoadedPlan(
            path=self._path,
            name=(head.name if head is not None else None) or self._path.stem,
            description=head.description if head is not None else "",
            plan=self._plan(operations, inputs),
            given={name: one.default for name, one in inputs.items() if not one.required},
            inputs=inputs,
            marks={id: self._problems.source.mark(node.start) for id, node, _ in self._bodies},
            descriptions={id: entry.description for id, _, entry in self._bodies if entry and entry.description},
            defaults=around.defaults,
            limits=limits,
            error_mode=ErrorMode(head.error_mode) if head is not None else ErrorMode.FAIL_FAST,
            timeout=head.limits.timeout if head is not None else None,
        )
        self._check_workflow(loaded)
        return loaded

    def _head(self) -> HeadEntry | None:
        node = Node(self._node.start, self._node.end, dict(self._node.mapping), keys=self._node.keys)
        if node.mapping.pop("operations", None) is None:
            near = meant("operations", [name for name in node.mapping if name not in HeadEntry.model_fields])
            self._problems.add(node.start, f"the plan needs 'operations'{near if near.startswith('; did') else ''}")
        return validate(HeadEntry, node, "the plan", self._problems)

    def _surroundings(self, head: HeadEntry, known: list[str]) -> Surroundings:
        empty = Node(0, 0, {})
        return Surroundings(
            directory=self._path.resolve().parent,
            defaults=head.defaults,
            defaults_node=self._node.mapping.get("defaults", empty) if head.defaults.model_fields_set else empty,
            known=known,
            problems=self._problems,
        )

    def _limits(self, entry: LimitsEntry) -> ParallelResourceLimits:
        try:
            return ParallelResourceLimits(
                max_concurrent_executions=entry.max_concurrency,
                execution_timeout=entry.operation_timeout,
                cancellation_timeout=entry.cancellation_timeout,
                max_memory_per_branch=entry.memory_per_operation,
                max_total_memory=entry.total_memory,
            )
        except DefinitionError as error:
            self._problems.add(self._node.mapping["limits"].start, str(error))
            return ParallelResourceLimits()

    def _inputs(self, head: HeadEntry | None) -> dict[str, PlanInput]:
        if head is None:  # what is wrong is noted; the names are enough to check the references
            given = self._node.mapping.get("inputs")
            names = list(given.mapping) if given is not None else []
            return {name: PlanInput(type="any", required=False, default=None, description="") for name in names}
        return {name: self._input(name, entry) for name, entry in head.inputs.items()}

    def _input(self, name: str, entry: InputEntry) -> PlanInput:
        declared = PlanInput(
            type=entry.type,
            required="default" not in entry.model_fields_set,
            default=entry.default,
            description=entry.description,
        )
        node = self._node.mapping["inputs"].mapping[name]
        if name in RESERVED:
            key = self._node.mapping["inputs"].keys[name]
            self._problems.add(key.start, f"{name!r} belongs to for_each; call this input something else")
        if not declared.required and not declared.accepts(entry.default):
            place = node.mapping.get("default", node)
            self._problems.add(
                place.start, f"the input {name!r} should be of type {entry.type}, not {shown(entry.default)}"
            )
        return declared

    def _read_operations(self) -> None:
        node = self._node.mapping.get("operations")
        if node is None:
            return
        if not isinstance(node.content, list | dict) or not node.content:
            self._problems.add(
                node.start, "'operations' is a list of operations, or a mapping from id to operation; give at least one"
            )
        for place, one in enumerate(node.items):
            id = one.mapping["id"].raw if "id" in one.mapping else ""
            owner = f"operation {id!r}" if id else f"operation {place + 1}"
            self._bodies.append((id, one, validate(OperationEntry, one, owner, self._problems)))
        for id, one in node.mapping.items():
            key = node.keys[id]
            held = Node(
                key.start if isinstance(one.content, dict) else one.start,
                one.end,
                one.content,
                keys={**one.keys, "id": key},
            )
            if "id" in one.mapping:
                self._problems.add(
                    one.keys["id"].start, f"operation {id!r} takes no 'id' here: the key before it is its id"
                )
            elif isinstance(one.content, dict):
                held.content = {**one.mapping, "id": key}
            self._bodies.append((id, held, validate(OperationEntry, held, f"operation {id!r}", self._problems)))

    def _names(self) -> list[str]:
        """Returns what operations make, those included of which something is wrong; notes what is there twice."""
        first: dict[str, Node] = {}
        made: dict[str, str] = dict.fromkeys(self._node.mapping.get("inputs", self._node).mapping, "the plan's inputs")
        if "inputs" not in self._node.mapping:
            made = {}
        for id, node, _ in self._bodies:
            place = node.mapping.get("id", node)
            if id in first and id:
                self._problems.add(
                    place.start, f"two operations have the id {id!r}; the first is at {self._mark(first[id])}"
                )
            first.setdefault(id, place)
            outputs = node.mapping["outputs"].items if "outputs" in node.mapping else [place] if id else []
            for one in outputs:
                if one.raw in RESERVED:
                    self._problems.add(one.start, f"{one.raw!r} belongs to for_each; call this datum something else")
                if one.raw in made and made[one.raw] != id:
                    told = f"{one.raw!r} is made by {made[one.raw]!r} already; give each datum one producer"
                    self._problems.add(one.start, told)
                made.setdefault(one.raw, id)
        return list(made)

    def _mark(self, node: Node) -> Mark:
        return self._problems.source.mark(node.start)

    def _plan(self, operations: list[Operation], inputs: Mapping[str, PlanInput]) -> ExecutionPlan:
        try:
            return analyze_dependencies(operations, given=inputs)
        except PlanError as error:
            ids = {id: node.mapping.get("id", node) for id, node, _ in self._bodies}
            about: tuple[str, ...] = ()
            if isinstance(error, CyclicDependency):
                about = error.path
            elif isinstance(error, UnreachableOperation):
                about = (error.operation,)
            elif isinstance(error, DoubleProducer):
                about = error.producers
            places = [ids[id] for id in dict.fromkeys(about) if id in ids] or [self._node]
            self._problems.add(places[0].start, str(error))
            for place in places[1:]:
                self._problems.add(
                    place.start, f"operation {place.raw!r} is part of the circle that begins at {self._mark(places[0])}"
                )
            self._problems.check()
            raise

    def _check_workflow(self, loaded: LoadedPlan) -> None:
        try:
            _ = loaded.workflow
        except PlanFileError:
            raise
        except DefinitionError as error:
            self._problems.add(self._node.start, str(error))
            self._problems.check()
