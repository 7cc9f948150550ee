"""A server in a thread of its own, for tests whose clients are not asynchronous."""

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from stretto.configuring.settings import Settings
from stretto.core.step import Step
from stretto.server.app import create_app
from stretto.server.house import House
from stretto.stores.sql import SqlStore
from tests.server.conftest import agent, free_port, listening


class Background:
    """Serves a database until the block ends; ``url`` says where."""

    def __init__(
        self,
        place: Path,
        settings: Mapping[str, Any] | None = None,
        steps: Mapping[str, Step[Any, Any]] | None = None,
        port: int | None = None,
    ) -> None:
        self._settings = Settings.model_validate({"agents": {"helper": agent()}, **(settings or {})})
        self._place, self._steps, self._port = place, steps, port
        self._ready: Future[tuple[str, House]] = Future()
        self._thread = threading.Thread(target=self._run, name="server")

    def __enter__(self) -> Self:
        self._thread.start()
        self.url, self.house = self._ready.result(60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _serve(self) -> None:
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with SqlStore(self._place) as store:
            app = create_app(self._settings, store, self._steps)
            async with listening(app, self._port or free_port()) as url:
                self._ready.set_result((url, app.state.house))
                await self._stop.wait()
