"""Tools, agents and workflows as tools of an MCP server: each call is a run, with progress, questions and an end."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Protocol

import anyio
from jsonschema import Draft202012Validator
from mcp import MCPError
from mcp.server import Server, ServerRequestContext
from mcp.server.runner import serve_loop
from mcp.server.stdio import stdio_server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ClientCapabilities,
    ContentBlock,
    ElicitationCapability,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    ToolAnnotations,
)
from mcp_types import Tool as ToolSaid
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic_core import to_jsonable_python

from stretto.agents.agent import Agent
from stretto.agents.report import Report
from stretto.agents.task import Task
from stretto.core.errors import DefinitionError, ExecutionError, StrettoError
from stretto.core.events import Asked, Event, Progress, Said, StepCompleted, StepFailed
from stretto.core.step import Step
from stretto.tools.tool import Invocation, Tool, WrongArguments

CALLER = "mcp"
"""On whose behalf tools are called: whoever is connected."""
MOST_NOTES = 1_000
"""How many reports of progress one call sends."""
_NOTE = 500
_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")
_TASK: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "task": {"type": "string", "minLength": 1, "maxLength": 100_000, "description": "What to do, in words."},
        "context": {"type": "object", "description": "What else the agent should know."},
        "locale": {"type": "string", "description": "The language of the answer, as 'fr'."},
    },
    "required": ["task"],
    "additionalProperties": False,
}


class NobodyToAsk(ExecutionError):
    """A call asks something, and neither its client nor anybody else can answer."""

    def __init__(self, path: str, question: str) -> None:
        super().__init__(f"{path!r} asks {question!r}, and this client cannot ask its user")
        self.path, self.question = path, question


class ServedTwice(DefinitionError):
    """Two things would have one name as tools of the server."""

    def __init__(self, name: str) -> None:
        super().__init__(f"two things are called {name!r} as tools of the server; give one another name")
        self.name = name


class LiveRun(Protocol):
    """A run that is under way, as far as a call of it looks; ``Run`` is one."""

    def events(self, since: int = 0) -> AsyncIterator[Event]:
        """Yields what the run says, to its end."""
        ...

    async def result(self) -> Any:
        """Returns the output, or raises what it ended with."""
        ...

    def answer(self, request_id: str, choice: str, value: Any = None, reason: str = "", by: str = "") -> Any:
        """Answers a question."""
        ...

    def cancel(self, reason: str = "cancelled") -> None:
        """Stops it in order."""
        ...


Runner = Callable[[Step[Any, Any], Any], AbstractAsyncContextManager[LiveRun]]
"""Starts a run of a step; ``stretto.start`` with its settings is one."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """One thing as a tool of the server: ``given`` makes the step's input of the arguments, ``told`` their answer."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    step: Step[Any, Any]
    given: Callable[[Mapping[str, Any]], Any]
    told: Callable[[Any], Any] = field(default=lambda output: output)
    annotations: ToolAnnotations | None = None

    @classmethod
    def tool(cls, tool: Tool) -> Served:
        """Serves a tool as it is."""
        hints = ToolAnnotations(destructive_hint=tool.destructive, idempotent_hint=tool.policy.idempotent)

        def given(arguments: Mapping[str, Any]) -> Invocation:
            return Invocation(arguments=tool.check(arguments), agent_id=CALLER, workflow_id=CALLER)

        return cls(
            name=_name(tool.name), description=tool.description, parameters=tool.parameters, step=tool, given=given,
            annotations=hints,
        )  # fmt: skip

    @classmethod
    def agent(cls, agent: Agent) -> Served:
        """Serves an agent: it takes a task in words, and answers with its report's answer."""

        def given(arguments: Mapping[str, Any]) -> Task:
            return Task(
                description=arguments["task"],
                context=dict(arguments.get("context", {})),
                locale=arguments.get("locale", ""),
            )

        def told(report: Report) -> Any:
            return report.response if report.output is None else report.output

        about = agent.config.description or f"Does tasks as the agent {agent.config.name}."
        return cls(
            name=_name(f"agent_{agent.config.id}"),
            description=about, parameters=_TASK, step=agent, given=given, told=told,
        )  # fmt: skip

    @classmethod
    def workflow(
        cls, name: str, step: Step[Any, Any], *, given: Mapping[str, Any] | None = None, description: str = ""
    ) -> Served:
        """Serves a workflow or any other step.

        ``given`` are its inputs by name with their defaults (None: required), as those of a plan; without them it
        takes one ``input`` of any kind.
        """
        lines = (type(step).__doc__ or "").strip().splitlines()
        about = description or f"Runs the {step.kind} {step.name!r}." + (f" {lines[0]}" if lines else "")
        if given is None:
            parameters: dict[str, Any] = {"type": "object", "properties": {"input": {}}, "additionalProperties": False}
            return cls(
                name=_name(name), description=about, parameters=parameters, step=step,
                given=lambda arguments: arguments.get("input"),
            )  # fmt: skip
        defaults = {each: value for each, value in given.items() if value is not None}
        parameters = {
            "type": "object",
            "properties": {each: {} if value is None else {"default": value} for each, value in given.items()},
            "required": [each for each in given if each not in defaults],
            "additionalProperties": False,
        }
        return cls(
            name=_name(name), description=about, parameters=parameters, step=step,
            given=lambda arguments: {**defaults, **arguments},
        )  # fmt: skip

    def input(self, arguments: Mapping[str, Any]) -> Any:
        """Returns the step's input; raises ``WrongArguments``."""
        validator: Any = Draft202012Validator(dict(self.parameters))
        problems = [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(arguments)]
        if problems:
            raise WrongArguments(self.name, tuple(problem.removeprefix(": ")[:300] for problem in problems[:10]))
        return self.given(arguments)


