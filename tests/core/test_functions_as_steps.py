"""What a function receives when it is a step, where it runs, and what is refused."""

import asyncio
import math
import operator
from collections.abc import Mapping
from functools import partial, wraps
from typing import Any

import pytest

from stretto.core.errors import DefinitionError, UnknownSetting
from stretto.core.function import FunctionStep, as_step, is_async, make_policy, step
from stretto.core.policies import PLAIN, RetryPolicy, StepPolicy
from stretto.core.resources import Workers
from stretto.core.step import Context, Step
from tests.core import isolated_place
from tests.core.isolated_place import Places, Plain, double


class Here(Workers):
    """Workers that do everything at once, and say where."""

    def __init__(self) -> None:
        self.used: list[Any] = []

    async def thread(self, function: Any, *args: Any) -> Any:
        self.used.append("thread")
        return function(*args)

    async def process(self, function: Any, *args: Any, keywords: Any = None, memory: int | None = None) -> Any:
        self.used.append(("process", memory))
        return function(*args, **(keywords or {}))

    async def command(self, argv: Any, **settings: Any) -> Any:
        raise AssertionError("no step of a function runs a command")


class Inside(Context):
    """A context that has workers, and nothing else."""

    def __init__(self) -> None:
        self.workers = Here()

    def resource(self, type_: Any) -> Any:
        assert type_ is Workers
        return self.workers

    async def run(self, step: Any, input: Any, *, name: str | None = None) -> Any:
        raise AssertionError

    def branches(self, *args: Any, **settings: Any) -> Any:
        raise AssertionError

    async def ask(self, request: Any) -> Any:
        raise AssertionError

    def emit(self, event: Any) -> None:
        raise AssertionError


def done(made: Any, input: Any, context: Inside | None = None) -> Any:
    """Returns what a step gives; nothing it does here takes more than one turn of the loop."""

    async def execute() -> Any:
        return await as_step(made).execute(input, context or Inside())

    return asyncio.run(execute())


async def one(value: Any) -> Any:
    return ("one", value)


async def none() -> str:
    return "none"


async def defaulted(value: Any = 3) -> Any:
    return value


async def one_needed(value: Any, times: int = 2) -> Any:
    return (value, times)


async def needed_behind(times: int = 2, *, value: Any) -> Any:
    return (value, times)


async def several(a: Any, b: Any, c: Any = "c") -> Any:
    return (a, b, c)


async def all_defaulted(a: Any = 1, b: Any = 2) -> Any:
    return (a, b)


async def only_by_place(a: Any, b: Any = 2, c: Any = 3, /, *, d: Any) -> Any:
    return (a, b, c, d)


async def only_by_keyword(*, value: Any) -> Any:
    return value


async def any_number(*values: Any) -> Any:
    return values


async def any_names(**values: Any) -> Any:
    return values


async def first_of_many(value: Any, *rest: Any, **more: Any) -> Any:
    return (value, rest, more)


