"""A provider of language models on loopback: OpenAI's, Anthropic's and Mistral's protocols, with every misfortune.

``python -m tests.models.loopback --port 0`` runs it as its own process and writes its address as the first line.
What it answers is set from outside, by ``Loopback.behave`` or ``POST /behave`` with the fields of ``Behaviour``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

KEY = "sk-loopback-0123456789abcdef"


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How the next requests are answered.

    Of the ``statuses``, 413 stands for a context window that is exceeded (which providers tell by 400).

    The words of ``text`` are streamed at ``speed`` events per second (0: at once), ``per_event`` of them in each.
    ``statuses`` are the answers to the requests before the first that succeeds. ``breaks`` is what happens after
    ``breaks_after`` pieces: ``close`` (the connection breaks), ``end`` (the stream ends without an ending), ``garbage``
    (no JSON), ``error`` (an error in the stream) or ``silence`` (nothing more comes).
    """

    text: str = "The answer is forty-two."
    reasoning: str = ""
    calls: list[list[Any]] = field(default_factory=list)
    speed: float = 0.0
    delay: float = 0.0
    input_tokens: int = 20
    output_tokens: int = 7
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    usage: bool = True
    statuses: list[int] = field(default_factory=list)
    retry_after: float | None = None
    echo_key: bool = False
    breaks: str = ""
    breaks_after: int = 2
    break_times: int = 1
    stamped: bool = False
    per_event: int = 1


