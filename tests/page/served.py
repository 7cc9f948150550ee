"""A server for the page, with models that say what a test lets them say, and what a person does over HTTP."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx2

from stretto.core.step import Step
from stretto.testing import ScriptedModel
from stretto.testing.scripted import Scripted, _pieces
from tests.server.background import Background
from tests.server.conftest import free_port


class SteppedModel(ScriptedModel):
    """Says the next pieces of its answers when a test lets it: ``let(3)``, or ``let()`` for all that is left."""

    def __init__(self, *script: Any, id: str = "scripted:model", forever: bool = False) -> None:
        super().__init__(*script, id=id, forever=forever)
        self._left: float = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()

    def let(self, pieces: float = float("inf")) -> None:
        """Lets the model say so many pieces more."""
        if self._loop is None or self._loop.is_closed():
            self._left += pieces
        else:
            self._loop.call_soon_threadsafe(self._more, pieces)

    def _more(self, pieces: float) -> None:
        self._left += pieces
        self._changed.set()

    async def _stream(self, answer: Scripted, place: int, input: Any, context: Any) -> None:
        if self._loop is not asyncio.get_running_loop():  # the server was started again
            self._loop, self._changed = asyncio.get_running_loop(), asyncio.Event()
        for delta in _pieces(answer, place):
            while self._left < 1:
                self._changed.clear()
                await self._changed.wait()
            self._left -= 1
            context.emit(delta)
            if input.listener is not None:
                input.listener.heard(delta)


class PageServer:
    """A server on a port that stays the same when it is started again; ``url`` says where.

    Other ``settings`` hold from the next start on.
    """

    def __init__(self, place: Path, settings: Mapping[str, Any], steps: Mapping[str, Step[Any, Any]] | None) -> None:
        self.place, self.settings, self._steps, self._port = place, settings, steps, free_port()
        self._running: Background | None = None
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=60)
        self.url = str(self.client.base_url).rstrip("/")

    def start(self) -> Self:
        """Starts the server."""
        self._running = Background(self.place, self.settings, self._steps, self._port).__enter__()
        return self

    def stop(self) -> None:
        """Stops the server in order; what runs is suspended, and goes on when it is started again."""
        if self._running is not None:
            self._running.__exit__(None, None, None)
            self._running = None

    def close(self) -> None:
        """Stops the server for good."""
        self.stop()
        self.client.close()

    def restart(self) -> None:
        """Stops the server and starts it again, at the same address and with the same database."""
        self.stop()
        self.start()

    @property
    def background(self) -> Background:
        """The running server, with its ``house``."""
        assert self._running is not None, "the server does not run"
        return self._running

    def get(self, path: str) -> Any:
        """Returns what a path answers."""
        return self._told(self.client.get(path))

    def post(self, path: str, body: Any = None) -> Any:
        """Sends something to a path, and returns the answer."""
        return self._told(self.client.post(path, json={} if body is None else body))

    def create(self, name: str = "a workflow", agent_id: str = "helper") -> str:
        """Creates a workflow and returns its id."""
        return self.post("/api/workflows", {"name": name, "agent_id": agent_id})["id"]

    def ask(self, workflow_id: str, message: str = "Hello.") -> str:
        """Has a workflow execute a message, and returns the id of the run; what it does goes on."""
        return self.post(f"/api/workflows/{workflow_id}/execute/stream", {"message": message})["run_id"]

    def execute(self, workflow_id: str, message: str = "Hello.") -> Any:
        """Has a workflow execute a message, and returns the result."""
        return self.post(f"/api/workflows/{workflow_id}/execute", {"message": message})

    def over(self, run_id: str) -> str:
        """Waits until an execution is over, and returns how it ended."""
        house = self.background.house
        return asyncio.run_coroutine_threadsafe(house.executions.wait(run_id), self.background.loop).result(60).status

    def pending(self) -> list[dict[str, Any]]:
        """Returns the calls that wait for somebody to allow them."""
        return self.get("/api/validations?status=pending")["items"]

    def approve(self, id: str, body: Any = None) -> Any:
        """Allows a call."""
        return self.post(f"/api/validations/{id}/approve", body)

    def reject(self, id: str, reason: str = "No.") -> Any:
        """Refuses a call."""
        return self.post(f"/api/validations/{id}/reject", {"reason": reason})

    def _told(self, answer: httpx2.Response) -> Any:
        assert answer.status_code < 400, answer.text
        return answer.json() if answer.content else None