@pytest.mark.parametrize(
    ("function", "input", "output"),
    [
        (one, 1, ("one", 1)),
        (one, {"value": 1}, ("one", {"value": 1})),
        (none, "ignored", "none"),
        (defaulted, None, None),
        (one_needed, 1, (1, 2)),
        (needed_behind, 1, (1, 2)),
        (several, {"a": 1, "b": 2}, (1, 2, "c")),
        (several, {"a": 1, "b": 2, "c": 3, "more": 4}, (1, 2, 3)),
        (all_defaulted, {}, (1, 2)),
        (all_defaulted, {"b": 5}, (1, 5)),
        (only_by_place, {"a": 1, "d": 4}, (1, 2, 3, 4)),
        (only_by_place, {"a": 1, "c": 9, "d": 4}, (1, 2, 9, 4)),
        (only_by_keyword, 1, 1),
        (any_number, 1, (1,)),
        (any_names, 1, {}),
        (first_of_many, 1, (1, (), {})),
        (len, [1, 2], 2),
        (divmod, {"x": 7, "y": 2}, (3, 1)),
        (math.sqrt, 9, 3.0),
        (max, [3, 5], 5),
        (int, "3", 3),
        (operator.itemgetter("a"), {"a": 1}, 1),
        (Places(), 1, 3),
        (Places().method, 1, 2),
        (Plain(), 1, 4),
        (partial(several, b=2), {"a": 1}, ({"a": 1}, 2, "c")),
        (partial(one_needed, times=7), 1, (1, 7)),
        ([].append, 3, None),
        (lambda value: one(value), 1, ("one", 1)),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_a_function_receives_its_input(function, input, output):
    assert done(function, input) == output


async def with_context(value: Any, context: Any) -> Any:
    return (value, context)


async def context_first(context: Context, value: Any) -> Any:
    return (value, context)


async def context_by_place(context: Context, value: Any, /) -> Any:
    return (value, context)


async def context_by_keyword(value: Any, *, ctx: Context) -> Any:
    return (value, ctx)


async def context_in_text(value: Any, ctx: "Context") -> Any:
    return (value, ctx)


async def context_of_a_kind(value: Any, inside: Inside) -> Any:
    return (value, inside)


async def context_behind_a_default(value: Any, times: int = 2, *, context: Any) -> Any:
    return (value, context)


@pytest.mark.parametrize(
    "function",
    [
        with_context,
        context_first,
        context_by_place,
        context_by_keyword,
        context_in_text,
        context_of_a_kind,
        context_behind_a_default,
        isolated_place.by_hidden_name,
        isolated_place.by_alias,
        isolated_place.by_dotted_name,
    ],
    ids=lambda function: function.__name__,
)
def test_a_context_is_given_by_its_name_or_its_annotation(function):
    context = Inside()
    assert done(function, 1, context) == (1, context)
    assert as_step(function).required == {"value"}


def test_only_a_context_is_given_where_nothing_else_is_wanted():
    async def alone(context: Context) -> Any:
        return context

    context = Inside()
    assert done(alone, "ignored", context) is context


def test_what_is_annotated_as_something_else_is_no_context():
    assert done(isolated_place.not_the_context, "a page") == "a page"
    assert done(isolated_place.by_missing_name, 1) == (1, 3)


def test_several_names_beside_a_context():
    async def three(a: int, b: int, context: Context) -> Any:
        return (a, b, context)

    context = Inside()
    assert done(three, {"a": 1, "b": 2}, context) == (1, 2, context)


def test_two_contexts_are_refused():
    async def twice(context: Context, other: Context) -> None: ...

    with pytest.raises(DefinitionError, match="'twice' takes the context more than once: context, other"):
        step(twice)


@pytest.mark.parametrize(
    ("input", "why"),
    [
        ([1, 2], r"step 'several' takes a, b, c by name, so its input must be a mapping, not list"),
        ({"c": 1}, r"step 'several' needs a, b, which its input does not hold"),
        ({"a": 1}, r"step 'several' needs b, which its input does not hold"),
    ],
)
def test_an_input_that_does_not_fit_is_told(input, why):
    with pytest.raises(DefinitionError, match=why):
        done(several, input)


def test_sync_functions_run_beside_the_loop_and_async_ones_on_it():
    context = Inside()
    assert done(double, 2, context) == 4
    assert context.workers.used == ["thread"]
    done(one, 2, context)
    assert context.workers.used == ["thread"]
    assert done(step(isolation="thread")(double), 2, context) == 4
    assert context.workers.used == ["thread", "thread"]


def test_isolated_functions_run_in_a_process_held_to_their_memory():
    context = Inside()
    assert done(step(isolation="process", memory=10)(double), 2, context) == 4
    assert context.workers.used == [("process", 10)]
    context = Inside()
    assert done(step(isolation="process")(none), 2, context) == "none"
    assert context.workers.used == [("process", None)]


def test_an_async_function_behind_a_sync_wrapper_is_awaited():
    @wraps(one)
    def wrapper(value: Any) -> Any:
        return one(value)

    assert is_async(wrapper)
    assert done(wrapper, 1) == ("one", 1)
    assert is_async(Places())
    assert is_async(partial(one))
    assert not is_async(double)


def nested() -> Any:
    def inside(value: int) -> int:
        return value

    return inside


def takes_context(value: int, context: Context) -> int:
    return value


@pytest.mark.parametrize(
    ("function", "isolation", "why"),
    [
        (one, "thread", "step 'one': isolation='thread' is for sync functions, and this one is async"),
        (with_context, "process", "isolation='process' leaves the context behind; do not take one"),
        (takes_context, "none", "a sync function runs beside the loop and cannot use a context; make it async"),
        (takes_context, "thread", "cannot use a context; make it async"),
        (nested(), "process", "a function at a module's top level, .*nested.<locals>.inside.* is not one"),
        (lambda value: value, "process", "is not one"),
        (partial(double), "process", "partial.* is not one"),
        (Plain(), "process", "is not one"),
    ],
)
def test_a_function_that_cannot_run_where_it_should_is_refused_when_it_is_made(function, isolation, why):
    with pytest.raises(DefinitionError, match=why):
        FunctionStep(function, name=None, policy=StepPolicy(isolation=isolation))


@pytest.mark.parametrize("wrong", [3, None, "len"])
def test_what_cannot_be_called_is_no_step(wrong):
    with pytest.raises(DefinitionError, match=rf"a step is made of a function, not of {wrong!r}"):
        as_step(wrong)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (one, "one"),
        (len, "len"),
        (Plain(), "Plain"),
        (Places().method, "method"),
        (partial(partial(one), 1), "one"),
        (lambda: None, "<lambda>"),
    ],
)
def test_a_step_is_called_like_its_function(function, name):
    assert as_step(function).name == name
    assert FunctionStep(function, name="other").name == "other"
    assert repr(FunctionStep(function, name="other")) == "step('other')"


