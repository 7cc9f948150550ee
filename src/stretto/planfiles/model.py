"""What may stand in a plan file, field by field; the JSON Schema that editors use is made of these classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from stretto.planfiles.kinds import is_object
from stretto.planfiles.quantities import DURATION, SIZE, to_bytes, to_seconds

NAME_PATTERN = r"^[^\W\d][\w-]*$"
RESERVED = ("item", "index")
"""The names that belong to ``for_each``."""


class Written:
    """Lets a value be written in a second, shorter form; ``schema`` describes that form."""

    def __init__(self, make: Callable[[Any], Any], schema: JsonSchemaValue) -> None:
        self.make, self.schema = make, schema

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Makes the long form of the short one before it is checked."""
        return core_schema.no_info_before_validator_function(self.make, handler(source))

    def __get_pydantic_json_schema__(self, made: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describes both forms."""
        return {"anyOf": [handler(made), self.schema]}


def _checked(value: Any, kinds: tuple[type, ...], told: str) -> Any:
    if (isinstance(value, bool) and bool not in kinds) or not isinstance(value, kinds):
        raise ValueError(f"should be {told}")
    return value


def _either(told: str, *kinds: type) -> Written:
    return Written(lambda value: _checked(value, kinds, told), {})


def _as_attempts(value: Any) -> Any:
    return {"attempts": value} if isinstance(value, int) and not isinstance(value, bool) else value


def _as_default(value: Any) -> Any:
    return {} if value is None else value if is_object(value) else {"default": value}


def _as_cache(value: Any) -> Any:
    return {"ttl": value} if isinstance(value, int | float | str) and not isinstance(value, bool) else value


_TIME_TEXT: JsonSchemaValue = {"type": "string", "pattern": DURATION, "examples": ["30s", "5m"]}
Seconds: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False), Written(to_seconds, _TIME_TEXT)]
Pause: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False), Written(to_seconds, _TIME_TEXT)]
Bytes: TypeAlias = Annotated[
    int, Field(ge=1), Written(to_bytes, {"type": "string", "pattern": SIZE, "examples": ["512 MiB"]})
]
Name: TypeAlias = Annotated[str, Field(pattern=NAME_PATTERN, max_length=200)]
Text: TypeAlias = Annotated[str, Field(min_length=1)]


class Entry(BaseModel):
    """A mapping of a plan file: unknown keys are refused, values are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True, populate_by_name=False)


class RetryEntry(Entry):
    """How often a failing operation is tried again. Only an operation that says ``idempotent: true`` is."""

    attempts: Annotated[int, Field(ge=1, le=1000)] = 3
    """How often it is tried, the first time included."""
    wait: Pause = 0.1
    """How long to wait before the second try."""
    factor: Annotated[float, Field(gt=0, le=1000)] = 2.0
    """By how much each wait is longer than the one before."""
    max_wait: Pause = 30.0
    """The longest wait."""
    on: Annotated[list[Text], Field(min_length=1)] | None = None
    """Which failures are worth another try: failure (a command's status), timeout, or the name of an error such as
    ConnectionError or module:Name. All, unless it is given."""


class CacheEntry(Entry):
    """How long an operation's value is kept for equal inputs."""

    ttl: Seconds = 3600.0
    """How long a value is kept."""
    maximum: Annotated[int, Field(ge=1)] = 10_000
    """How many values are kept."""


class InputEntry(Entry):
    """A datum that is given to the plan."""

    type: Literal["any", "string", "number", "integer", "boolean", "list", "mapping"] = "any"
    """What it must be."""
    default: Any = None
    """What it is when nothing is given. Without a default the plan cannot run until it is given."""
    description: str = ""
    """What it is for."""


class LimitsEntry(Entry):
    """How much the plan may take."""

    max_concurrency: Annotated[int, Field(ge=1)] = 10
    """How many operations run at once, and how many items of one for_each."""
    timeout: Seconds | None = None
    """How long the whole plan may take."""
    operation_timeout: Seconds | None = None
    """How long one operation may take, all its tries together."""
    cancellation_timeout: Pause = 5.0
    """How long what is cancelled may take to stop."""
    memory_per_operation: Bytes | None = None
    """What is reserved for an operation that names no memory of its own."""
    total_memory: Bytes | None = None
    """What all running operations may reserve together."""


Retry: TypeAlias = Annotated[RetryEntry, Written(_as_attempts, {"type": "integer", "minimum": 1, "maximum": 1000})]
Environment: TypeAlias = dict[
    Annotated[str, Field(pattern=r"^[^=\x00]+$")],
    Annotated[Any, Field(json_schema_extra={"type": ["string", "number", "boolean", "null"]})],
]


class DefaultsEntry(Entry):
    """What holds for every operation that does not say otherwise."""

    retry: Retry | None = None
    """Retries of the operations that are idempotent."""
    timeout: Seconds | None = None
    """How long one try of an operation may take."""
    idempotent: bool = False
    """Whether running an operation twice does no harm."""
    env: Environment = Field(default_factory=dict)
    """Environment variables of commands; those of an operation are added."""
    cwd: Text | None = None
    """The directory in which commands run, seen from the plan file's."""