def _name(name: str) -> str:
    return _ILLEGAL.sub("_", name)[:64]


def mcp_server(
    served: Iterable[Served] | Callable[[], Iterable[Served]],
    run: Runner,
    *,
    name: str = "stretto",
    instructions: str = "",
) -> Server[Any]:
    """Returns an MCP server whose tools are these, for stdio and streamable HTTP; raises ``ServedTwice``.

    Where they change while it serves, ``served`` is a function that returns those that there are now.
    A call that fails answers with ``isError`` and the words of the error; one that its client cancels is cancelled.
    What a run asks is asked through the client (elicitation), and a client that cannot ask makes the call fail.
    """
    fixed = None if callable(served) else _by_name(served)

    def now() -> Mapping[str, Served]:
        return fixed if fixed is not None else _by_name(served() if callable(served) else ())

    async def list_tools(_: ServerRequestContext[Any], params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[_said(each) for each in now().values()])

    async def call_tool(context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        offered = now()
        if params.name not in offered:
            return _failed(f"there is no tool {params.name!r:.100}; there are {', '.join(offered)}")
        each = offered[params.name]
        try:
            output = await _called(each, each.input(params.arguments or {}), run, context)
            return _answer(each.told(output))
        except StrettoError as error:
            return _failed(str(error))
        except Exception as error:  # noqa: BLE001  # whatever a step raises is told to the client in words
            return _failed(f"{type(error).__name__}: {error}")

    return Server(
        name, version=version("stretto"), instructions=instructions or None,
        on_list_tools=list_tools, on_call_tool=call_tool,
    )  # fmt: skip


def _by_name(served: Iterable[Served]) -> dict[str, Served]:
    offered: dict[str, Served] = {}
    for each in served:
        if each.name in offered:
            raise ServedTwice(each.name)
        offered[each.name] = each
    return offered


async def _called(served: Served, input: Any, run: Runner, context: ServerRequestContext[Any]) -> Any:
    notes = 0
    async with _to_its_end(run(served.step, input)) as running:
        refusal: NobodyToAsk | None = None
        async for event in running.events():
            if isinstance(event, Asked):
                refusal = refusal or await _ask(running, event, context)
                continue
            note = _note(event)
            if note is not None and notes < MOST_NOTES:
                notes += 1
                await context.session.report_progress(notes, message=note[:_NOTE])
        if refusal is not None:
            raise refusal
        return await running.result()


@asynccontextmanager
async def _to_its_end(starting: AbstractAsyncContextManager[LiveRun]) -> AsyncGenerator[LiveRun, None]:
    """Opens a run, cancels it when the call is cancelled or fails, and waits for its end however often it is."""
    running = await starting.__aenter__()
    try:
        yield running
    except anyio.get_cancelled_exc_class():
        running.cancel("the client cancelled the call")
        raise
    except Exception as error:
        running.cancel(str(error))  # nobody listens to it any more, and it may be asking something
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await starting.__aexit__(None, None, None)


def _note(event: Event) -> str | None:
    """Returns what is told of an event as progress."""
    match event:
        case Progress(text=text, done=done, total=total):
            counted = f"{done} of {total}" if total is not None else f"{done}"
            return f"{event.path}: {counted}{' ' if text else ''}{text}"
        case Said(text=text):
            return f"{event.path}: {text}"
        case StepCompleted():
            return f"{event.path} is completed"
        case StepFailed(error=error):
            return f"{event.path} failed: {error.message}"
        case _:
            return None


async def _ask(running: LiveRun, asked: Asked, context: ServerRequestContext[Any]) -> NobodyToAsk | None:
    """Asks through the client and answers the run; cancels it when there is nobody to ask."""
    refusal = NobodyToAsk(asked.path, asked.question)
    answer: dict[str, Any] = {"type": "string", **({"enum": asked.choices} if asked.choices else {})}
    schema = {"type": "object", "properties": {"answer": answer}, "required": ["answer"]}
    try:
        if not context.session.check_client_capability(ClientCapabilities(elicitation=ElicitationCapability())):
            raise refusal
        words = asked.question + (f" ({asked.reason})" if asked.reason else "")
        said = await context.session.elicit_form(words, schema, related_request_id=context.request_id)
    except (MCPError, NobodyToAsk):
        running.cancel(str(refusal))
        return refusal
    given = (said.content or {}).get("answer") if said.action == "accept" else None
    if not isinstance(given, str):
        given = next((word for word in ("reject", "abort", "decline") if word in asked.choices), None)
    if given is None:
        running.cancel(str(refusal))
        return NobodyToAsk(asked.path, asked.question)
    running.answer(asked.request_id, given, by="the user of the client")
    return None


async def serve_stdio(server: Server[Any]) -> None:
    """Serves one client over standard input and output until it closes them.

    Speaks the protocol with a handshake (2025-11-25 and before): only there can a server ask the client's user.
    """
    async with stdio_server() as (reading, writing), server.lifespan(server) as state:
        await serve_loop(server, reading, writing, lifespan_state=state)


AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]
"""What answers requests, as ASGI describes it."""


