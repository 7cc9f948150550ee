"""Functions as tools: schema, checks, what they touch, and how they run."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import math
import threading
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from stretto import CachePolicy, Context, DefinitionError, RetryPolicy, Said, StepPolicy, run_sync
from stretto.core.errors import StepTimeout, UnknownSetting
from stretto.runtime.fingerprints import fingerprints
from stretto.runtime.shared import Shared
from stretto.testing import StepHarness, run_virtual
from stretto.tools import FunctionTool, Invocation, ToolFailed, Touches, WrongArguments, tool
from stretto.tools.function import ToolSettings


class Point(BaseModel):
    x: int
    y: int = 0


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Found:
    line: int


@tool(reads=lambda a: (f"file:{a['path']}",))
async def look(path: str, lines: Annotated[int, Field(ge=1)] = 3) -> list[Any]:
    """Looks into a file.

    Args:
        path: Where to look.
        lines: How many lines.

    Returns:
        The lines.
    """
    return [path, lines]


@tool(isolation="process")
def elsewhere(number: int) -> int:
    return number + 1


def test_the_schema_comes_from_type_hints_and_docstring():
    assert look.name == "look"
    assert look.description == "Looks into a file.\n\nReturns: The lines."
    assert look.parameters == {
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "Where to look."},
            "lines": {"type": "integer", "minimum": 1, "default": 3, "description": "How many lines."},
        },
        "required": ["path"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "doc",
    [
        "Finds.\n\n:param word: What to find.\n",
        "Finds.\n\nParameters\n----------\nword : str\n    What to find.\n",
        "Finds.\n\nArgs:\n    word: What to find.\n",
    ],
)
def test_three_styles_of_docstrings_are_read(doc):
    def find(word: str) -> str:
        return word

    find.__doc__ = doc
    made = tool(find)
    assert made.description == "Finds."
    assert made.parameters["properties"]["word"]["description"] == "What to find."


def test_the_parameter_for_the_context_is_no_argument():
    @tool(reads=())
    async def speak(text: str, context: Context) -> str:
        context.emit(Said(text=text))
        return context.path

    assert set(speak.parameters["properties"]) == {"text"}
    harness = StepHarness()
    assert run_virtual(harness.execute(speak, {"text": "hello"})) == "speak"
    assert harness.said == ["hello"]


def test_wrong_arguments_name_every_problem_with_its_place_and_never_reach_the_function():
    called = []

    @tool
    def paint(points: list[Point], colour: Colour) -> None:
        called.append(points)

    wrong = {"points": [{"x": 1}, {"x": "one"}], "colour": "blue", "size": 3}
    with pytest.raises(WrongArguments) as caught:
        paint.check(wrong)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["points[1].x", "colour", "size"]
    assert "known are 'points' and 'colour'" in caught.value.problems[2]
    with pytest.raises(WrongArguments):
        run_sync(paint, wrong)
    with pytest.raises(WrongArguments, match="must be a JSON object, not list"):
        paint.check([1])  # type: ignore[arg-type]  # as a model may send it
    assert not called


def test_arguments_arrive_in_their_types_and_answers_become_json_values():
    seen = []

    @tool
    def convert(day: datetime.date, point: Point, colour: Colour = Colour.RED) -> dict[str, Any]:
        seen.append((day, point, colour))
        return {"day": day, "found": Found(3), "point": point, "set": {1}, "raw": b"\xff", "nan": math.nan}

    output = run_sync(convert, Invocation(arguments={"day": "2026-01-02", "point": {"x": "4"}}))
    assert seen == [(datetime.date(2026, 1, 2), Point(x=4), Colour.RED)]
    assert output == {
        "day": "2026-01-02", "found": {"line": 3}, "point": {"x": 4, "y": 0}, "set": [1], "raw": "_w==", "nan": "NaN",
    }  # fmt: skip


def test_checked_arguments_are_json_with_the_defaults_that_json_can_say():
    marker = object()

    @tool
    def convert(day: datetime.date, colour: Colour = Colour.RED, other: Any = marker) -> bool:
        return other is marker

    assert convert.check({"day": "2026-01-02"}) == {"day": "2026-01-02", "colour": "red"}
    assert run_sync(convert, convert.check({"day": "2026-01-02"})) is True


def test_an_answer_without_a_json_form_is_a_failure_that_says_so():
    @tool
    def odd() -> object:
        return object()

    with pytest.raises(ToolFailed, match=r"\[EXECUTION_FAILED\] 'odd' has run, but its answer, a object"):
        run_sync(odd, {})


def test_a_tool_without_parameters_takes_no_arguments():
    @tool(reads=())
    def now() -> str:
        return "noon"

    assert now.parameters["properties"] == {}
    assert run_sync(now, {}) == "noon"
    with pytest.raises(WrongArguments, match="there is no such argument"):
        run_sync(now, {"zone": "UTC"})


def test_parameters_may_have_any_name_and_one_of_them_may_be_positional():
    @tool
    def odd(schema: int, /, model_config: str = "a", input: int = 0) -> list[Any]:
        return [schema, model_config, input]

    assert list(odd.parameters["properties"]) == ["schema", "model_config", "input"]
    assert run_sync(odd, {"schema": 1, "input": 2}) == [1, "a", 2]


def test_methods_and_partial_functions_are_tools_too():
    class Shelf:
        def put(self, book: str) -> str:
            return f"put {book}"

        def __call__(self, book: str) -> str:
            return f"called {book}"

    def add(a: int, b: int) -> int:
        return a + b

    assert run_sync(tool(Shelf().put), {"book": "Emma"}) == "put Emma"
    assert run_sync(FunctionTool(Shelf(), name="shelf"), {"book": "Emma"}) == "called Emma"
    assert run_sync(tool(name="add_one")(functools.partial(add, 1)), {"b": 2}) == 3


def test_what_a_call_touches_is_declared_or_unknown():
    @tool
    def unknown() -> None: ...

    @tool(writes=("mail",))
    def send() -> None: ...

    @tool(reads=())
    def pure() -> None: ...

    assert look.touches({"path": "a.py"}) == Touches(reads=("file:a.py",))
    assert unknown.touches({}) == Touches(known=False)
    assert send.touches({}) == Touches(writes=("mail",))
    assert pure.touches({}) == Touches()


def test_a_function_of_the_arguments_must_give_names():
    @tool(reads=lambda a: a["path"])
    def read(path: str) -> str:
        return path

    with pytest.raises(DefinitionError, match="reads must give a tuple of names, not 'a'"):
        read.touches({"path": "a"})


def test_risk_description_and_policy_are_taken_from_the_settings():
    @tool(
        name="rm", description="Removes.", risk="high", destructive=True, writes=("disk",), timeout=3,
        idempotent=True, retry=RetryPolicy(attempts=2),
    )  # fmt: skip
    def remove(path: str) -> None:
        """Is not what the model reads."""

    assert (remove.name, remove.description, remove.risk, remove.destructive) == ("rm", "Removes.", "high", True)
    assert remove.policy.timeout == 3
    assert remove.policy.idempotent
    assert repr(remove) == "tool('rm')"
    assert remove("a") is None


def test_a_timeout_and_retries_are_those_of_a_step():
    calls = []

    @tool(idempotent=True, retry=RetryPolicy(attempts=3))
    async def flaky() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("down")
        return "up"

    @tool(timeout=2)
    async def slow(context: Context) -> None:
        from stretto.core.resources import Clock

        await context.resource(Clock).sleep(60)

    assert run_virtual(flaky, {}) == "up"
    assert len(calls) == 3
    with pytest.raises(StepTimeout):
        run_virtual(slow, {})


def test_a_cache_tells_calls_apart_by_their_arguments_and_not_by_who_called():
    calls = []

    @tool(cache=CachePolicy(), reads=())
    def double(number: int) -> int:
        calls.append(number)
        return number * 2

    @tool(cache=CachePolicy(key=lambda arguments: arguments["number"] % 2), reads=())
    def parity(number: int) -> int:
        calls.append(number)
        return number % 2

    shared = Shared()
    for call_id, number in (("a", 2), ("b", 2), ("c", 4)):
        assert run_sync(double, Invocation(arguments={"number": number}, call_id=call_id), shared=shared) == number * 2
    assert calls == [2, 4]
    calls.clear()
    assert [run_sync(parity, {"number": number}, shared=shared) for number in (2, 4, 5)] == [0, 0, 1]
    assert calls == [2, 5]


def test_two_functions_of_one_name_do_not_share_a_cache():
    def made(answer: str) -> FunctionTool:
        @tool(cache=CachePolicy(), reads=())
        def ask() -> str:
            return answer

        return ask

    shared = Shared()
    assert [run_sync(made(answer), {}, shared=shared) for answer in ("yes", "no")] == ["yes", "no"]


def test_a_fallback_is_called_with_the_same_arguments():
    def backup(number: int) -> str:
        return f"backup of {number}"

    @tool(fallback=backup)
    def ask(number: int) -> str:
        raise OSError("down")

    @tool(fallback=tool(backup))
    def again(number: int) -> str:
        raise OSError("down")

    assert run_sync(ask, {"number": 1}) == run_sync(again, {"number": 1}) == "backup of 1"


def test_sync_functions_run_beside_the_loop_and_isolated_ones_in_a_process():
    @tool
    def where() -> str:
        return threading.current_thread().name

    assert run_sync(where, {}) != threading.current_thread().name
    assert run_sync(elsewhere, {"number": 1}) == 2


def test_a_resumed_run_notices_that_the_function_has_changed():
    def first() -> int:
        return 1

    def second() -> int:
        return 2

    one, two = (fingerprints(FunctionTool(function, name="same")) for function in (first, second))
    assert one["same"] == two["same"]
    assert one["same/function"] != two["same/function"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reeds": ()}, "@tool takes no 'reeds'"),
        ({"batch": None}, "@tool takes no 'batch'"),
        ({"name": "read file"}, "1 to 64 letters"),
        ({"risk": "extreme"}, "risk is low, medium or high, not 'extreme'"),
        ({"destructive": "yes"}, "destructive must be True or False, not 'yes'"),
        ({"reads": "disk"}, r"write reads=\('disk',\)"),
        ({"timeout": -1}, "timeout must be greater than 0"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_when_the_tool_is_made(settings, message):
    def anything(path: str) -> None: ...

    with pytest.raises(DefinitionError, match=message):
        tool(**settings)(anything)


def test_type_checkers_know_the_settings_that_are_taken():
    taken = {field.name for field in dataclasses.fields(StepPolicy) if field.init} - {"batch"}
    assert set(ToolSettings.__annotations__) == taken | {
        "name", "description", "reads", "writes", "risk", "destructive", "operation",
    }  # fmt: skip


def test_an_unknown_setting_is_an_unknown_setting():
    with pytest.raises(UnknownSetting):
        tool(wrong=1)  # type: ignore[call-overload]  # which is the point


def variadic(*words: str) -> None: ...


def keywords(**words: str) -> None: ...


def generator() -> Any:
    yield 1


async def async_generator() -> Any:
    yield 1


def unreadable(value: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821  # which is the point


def unschematic(value: threading.Lock) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (variadic, "takes \\*args or \\*\\*kwargs"),
        (keywords, "takes \\*args or \\*\\*kwargs"),
        (generator, "a generator gives no single answer"),
        (async_generator, "a generator gives no single answer"),
        (unreadable, "a type hint cannot be read: name 'Nowhere' is not defined"),
        (unschematic, "no schema can be made of its type hints"),
        (dict, "does not tell its parameters"),
    ],
)
def test_a_function_that_cannot_be_a_tool_is_refused(function, message):
    with pytest.raises(DefinitionError, match=message):
        tool(function)


def test_hints_may_name_what_stands_around_the_function():
    class Local(BaseModel):
        size: int

    def measure(thing: Local) -> int:
        return Local.model_validate(thing).size

    assert run_sync(tool(measure), {"thing": {"size": 3}}) == 3


def test_what_the_function_raises_is_what_the_step_raises():
    @tool
    def fail() -> None:
        raise LookupError("not there")

    with pytest.raises(LookupError, match="not there"):
        run_sync(fail, {})
