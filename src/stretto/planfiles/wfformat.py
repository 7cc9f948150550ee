"""Reads WfFormat, in which WfCommons describes executions of scientific workflows: tasks, their files and runtimes.

Versions 1.5 and 1.6 keep the tasks in ``workflow.specification`` and their runtimes in ``workflow.execution``, version
1.4 keeps both in ``workflow.tasks``. Source of the format: R. Ferreira da Silva et al., "WfCommons: A framework for
enabling scientific workflow research and development", Future Generation Computer Systems, 2022.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from stretto.core.errors import CyclicDependency, DefinitionError, PlanError
from stretto.planfiles.json_text import read_json
from stretto.planfiles.kinds import is_list, is_object
from stretto.planfiles.source import Problems, Source
from stretto.planfiles.validation import shown
from stretto.planning.operation import Operation
from stretto.planning.plan import ExecutionPlan, analyze_dependencies

VERSIONS = ("1.4", "1.5", "1.6")
"""The versions that are read."""
TOLD = 3
"""How many oddities of one kind are told."""
Way: TypeAlias = "tuple[str | int, ...]"


@dataclass(frozen=True, kw_only=True)
class Instance:
    """A workflow instance as a plan; ``notes`` tells where its files and its parents and children disagree."""

    name: str
    description: str
    plan: ExecutionPlan
    descriptions: Mapping[str, str]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Task:
    """One task, whichever version described it."""

    id: str
    name: str
    way: Way
    parents: list[str]
    children: list[str]
    reads: list[str]
    writes: list[str]
    seconds: float | None = None
    after: list[str] = field(default_factory=list[str])


def is_instance(document: Any) -> bool:
    """Says whether a JSON document is a WfFormat instance."""
    if not is_object(document) or not is_object(document.get("workflow")):
        return False
    return "schemaVersion" in document or "specification" in document["workflow"]


def read_instance(source: Source, document: Mapping[str, Any]) -> Instance:
    """Returns the instance; raises ``PlanFileError`` with every place that is not as the format says."""
    reader = _Reader(document)
    tasks = reader.tasks()
    reader.refuse(source)
    notes = _Notes()
    operations = _Edges(tasks, notes).operations(reader)
    reader.refuse(source)
    try:
        plan = analyze_dependencies(operations, given=_given(operations))
    except PlanError as error:
        first = error.path[0] if isinstance(error, CyclicDependency) else ""
        reader.wrong(next((task.way for task in tasks if task.id == first), ()), str(error))
        reader.refuse(source)
        raise
    return Instance(
        name=str(document.get("name") or "workflow").replace("/", "_"),
        description=str(document.get("description") or ""),
        plan=plan,
        descriptions={task.id: task.name for task in tasks if task.name != task.id},
        notes=notes.told(),
    )


def _given(operations: list[Operation]) -> list[str]:
    made = {ref for operation in operations for ref in operation.outputs}
    return list(dict.fromkeys(ref for one in operations for ref in one.inputs if ref not in made))


class _Notes:
    """Gathers what is odd, by kind, and tells the first few of each."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def add(self, kind: str, message: str) -> None:
        """Notes one more of a kind."""
        self._found.setdefault(kind, []).append(message)

    def told(self) -> tuple[str, ...]:
        """Returns the sentences, kind by kind."""
        lines: list[str] = []
        for kind, found in self._found.items():
            lines += found[:TOLD]
            if len(found) > TOLD:
                lines.append(f"and {len(found) - TOLD:,} more: {kind}")
        return tuple(lines)


