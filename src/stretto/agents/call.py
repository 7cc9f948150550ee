"""One tool call of a model: looked up, checked, allowed, made, and told to the model whichever way it ends."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, ClassVar, TypeGuard

from stretto.agents.validation import OperationKind, Proposal, Validation, Verdict
from stretto.core.checks import CheckFailed
from stretto.core.errors import DefinitionError, HumanAborted
from stretto.core.events import Said
from stretto.core.resources import Clock
from stretto.core.step import Context, Request, Step
from stretto.models.messages import Ending, ToolCall
from stretto.tools.tool import Invocation, Tool, ToolRisk, Touches, WrongArguments

MAX_OUTPUT = 50_000
"""How many characters of a tool's output a model is shown unless its agent says otherwise."""
MOST_NESTED = 100
"""How deep the arguments of a call may be nested: a store keeps 150 levels, with what stands around them."""
_NAME = 100
"""How many characters of a tool's name a model is told that there is no such tool."""
PASSED_ON = (HumanAborted, CheckFailed)
"""Errors that are not the tool's: a human who ends the run, and a test whose script does not fit."""
_KINDS: Mapping[str, OperationKind] = {"local": "tool", "mcp": "mcp", "sub_agent": "sub_agent"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """How a call ended: ``content`` is what the model is told, ``error`` why it failed or was denied.

    ``bad`` says that the call could not be made as the model wrote it. ``duration`` is in seconds, without the time
    that a human took. ``whole`` is the length of the output in characters where ``content`` is cut.
    ``output`` is the output itself, where it was asked for. ``later`` is the call as a human has edited it, which is
    still to be made: it touches what was not planned for.
    """

    call: ToolCall
    origin: str
    server: str
    arguments: dict[str, Any]
    content: str
    ending: Ending = "success"
    error: str = ""
    bad: bool = False
    duration: float = 0.0
    whole: int | None = None
    output: Any = None
    later: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A call that was looked up and checked; ``problem`` says for the model why it cannot be made.

    ``arguments`` are the checked ones, with defaults; of a call that cannot be made what could be read of them.
    ``allowed`` says that nobody need be asked any more.
    """

    arguments: dict[str, Any]
    call: ToolCall
    invocation: Invocation = field(repr=False)
    touches: Touches = field(default_factory=Touches, repr=False)
    risk: ToolRisk = field(default="low", repr=False)
    problem: str = ""
    allowed: bool = field(default=False, repr=False)


def prepare(call: ToolCall, tools: Mapping[str, Tool], caller: Invocation) -> Prepared:
    """Looks a call up and checks its arguments; raises nothing that the model could have caused.

    ``caller`` is an invocation without arguments that says on whose behalf the call is made.
    """
    invocation = replace(caller, arguments={}, call_id=call.id)
    tool = tools.get(call.name)
    if tool is None:
        return Prepared(arguments={}, call=call, invocation=invocation, problem=_unknown(call.name, list(tools)))
    try:
        given = _read(call)
    except ValueError as error:
        return Prepared(arguments={}, call=call, invocation=invocation, problem=str(error))
    try:
        arguments = dict(tool.check(given))
        touches, risk = tool.touches(arguments), tool.risk_of(arguments)
    except Exception as error:  # noqa: BLE001  # WrongArguments, or a tool's own mistake: the model is told of both
        return Prepared(arguments=given, call=call, invocation=invocation, problem=words(error))
    told = invocation.with_arguments(arguments)
    return Prepared(arguments=arguments, call=call, invocation=told, touches=touches, risk=risk)


def _unknown(name: str, known: Sequence[str]) -> str:
    name = name if len(name) <= _NAME else f"{name[:_NAME]}…"
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"there is no tool {name!r}; did you mean {', '.join(map(repr, near))}?"
    return f"there is no tool {name!r}; there are {', '.join(map(repr, known)) or 'none'}"


def _read(call: ToolCall) -> dict[str, Any]:
    """Returns the arguments as written; nothing at all means none, as some providers say it."""
    text = call.arguments.strip()
    try:
        read: Any = json.loads(text) if text else {}
        deep = is_deep(read)
    except RecursionError:
        read, deep = {}, True
    except json.JSONDecodeError as error:
        raise ValueError(f"the arguments of {call.name!r} are not valid JSON: {error}; write one JSON object") from None
    if deep:
        raise ValueError(f"the arguments of {call.name!r} are nested too deeply: more than {MOST_NESTED} levels")
    if not is_object(read):
        raise ValueError(f"the arguments of {call.name!r} must be a JSON object, not {text[:80]}")
    return read


def is_deep(value: Any) -> bool:
    """Says whether a JSON value is nested more than ``MOST_NESTED`` levels deep."""
    level: list[Any] = [value]
    for _ in range(MOST_NESTED):
        level = [held for each in level if isinstance(each, dict | list) for held in _held(each)]
        if not level:
            return False
    return any(isinstance(each, dict | list) for each in level)


def _held(value: Any) -> Iterable[Any]:
    return value.values() if is_object(value) else value


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Says whether a JSON value is an object."""
    return isinstance(value, dict)


class Calling(Step[Prepared, CallResult]):
    """Makes one call: asks whether it may be made, runs the tool as ``run``, and turns every ending into a result.

    Only what is not the tool's affair is raised: a cancellation, and a human who ends the run.
    """

    kind: ClassVar[str] = "call"
    transparent: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        tool: Tool | None,
        *,
        max_output: int = MAX_OUTPUT,
        agent: str = "",
        keep_output: bool = False,
        puts_off: bool = False,
    ) -> None:
        self.name, self.tool, self.max_output, self.agent = name, tool, max_output, agent
        self.keep_output, self.puts_off = keep_output, puts_off

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the tool."""
        return {} if self.tool is None else {"run": self.tool}

    async def execute(self, input: Prepared, context: Context) -> CallResult:
        """Makes the call; with ``puts_off`` one that was edited to touch something else is left for later."""
        tool = self.tool
        if tool is None or input.problem:
            return failed(input, tool, shown(input.problem, self.max_output)[0], bad=True)
        invocation = input.invocation
        if not input.allowed:
            verdict = await self._verdict(tool, input, context)
            if not verdict.approved:
                return denied(input, tool, verdict)
            if verdict.arguments != input.arguments:
                try:
                    arguments = dict(tool.check(verdict.arguments))
                except WrongArguments as error:
                    return failed(input, tool, f"{verdict.by or 'somebody'} has edited the arguments, and {error}")
                if self.puts_off and not within(tool.touches(arguments), input.touches):
                    return CallResult(
                        call=input.call, origin=tool.origin, server=tool.server, arguments=arguments, content="",
                        later=arguments,
                    )  # fmt: skip
                invocation = invocation.with_arguments(arguments)
        return await self._run(tool, invocation, input, context)

    async def _run(self, tool: Tool, invocation: Invocation, input: Prepared, context: Context) -> CallResult:
        """Runs the tool, and tells how that ended."""
        clock = context.resource(Clock)
        began = clock.now()
        try:
            output = await context.run(tool, invocation, name="run")
        except PASSED_ON:
            raise
        except Exception as error:  # noqa: BLE001  # whatever a tool raises is its result, and the model is told
            why, _ = shown(words(error), self.max_output)
            return failed(input, tool, why, duration=clock.now() - began, arguments=invocation.arguments)
        text, whole = shown(output, self.max_output)
        if whole is not None:
            context.emit(
                Said(
                    text=f"{tool.name!r} returned {whole:,} characters; the model is shown {self.max_output:,} of them",
                    level="warning",
                )
            )
        return CallResult(
            call=input.call, origin=tool.origin, server=tool.server, arguments=dict(invocation.arguments),
            content=text, duration=clock.now() - began, whole=whole, output=output if self.keep_output else None,
        )  # fmt: skip

    async def _verdict(self, tool: Tool, input: Prepared, context: Context) -> Verdict:
        """Asks the run's rules; without them a destructive call asks a human all the same."""
        who = self.agent or "an agent"
        operation = f"{who} wants to call {tool.name!r}"
        try:
            validation = context.resource(Validation)
        except DefinitionError:  # the run was given no rules
            validation = None
        if validation is not None:
            proposal = Proposal(
                type=tool.operation or _KINDS[tool.origin], name=tool.name, operation=operation, risk=input.risk,
                destructive=tool.destructive, arguments=input.arguments, agent_id=input.invocation.agent_id,
                details={"server": tool.server} if tool.server else {}, check=tool.check,
            )  # fmt: skip
            return await validation.validate(context, proposal)
        if not tool.destructive:
            return Verdict(approved=True, arguments=input.arguments)
        answer = await context.ask(
            Request(
                question=f"{operation}, which may destroy or send what cannot be taken back: may it?",
                details={"tool": tool.name, "arguments": input.arguments, "agent_id": input.invocation.agent_id},
                topic="approval",
                risk=input.risk,
                value=dict(input.arguments),
            )
        )
        arguments = answer.value if answer.approved and is_object(answer.value) else input.arguments
        return Verdict(approved=answer.approved, arguments=arguments, reason=answer.reason, by=answer.by)


