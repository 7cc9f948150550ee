"""A tool of an MCP server as a tool of ours: its name, what its annotations promise, how its arguments are checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stretto.core.errors import StepTimeout
from stretto.core.policies import CircuitBreaker, RetryPolicy, ServiceLimit, StepPolicy
from stretto.core.step import Context
from stretto.tools.mcp.connection import McpConnection
from stretto.tools.mcp.listing import ListedTool
from stretto.tools.mcp.results import cleaned, output_of
from stretto.tools.mcp.schemas import problems_of
from stretto.tools.mcp.trouble import McpBadAnswer, McpTrouble
from stretto.tools.tool import Invocation, Tool, ToolRisk, Touches, WrongArguments


class McpTool(Tool):
    """Calls one tool of one server.

    Annotations are the server's word, and decide as the protocol says: ``readOnlyHint`` reads the server, anything
    else writes it, and a tool without annotations may touch whatever there is. A tool that says it is not read-only
    counts as destructive unless ``destructiveHint`` is false: then a human is asked. Read-only and idempotent tools
    are tried again when the server fails, others never.
    """

    origin = "mcp"

    def __init__(self, connection: McpConnection, listed: ListedTool) -> None:
        self._connection, self._listed = connection, listed
        self.name, self.description, self.parameters = listed.name, listed.description, listed.parameters
        self.server = connection.name
        hints = listed.annotations
        read_only = bool(hints.read_only_hint)
        given = (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint)
        said_to_write = hints.read_only_hint is False and hints.destructive_hint is not False
        self.destructive = not read_only and (said_to_write or bool(hints.destructive_hint))
        self.risk: ToolRisk = "low" if read_only else "high" if self.destructive else "medium"
        service = f"mcp:{self.server}"
        if read_only:
            self._touches = Touches(reads=(service,))
        else:
            self._touches = Touches(writes=(service,), known=any(hint is not None for hint in given))
        again = read_only or bool(hints.idempotent_hint)
        self.policy = StepPolicy(
            idempotent=again,
            retry=RetryPolicy(on=(McpTrouble,)) if again else None,
            timeout=connection.config.timeout,
            breaker=CircuitBreaker(service=service, on=(McpTrouble, StepTimeout)),
            service=ServiceLimit(service, maximum=connection.config.max_concurrency),
        )

    def check(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the arguments when they follow the tool's ``inputSchema``; raises ``WrongArguments``."""
        problems = problems_of(self._listed.parameters, dict(arguments))
        if problems:
            raise WrongArguments(self.name, problems)
        return dict(arguments)

    def touches(self, arguments: Mapping[str, Any]) -> Touches:
        """Says that a call reads or writes its server, or that nobody can tell."""
        return self._touches

    async def execute(self, input: Invocation | Mapping[str, Any], context: Context) -> Any:
        """Calls the tool, and returns its structured content or its text.

        Raises ``ToolFailed`` with the server's own words, ``McpTrouble`` when the server itself is at fault.
        """
        arguments = self.check(Invocation.of(input).arguments)
        result = await self._connection.call(self._listed.remote, arguments, context)
        secrets = self._connection.config.secrets
        if not result.is_error and (problems := self._lies(result.structured_content)):
            said = cleaned("; ".join(problems[:3]), secrets)
            words = f"answered the call of {self._listed.remote!r} with what it may not by its own schema: {said}"
            raise McpBadAnswer(self.server, words)
        return output_of(result, secrets)

    def _lies(self, content: object) -> tuple[str, ...]:
        """Returns in what a result differs from the schema that the server gave for it."""
        schema = self._listed.output
        if schema is None:
            return ()
        if content is None:
            return ("it holds no structured content",)
        return (self._listed.output_problem,) if self._listed.output_problem else problems_of(schema, content)