class _Reader:
    """Takes tasks out of a document, and notes what is not as it should be."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._found: list[tuple[Way, str]] = []

    def wrong(self, way: Way, message: str) -> None:
        """Notes a problem at a place of the document."""
        self._found.append((way, message))

    def refuse(self, source: Source) -> None:
        """Raises ``PlanFileError`` if anything is wrong; only then are the places looked up in the text."""
        if not self._found:
            return
        problems = Problems(source)
        root = read_json(source, problems)
        for way, message in self._found:
            problems.add(root.at(way)[0].start, message)
        problems.check()

    def tasks(self) -> list[_Task]:
        """Returns the tasks with unique ids, their references to each other checked."""
        version = self._document.get("schemaVersion")
        if version not in VERSIONS:
            told = f"WfFormat {', '.join(VERSIONS)} can be read, not {shown(version)}"
            self.wrong(("schemaVersion",) if "schemaVersion" in self._document else (), told)
            return []
        old = version == "1.4"
        way: Way = ("workflow", "tasks") if old else ("workflow", "specification", "tasks")
        tasks = [self._task(one, (*way, place), old) for place, one in enumerate(self._rows(way, True))]
        found = [task for task in tasks if task is not None]
        if not old:
            self._runtimes(found)
        return self._resolved(found, old)

    def _rows(self, way: Way, required: bool = False) -> list[dict[str, Any]]:
        held: Any = self._document
        for step in way:
            held = held.get(str(step)) if is_object(held) else None
        if not is_list(held) or (required and not held):
            if required or held is not None:
                self.wrong(
                    way, f"{'.'.join(map(str, way))} should be a list{' of at least one task' if required else ''}"
                )
            return []
        rows: list[dict[str, Any]] = []
        for place, one in enumerate(held):
            if is_object(one):
                rows.append(one)
            else:
                self.wrong((*way, place), f"a task should be a mapping, not {shown(one)}")
                rows.append({})
        return rows

    def _task(self, held: dict[str, Any], way: Way, old: bool) -> _Task | None:
        if not held:
            return None
        name = held.get("name", held.get("id"))
        id = held.get("id", name) if not old else name
        if not isinstance(id, str) or not id or not isinstance(name, str):
            self.wrong(way, f"a task needs the text {'name' if old else 'id'!r}")
            return None
        files = [one for one in held.get("files") or () if is_object(one)] if old else []
        linked = {
            link: [str(one.get("name")) for one in files if one.get("link") == link] for link in ("input", "output")
        }
        return _Task(
            id=id,
            name=name,
            way=way,
            parents=self._texts(held, "parents", way),
            children=self._texts(held, "children", way),
            reads=linked["input"] if old else self._texts(held, "inputFiles", way),
            writes=linked["output"] if old else self._texts(held, "outputFiles", way),
            seconds=self._seconds(held, way) if old else None,
        )

    def _texts(self, held: dict[str, Any], key: str, way: Way) -> list[str]:
        found: Any = held.get(key) or []
        if not is_list(found) or not all(isinstance(one, str) and one for one in found):
            self.wrong((*way, key), f"{key!r} should be a list of texts")
            return []
        return list(dict.fromkeys(found))

    def _seconds(self, held: dict[str, Any], way: Way) -> float | None:
        found = held.get("runtimeInSeconds")
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < float("inf"):
            self.wrong(
                (*way, "runtimeInSeconds"), f"'runtimeInSeconds' should be a number of at least 0, not {shown(found)}"
            )
            return None
        return float(found)

    def _runtimes(self, tasks: list[_Task]) -> None:
        way: Way = ("workflow", "execution", "tasks")
        by_id = {task.id: task for task in tasks}
        for place, held in enumerate(self._rows(way)):
            task = by_id.get(str(held.get("id")))
            if task is None:
                self.wrong((*way, place), f"{shown(held.get('id'))} is none of the tasks of workflow.specification")
            else:
                task.seconds = self._seconds(held, (*way, place))

    def _resolved(self, tasks: list[_Task], old: bool) -> list[_Task]:
        taken: dict[str, _Task] = {}
        for task in tasks:
            if task.id in taken:
                self.wrong((*task.way, "name" if old else "id"), f"two tasks have the id {task.id!r}")
            taken[task.id] = task
        for task in tasks:
            for key, named in (("parents", task.parents), ("children", task.children)):
                for place, other in enumerate(named):
                    if other not in taken:
                        self.wrong(
                            (*task.way, key, place), f"task {task.id!r} names {other!r} in {key}, which is no task"
                        )
        return tasks


class _Edges:
    """Makes operations of tasks: files are data, and a parent without a common file is waited for all the same."""

    def __init__(self, tasks: list[_Task], notes: _Notes) -> None:
        self._tasks, self._notes = tasks, notes
        self._by_id = {task.id: task for task in tasks}
        self._writers: dict[str, list[str]] = {}
        for task in tasks:
            for file in task.writes:
                self._writers.setdefault(file, []).append(task.id)

    def operations(self, reader: _Reader) -> list[Operation]:
        """Returns an operation for each task; ids get ``_`` for ``/``, which a path cannot hold."""
        for file, writers in self._writers.items():
            if len(writers) > 1:
                told = f"file {file!r} is written by {len(writers)} tasks; parents and children alone say who waits"
                self._notes.add("files with several writers", told)
        self._compare()
        waited = {parent for task in self._tasks for parent in task.after}
        made: list[Operation] = []
        names = _path_names(task.id for task in self._tasks)
        for task in self._tasks:
            own = [file for file in task.writes if len(self._writers[file]) == 1]
            try:
                operation = Operation(
                    id=names[task.id],
                    inputs=(*self._data_of(task), *(_done(parent) for parent in task.after)),
                    outputs=(*own, *([_done(task.id)] if task.id in waited else [])),
                    duration=task.seconds,
                )
            except DefinitionError as error:
                reader.wrong(task.way, str(error))
            else:
                task.id = operation.id
                made.append(operation)
        return made

    def _data_of(self, task: _Task) -> list[str]:
        return [file for file in task.reads if file not in task.writes and len(self._writers.get(file, ())) < 2]

    def _compare(self) -> None:
        """Compares what the files say with what parents and children say."""
        declared = {task.id: dict.fromkeys(task.parents) for task in self._tasks}
        for task in self._tasks:
            for child in task.children:
                if task.id not in declared[child]:
                    told = f"{task.id!r} names {child!r} as its child, which does not name it as its parent"
                    self._notes.add("children without that parent", told)
                    declared[child][task.id] = None
        for task in self._tasks:
            for parent in task.parents:
                if task.id not in self._by_id[parent].children:
                    told = f"{task.id!r} names {parent!r} as its parent, which does not name it as its child"
                    self._notes.add("parents without that child", told)
            self._compare_files(task, declared[task.id])

    def _compare_files(self, task: _Task, parents: Mapping[str, None]) -> None:
        both = [file for file in task.reads if file in task.writes]
        for file in both:
            self._notes.add("files read and written by one task", f"{task.id!r} reads and writes file {file!r}")
        by_files = {self._writers[file][0]: file for file in self._data_of(task) if file in self._writers}
        for parent in parents:
            if parent not in by_files:
                told = f"{task.id!r} waits for its parent {parent!r}, of which it reads no file"
                self._notes.add("parents without a common file", told)
                task.after.append(parent)
        for writer, file in by_files.items():
            if writer not in parents:
                told = f"{task.id!r} reads {file!r} of {writer!r}, which is not named as its parent"
                self._notes.add("files of tasks that are no parents", told)


def _done(task: str) -> str:
    return f"{task} is done"


def _path_names(ids: Iterable[str]) -> dict[str, str]:
    """Returns a name without ``/`` for each id."""
    ids = list(ids)
    taken = {id for id in ids if "/" not in id}
    names = {id: id for id in taken}
    for id in ids:
        if "/" in id:
            name = id.replace("/", "_")
            while name in taken:
                name += "_"
            taken.add(name)
            names[id] = name
    return names
