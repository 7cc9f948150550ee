"""Follows a run for the one client that has asked for it: what it says, its silence, its limits, its client's going."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import anyio
from pydantic_core import to_json
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from stretto.core.errors import BranchCancelled
from stretto.core.events import Answered, Asked, Event, RunEnded
from stretto.core.outcome import error_of
from stretto.runtime.run import Run

LOOKS = 0.5
"""How often a client that waits for a whole answer is looked after (seconds)."""
HEARTBEAT = b": still there\n\n"
"""What is sent while there is nothing to tell: server-sent events take it for a comment."""


class Following:
    """Follows one run to its end, and cancels it when its time is up.

    ``limit`` bounds the whole, ``patience`` how long it may wait for somebody's answer (seconds). ``given_up`` says why
    it was cancelled here, and is empty otherwise; ``ended`` is the end, as its log tells it.
    """

    def __init__(self, run: Run[Any], *, pause: float, patience: float, limit: float | None = None) -> None:
        self.run, self.given_up = run, ""
        self.ended: RunEnded | None = None
        self._pause, self._patience, self._limit = pause, patience, limit
        self._questions: dict[str, str] = {}

    async def batches(self) -> AsyncIterator[list[Event]]:
        """Yields what the run says from its beginning, all that is there at once, and nothing after each silence."""
        began = anyio.current_time()
        asked_at: float | None = None
        since, batches = 0, self.run.batches()
        while True:
            wait = self._wait(began, asked_at)
            if wait <= 0:
                self._give_up(asked_at)
                wait = self._pause
            events: list[Event] = []
            with anyio.move_on_after(wait):
                try:
                    events = await anext(batches)
                except StopAsyncIteration:
                    break
            if not events:  # waiting has ended the iterator, too
                batches = self.run.batches(since)
                yield []
                continue
            since += len(events)
            self._look(events)
            asked_at = (asked_at or anyio.current_time()) if self._questions else None
            yield events
        await self.run.ended.wait()

    def _look(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Asked():
                    self._questions[event.request_id] = event.question
                case Answered():
                    self._questions.pop(event.request_id, None)
                case RunEnded():
                    self.ended = event
                case _:
                    pass

    def _wait(self, began: float, asked_at: float | None) -> float:
        """Returns how long to wait for news at the most (seconds), nothing when the time is up."""
        if self.given_up:
            return self._pause
        ends = [] if self._limit is None else [began + self._limit]
        ends += [] if asked_at is None else [asked_at + self._patience]
        return min(self._pause, *(end - anyio.current_time() for end in ends)) if ends else self._pause

    def _give_up(self, asked_at: float | None) -> None:
        if asked_at is not None:
            question = next(iter(self._questions.values()))
            self.given_up = (
                f"run {self.run.id!r} asks {question!r}, and nobody has answered in time; answer it where this server "
                "shows its questions, or have the agent ask nobody"
            )
        else:
            self.given_up = (
                f"run {self.run.id!r} took longer than {self._limit:g} s and was cancelled; "
                "ask for a stream, or set server.execution_timeout"
            )
        self.run.cancel(self.given_up)

    @property
    def trouble(self) -> str:
        """Why the run has no output, in words; nothing when it has."""
        if self.ended is not None and self.ended.status == "completed":
            return ""
        if self.given_up:
            return self.given_up
        if self.ended is None:
            error = error_of(self.run.outcome)
            stopped = error is None or isinstance(error, BranchCancelled)
            return "the server stopped before the run had ended; resume it" if stopped else str(error)
        return trouble_of(self.ended)


def trouble_of(ended: RunEnded) -> str:
    """Returns in words why a run has no output; nothing when it has."""
    if ended.status == "completed":
        return ""
    if ended.error is not None:
        return ended.error.message
    return f"the run was {ended.status.replace('_', ' ')}" + (f": {ended.output}" if ended.output else "")


async def to_its_end(
    following: Following, gone: Callable[[], Awaitable[bool]], take: Callable[[Event], object]
) -> None:
    """Follows a run without telling anything yet; cancels it when its client has gone."""
    looked = anyio.current_time()
    async for events in following.batches():
        for event in events:
            take(event)
        if anyio.current_time() - looked >= LOOKS:
            looked = anyio.current_time()
            if await gone():
                following.run.cancel("the client went away")


class ClientStream(StreamingResponse):
    """Server-sent events for one client; ``gone`` is called when it takes no more of them, or has all."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncIterator[bytes], gone: Callable[[], object]) -> None:
        headers = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}
        super().__init__(frames, headers=headers)
        self._gone = gone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends what there is, until there is no more or nobody takes it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._gone()


def cancel_unless_over(run: Run[Any]) -> Callable[[], None]:
    """Returns what cancels a run whose client has gone; one that has ended stays as it is."""
    return lambda: None if run.ended.is_set() else run.cancel("the client went away")


def frame(data: Mapping[str, Any], event: str = "") -> bytes:
    """Returns JSON values as one server-sent event."""
    text = b"data: " + to_json(data, fallback=str) + b"\n\n"
    return b"event: " + event.encode() + b"\n" + text if event else text
