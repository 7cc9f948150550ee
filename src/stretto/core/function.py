"""Functions as steps: async ones run on the loop, sync ones in a thread, isolated ones in a process of their own."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import fields
from functools import partial
from typing import Any, ClassVar, Generic, TypedDict, TypeGuard, TypeVar, Unpack, overload

from stretto.core.errors import DefinitionError, UnknownSetting
from stretto.core.policies import (
    PLAIN,
    AdaptiveTimeout,
    BatchPolicy,
    CachePolicy,
    CircuitBreaker,
    Isolation,
    RetryPolicy,
    ServiceLimit,
    StepPolicy,
)
from stretto.core.resources import Workers
from stretto.core.step import Context, In, Out, Step, Stepish, check_name

A = TypeVar("A")
B = TypeVar("B")


class StepSettings(TypedDict, total=False):
    """What ``@step`` takes: a name, and the fields of ``StepPolicy``."""

    name: str
    timeout: float | AdaptiveTimeout | None
    idempotent: bool
    retry: RetryPolicy | None
    critical: bool
    cache: CachePolicy | None
    batch: BatchPolicy | None
    breaker: CircuitBreaker | None
    service: ServiceLimit | None
    fallback: Stepish | None
    fallback_on: tuple[type[Exception], ...]
    undo: Stepish | None
    isolation: Isolation
    memory: int | None
    version: str
    duration: float | None


def make_policy(owner: str, settings: Mapping[str, Any]) -> StepPolicy:
    """Makes a policy of settings; raises ``UnknownSetting`` for a name that nothing reads."""
    known = {f.name for f in fields(StepPolicy) if f.init}
    for setting in settings:
        if setting not in known:
            raise UnknownSetting(owner, setting, known | {"name"})
    made = dict(settings)
    for name in ("fallback", "undo"):
        if made.get(name) is not None:
            made[name] = as_step(made[name])
    try:
        return StepPolicy(**made)
    except DefinitionError as error:
        error.add_note(f"in {owner}")
        raise


def is_async(function: Callable[..., Any]) -> bool:
    """Says whether calling the function gives something to await."""
    call = getattr(function, "__call__", function)  # noqa: B004  # an object with an async __call__ counts
    return inspect.iscoroutinefunction(inspect.unwrap(function)) or inspect.iscoroutinefunction(call)


class FunctionStep(Step[In, Out], Generic[In, Out]):
    """A function as a step.

    A function of one parameter, or of one without a default, receives the input. A parameter that is annotated as
    ``Context``, or called ``context`` and not annotated as something else, receives the context (async functions
    only). A function of several parameters receives a mapping's values by name, one without parameters nothing.
    """

    kind: ClassVar[str] = "function"

    def __init__(
        self, function: Callable[..., Any], *, name: str | None = None, policy: StepPolicy | None = None
    ) -> None:
        if not callable(function):
            raise DefinitionError(f"a step is made of a function, not of {function!r}")
        self.function = function
        self.name = check_name(_name_of(function) if name is None else name, f"the step of {function!r}")
        self.policy = policy if policy is not None else PLAIN
        parameters = _parameters(function)
        takes_context = [p.name for p in parameters if _takes_context(p, function)]
        if len(takes_context) > 1:
            raise DefinitionError(f"step {self.name!r} takes the context more than once: {', '.join(takes_context)}")
        self._context_name = takes_context[0] if takes_context else None
        taken = [p for p in parameters if p.name != self._context_name]
        self.parameters = tuple(p.name for p in taken)
        self._required = frozenset(p.name for p in taken if p.default is p.empty)
        self._by_name = len(taken) > 1 and len(self._required) != 1
        self._target = next((p.name for p in taken if p.name in self._required), taken[0].name) if taken else None
        self._positional = [p for p in parameters if p.kind is p.POSITIONAL_ONLY]
        self.asynchronous = is_async(function)
        self._check_place()
        names = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY][:2]
        direct = self.asynchronous and not self._by_name and self.policy.isolation == "none"
        self._direct = function if direct and names[:1] == [self._target] else None
        self._with_context = names[1:] == takes_context

    def _check_place(self) -> None:
        isolation, taking = self.policy.isolation, self._context_name is not None
        why = ""
        if self.asynchronous and isolation == "thread":
            why = "isolation='thread' is for sync functions, and this one is async"
        elif isolation == "process" and taking:
            why = "isolation='process' leaves the context behind; do not take one"
        elif not self.asynchronous and taking:
            why = "a sync function runs beside the loop and cannot use a context; make it async"
        if why:
            raise DefinitionError(f"step {self.name!r}: {why}")
        if isolation == "process":
            self._check_importable()

    def execute(self, input: In, context: Context) -> Awaitable[Out]:  # type: ignore[override]  # an awaitable saves a frame
        """Calls the function where its policy says."""
        if self._direct is not None:
            if self._context_name is None:
                made: Awaitable[Out] = self._direct(input)
                return made
            if self._with_context:
                made = self._direct(input, context)
                return made
        return self._elsewhere(input, context)

    async def _elsewhere(self, input: In, context: Context) -> Out:
        args, keywords = self._arguments(input, context)
        output: Any
        if self.asynchronous and self.policy.isolation == "none":
            output = self.function(*args, **keywords)
        else:
            workers = context.resource(Workers)
            if self.policy.isolation == "process":
                output = await workers.process(self.function, *args, keywords=keywords, memory=self.policy.memory)
            else:
                output = await workers.thread(_call, self.function, args, keywords)
        made: Out = await output if inspect.isawaitable(output) else output  # as of a lambda that calls an async one
        return made

    def _arguments(self, input: Any, context: Context) -> tuple[list[Any], dict[str, Any]]:
        values = self._values(input)
        if self._context_name is not None:
            values[self._context_name] = context
        args: list[Any] = []
        for parameter in self._positional:
            if not any(other.name in values for other in self._positional[len(args) :]):
                break
            args.append(values.pop(parameter.name, parameter.default))
        return args, values

    def _values(self, input: Any) -> dict[str, Any]:
        if not self._by_name:
            return {} if self._target is None else {self._target: input}
        given: Any = input
        if not isinstance(given, Mapping):
            raise DefinitionError(
                f"step {self.name!r} takes {', '.join(self.parameters)} by name, so its input must be a mapping, "
                f"not {type(given).__name__}"
            )
        missing = [name for name in self._required if name not in given]
        if missing:
            raise DefinitionError(
                f"step {self.name!r} needs {', '.join(sorted(missing))}, which its input does not hold"
            )
        return {name: given[name] for name in self.parameters if name in given}

    def by_name(self, names: Collection[str]) -> FunctionStep[In, Out]:
        """Returns this step reading its parameters from a mapping with these names, or itself when none is one."""
        if self._by_name or not any(parameter in names for parameter in self.parameters):
            return self
        copy = FunctionStep[In, Out](self.function, name=self.name, policy=self.policy)
        copy._by_name, copy._direct = True, None
        return copy

    @property
    def reads_names(self) -> bool:
        """Whether its parameters are read from a mapping by their names."""
        return self._by_name

    @property
    def required(self) -> frozenset[str]:
        """The parameters without a default, the context left out."""
        return self._required

    def _check_importable(self) -> None:
        qualname = getattr(self.function, "__qualname__", "")
        if "<" in qualname or not qualname or not getattr(self.function, "__module__", None):
            raise DefinitionError(
                f"step {self.name!r}: isolation='process' needs a function at a module's top level, which another "
                f"process can import; {qualname or self.function!r} is not one"
            )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function itself, outside any run."""
        return self.function(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        """Compares what is called, under which name and policy."""
        if not isinstance(other, FunctionStep):
            return NotImplemented
        return (self.function, self.name, self.policy, self._by_name) == (
            other.function, other.name, other.policy, other._by_name,
        )  # fmt: skip

    def __hash__(self) -> int:
        """Hashes the name: what is called may have no hash."""
        return hash(self.name)

    def __repr__(self) -> str:
        """Shows the step as it was made."""
        return f"step({self.name!r})"


def _call(function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    return function(*args, **keywords)


def _name_of(function: Callable[..., Any]) -> str:
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _takes_context(parameter: inspect.Parameter, function: Callable[..., Any]) -> bool:
    """Says whether a parameter is for the context; what an annotation in text means is looked up, not evaluated."""
    noted: Any = parameter.annotation
    if isinstance(noted, str):
        names = noted.strip("'\"").split(".")
        scope: Any = getattr(inspect.unwrap(function), "__globals__", {})
        found: Any = scope.get(names[0], getattr(builtins, names[0], None))
        for name in names[1:]:
            found = getattr(found, name, None)
        if found is None and names[-1] == "Context":  # imported for type checkers only
            return True
        noted = Any if found is None else found
    if isinstance(noted, type) and noted not in (parameter.empty, Any):
        return issubclass(noted, Context)
    return parameter.name == "context"


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Returns the parameters that can be named; a function that tells none, or only ``*args``, takes one."""
    one = [inspect.Parameter("input", inspect.Parameter.POSITIONAL_ONLY)]
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return one
    found = list(signature.parameters.values())
    named = [p for p in found if p.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)]
    return named or (one if any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in found) else [])


class StepMaker:
    """Makes a step of the function below it; what ``@step(...)`` returns."""

    def __init__(self, name: str | None, policy: StepPolicy) -> None:
        self._name, self._policy = name, policy

    @overload
    def __call__(self, function: Callable[[A], Awaitable[B]]) -> FunctionStep[A, B]: ...
    @overload
    def __call__(self, function: Callable[[A, Context], Awaitable[B]]) -> FunctionStep[A, B]: ...
    @overload
    def __call__(self, function: Callable[..., Awaitable[B]]) -> FunctionStep[Any, B]: ...
    @overload
    def __call__(self, function: Callable[[A], B]) -> FunctionStep[A, B]: ...
    @overload
    def __call__(self, function: Callable[..., B]) -> FunctionStep[Any, B]: ...
    def __call__(self, function: Callable[..., Any]) -> FunctionStep[Any, Any]:
        """Makes the step."""
        return FunctionStep(function, name=self._name, policy=self._policy)


@overload
def step(function: Callable[[A], Awaitable[B]], /) -> FunctionStep[A, B]: ...
@overload
def step(function: Callable[[A, Context], Awaitable[B]], /) -> FunctionStep[A, B]: ...
@overload
def step(function: Callable[..., Awaitable[B]], /) -> FunctionStep[Any, B]: ...
@overload
def step(function: Callable[[A], B], /) -> FunctionStep[A, B]: ...
@overload
def step(function: Callable[..., B], /) -> FunctionStep[Any, B]: ...
@overload
def step(**settings: Unpack[StepSettings]) -> StepMaker: ...
def step(function: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """Makes a step of a function, plainly (``@step``) or with settings (``@step(timeout=30, idempotent=True)``).

    Settings are a ``name`` and the fields of ``StepPolicy``; an unknown one raises ``UnknownSetting``.
    """
    name = settings.pop("name", None)
    maker = StepMaker(name, make_policy("@step", settings))
    return maker if function is None else maker(function)


def as_step(stepish: Stepish) -> Step[Any, Any]:
    """Returns a step for what is one already, or for a function."""
    given: Any = stepish
    return given if _is_step(given) else FunctionStep(given)


def _is_step(stepish: object) -> TypeGuard[Step[Any, Any]]:
    return type(stepish) is FunctionStep or isinstance(stepish, Step)  # the first saves the walk through the ABC
