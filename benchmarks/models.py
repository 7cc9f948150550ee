"""What a model call costs beside a bare pydantic-ai call to the same provider on loopback, and how fast it stops."""

from __future__ import annotations

import asyncio
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import ModelRequest, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from benchmarks.measure import Figure, Size, Times, driven, seconds, times
from stretto import Context, ParallelResourceLimits, start, step
from stretto.agents import Agent
from stretto.core.events import ModelDelta
from stretto.models import Keys, ModelCall, Models, ProviderConfig, user_message
from stretto.models.language_model import LanguageModel

ROOT = Path(__file__).resolve().parent.parent
TURN, FIRST, STOPPED, LATE = 0.003, 0.005, 0.1, 0.25
STREAMS, PACE, EACH = 200, 50, 5
CALL = ModelCall(messages=(user_message("What is the answer?"),))
ASKED = [ModelRequest.user_text_prompt("What is the answer?")]


PLAIN: dict[str, OpenAIChatModel] = {}
"""pydantic-ai's own model beside each of ours, with a client of its own."""


class Provider:
    """The provider on loopback, in a process of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx2.AsyncClient(base_url=url)

    async def behave(self, **settings: Any) -> None:
        """Says how it answers from now on."""
        (await self._client.post("/behave", json=settings)).raise_for_status()

    async def closed(self) -> list[float]:
        """Returns when connections were closed by the other side (seconds since the Unix epoch)."""
        return list((await self._client.get("/seen")).json()["closed"])

    async def close(self) -> None:
        """Closes the way to it."""
        await self._client.aclose()


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    """Starts the provider, and ends it."""
    command = [sys.executable, "-m", "tests.models.loopback", "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220  # in no time
    try:
        assert process.stdout is not None
        made = Provider(process.stdout.readline().strip())
        yield made
        await made.close()
    finally:
        process.terminate()
        process.wait()


@dataclass
class Ear:
    """Notes when each piece was heard (seconds since the Unix epoch), and what it was."""

    pieces: list[tuple[float, str]] = field(default_factory=list)
    enough: int = 0
    told: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, text: str) -> None:
        """Takes a piece."""
        self.pieces.append((time.time(), text))
        if len(self.pieces) == self.enough:
            self.told.set()

    def heard(self, delta: ModelDelta) -> None:
        """Takes a piece, as a listener."""
        self.hear(delta.text)

    def restart(self) -> bool:
        """Is never asked here."""
        return False


async def bare(model: LanguageModel, ear: Ear) -> None:
    """Streams an answer with pydantic-ai alone."""
    async with model_request_stream(PLAIN[model.id], ASKED) as stream:
        async for event in stream:
            if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                ear.hear(event.part.content)
            elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                ear.hear(event.delta.content_delta)
        stream.get()


def heard_by(ear: Ear) -> ModelCall:
    """Returns the question, with somebody who listens."""
    return ModelCall(messages=CALL.messages, listener=ear)


async def ours(model: LanguageModel, ear: Ear) -> None:
    """Streams an answer in a run of its own."""
    async with start(model, heard_by(ear)) as run:
        pass
    run.outcome.unwrap()


async def turn(model: LanguageModel, ear: Ear) -> None:
    """Streams an answer as an agent's turn, in a run of its own; who looks follows the run's events."""
    async with start(Agent(name="agent", model=model), "What is the answer?") as run:
        async for event in run.events():
            if isinstance(event, ModelDelta):
                ear.hear(event.text)
    run.outcome.unwrap()


Ask = Callable[[LanguageModel, Ear], Awaitable[None]]


async def _turns(asked: Provider, model: LanguageModel, rounds: int) -> list[Figure]:
    await asked.behave(text=" ".join(["word"] * 20))
    contenders: dict[str, Ask] = {"bare": bare, "ours": ours, "agent": turn}
    whole: dict[str, list[float]] = {name: [] for name in contenders}
    first: dict[str, list[float]] = {name: [] for name in contenders}
    for ask in contenders.values():
        await ask(model, Ear())
    for _ in range(rounds * 4):
        for name, ask in contenders.items():
            gc.collect()
            ear, began = Ear(), time.time()
            await ask(model, ear)
            whole[name].append(time.time() - began)
            first[name].append(ear.pieces[0][0] - began)
    return [
        _added("a model call of 20 tokens, as a run", whole, "ours", TURN),
        _added("an agent's turn of 20 tokens, as a run", whole, "agent", TURN),
        _added("time to the first token of an agent", first, "agent", FIRST),
    ]


def _added(what: str, taken: dict[str, list[float]], name: str, most: float) -> Figure:
    baseline, own = Times(tuple(taken["bare"])), Times(tuple(taken[name]))
    added = statistics.median(mine - theirs for mine, theirs in zip(taken[name], taken["bare"], strict=True))
    return Figure(
        what,
        f"{seconds(baseline.median)} bare pydantic-ai",
        f"{seconds(own.median)}, {seconds(max(0.0, added))} more",
        times(own.median / baseline.median),
        f"≤ {seconds(most)} more",
        added <= most,
        [f"bare: {baseline.told()}", f"ours: {own.told()}"],
    )


async def _stops(asked: Provider, model: LanguageModel, rounds: int) -> Figure:
    taken: dict[str, list[float]] = {"bare": [], "ours": []}
    for _ in range(rounds):
        for name in taken:
            await asked.behave(text=" ".join(["word"] * 5000), speed=PACE)
            ear = Ear(enough=3)
            if name == "bare":
                task = asyncio.ensure_future(bare(model, ear))
                await ear.told.wait()
                told = time.time()
                task.cancel()
                await asyncio.wait([task])
            else:
                async with start(model, heard_by(ear)) as run:
                    await ear.told.wait()
                    told = time.time()
                    run.cancel()
            while not (closed := await asked.closed()):  # noqa: ASYNC110  # it happens in another process
                await asyncio.sleep(0.005)
            taken[name].append(closed[0] - told)
    baseline, own = Times(tuple(taken["bare"])), Times(tuple(taken["ours"]))
    return Figure(
        "cancelling mid-stream, until the provider sees its connection closed",
        f"{seconds(baseline.median)} bare pydantic-ai",
        seconds(own.median),
        times(own.median / baseline.median),
        f"< {seconds(STOPPED)}",
        own.median < STOPPED,
        [f"bare: {baseline.told()}", f"ours: {own.told()}"],
    )


async def _crowd(asked: Provider, model: LanguageModel, streams: int, tokens: int) -> Figure:
    """Measures how late tokens are, ``EACH`` of them in one event of the provider; a note tells of one in each."""
    baseline, own = await _late(asked, model, streams, tokens, EACH)
    bare_single, single = await _late(asked, model, streams, tokens, 1)
    lost = streams * tokens - len(own)
    return Figure(
        f"{streams} agents at once, {PACE} tokens/s each, {EACH} in each event: how late the latest token is",
        f"{seconds(max(baseline))} bare pydantic-ai",
        f"{seconds(max(own))}, {lost} tokens lost",
        times(max(own) / max(baseline)),
        f"≤ {seconds(LATE)}, none lost",
        max(own) <= LATE and lost == 0,
        [
            f"bare: {Times(tuple(baseline)).told()}",
            f"ours: {Times(tuple(own)).told()}",
            f"with one token in each event, {streams * PACE:,} events/s, the latest is {seconds(max(single))} late and "
            f"{streams * tokens - len(single)} are lost; bare pydantic-ai: {seconds(max(bare_single))}",
        ],
    )


async def _late(
    asked: Provider, model: LanguageModel, streams: int, tokens: int, each: int
) -> tuple[list[float], list[float]]:
    """Returns how late each token was heard, bare and from our agents, ``each`` of them in one event (seconds)."""
    await asked.behave(text=" ".join(["@now@"] * tokens), speed=PACE / each, stamped=True, per_event=each)
    alone = [Ear() for _ in range(streams)]
    await asyncio.gather(*(bare(model, ear) for ear in alone))
    together = [Ear() for _ in range(streams)]
    agent = Agent(name="agent", model=model)

    @step
    async def crowd(_: None, context: Context) -> None:
        async with context.branches(ParallelResourceLimits(max_concurrent_executions=streams)) as branches:
            for place in range(streams):
                await branches.start(agent, "What is the answer?", name=f"agent{place}")

    async with start(crowd) as run:
        async for event in run.events():
            if isinstance(event, ModelDelta):
                together[int(event.path.split("/")[1].removeprefix("agent"))].hear(event.text)
    run.outcome.unwrap()
    return lateness(alone), lateness(together)


def lateness(ears: list[Ear]) -> list[float]:
    """Returns how long after it was sent each token was heard (seconds)."""
    return [at - float(word) for ear in ears for at, text in ear.pieces for word in text.split()]


async def _models(size: Size) -> list[Figure]:
    small = size.name == "tiny"
    async with (
        provider() as asked,
        Models([ProviderConfig(name="own", base_url=f"{asked.url}/v1")], keys=Keys({})) as m,
    ):
        model = m.get("own:one")
        assert isinstance(model, LanguageModel)
        plain = OpenAICompatibleProvider("own", base_url=f"{asked.url}/v1", api_key="no-key")
        PLAIN[model.id] = OpenAIChatModel("one", provider=plain)
        async with plain:
            figures = await _turns(asked, model, size.rounds)
            figures.append(await _stops(asked, model, size.rounds))
            figures.append(await _crowd(asked, model, 10 if small else STREAMS, 10 if small else 2 * PACE))
    return figures


def models(size: Size) -> list[Figure]:
    """Measures model calls."""
    return driven(_models(size))