class Provider:
    """Answers requests, and remembers them."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.requests: list[dict[str, Any]] = []
        self.closed: list[float] = []
        self.open = 0
        self.most_open = 0
        self._statuses: deque[int] = deque()
        self._breaks = 0

    def behave(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self._statuses = deque(behaviour.statuses)
        self._breaks = behaviour.break_times if behaviour.breaks else 0
        self.requests.clear()
        self.closed.clear()
        self.most_open = self.open

    async def answer(self, request: Request, wire: Wire) -> Response:
        body = await request.json()
        key = request.headers.get("authorization", "").removeprefix("Bearer ") or request.headers.get("x-api-key", "")
        self.requests.append(
            {
                "path": request.url.path,
                "body": body,
                "headers": dict(request.headers),
                "client": request.client and request.client.port,
            }
        )
        behaviour = self.behaviour
        if key.startswith("sk-wrong"):
            return wire.refusal(401, f"Incorrect API key provided: {key}", key)
        if "no-such" in str(body.get("model")):
            return wire.refusal(404, f"The model {body['model']} does not exist", key)
        if self._statuses:
            status = self._statuses.popleft()
            told = f"status {status}" + (f" for key {key}" if behaviour.echo_key else "")
            headers = {} if behaviour.retry_after is None else {"retry-after": f"{behaviour.retry_after:g}"}
            return wire.refusal(status, told, key, headers)
        if not body.get("stream"):
            return JSONResponse({"error": {"message": "this provider only streams"}}, 400)
        breaks = behaviour.breaks if self._breaks > 0 else ""
        self._breaks -= bool(breaks)
        lines = wire.lines(body, behaviour)
        return StreamingResponse(self._stream(request, lines, behaviour, breaks, wire), media_type="text/event-stream")

    async def _stream(
        self, request: Request, lines: list[tuple[bool, str]], behaviour: Behaviour, breaks: str, wire: Wire
    ) -> AsyncIterator[bytes]:
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        ended = False
        try:
            began, sent = time.monotonic(), 0
            if behaviour.delay:
                await asyncio.sleep(behaviour.delay)
            for is_piece, line in lines:
                if is_piece:
                    if breaks and sent == behaviour.breaks_after:
                        if breaks == "garbage":
                            yield wire.garbage().encode()
                        elif breaks == "error":
                            yield wire.error_line().encode()
                        elif breaks == "silence":
                            await asyncio.sleep(3600)
                        elif breaks == "close":
                            raise ConnectionAbortedError
                        ended = True
                        return
                    sent += 1
                    if behaviour.speed:
                        await asyncio.sleep(
                            max(0.0, began + behaviour.delay + sent / behaviour.speed - time.monotonic())
                        )
                if behaviour.stamped:
                    line = line.replace("@now@", f"{time.time():.6f}")
                yield line.encode()
            ended = True
        except ConnectionAbortedError:
            ended = True
            raise
        finally:
            self.open -= 1
            if not ended:
                self.closed.append(time.time())


def pieces(text: str, each: int = 1) -> list[str]:
    words = text.split(" ") if text else []
    groups = [" ".join(words[place : place + each]) for place in range(0, len(words), each)]
    return [group if place == 0 else f" {group}" for place, group in enumerate(groups)]


def halves(text: str) -> list[str]:
    middle = (len(text) + 1) // 2
    return [part for part in (text[:middle], text[middle:]) if part]


def arguments(given: Any) -> str:
    return given if isinstance(given, str) else json.dumps(given)


KINDS = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 413: "invalid_request_error",
    429: "rate_limit_error", 529: "overloaded_error",
}  # fmt: skip


class Wire:
    """A protocol."""

    def refusal(self, status: int, words: str, key: str, headers: dict[str, str] | None = None) -> Response:
        words = {402: "your credit is used up", 413: self.too_long}.get(status, words)
        error = {"message": words, "type": KINDS.get(status, "server_error"), "code": self.code(status)}
        status = {413: 400}.get(status, status)
        return JSONResponse({"type": "error", "error": error, **error}, status, headers)

    too_long = "maximum context length is 8 tokens"

    def code(self, status: int) -> str | None:
        return {401: "invalid_api_key", 404: "model_not_found", 413: "context_length_exceeded"}.get(status)

    def lines(self, body: dict[str, Any], behaviour: Behaviour) -> list[tuple[bool, str]]:
        raise NotImplementedError

    def garbage(self) -> str:
        return 'data: {"choices": [ this is no JSON\n\n'

    def error_line(self) -> str:
        return 'data: {"error": {"message": "the server had an error", "type": "server_error", "code": 500}}\n\n'


class OpenAI(Wire):
    """Chat completions, as OpenAI and many others speak them."""

    def lines(self, body: dict[str, Any], behaviour: Behaviour) -> list[tuple[bool, str]]:
        def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
            return data({
                "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": body["model"],
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
            })  # fmt: skip

        made = [(False, chunk({"role": "assistant", "content": ""}))]
        reasoning = pieces(behaviour.reasoning, behaviour.per_event)
        made += [(True, chunk({"reasoning_content": piece})) for piece in reasoning]
        made += [(True, chunk({"content": piece})) for piece in pieces(behaviour.text, behaviour.per_event)]
        for index, (name, given) in enumerate(behaviour.calls):
            call = {"index": index, "id": f"call_{index}", "type": "function"}
            made.append((True, chunk({"tool_calls": [{**call, "function": {"name": name, "arguments": ""}}]})))
            made += [
                (True, chunk({"tool_calls": [{"index": index, "function": {"arguments": part}}]}))
                for part in halves(arguments(given))
            ]
        made.append((False, chunk({}, "tool_calls" if behaviour.calls else "stop")))
        if behaviour.usage:
            made.append((False, data({
                "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": body["model"], "choices": [],
                "usage": {
                    "prompt_tokens": behaviour.input_tokens, "completion_tokens": behaviour.output_tokens,
                    "total_tokens": behaviour.input_tokens + behaviour.output_tokens,
                    "prompt_tokens_details": {"cached_tokens": behaviour.cached_tokens},
                    "completion_tokens_details": {"reasoning_tokens": behaviour.reasoning_tokens},
                },
            })))  # fmt: skip
        return [*made, (False, "data: [DONE]\n\n")]


class Mistral(OpenAI):
    """Mistral's chat completions: reasoning is a part of the content, usage comes with the last chunk."""

    def code(self, status: int) -> str | None:
        return "3051" if status == 413 else None

    def lines(self, body: dict[str, Any], behaviour: Behaviour) -> list[tuple[bool, str]]:
        def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> str:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            return data({"id": "m1", "object": "chat.completion.chunk", "created": 1, "model": body["model"],
                         "choices": [choice], **more})  # fmt: skip

        made = [(False, chunk({"role": "assistant", "content": ""}))]
        made += [
            (True, chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": piece}]}]}))
            for piece in pieces(behaviour.reasoning, behaviour.per_event)
        ]
        made += [(True, chunk({"content": piece})) for piece in pieces(behaviour.text, behaviour.per_event)]
        calls = [
            {"id": f"call{index:05}", "index": index, "function": {"name": name, "arguments": arguments(given)}}
            for index, (name, given) in enumerate(behaviour.calls)
        ]
        if calls:
            made.append((True, chunk({"content": "", "tool_calls": calls})))
        told: dict[str, Any] = {}
        if behaviour.usage:
            told["usage"] = {
                "prompt_tokens": behaviour.input_tokens, "completion_tokens": behaviour.output_tokens,
                "total_tokens": behaviour.input_tokens + behaviour.output_tokens,
                "prompt_tokens_details": {"cached_tokens": behaviour.cached_tokens},
            }  # fmt: skip
        made.append((False, chunk({"content": ""}, "tool_calls" if calls else "stop", **told)))
        return [*made, (False, "data: [DONE]\n\n")]


class Anthropic(Wire):
    """Anthropic's messages."""

    too_long = "prompt is too long: 9 tokens > 8 maximum"

    def garbage(self) -> str:
        return "event: content_block_delta\ndata: {this is no JSON\n\n"

    def lines(self, body: dict[str, Any], behaviour: Behaviour) -> list[tuple[bool, str]]:
        plain = behaviour.input_tokens - behaviour.cached_tokens
        usage = {"input_tokens": 0, "output_tokens": 0}
        if behaviour.usage:
            usage = {
                "input_tokens": plain, "cache_read_input_tokens": behaviour.cached_tokens,
                "cache_creation_input_tokens": 0, "output_tokens": 1,
            }  # fmt: skip
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": [],
                   "stop_reason": None, "stop_sequence": None, "usage": usage}  # fmt: skip
        made = [(False, named("message_start", {"message": message}))]
        blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
        if behaviour.reasoning:
            reasoning = pieces(behaviour.reasoning, behaviour.per_event)
            blocks.append((
                {"type": "thinking", "thinking": "", "signature": ""},
                [{"type": "thinking_delta", "thinking": one} for one in reasoning],
            ))  # fmt: skip
        if behaviour.text:
            blocks.append((
                {"type": "text", "text": ""},
                [{"type": "text_delta", "text": piece} for piece in pieces(behaviour.text, behaviour.per_event)],
            ))  # fmt: skip
        for index, (name, given) in enumerate(behaviour.calls):
            blocks.append((
                {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}},
                [{"type": "input_json_delta", "partial_json": part} for part in halves(arguments(given))],
            ))  # fmt: skip
        for index, (block, deltas) in enumerate(blocks):
            made.append((False, named("content_block_start", {"index": index, "content_block": block})))
            made += [(True, named("content_block_delta", {"index": index, "delta": delta})) for delta in deltas]
            made.append((False, named("content_block_stop", {"index": index})))
        delta = {"stop_reason": "tool_use" if behaviour.calls else "end_turn", "stop_sequence": None}
        last = {"output_tokens": behaviour.output_tokens} if behaviour.usage else {"output_tokens": 0}
        made.append((False, named("message_delta", {"delta": delta, "usage": last})))
        return [*made, (False, named("message_stop", {}))]

    def error_line(self) -> str:
        return named("error", {"error": {"type": "overloaded_error", "message": "Overloaded"}})


