"""Stopping an answer: the connection is closed at once, what was heard is counted, and many at once lose nothing."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from stretto import Context, ParallelResourceLimits, start, step
from stretto.core.events import ModelDelta, ModelUsed
from stretto.models import ModelCall, user_message
from stretto.runtime.shared import Shared
from tests.models.loopback import Loopback
from tests.models.talking import FACES, QUESTION, Ear, models_of

LONG = " ".join(f"word{number}" for number in range(2000))


async def until_closed(server: Loopback, count: int) -> None:
    async with asyncio.timeout(10):
        while len(server.provider.closed) < count:  # noqa: ASYNC110  # it happens in the server's thread
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("face", FACES)
def test_a_cancelled_answer_closes_its_connection_and_is_counted(face: str, server: Loopback) -> None:
    server.behave(text=LONG, speed=50)

    async def main() -> tuple[float, list[object], str]:
        heard = asyncio.Event()
        ear = Ear(then=lambda delta: heard.set() if len(ear.heard_pieces) >= 3 else None)
        model = models_of(server).get(f"{face}:one")
        async with start(model, replace(QUESTION, listener=ear), shared=Shared()) as run:
            await heard.wait()
            told = time.time()
            run.cancel()
        await until_closed(server, 1)
        return server.provider.closed[0] - told, list(run.log), run.outcome.status

    took, log, status = asyncio.run(main())
    assert status == "cancelled"
    assert took < 1.0  # a tenth of that on a machine with nothing else to do: benchmarks/models.py
    (used,) = [event for event in log if isinstance(event, ModelUsed)]
    assert used.estimated
    assert used.input_tokens > 0
    assert used.output_tokens >= 3


def test_a_cancelled_crowd_closes_every_connection(server: Loopback) -> None:
    server.behave(text=LONG, speed=20)

    async def main() -> None:
        model = models_of(server).get("chat:one")

        @step
        async def crowd(count: int, context: Context) -> None:
            async with context.branches(ParallelResourceLimits(max_concurrent_executions=count)) as branches:
                for _ in range(count):
                    await branches.start(model, QUESTION)

        async with start(crowd, 20, shared=Shared()) as run:
            async with asyncio.timeout(20):
                while server.provider.open < 20:  # noqa: ASYNC110  # it happens in the server's thread
                    await asyncio.sleep(0.005)
            run.cancel()
        await until_closed(server, 20)
        assert server.provider.open == 0
        assert len([event for event in run.log if isinstance(event, ModelUsed)]) == 20

    asyncio.run(main())


def test_sixty_answers_at_once_lose_no_token(server: Loopback) -> None:
    text = " ".join(f"w{number}" for number in range(20))
    server.behave(text=text, speed=100)

    async def main() -> None:
        async with models_of(server) as models:
            model = models.get("chat:one")

            @step
            async def crowd(count: int, context: Context) -> list[str]:
                async with context.branches(ParallelResourceLimits(max_concurrent_executions=count)) as branches:
                    for number in range(count):
                        await branches.start(model, ModelCall(messages=(user_message(str(number)),)))
                return [outcome.unwrap().text for outcome in branches.outcomes]

            async with start(crowd, 60, shared=Shared()) as run:
                pass
            assert run.outcome.unwrap() == [text] * 60
            pieces = [event for event in run.log if isinstance(event, ModelDelta)]
            assert len(pieces) == 60 * 20
            by_path: dict[str, str] = {}
            for piece in pieces:
                by_path[piece.path] = by_path.get(piece.path, "") + piece.text
            assert list(by_path.values()) == [text] * 60
            assert server.provider.most_open > 30

    asyncio.run(main())


def test_no_more_requests_are_under_way_than_the_provider_may_have(server: Loopback) -> None:
    server.behave(text="one two three", speed=100)

    async def main() -> None:
        model = models_of(server, max_concurrency=3).get("chat:one")

        @step
        async def crowd(count: int, context: Context) -> None:
            async with context.branches(ParallelResourceLimits(max_concurrent_executions=count)) as branches:
                for _ in range(count):
                    await branches.start(model, QUESTION)

        async with start(crowd, 12, shared=Shared()) as run:
            pass
        run.outcome.unwrap()
        assert server.provider.most_open == 3

    asyncio.run(main())
