"""Threads beside the loop, and how many of everything a pool lets in."""

import asyncio
import contextvars
import subprocess
import sys
import threading
import time
from typing import Any

import psutil
import pytest

from stretto.core.errors import (
    DefinitionError,
)
from stretto.runtime.admission import Admission, processors
from stretto.runtime.workers import ThreadsAndProcesses, WorkerPool
from tests.runtime import isolated_functions as functions
from tests.runtime.at_work import cancelled_after, until, with_workers


def test_a_thread_returns_what_the_function_returns_and_keeps_the_callers_context():
    variable = contextvars.ContextVar("variable", default="outside")

    async def use(workers: ThreadsAndProcesses, pool: WorkerPool) -> tuple[str, bool, int]:
        variable.set("inside")
        name = await workers.thread(lambda: (variable.get(), threading.current_thread().daemon))
        return (*name, pool.in_flight)

    assert with_workers(use) == ("inside", True, 0)


def test_a_thread_raises_what_the_function_raises():
    with pytest.raises(KeyError, match="lost"):
        with_workers(lambda workers, _: workers.thread(functions.raise_key_error, "lost"))


@pytest.mark.parametrize("error", [StopIteration, asyncio.CancelledError])
def test_errors_that_mean_something_to_the_loop_come_out_of_a_thread_as_others(error: type[BaseException]):
    def raise_it() -> None:
        raise error

    with pytest.raises(RuntimeError, match=error.__name__):
        with_workers(lambda workers, _: workers.thread(raise_it))


def test_an_idle_thread_is_used_again_and_ends_when_the_pool_is_closed():
    async def use(workers: ThreadsAndProcesses, pool: WorkerPool) -> list[threading.Thread]:
        used: list[threading.Thread] = []
        for _ in range(5):
            used.append(await workers.thread(threading.current_thread))
            await until(lambda: pool._threads._idle)  # it is on its way back
        return used

    [thread] = set(with_workers(use))
    thread.join(5)
    assert not thread.is_alive()


def test_no_more_threads_work_at_once_than_the_pool_allows():
    at_once, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.01)
        with lock:
            at_once -= 1

    async def use(workers: ThreadsAndProcesses, pool: WorkerPool) -> None:
        await asyncio.gather(*(workers.thread(work) for _ in range(6)))

    with_workers(use, threads=2)
    assert most == 2


def test_a_cancelled_thread_is_left_behind_and_named_until_it_ends():
    release, started = threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        release.wait(20)

    async def use(workers: ThreadsAndProcesses, pool: WorkerPool) -> None:
        assert await pool.drained(0) == []
        took = await cancelled_after(workers.thread(block), started.is_set)
        assert took < 1
        assert pool.busy == {"run/step": 1}
        assert pool.in_flight == 0
        assert await pool.drained(0.01) == ["run/step"]
        waiting = asyncio.create_task(pool.drained(20))
        await asyncio.sleep(0)
        release.set()
        assert await waiting == []
        assert pool.busy == {}

    with_workers(use, threads=1)


def test_a_call_that_is_left_behind_gives_its_place_to_the_next():
    release, started = threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        release.wait(20)

    async def use(workers: ThreadsAndProcesses, pool: WorkerPool) -> int:
        await cancelled_after(workers.thread(block), started.is_set)
        try:
            return await workers.thread(functions.double, 2)
        finally:
            release.set()

    assert with_workers(use, threads=1) == 4


def test_a_thread_that_outlives_its_loop_ends_quietly():
    release, started, ended = threading.Event(), threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        release.wait(20)

    def work() -> None:
        block()
        ended.set()

    async def use(workers: ThreadsAndProcesses, pool: WorkerPool) -> WorkerPool:
        await cancelled_after(workers.thread(work), started.is_set)
        return pool

    pool = with_workers(use)
    release.set()
    assert ended.wait(5)
    asyncio.run(until(lambda: not pool.busy))


