"""Functions as tools: the schema comes from type hints and docstring, and wrong arguments never reach the function."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any, ClassVar, TypeAlias, TypedDict, TypeGuard, Unpack, get_args, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticSerializationError, from_json, to_json, to_jsonable_python

from stretto.core.errors import DefinitionError, UnknownSetting
from stretto.core.function import FunctionStep, make_policy
from stretto.core.policies import (
    AdaptiveTimeout,
    CachePolicy,
    CircuitBreaker,
    Isolation,
    RetryPolicy,
    ServiceLimit,
    StepPolicy,
)
from stretto.core.step import Context, Step, Stepish
from stretto.tools.arguments import schema_of, validated
from stretto.tools.docstrings import described
from stretto.tools.tool import Invocation, Tool, ToolFailed, ToolOperation, ToolRisk, Touches

Named: TypeAlias = "Sequence[str] | Callable[[Mapping[str, Any]], Sequence[str]]"
"""Names of what a call touches, or a function that makes them of the call's arguments."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # what every provider takes
_OWN = frozenset({"name", "description", "reads", "writes", "risk", "destructive", "operation"})
_POLICY = frozenset(field.name for field in fields(StepPolicy) if field.init) - {"batch"}


class ToolSettings(TypedDict, total=False):
    """What ``@tool`` takes beside the function."""

    name: str
    description: str
    reads: Named
    writes: Named
    risk: ToolRisk
    destructive: bool
    operation: ToolOperation
    timeout: float | AdaptiveTimeout | None
    idempotent: bool
    retry: RetryPolicy | None
    critical: bool
    cache: CachePolicy | None
    breaker: CircuitBreaker | None
    service: ServiceLimit | None
    fallback: Stepish | None
    fallback_on: tuple[type[Exception], ...]
    undo: Stepish | None
    isolation: Isolation
    memory: int | None
    version: str
    duration: float | None


