"""A run can be looked at as soon as it was asked for, or the answer says soon that it has not begun."""

import anyio
import pytest

from stretto.server import run_reading
from stretto.testing import ScriptedModel
from tests.server.conftest import Serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_run_that_was_just_asked_for_is_there(serve: Serve) -> None:
    async with serve() as served:
        workflow = await served.create()
        for _ in range(5):
            run_id = (await served.ask(workflow))["run_id"]
            answer = await served.client.get(f"/api/runs/{run_id}")
            assert (answer.status_code, run_id in answer.text) == (200, True), answer.text
            assert await served.over(run_id) == "completed"


async def test_a_run_that_waits_for_others_is_not_waited_for(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_reading, "SOON", 0.05)
    endless = ScriptedModel(" ".join(["word"] * 50_000), forever=True, tokens_per_second=50)
    async with serve(models=[endless], settings={"server": {"grace": 0}}) as served:
        workflow = await served.create()
        running, waiting = [(await served.ask(workflow))["run_id"] for _ in range(2)]
        await served.heard(running, 2)
        with anyio.fail_after(30):
            assert (await served.client.get(f"/api/runs/{waiting}")).status_code == 404
            assert (await served.client.get(f"/api/runs/{running}")).status_code == 200
