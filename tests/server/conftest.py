"""A server on a free port of loopback, in the loop of the test, with agents whose models are scripted."""

import shutil
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx2
import pytest
import uvicorn

from stretto.agents.config import AgentConfig, ModelChoice
from stretto.configuring.settings import Settings
from stretto.core.step import Step
from stretto.models.model import Model
from stretto.models.resolve import Models
from stretto.server.app import create_app
from stretto.server.house import House
from stretto.stores.sql import SqlStore
from stretto.stores.store import Store
from stretto.testing import ScriptedModel


@dataclass
class Served:
    """A server that runs: where, a client of it, and its parts."""

    url: str
    client: httpx2.AsyncClient
    house: House
    store: Store

    async def create(self, agent_id: str = "helper", name: str = "a workflow") -> str:
        """Creates a workflow and returns its id."""
        answer = await self.client.post("/api/workflows", json={"name": name, "agent_id": agent_id})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    async def ask(self, workflow_id: str, message: str = "Hello.") -> dict[str, Any]:
        """Has a workflow execute a message, and returns the execution as the server took it."""
        answer = await self.client.post(f"/api/workflows/{workflow_id}/execute/stream", json={"message": message})
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def over(self, run_id: str) -> str:
        """Waits until an execution is over, and returns how it ended."""
        with anyio.fail_after(60):
            return (await self.house.executions.wait(run_id)).status

    async def heard(self, run_id: str, count: int) -> None:
        """Waits until a run has told so many events."""
        with anyio.fail_after(60):
            while (run := self.house.executions.run(run_id)) is None:
                await anyio.lowlevel.checkpoint()
            async for events in run.batches():
                count -= len(events)
                if count <= 0:
                    return


def agent(id: str = "helper", model: str = "scripted:model", **fields: Any) -> AgentConfig:
    """Describes an agent."""
    choice = ModelChoice.model_validate({"model": model})
    return AgentConfig.model_validate({"id": id, "name": id, "llm": choice, **fields})


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@asynccontextmanager
async def listening(app: Any, port: int) -> AsyncIterator[str]:
    """Has uvicorn serve an app on loopback as long as the block lasts."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_config=None, lifespan="on", timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    async with anyio.create_task_group() as tasks:
        stopped = anyio.Event()

        async def run() -> None:
            try:
                await server._serve()
            finally:
                stopped.set()

        tasks.start_soon(run)
        with anyio.fail_after(30):
            while not server.started:
                assert not server.should_exit, "the server did not start"
                await anyio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            app.state.house.hub.close()  # streams that are open would be waited for
            server.should_exit = True
            with anyio.CancelScope(shield=True):
                await stopped.wait()


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the settings and files of whoever runs the tests out of them."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("STRETTO_DATABASE", raising=False)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Model]:
    """The models that are found by their ids before any provider is asked."""
    found: dict[str, Model] = {}
    get = Models.get

    def look(models: Models, id: str, fallbacks: Sequence[str] = ()) -> Model:
        return found[id] if id in found else get(models, id, fallbacks)

    monkeypatch.setattr(Models, "get", look)
    return found


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that is made already: its migrations need not run again for every test."""
    place = tmp_path_factory.mktemp("database") / "server.db"

    async def make() -> None:
        async with SqlStore(place) as store:
            await store.runs()

    anyio.run(make)
    return place


@pytest.fixture
def serve(tmp_path: Path, scripted: dict[str, Model], empty_database: Path) -> Serve:
    """Starts a server: ``async with serve(models=[...], agents=[...], settings={...}, steps={...}) as served``.

    Without ``models`` there is one, ``scripted:model``, which always answers "Done."; without ``agents`` there is one,
    ``helper``, who asks it. ``store`` is by default a new SQLite file; the same ``place`` can be served again.
    """

    @asynccontextmanager
    async def start(
        *,
        models: Iterable[Model] | None = None,
        agents: Iterable[AgentConfig] | None = None,
        settings: Mapping[str, Any] | None = None,
        steps: Mapping[str, Step[Any, Any]] | None = None,
        place: Path | None = None,
        store: Store | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Served]:
        scripted.update({model.id: model for model in models or [ScriptedModel("Done.", forever=True)]})
        described = {config.id: config for config in ([agent()] if agents is None else agents)}
        chosen = Settings.model_validate({"agents": described, **(settings or {})})
        if store is None and place is None and not (tmp_path / "server.db").exists():
            shutil.copyfile(empty_database, tmp_path / "server.db")
        async with AsyncExitStack() as stack:
            opened = store or await stack.enter_async_context(SqlStore(place or tmp_path / "server.db"))
            app = create_app(chosen, opened, steps)
            url = await stack.enter_async_context(listening(app, free_port()))
            client = await stack.enter_async_context(
                httpx2.AsyncClient(base_url=url, timeout=60, headers=dict(headers or {}))
            )
            yield Served(url, client, app.state.house, opened)

    return start