def http_app(server: Server[Any]) -> AsgiApp:
    """Returns an ASGI application that serves at ``/mcp``, to callers that name a loopback address only."""
    return with_handshake(server.streamable_http_app())


def with_handshake(inner: AsgiApp) -> AsgiApp:
    """Refuses the protocol without a handshake, so that clients take the one in which their users can be asked."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = {name.lower(): value for name, value in scope.get("headers", ())}
        if headers.get(b"mcp-protocol-version", b"").decode("latin-1") not in MODERN_PROTOCOL_VERSIONS:
            await inner(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"begin with the handshake: initialize"})

    return app


def _said(served: Served) -> ToolSaid:
    return ToolSaid(
        name=served.name, description=served.description, input_schema=dict(served.parameters),
        annotations=served.annotations,
    )  # fmt: skip


def _answer(output: Any) -> CallToolResult:
    """Returns an output as text, and an object as structured content, too."""
    if isinstance(output, str):
        return CallToolResult(content=[TextContent(type="text", text=output)])
    plain: Any = to_jsonable_python(output, fallback=repr)
    text = json.dumps(plain, ensure_ascii=False)
    content: list[ContentBlock] = [TextContent(type="text", text=text)]
    if isinstance(plain, dict):
        return CallToolResult(content=content, structured_content={**plain})
    return CallToolResult(content=content)


def _failed(words: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=words)], is_error=True)
