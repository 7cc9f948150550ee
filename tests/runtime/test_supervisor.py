"""Runs and works that outlive whoever started them: how they end, what breaks, and what goes on afterwards."""

import asyncio
from typing import Any

import pytest

from stretto.core.errors import DefinitionError
from stretto.core.function import step
from stretto.core.outcome import Completed
from stretto.runtime.supervisor import Supervisor
from stretto.stores.memory import MemoryStore
from stretto.workflows.sequential import SequentialWorkflow
from tests.runtime.stage import named, virtually


def noting() -> tuple[list[str], Any]:
    broken: list[str] = []
    return broken, lambda name, error: broken.append(f"{name}: {error}")


def test_a_run_goes_on_when_whoever_started_it_is_gone_and_is_over_at_the_end() -> None:
    async def main() -> None:
        broken, tell = noting()
        async with Supervisor(tell) as supervisor:

            async def request() -> Any:
                return supervisor.start(named("double", lambda x: 2 * x), 21)

            run = await request()
            assert supervisor.runs == [run]
            assert await run.result() == 42
            await asyncio.sleep(0)
            assert supervisor.runs == []
        assert broken == []

    virtually(main)


def test_a_run_that_fails_says_so_in_its_outcome_and_disturbs_nobody() -> None:
    async def main() -> None:
        broken, tell = noting()

        async def fail(x: Any) -> None:
            raise ValueError("no")

        async with Supervisor(tell) as supervisor:
            run = supervisor.start(named("fails", fail))
            with pytest.raises(ValueError, match="no"):
                await run.result()
        assert broken == []

    virtually(main)


def test_leaving_suspends_what_runs_so_that_it_can_be_resumed() -> None:
    async def main() -> None:
        store, ran = MemoryStore(), list[str]()

        def noted(name: str, seconds: float) -> Any:
            async def work(x: Any) -> Any:
                ran.append(name)
                await asyncio.sleep(seconds)
                return name

            return named(name, work, idempotent=True)

        row = SequentialWorkflow(name="row", steps=(noted("a", 1), noted("b", 1000)))
        async with Supervisor(noting()[1]) as supervisor:
            run = supervisor.start(row, 0, run_id="r", store=store)
            await asyncio.sleep(10)
        assert run.ended.is_set()
        kinds = [line.kind for line in await store.read("r")]
        assert "run_ended" not in kinds
        assert "step_cancelled" not in kinds
        assert (await store.summary("r")).status == "interrupted"
        async with Supervisor(noting()[1]) as another:
            again = another.start(row, 0, run_id="r", store=store)
            assert await again.result() == "b"
        assert ran == ["a", "b", "b"]
        assert (await store.read("r"))[-1].kind == "run_ended"

    virtually(main)


def test_a_work_that_raises_is_told_by_its_name_and_stops_nothing_else() -> None:
    async def main() -> None:
        broken, tell = noting()
        beats = 0

        async def break_down() -> None:
            raise RuntimeError("worn out")

        async def beat() -> None:
            nonlocal beats
            while True:
                await asyncio.sleep(1)
                beats += 1

        async with Supervisor(tell) as supervisor:
            supervisor.beside(break_down, "the pump")
            supervisor.beside(beat, "the heart")
            await asyncio.sleep(5.5)
        assert (broken, beats) == (["the pump: worn out"], 5)

    virtually(main)


def test_a_run_that_breaks_outside_its_outcome_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        broken, tell = noting()
        async with Supervisor(tell) as supervisor:
            run = supervisor.start(named("one", lambda x: x), run_id="r")

            async def explode(self: Any = None) -> None:
                raise RuntimeError("the driver broke")

            del run
            monkeypatch.setattr("stretto.runtime.run.Run.drive", explode)
            supervisor.start(named("two", lambda x: x), run_id="bad")
        assert broken == ["run bad: the driver broke"]

    virtually(main)


def test_a_supervisor_that_is_closed_starts_nothing() -> None:
    async def main() -> None:
        async with Supervisor(noting()[1]) as supervisor:
            pass

        async def work() -> None: ...

        with pytest.raises(DefinitionError, match="the supervisor is closed"):
            supervisor.start(named("one", lambda x: x))
        with pytest.raises(DefinitionError, match="the supervisor is closed"):
            supervisor.beside(work, "work")

    virtually(main)


def test_everything_is_over_before_a_cancelled_block_is_left() -> None:
    async def main() -> None:
        ended: list[str] = []

        @step
        async def slow_to_stop(x: Any) -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(2)
                ended.append("step")

        async def block() -> None:
            async with Supervisor(noting()[1]) as supervisor:
                supervisor.start(slow_to_stop)
                await asyncio.sleep(1000)

        task = asyncio.create_task(block())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.sleep(0.5)
        task.cancel()  # once more, while it waits
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == ["step"]

    virtually(main)


def test_a_run_suspended_before_it_began_writes_nothing_and_runs_nothing() -> None:
    async def main() -> None:
        ran: list[int] = []
        store = MemoryStore()
        async with Supervisor(noting()[1]) as supervisor:
            run = supervisor.start(named("one", ran.append), 1, run_id="r", store=store)
            run.suspend()
        assert ran == []
        assert await store.ids("r") == []
        async with Supervisor(noting()[1]) as supervisor:
            again = supervisor.start(named("one", ran.append), 1, run_id="r", store=store)
            await again.ended.wait()
        assert again.outcome == Completed(None)

    virtually(main)