def within(touches: Touches, planned: Touches) -> bool:
    """Says whether a call touches nothing but what it was planned to touch, and writes no more of it."""
    if not planned.known:
        return True
    mine = {*planned.reads, *planned.writes}
    return touches.known and set(touches.writes) <= set(planned.writes) and set(touches.reads) <= mine


def failed(
    input: Prepared,
    tool: Tool | None,
    error: str,
    *,
    bad: bool = False,
    duration: float = 0.0,
    arguments: Mapping[str, Any] | None = None,
) -> CallResult:
    """Returns a result that tells the model why a call failed."""
    return CallResult(
        call=input.call, origin="local" if tool is None else tool.origin, server="" if tool is None else tool.server,
        arguments=dict(input.arguments if arguments is None else arguments), content=f"Error: {error}",
        ending="failed", error=error, bad=bad, duration=duration,
    )  # fmt: skip


def denied(input: Prepared, tool: Tool, verdict: Verdict) -> CallResult:
    """Returns a result that tells the model who did not allow a call, and why."""
    who = f"by {verdict.by}" if verdict.by else "by the user"
    error = f"this call was denied {who}" + (f": {verdict.reason}" if verdict.reason else "")
    return CallResult(
        call=input.call, origin=tool.origin, server=tool.server, arguments=dict(input.arguments),
        content=f"Denied: {error}", ending="denied", error=error,
    )  # fmt: skip