class FunctionTool(Tool):
    """A function that a model may call; its parameters are the arguments, the one for the context left out.

    ``reads`` and ``writes`` name what a call touches. With neither of them nobody can tell, and a call counts as
    writing everything; one that touches nothing says ``reads=()``.
    """

    kind: ClassVar[str] = "tool"

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        reads: Named | None = None,
        writes: Named | None = None,
        risk: ToolRisk = "low",
        destructive: bool = False,
        operation: ToolOperation = "",
        policy: StepPolicy | None = None,
    ) -> None:
        step: FunctionStep[Any, Any] = FunctionStep(function, name=name, policy=policy)
        self.name, self.function = step.name, function
        self._check(risk, destructive, reads, writes)
        if operation not in get_args(ToolOperation):
            raise DefinitionError(
                f"tool {self.name!r}: operation is file_op or db_op, not {operation!r}; or leave it out"
            )
        self.operation = operation
        told, noted = described(function)
        self.description = told if description is None else description
        self._model = _model_of(step, noted)
        self._names = {key: field.alias or key for key, field in self._model.model_fields.items()}
        self.parameters = schema_of(self._model)
        self.risk, self.destructive = risk, destructive
        self._reads, self._writes = reads, writes
        self.policy = _with_key(step.policy, self)
        self._step = step.by_name(step.parameters)

    def _check(self, risk: object, destructive: object, reads: Named | None, writes: Named | None) -> None:
        owner = f"tool {self.name!r}"
        if not _NAME.fullmatch(self.name):
            raise DefinitionError(f"{owner}: a tool's name is 1 to 64 letters, digits, '_' and '-'; say name='...'")
        if risk not in get_args(ToolRisk):
            raise DefinitionError(f"{owner}: risk is low, medium or high, not {risk!r}")
        if not isinstance(destructive, bool):
            raise DefinitionError(f"{owner}: destructive must be True or False, not {destructive!r}")
        for setting, given in (("reads", reads), ("writes", writes)):
            if isinstance(given, str):
                raise DefinitionError(f"{owner}: {setting} is a tuple of names; write {setting}=({given!r},)")
        if inspect.isgeneratorfunction(self.function) or inspect.isasyncgenfunction(self.function):
            raise DefinitionError(f"{owner}: a generator gives no single answer; return a list")

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the function as a step, so that a resumed run notices when it has changed."""
        return {"function": self._step}

    def check(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the arguments, defaults filled in as far as JSON can say them; raises ``WrongArguments``."""
        made = validated(self.name, self._model, arguments)
        defaults: dict[str, Any] = {}
        for key in made.model_fields_set ^ self._names.keys():
            try:
                defaults[self._names[key]] = to_jsonable_python(getattr(made, key))
            except PydanticSerializationError:  # the function fills this one in by itself
                continue
        given = dict(arguments)
        return {name: given[name] if name in given else defaults[name] for name in self._names.values()
                if name in given or name in defaults}  # fmt: skip

    def touches(self, arguments: Mapping[str, Any]) -> Touches:
        """Says what a call touches: the names that were declared, or what the declared functions make of it."""
        if self._reads is None and self._writes is None:
            return Touches(known=False)
        values = self._values(arguments)
        return Touches(reads=self._touched("reads", values), writes=self._touched("writes", values))

    def _touched(self, setting: str, values: Mapping[str, Any]) -> tuple[str, ...]:
        named = self._reads if setting == "reads" else self._writes
        made: Any = named(values) if callable(named) else named
        if made is None:
            return ()
        if isinstance(made, str) or not all(isinstance(name, str) for name in made):
            raise DefinitionError(f"tool {self.name!r}: {setting} must give a tuple of names, not {made!r}")
        return tuple(made)

    def _values(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the arguments as the function takes them: dates, models, sets."""
        made = validated(self.name, self._model, arguments)
        return {name: getattr(made, key) for key, name in self._names.items()}

    async def execute(self, input: Invocation | Mapping[str, Any], context: Context) -> Any:
        """Calls the function and returns a JSON value; raises ``WrongArguments`` before it is called."""
        output = await self._step.execute(self._values(Invocation.of(input).arguments), context)
        try:
            return from_json(to_json(output, bytes_mode="base64", inf_nan_mode="strings"))
        except (PydanticSerializationError, ValueError) as error:
            kind = type(output).__qualname__
            raise ToolFailed(
                "EXECUTION_FAILED",
                f"{self.name!r} has run, but its answer, a {kind}, is no JSON value ({error}); "
                "let the function return text, numbers, lists, dicts, dataclasses or pydantic models",
            ) from error

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function itself, outside any run and unchecked."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        """Shows the tool as it was made."""
        return f"tool({self.name!r})"


def _with_key(policy: StepPolicy, tool: FunctionTool) -> StepPolicy:
    """Makes a cache tell calls apart by function and arguments: not by who called, and under which id."""
    if policy.cache is None:
        return policy
    given = policy.cache.key

    def key(input: Any) -> Hashable:
        arguments = Invocation.of(input).arguments
        told = (
            json.dumps(to_jsonable_python(arguments, fallback=repr), sort_keys=True)
            if given is None
            else given(arguments)
        )
        return (tool.function, told)

    return replace(policy, cache=replace(policy.cache, key=key))


def _model_of(step: FunctionStep[Any, Any], noted: Mapping[str, str]) -> type[BaseModel]:
    """Makes the pydantic model of a function's parameters; fields are numbered, since any name may be a parameter's."""
    owner = f"tool {step.name!r}"
    try:
        parameters = inspect.signature(step.function).parameters
    except (ValueError, TypeError):
        raise DefinitionError(
            f"{owner}: {step.function!r} does not tell its parameters; wrap it in a function"
        ) from None
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters.values()):
        raise DefinitionError(f"{owner} takes *args or **kwargs: a model can only send arguments that have a name")
    hints = _hints(step, {name: parameters[name].annotation for name in step.parameters})
    made: dict[str, Any] = {}
    for index, name in enumerate(step.parameters):
        default = parameters[name].default
        own = any(getattr(part, "description", None) for part in getattr(hints[name], "__metadata__", ()))
        told = None if own else noted.get(name)
        field: Any = Field(... if default is inspect.Parameter.empty else default, alias=name, description=told)
        made[f"argument_{index}"] = (hints[name], field)
    try:
        return create_model(step.name, __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=False), **made)
    except PydanticUserError as error:
        raise DefinitionError(f"{owner}: no schema can be made of its type hints: {error.message}") from error


def _hints(step: FunctionStep[Any, Any], annotations: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the types of these parameters; hints that are text are looked up where the function stands."""

    def hinted() -> None: ...

    hinted.__annotations__ = {
        name: Any if noted is inspect.Parameter.empty else noted for name, noted in annotations.items()
    }
    function: Any = step.function
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)
    if not hasattr(function, "__code__"):  # an object that can be called
        function = type(function).__call__
    code, cells = getattr(function, "__code__", hinted.__code__), getattr(function, "__closure__", None) or ()
    try:
        local = {name: cell.cell_contents for name, cell in zip(code.co_freevars, cells, strict=True)}
        return get_type_hints(hinted, getattr(function, "__globals__", {}), local, include_extras=True)
    except (NameError, TypeError, SyntaxError, ValueError, AttributeError) as error:
        raise DefinitionError(
            f"tool {step.name!r}: a type hint cannot be read: {error}; define what it names at the module's top level"
        ) from error


class ToolMaker:
    """Makes a tool of the function below it; what ``@tool(...)`` returns."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        known = _OWN | _POLICY
        for setting in settings:
            if setting not in known:
                raise UnknownSetting("@tool", setting, known)
        self._own = {name: value for name, value in settings.items() if name in _OWN}
        policy = {name: value for name, value in settings.items() if name not in _OWN}
        fallback = policy.get("fallback")
        if fallback is not None and not isinstance(fallback, Step):
            policy["fallback"] = FunctionTool(fallback)  # it is called with the same arguments
        self._policy = make_policy("@tool", policy)

    def __call__(self, function: Callable[..., Any]) -> FunctionTool:
        """Makes the tool."""
        return FunctionTool(function, policy=self._policy, **self._own)


@overload
def tool(function: Callable[..., Any], /) -> FunctionTool: ...
@overload
def tool(**settings: Unpack[ToolSettings]) -> ToolMaker: ...
def tool(function: Callable[..., Any] | None = None, /, **settings: Any) -> FunctionTool | ToolMaker:
    """Makes a tool of a function, plainly (``@tool``) or with settings (``@tool(reads=("web",), timeout=30)``).

    Settings are ``name``, ``description``, ``reads``, ``writes``, ``risk``, ``destructive``, ``operation`` (``file_op``
    or ``db_op``) and the fields of ``StepPolicy`` except ``batch``; an unknown one raises ``UnknownSetting``. Sync
    functions run in worker threads.
    """
    maker = ToolMaker(settings)
    return maker(function) if _is_function(function) else maker


def _is_function(function: object) -> TypeGuard[Callable[..., Any]]:
    return function is not None