def test_the_interpreter_ends_although_a_thread_was_left_behind():
    program = """
import asyncio, threading
from stretto.runtime.workers import ThreadsAndProcesses, WorkerPool

async def main():
    task = asyncio.create_task(ThreadsAndProcesses("run", WorkerPool()).thread(threading.Event().wait))
    await asyncio.sleep(0.05)
    task.cancel()

asyncio.run(main())
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=20, check=False).returncode == 0


# Admission


def admission_log(admission: Admission, needs: list[int | None], cancel: int | None = None) -> list[int]:
    """Lets everyone in who may, one after the other out, and returns how many were inside at each step."""

    async def use() -> list[int]:
        gates = [asyncio.Event() for _ in needs]

        async def enter(place: int) -> None:
            async with admission.admitted(needs[place]):
                await gates[place].wait()

        tasks = [asyncio.create_task(enter(place)) for place in range(len(needs))]
        log = []
        for _ in range(3):
            await asyncio.sleep(0)
        if cancel is not None:
            tasks[cancel].cancel()
            for _ in range(3):
                await asyncio.sleep(0)
        for gate in gates:
            log.append(admission.inside)
            gate.set()
            for _ in range(3):
                await asyncio.sleep(0)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert admission.inside == 0
        return log

    return asyncio.run(use())


def test_by_default_as_many_processes_run_as_there_are_processors():
    most = processors()
    assert admission_log(Admission(None, 2**60), [1] * (most + 2))[0] == most


def test_processes_wait_for_memory_and_one_that_wants_all_of_it_runs_alone():
    assert admission_log(Admission(9, 100), [60, 60, 40, 500, 10]) == [1, 2, 1, 1, 1]


def test_by_default_memory_is_what_the_machine_has_free():
    free = psutil.virtual_memory().available
    assert admission_log(Admission(9), [free * 2 // 3, free * 2 // 3]) == [1, 1]
    assert admission_log(Admission(9), [None, None])[0] == 2


def test_who_is_cancelled_while_waiting_holds_up_nobody():
    assert admission_log(Admission(9, 100), [60, 60, 40], cancel=1)[0] == 2
    assert admission_log(Admission(1, 100), [60, 60], cancel=1) == [1, 0]


def test_who_is_cancelled_just_when_let_in_lets_the_next_one_in():
    async def use() -> None:
        admission = Admission(1, 100)

        async def enter() -> None:
            async with admission.admitted(1):
                pass

        async with admission.admitted(1):
            first, second = asyncio.create_task(enter()), asyncio.create_task(enter())
            await asyncio.sleep(0)
        first.cancel()  # it has the slot by now, and does not know it
        await asyncio.gather(first, second, return_exceptions=True)
        assert first.cancelled()
        assert second.done()
        assert not second.cancelled()
        assert admission.inside == 0

    asyncio.run(use())


def test_who_waits_in_a_loop_that_is_gone_is_passed_over():
    admission = Admission(1, 100)
    loop = asyncio.new_event_loop()

    async def enter() -> None:
        async with admission.admitted(1):
            pass

    async def use() -> None:
        async with admission.admitted(1):
            waiting = loop.create_task(enter())
            asyncio.events._set_running_loop(None)
            loop.call_soon(loop.stop)
            loop.run_forever()
            asyncio.events._set_running_loop(asyncio_loop)
            loop.close()
            waiting._log_destroy_pending = False  # type: ignore[attr-defined]  # it is destroyed on purpose

    async def remember() -> None:
        nonlocal asyncio_loop
        asyncio_loop = asyncio.get_running_loop()
        await use()
        async with admission.admitted(1):
            assert admission.inside == 1

    asyncio_loop: asyncio.AbstractEventLoop | None = None
    asyncio.run(remember())


@pytest.mark.parametrize("settings", [{"processes": 0}, {"memory": 0}, {"threads": 0}, {"capture": 0}, {"grace": -1}])
def test_a_pool_in_which_nothing_could_run_is_refused(settings: dict[str, Any]):
    with pytest.raises(DefinitionError, match=f"{next(iter(settings))} must be"):
        WorkerPool(**settings)