def words(error: BaseException) -> str:
    """Returns an error in words for a model: a tool's own sentence as it is, any other with its type."""
    if _is_group(error):
        return f"{error.message}: {'; '.join(map(words, error.exceptions))}"
    if type(error).__module__.startswith("stretto."):
        return str(error)
    told = str(error)
    return f"{type(error).__name__}: {told}" if told else type(error).__name__


def _is_group(error: BaseException) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    return isinstance(error, BaseExceptionGroup)


def shown(output: Any, limit: int) -> tuple[str, int | None]:
    """Returns what a model is shown of an output, and the length of the whole where that is cut (else None).

    A text stands as it is, everything else as JSON. Nothing is cut between a letter and its accents.
    """
    text = output if isinstance(output, str) else _as_json(output)
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()  # half a pair, as in some file names, cannot be sent
    if len(text) <= limit:
        return text, None
    end = limit
    while end and unicodedata.combining(text[end]):
        end -= 1
    return f"{text[:end]}\n[The output was cut here: {end:,} of its {len(text):,} characters are shown.]", len(text)


def _as_json(output: Any) -> str:
    from pydantic_core import to_json

    try:
        return to_json(output, fallback=str, bytes_mode="base64").decode()
    except Exception:  # noqa: BLE001  # it holds itself, or text that is none, or words of its own that fail
        return _in_words(output)


def _in_words(output: Any) -> str:
    try:
        return str(output)
    except Exception as error:  # noqa: BLE001  # what a tool returns has words of any kind, and the others go on
        return f"[An output of the type {type(output).__name__} that cannot be told: {type(error).__name__}]"


def plain(output: Any) -> Any:
    """Returns an output as the JSON value that other operations may use, and what has none in words."""
    from pydantic_core import to_jsonable_python

    try:
        return to_jsonable_python(output, fallback=str, bytes_mode="base64")
    except Exception:  # noqa: BLE001  # as for what a model is shown
        return _in_words(output)
