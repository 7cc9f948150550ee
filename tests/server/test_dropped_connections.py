"""A client whose connection breaks again and again, over real HTTP, while a workflow works and afterwards."""

import random
from itertools import pairwise
from typing import Any

import anyio
import pytest

from stretto.models.model import ModelCall
from stretto.server.frames import place_of
from stretto.testing import Scripted, ScriptedModel
from tests.server.conftest import Serve, Served, agent
from tests.server.listening import events_in
from tests.server.telling import Told

pytestmark = pytest.mark.anyio

DROPS, WORDS = 100, 150
SPOKEN = "".join(f"word{n} " for n in range(WORDS)).strip()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def answer(call: ModelCall) -> Scripted:
    """Thinks, calls a tool, and says all its words when it has the result."""
    kinds = {part["part_kind"] for part in call.messages[-1]["parts"]}
    if "tool-return" in kinds:
        return Scripted(text=SPOKEN)
    return Scripted(reasoning="I have to count.", calls=(("CalculatorTool", {"operation": "add", "a": 1, "b": 2}),))


class Forgetful:
    """A client that reads a little, loses the connection in the middle of something, and comes back."""

    def __init__(self, served: Served, workflow_id: str) -> None:
        self._client, self._path = served.client, f"/api/workflows/{workflow_id}/events"
        self._chance, self._last = random.Random(4), "0.0.0"
        self.held: list[Told] = []
        self.drops = 0

    @property
    def ended(self) -> int:
        return sum(event.name == "workflow_complete" for event in self.held)

    async def listen(self) -> None:
        sent, patience = b"", self._chance.randrange(1, 5)
        async with self._client.stream("GET", self._path, headers={"Last-Event-ID": self._last}) as stream:
            assert stream.status_code == 200
            with anyio.move_on_after(0.2):
                async for chunk in stream.aiter_raw():
                    sent += chunk
                    patience -= 1
                    if not patience:
                        break
        heard, last = events_in(sent[: self._chance.randrange(len(sent) + 1)])
        self.held += heard
        self._last = last or self._last
        self.drops += 1


async def test_a_client_that_loses_its_connection_100_times_hears_each_event_once_and_in_order(serve: Serve) -> None:
    model = ScriptedModel(answer, forever=True, tokens_per_second=400)
    settings = {"server": {"buffer": 65_536, "requests_per_minute": 1_000_000}}
    async with serve(models=[model], agents=[agent(tools=("CalculatorTool",))], settings=settings) as served:
        workflow_id = await served.create()
        client = Forgetful(served, workflow_id)
        asked: list[str] = []
        over = anyio.Event()

        async def ask() -> None:
            while client.drops < DROPS:
                asked.append((await served.ask(workflow_id))["run_id"])
                assert await served.over(asked[-1]) == "completed"
            over.set()

        with anyio.fail_after(90):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                while not over.is_set() or client.ended < len(asked):
                    await client.listen()
        whole = await served.client.get(f"/api/workflows/{workflow_id}/events?after=0.0.0&follow=false")
    held = [event for event in client.held if event.name != "workflow_update"]
    assert client.drops >= DROPS
    places = [place_of(event.id) for event in held]
    assert all(first is not None and second is not None and first < second for first, second in pairwise(places))
    assert [event.data["run_id"] for event in held if event.name == "workflow_complete"] == asked
    for run_id in asked:
        assert said(held, run_id) == SPOKEN
    whole_told = events_in(whole.content)[0]
    assert not_words(held) == not_words(whole_told)
    assert len(not_words(held)) == 5 * len(asked)  # agent and tool, each from its beginning to its end, and the end


def said(told: list[Told], run_id: str) -> str:
    of_run = [event.data for event in told if event.data["run_id"] == run_id]
    return "".join(data["content"] for data in of_run if data.get("chunk_type") == "token")


def not_words(told: list[Told]) -> list[tuple[str, str, Any]]:
    words = ("token", "reasoning")
    return [tuple(event) for event in told if event.data.get("chunk_type") not in words]