class Body(Entry):
    """What an operation does, with what, and how."""

    run: Annotated[
        Any,
        Field(
            json_schema_extra={
                "anyOf": [
                    {"type": "string", "minLength": 1},
                    {"type": "array", "minItems": 1, "items": {"type": ["string", "number", "boolean"]}},
                ]
            },
            examples=["module:function", "git log --oneline ${revision}", ["wc", "-l", "${file}"]],
        ),
        _either("a text or a list of arguments", str, list),
    ]
    """A Python callable module:name (found beside the plan file, too), or a command line: a text, which is split into
    words like in a shell but never given to one, or a list of arguments. A reference stays one argument."""
    with_: Annotated[Any, Field(alias="with", json_schema_extra={"examples": [{"rows": "${users.rows}"}]})] = None
    """The arguments, by name; any other value is the input itself. Texts may hold references such as ${users.rows}."""
    description: str = ""
    """What it is for."""
    inputs: list[Name] = Field(default_factory=list)
    """Data that it needs beside those it refers to; they are arguments, too."""
    optional_inputs: list[Name] = Field(default_factory=list)
    """Data that it waits for and copes without: what was not produced is null."""
    outputs: Annotated[list[Name], Field(min_length=1)] | None = None
    """What it makes: one datum is its value, several are a mapping with exactly these names. Its id, unless given."""
    reads: list[Text] = Field(default_factory=list)
    """What else it looks at: files, tables, accounts. It waits for those above it that write them."""
    writes: list[Text] = Field(default_factory=list)
    """What else it changes. It waits for those above it that read or write them."""
    idempotent: bool | None = None
    """Whether running it twice does no harm: only then is it retried, and run again after a crash without asking."""
    retry: Retry | None = None
    """How often it is tried."""
    timeout: Seconds | None = None
    """How long one try may take; with for_each, of one item."""
    when: Annotated[
        Any,
        Field(json_schema_extra={"type": ["string", "boolean"]}, examples=["${users.rows} > 3", "exists ${report}"]),
        _either("a condition or true or false", str, bool),
    ] = None
    """A condition; when it does not hold, the operation is skipped, and so is what needs its data."""
    for_each: Annotated[
        Any,
        Field(json_schema_extra={"type": ["string", "array"]}, examples=["${files}"]),
        _either("a reference to a list, or a list", str, list),
    ] = None
    """A list: the operation runs once for each ${item}, of place ${index}; its data are lists of the results."""
    isolation: Literal["none", "thread", "process"] | None = None
    """Where a Python function runs; in a process it can be killed, and is held to its memory."""
    memory: Bytes | None = None
    """What is reserved for it; a command, or a function in a process, is held to it."""
    cache: (
        Annotated[CacheEntry, Written(_as_cache, {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, _TIME_TEXT]})]
        | bool
        | None
    ) = None
    """Keeps its value for equal inputs: true, how long, or both settings."""
    optional: bool = False
    """Whether it may fail without failing the plan."""
    duration: Pause | None = None
    """How long it is expected to take, for planning."""
    shell: bool = False
    """Gives run to /bin/sh as a script. References may not stand in it (they could be read as code): use env."""
    env: Environment = Field(default_factory=dict)
    """Environment variables of a command, beside those of Stretto itself; null takes one away."""
    cwd: Text | None = None
    """The directory in which a command runs, seen from the plan file's, which is the default."""
    stdin: Annotated[str | None, Field(examples=["json", "none", "${report}"])] = None
    """What a command reads: json (its arguments as an object; the default when it has any), none, or a text."""
    parse: Literal["text", "lines", "json"] = "text"
    """What a command's output becomes: a text without the line breaks at its end, a list of lines, or JSON data."""


class OperationEntry(Body):
    """One operation of a list of operations."""

    id: Name
    """What it is called; also the name of its datum, unless it names outputs."""


class HeadEntry(Entry):
    """What a plan file says beside its operations."""

    schema_: Annotated[str, Field(alias="$schema")] = ""
    """The address of this schema, for editors."""
    name: Annotated[str, Field(min_length=1, max_length=200, pattern="^[^/\\x00-\\x1f]+$")] | None = None
    """What the plan is called; the file's name unless it is given."""
    description: str = ""
    """What it is for."""
    inputs: dict[
        Name, Annotated[InputEntry, Written(_as_default, {"type": ["string", "number", "boolean", "null", "array"]})]
    ] = Field(default_factory=dict)
    """The given data: name to declaration, or to a default value that is no mapping; nothing means it must be given."""
    limits: LimitsEntry = Field(default_factory=LimitsEntry)
    """How much the plan may take."""
    defaults: DefaultsEntry = Field(default_factory=DefaultsEntry)
    """What holds for every operation that does not say otherwise."""
    error_mode: Literal["fail_fast", "fail_slow"] = "fail_fast"
    """Whether the first failure stops the plan, or everything that does not need what failed goes on."""


class PlanEntry(HeadEntry):
    """A plan: operations that start the moment the data they refer to are there."""

    operations: Annotated[list[OperationEntry], Field(min_length=1)] | Annotated[dict[Name, Body], Field(min_length=1)]
    """What is to be done: a list, or a mapping from id to operation."""