def data(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"


def named(event: str, value: dict[str, Any]) -> str:
    return f"event: {event}\n{data({'type': event, **value})}"


def application(provider: Provider) -> Starlette:
    """Returns the provider as a web application."""

    async def openai(request: Request) -> Response:
        return await provider.answer(request, OpenAI())

    async def mistral(request: Request) -> Response:
        return await provider.answer(request, Mistral())

    async def anthropic(request: Request) -> Response:
        return await provider.answer(request, Anthropic())

    async def embeddings(request: Request) -> Response:
        body = await request.json()
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        provider.requests.append({"path": request.url.path, "body": body, "headers": dict(request.headers)})
        if provider.behaviour.statuses:
            return Wire().refusal(provider.behaviour.statuses[0], "no vectors", "")
        rows = [
            {"object": "embedding", "index": index, "embedding": [float(len(text)), 1.0]}
            for index, text in enumerate(texts)
        ]
        return JSONResponse({
            "object": "list", "data": rows, "model": body["model"], "usage": {"prompt_tokens": 3, "total_tokens": 3},
        })  # fmt: skip

    async def models(request: Request) -> Response:
        key = request.headers.get("authorization", "").removeprefix("Bearer ") or request.headers.get("x-api-key", "")
        provider.requests.append({"path": request.url.path, "body": None, "headers": dict(request.headers)})
        if key.startswith("sk-wrong"):
            return Wire().refusal(401, f"Incorrect API key provided: {key}", key)
        if provider.behaviour.statuses:
            return Wire().refusal(provider.behaviour.statuses[0], f"no models for key {key}", key)
        await asyncio.sleep(provider.behaviour.delay)
        rows = [
            {
                "id": f"model-{letter}", "object": "model", "created": 1, "owned_by": "loopback", "type": "model",
                "display_name": letter, "created_at": "2026-01-01T00:00:00Z",
            }
            for letter in "ba"
        ]  # fmt: skip
        cards = [{**row, "type": "base", "capabilities": {"completion_chat": True}} for row in rows]
        data = cards if request.url.path.startswith("/mistral") else rows
        return JSONResponse({"object": "list", "data": data, "has_more": False, "first_id": None, "last_id": None})

    async def behave(request: Request) -> Response:
        known = {f.name for f in fields(Behaviour)}
        asked = await request.json()
        if not asked.keys() <= known:
            return JSONResponse({"unknown": sorted(asked.keys() - known)}, 422)
        provider.behave(replace(Behaviour(), **asked))
        return JSONResponse(asdict(provider.behaviour))

    async def seen(_: Request) -> Response:
        return JSONResponse({
            "requests": provider.requests, "closed": provider.closed, "open": provider.open, "most": provider.most_open,
        })  # fmt: skip

    return Starlette(routes=[
        Route("/v1/chat/completions", openai, methods=["POST"]),
        Route("/v1/messages", anthropic, methods=["POST"]),
        Route("/mistral/v1/chat/completions", mistral, methods=["POST"]),
        Route("/v1/embeddings", embeddings, methods=["POST"]),
        Route("/v1/models", models),
        Route("/mistral/v1/models", models),
        Route("/behave", behave, methods=["POST"]),
        Route("/seen", seen),
    ])  # fmt: skip


class Loopback:
    """The provider in a thread of this process: ``with Loopback() as server``."""

    def __init__(self) -> None:
        self.provider = Provider()
        self._socket = bound(0)
        self._server = uvicorn.Server(configuration(self.provider))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.port: int = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        """The server's address without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What was asked since the last ``behave``."""
        return self.provider.requests

    def behave(self, **settings: Any) -> None:
        """Says how the next requests are answered."""
        self.provider.behave(Behaviour(**settings))

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        return self

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))


def bound(port: int) -> socket.socket:
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind(("127.0.0.1", port))
    return opened


def configuration(provider: Provider) -> uvicorn.Config:
    return uvicorn.Config(
        application(provider), log_level="critical", lifespan="off", timeout_graceful_shutdown=1, access_log=False,
        backlog=2048,
    )  # fmt: skip


def main() -> None:
    """Runs the provider until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m tests.models.loopback")
    parser.add_argument("--port", type=int, default=0)
    opened = bound(parser.parse_args().port)
    opened.listen(2048)
    print(f"http://127.0.0.1:{opened.getsockname()[1]}", flush=True)
    asyncio.run(uvicorn.Server(configuration(Provider())).serve(sockets=[opened]))


if __name__ == "__main__":
    sys.exit(main())
