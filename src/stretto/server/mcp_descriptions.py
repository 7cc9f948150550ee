"""How MCP servers are described over HTTP: what is asked, and what is answered without a secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter

from stretto.agents.validation import is_mapping
from stretto.server.dependencies import Line, Text
from stretto.tools.mcp.config import HttpServer, ServerConfig, StdioServer
from stretto.tools.mcp.servers import ServerStatus
from stretto.tools.mcp.trouble import State

ServerName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
VariableName = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
HeaderName = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
Argument = Annotated[Text, Field(max_length=512)]
Value = Annotated[Text, Field(max_length=4096)]
HeaderValue = Annotated[Line, Field(max_length=4096)]
ADDRESS = r"^(https?://[^\s/?#\x00-\x1f\x7f-\x9f]+|\$\{)[^\s\x00-\x1f\x7f-\x9f]*$"
"""The pattern of an address: it may begin with a variable."""
HIDDEN = "…"
"""Stands where an answer leaves a secret out."""


class _Described(BaseModel):
    """What is said of every server: its name, and its limits (seconds, bytes, counts)."""

    model_config = ConfigDict(extra="forbid")

    name: ServerName
    description: Text = Field("", max_length=1024)
    disabled: bool = False
    timeout: float = Field(60.0, gt=0, le=86_400)
    connect_timeout: float = Field(30.0, gt=0, le=3_600)
    stop_timeout: float = Field(2.0, gt=0, le=60)
    max_concurrency: int = Field(8, ge=1, le=1_000)
    max_restarts: int = Field(3, ge=0, le=1_000)
    max_message: int = Field(16 * 2**20, ge=1_024, le=2**30)

    def said(self) -> dict[str, Any]:
        """Returns it as an entry of ``mcpServers``, without what is not set."""
        told = self.model_dump(exclude_unset=True, exclude={"name"})
        return {name: value for name, value in told.items() if value not in (None, [], {})}


class McpProgramRequest(_Described):
    """Describes a server that is a program, spoken to over its standard input and output.

    In all texts ``${VARIABLE}`` stands for a variable of the environment of this process, ``${VARIABLE:-other}`` for
    ``other`` where it is not set. A value of ``env`` that is null is the secret that is kept already.
    """

    type: Literal["stdio"] = "stdio"
    command: Line = Field(min_length=1, max_length=512)
    args: list[Argument] = Field(default_factory=list[str], max_length=50)
    env: dict[VariableName, Value | None] = Field(
        default_factory=dict[str, str | None], max_length=50, json_schema_extra={"additionalProperties": False}
    )
    cwd: Line | None = Field(None, min_length=1, max_length=4096)


class McpHttpRequest(_Described):
    """Describes a server of the network, spoken to over streamable HTTP; variables and null are as for programs."""

    type: Literal["http"] = "http"
    url: str = Field(max_length=2048, pattern=ADDRESS)
    headers: dict[HeaderName, HeaderValue | None] = Field(
        default_factory=dict[str, str | None], max_length=50, json_schema_extra={"additionalProperties": False}
    )


def _kind_of(said: Any) -> str:
    """Returns how a described server is reached, as far as that can be seen."""
    if isinstance(said, McpProgramRequest | McpHttpRequest):
        return said.type
    if is_mapping(said) and (said.get("type") == "http" or ("url" in said and "command" not in said)):
        return "http"
    return "stdio"


McpServerRequest = Annotated[
    Annotated[McpProgramRequest, Tag("stdio")] | Annotated[McpHttpRequest, Tag("http")], Discriminator(_kind_of)
]
"""Describes a server: one with a ``url`` is of the network, any other a program."""
_REQUEST: TypeAdapter[McpProgramRequest | McpHttpRequest] = TypeAdapter(McpServerRequest)
_FIELDS = {*McpProgramRequest.model_fields, *McpHttpRequest.model_fields} - {"name", "type"}


def server_request(said: Mapping[str, Any]) -> McpProgramRequest | McpHttpRequest:
    """Returns a description that was read from somewhere else than a request; raises pydantic's ``ValidationError``."""
    return _REQUEST.validate_python(dict(said))


class McpServerState(BaseModel):
    """How a server is doing; latencies are those of its last calls (seconds), null without any.

    ``state`` is idle until it is needed. A ``broken`` one cannot be used, and ``last_error`` says why. ``tools`` is
    null until they were asked for; ``problems`` are tools that it has and that are not offered.
    """

    state: State | Literal["broken"]
    tools: int | None = None
    calls: int = 0
    p50: float | None = None
    p95: float | None = None
    restarts: int = 0
    last_error: str = ""
    problems: list[str] = Field(default_factory=list[str])


class McpServer(BaseModel):
    """A server and how it is doing.

    One whose ``origin`` is file is described in a file and cannot be changed here. Values that are secret are null.
    ``variables`` are those of the environment that it refers to. ``used_by`` are the ids of the agents that name it.
    """

    name: str
    origin: Literal["file", "stored"]
    type: Literal["stdio", "http"]
    description: str = ""
    disabled: bool = False
    command: str | None = None
    args: list[str] = Field(default_factory=list[str])
    env: dict[str, str | None] = Field(default_factory=dict[str, str | None])
    cwd: str | None = None
    url: str | None = None
    headers: dict[str, str | None] = Field(default_factory=dict[str, str | None])
    timeout: float = 60.0
    connect_timeout: float = 30.0
    stop_timeout: float = 2.0
    max_concurrency: int = 8
    max_restarts: int = 3
    max_message: int = 16 * 2**20
    status: McpServerState
    variables: list[str] = Field(default_factory=list[str])
    used_by: list[str] = Field(default_factory=list[str])


class McpCheck(BaseModel):
    """What a try of a server found: its tools, and how long it took to tell them (seconds); ``text`` is a sentence."""

    name: str
    ok: bool
    tools: list[str]
    latency: float | None
    error: str
    text: str


class McpLog(BaseModel):
    """The last lines that a server wrote beside the protocol, the oldest first; secrets are left out."""

    name: str
    lines: list[str]


def shown_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a document says of a server, with null for each secret."""
    told = {name: value for name, value in body.items() if name in _FIELDS}
    for place in ("env", "headers"):
        held: Any = told.get(place)
        if is_mapping(held):
            told[place] = {name: value if isinstance(value, str) else None for name, value in held.items()}
    return told


def shown_config(config: ServerConfig) -> dict[str, Any]:
    """Returns what a file says of a server; of its variables and headers the names only."""
    limits = (
        "description",
        "disabled",
        "timeout",
        "connect_timeout",
        "stop_timeout",
        "max_concurrency",
        "max_restarts",
    )
    told: dict[str, Any] = {name: getattr(config, name) for name in (*limits, "max_message")}
    if isinstance(config, HttpServer):
        return told | {"url": config.place, "headers": dict.fromkeys(config.headers)}
    return told | _shown_program(config)


def _shown_program(config: StdioServer) -> dict[str, Any]:
    args: list[str] = []
    for text in config.args:
        for secret in config.secrets:
            text = text.replace(secret, HIDDEN)
        args.append(text)
    return {"command": config.command, "args": args, "cwd": config.cwd, "env": dict.fromkeys(config.env)}


def state_of(status: ServerStatus) -> McpServerState:
    """Returns how a server is doing, as it is told."""
    return McpServerState(
        state=status.state, tools=status.tools, calls=status.calls, p50=status.p50, p95=status.p95,
        restarts=status.restarts, last_error=status.last_error, problems=list(status.problems),
    )  # fmt: skip
