"""One call of a server's tool while it is under way: what comes back beside its result reaches the calling step."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
from mcp_types import (
    CallToolResult,
    ElicitRequestParams,
    ElicitRequestURLParams,
    ElicitResult,
    LoggingMessageNotificationParams,
)

from stretto.core.events import Progress, Said
from stretto.core.step import Answer, Context, Request
from stretto.tools.mcp.listing import unusable
from stretto.tools.mcp.results import cleaned
from stretto.tools.mcp.schemas import problems_of

MOST_SAID = 100
"""How many log lines of a server one call shows."""
MOST_PROGRESS = 1_000
"""How many reports of progress one call shows."""
TEXT = 2_000
"""How many characters of a line are shown."""
_LEVELS = {"debug": "debug", "info": "info", "notice": "info", "warning": "warning"}
_REFUSED = ("decline", "cancel")


class Question:
    """What a server asks the user for, and the answer once it is there."""

    def __init__(self, params: ElicitRequestParams, guess: bool) -> None:
        self.params, self.guess = params, guess
        self.result: ElicitResult = ElicitResult(action="cancel")
        self.answered = anyio.Event()


class Call:
    """One call: ``perform`` is what the connection does for it, ``finish`` is where the calling step waits.

    Questions are asked by the calling step itself, so that its clock stands still and its room is free meanwhile.
    """

    def __init__(self, server: str, tool: str, context: Context, secrets: Sequence[str]) -> None:
        self.server, self.tool, self.scope = server, tool, anyio.CancelScope()
        self.over = anyio.Event()
        self._context, self._secrets = context, secrets
        self._questions: deque[Question] = deque()
        self._news = anyio.Event()
        self._asking: anyio.CancelScope | None = None
        self._said = self._reported = 0
        self._result: CallToolResult | Exception | None = None

    def end(self, result: CallToolResult | Exception | None) -> None:
        """Notes how the call ended; a question that is still open is withdrawn."""
        self._result = result
        self.over.set()
        self._news.set()
        for question in self._questions:
            question.answered.set()
        if self._asking is not None:
            self._asking.cancel()

    async def finish(self) -> CallToolResult:
        """Waits for the result, and asks the user meanwhile whatever the server wants to know."""
        while not self.over.is_set():
            if self._questions:
                question = self._questions.popleft()
                try:
                    with anyio.CancelScope() as self._asking:
                        question.result = await self._ask(question)
                finally:
                    self._asking = None
                    question.answered.set()
                continue
            self._news = anyio.Event()
            await self._news.wait()
        if isinstance(self._result, CallToolResult):
            return self._result
        assert self._result is not None, "a call that nobody cancelled ends with a result or an error"
        raise self._result

    async def elicit(self, params: ElicitRequestParams, guess: bool) -> ElicitResult:
        """Lets the calling step ask, and returns the answer; ``guess`` says that the call was chosen among several."""
        question = Question(params, guess)
        self._questions.append(question)
        self._news.set()
        await question.answered.wait()
        return question.result

    async def progress(self, progress: float, total: float | None, message: str | None) -> None:
        """Shows progress: whole numbers as they are, fractions as percent."""
        done = progress
        self._reported += 1
        if self.over.is_set() or self._reported > MOST_PROGRESS or not math.isfinite(done):
            if self._reported == MOST_PROGRESS + 1:
                self._say(f"MCP server {self.server!r} reports more progress than is shown", "warning")
            return
        if total is not None and (not math.isfinite(total) or total <= 0):
            total = None
        if total is not None and not (done.is_integer() and total.is_integer()):
            done, total = 100 * done / total, 100
        words = cleaned(message or "", self._secrets)[:TEXT]
        self._context.emit(Progress(done=int(done), total=None if total is None else int(total), text=words))

    def log(self, params: LoggingMessageNotificationParams) -> None:
        """Shows a line of the server's log."""
        self._said += 1
        if self.over.is_set() or self._said > MOST_SAID:
            if self._said == MOST_SAID + 1:
                self._say(f"MCP server {self.server!r} says more than is shown", "warning")
            return
        self._say(log_text(params, self._secrets), _LEVELS.get(params.level, "error"))

    def _say(self, text: str, level: str) -> None:
        self._context.emit(Said(text=text, level=level))

    async def _ask(self, question: Question) -> ElicitResult:
        params, schema = question.params, _form(question.params)
        properties: Mapping[str, Any] = schema.get("properties", {})
        reason = f"MCP server {self.server!r} asks while it does {self.tool!r}"
        if question.guess:
            reason += "; several calls are under way and it does not say for which: this is the oldest"
        details: dict[str, Any] = {"server": self.server, "tool": self.tool, "schema": dict(schema)}
        if isinstance(params, ElicitRequestURLParams):
            details["url"] = cleaned(params.url, self._secrets)[:TEXT]
        text = cleaned(params.message, self._secrets)[:TEXT].strip() or "?"
        for _ in range(3):
            request = Request(
                question=text + _how(properties), choices=_choices(properties), reason=reason, details=details
            )
            answer = await self._context.ask(request)
            if answer.choice in _REFUSED:
                return ElicitResult(action="decline" if answer.choice == "decline" else "cancel")
            content = _content(answer, properties)
            if (problem := _wrong(content, schema)) is None:
                return ElicitResult(action="accept", content=content if properties else None)
            reason = f"the last answer did not fit: {problem}"
        return ElicitResult(action="cancel")