@pytest.mark.parametrize("name", ["", "a/b", "a\n", "x" * 201, 3])
def test_a_name_that_no_path_could_hold_is_refused(name):
    with pytest.raises(DefinitionError, match="a name is 1 to 200 printable characters without '/'"):
        step(name=name)(one)


def test_settings_make_the_policy():
    made = step(name="first", timeout=3, idempotent=True, retry=RetryPolicy(attempts=2), version="2")(one)
    assert (made.name, made.policy) == (
        "first",
        StepPolicy(timeout=3, idempotent=True, retry=RetryPolicy(attempts=2), version="2"),
    )
    assert step(one).policy is not None
    assert step(one).policy == PLAIN
    assert FunctionStep(one).policy is PLAIN


def test_fallback_and_undo_become_steps():
    made = step(fallback=double, undo=None)(one)
    assert made.policy.fallback == as_step(double)
    assert made.policy.undo is None
    assert step(undo=as_step(double))(one).policy.undo == as_step(double)


def test_unknown_and_wrong_settings_are_refused_where_they_are_said():
    with pytest.raises(UnknownSetting, match=r"@step takes no 'tiemout'; it takes batch, .*name, .*timeout"):
        step(tiemout=3)
    with pytest.raises(UnknownSetting, match="it takes no 'plain'"):
        make_policy("it", {"plain": True})
    with pytest.raises(DefinitionError) as caught:
        step(timeout=-1)
    assert caught.value.__notes__ == ["in @step"]


def test_steps_of_one_function_name_and_policy_are_equal():
    assert as_step(one) == step(one)
    assert hash(as_step(one)) == hash(step(one))
    assert as_step(one) != as_step(double)
    assert as_step(one) != FunctionStep(one, name="other")
    assert as_step(one) != step(timeout=3)(one)
    assert as_step(one) != one
    assert as_step(Plain()) == as_step(Plain())
    assert len({as_step(Plain()), as_step(Plain())}) == 1


def test_a_step_is_given_back_as_itself_and_can_be_called_like_its_function():
    made = step(double)
    assert as_step(made) is made
    assert isinstance(made, Step)
    assert made(4) == 8
    assert made.kind == "function"


def test_a_function_of_one_parameter_can_be_read_by_name():
    made = FunctionStep(one, name="named", policy=StepPolicy(timeout=3))
    by_name = made.by_name(["value", "other"])
    assert by_name is not made
    assert by_name != made
    assert (by_name.name, by_name.policy, by_name.reads_names, made.reads_names) == ("named", made.policy, True, False)
    assert done(by_name, {"value": 1}) == ("one", 1)
    assert made.by_name(["other"]) is made
    assert as_step(several).by_name(["a"]) == as_step(several)
    assert done(as_step(defaulted).by_name(["value"]), {}) == 3
    assert as_step(several).required == {"a", "b"}


def test_any_mapping_may_be_the_input():
    class Rows(Mapping[str, int]):
        def __getitem__(self, key: str) -> int:
            return {"a": 1, "b": 2}[key]

        def __iter__(self) -> Any:
            return iter("ab")

        def __len__(self) -> int:
            return 2

    assert done(several, Rows()) == (1, 2, "c")