def log_text(params: LoggingMessageNotificationParams, secrets: Sequence[str]) -> str:
    """Returns a line of a server's log as text, cut."""
    said = params.data if isinstance(params.data, str) else json.dumps(params.data, ensure_ascii=False, default=str)
    whole = f"{params.logger}: {said}" if params.logger else said
    return cleaned(whole, secrets)[:TEXT]


def _form(params: ElicitRequestParams) -> Mapping[str, Any]:
    """Returns the schema of what is asked for; without one that can be followed, nothing is."""
    if isinstance(params, ElicitRequestURLParams):
        return {}
    return {} if unusable(params.requested_schema) else params.requested_schema


def _choices(properties: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the words that may be chosen; without any, what is asked for is free text."""
    if not properties:
        return ("accept", *_REFUSED)
    if len(properties) == 1:
        only = next(iter(properties.values()))
        if only.get("type") == "boolean":
            return ("yes", "no", *_REFUSED)
        words = only.get("enum") or [each.get("const") for each in only.get("oneOf", ())]
        if words and all(isinstance(word, str) and word and word not in _REFUSED for word in words):
            return (*words, *_REFUSED)
    return ()


def _how(properties: Mapping[str, Any]) -> str:
    """Returns how a free answer is to be written."""
    if _choices(properties):
        return ""
    if len(properties) == 1:
        name, only = next(iter(properties.items()))
        return f" ({name}: {only.get('type', 'text')}; or 'decline')"
    fields = ", ".join(f'"{name}": {only.get("type", "text")}' for name, only in properties.items())
    return f" (answer with JSON, as {{{fields}}}; or 'decline')"


def _content(answer: Answer, properties: Mapping[str, Any]) -> Any:
    """Returns the answer as the fields that were asked for."""
    said: Any = answer.choice if answer.value is None else answer.value
    if isinstance(said, dict):
        given: dict[Any, Any] = {**said}
        return given
    if len(properties) == 1:
        name, only = next(iter(properties.items()))
        return {name: _typed(said, only.get("type"))}
    return _typed(said, "object") if properties else {}


def _typed(said: Any, kind: object) -> Any:
    if not isinstance(said, str) or kind == "string":
        return said
    if kind == "boolean" and said in ("yes", "no"):
        return said == "yes"
    try:
        return json.loads(said)
    except ValueError:
        return said


def _wrong(content: Any, schema: Mapping[str, Any]) -> str | None:
    if not schema.get("properties"):
        return None
    problems = problems_of(schema, content)
    return problems[0] if problems else None
