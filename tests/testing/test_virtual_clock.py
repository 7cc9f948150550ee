"""Time that jumps over every wait, and stands still while something outside the loop is at work."""

import asyncio
import math
import socket
import subprocess
import sys
import threading
import time

import anyio.to_thread
import pytest

from stretto.core.aggregation import PartialSuccess
from stretto.core.checks import Hung
from stretto.core.errors import DefinitionError, StepTimeout, UnknownSetting
from stretto.core.function import step
from stretto.core.outcome import Completed, TimedOut
from stretto.core.policies import ParallelResourceLimits
from stretto.core.resources import Workers
from stretto.runtime.virtual import hang
from stretto.testing import VirtualClock, run_virtual
from stretto.workflows.parallel import ParallelWorkflow


@step
async def sleeps(seconds):
    await asyncio.sleep(seconds)
    return seconds


def test_an_hours_timeout_takes_no_time():
    @step(timeout=3600)
    async def endless(_):
        await asyncio.sleep(7200)

    clock, began = VirtualClock(), time.monotonic()
    with pytest.raises(StepTimeout, match="3600 s"):
        run_virtual(endless, 1, clock=clock)
    assert clock.elapsed == pytest.approx(3600)
    assert time.monotonic() - began < 30


def test_waits_end_in_the_order_in_which_they_are_due():
    ended = []

    async def wait(seconds):
        await asyncio.sleep(seconds)
        ended.append(seconds)

    async def main():
        async with asyncio.TaskGroup() as group:
            for seconds in (86400 * 40, 5, 0.001, 600):
                group.create_task(wait(seconds))

    run_virtual(main())
    assert ended == [0.001, 5, 600, 86400 * 40]


def test_the_clock_goes_on_from_one_run_to_the_next():
    clock = VirtualClock()
    run_virtual(sleeps, 10, clock=clock)
    run_virtual(sleeps, 5, clock=clock)
    assert clock.elapsed == pytest.approx(15)


def test_a_worker_thread_is_waited_for_while_time_stands_still():
    @step(timeout=0.001)
    def works(_):
        time.sleep(0.05)
        return "done"

    clock = VirtualClock()
    assert run_virtual(works, 1, clock=clock) == "done"
    assert clock.elapsed == 0


def test_threads_of_asyncio_and_anyio_are_waited_for():
    async def main():
        async with asyncio.timeout(0.001):
            one = await asyncio.to_thread(lambda: time.sleep(0.05) or 1)
            two = await anyio.to_thread.run_sync(lambda: time.sleep(0.05) or 2)
        return one, two

    assert run_virtual(main()) == (1, 2)


def test_processes_and_commands_are_waited_for():
    @step
    async def commanded(_, context):
        workers = context.resource(Workers)
        got = await workers.command([sys.executable, "-c", "print(6 * 7)"])
        return int(got.stdout) + await workers.process(math.gcd, 12, 8)

    flow = ParallelWorkflow(
        steps=(commanded, sleeps), limits=ParallelResourceLimits(execution_timeout=0.5), aggregation=PartialSuccess()
    )
    made, slept = run_virtual(flow, 3600)
    assert made == Completed(46)
    assert isinstance(slept, TimedOut)


def test_a_subprocess_of_asyncio_is_waited_for():
    async def main():
        async with asyncio.timeout(0.001):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "import time; time.sleep(0.1); print('hello')", stdout=subprocess.PIPE
            )
            out, _ = await process.communicate()
            shell = await asyncio.create_subprocess_shell("sleep 0.1; exit 3", stdout=subprocess.PIPE)
            await shell.communicate()
        return out.split(), process.returncode, shell.returncode

    assert run_virtual(main()) == ([b"hello"], 0, 3)


def test_sockets_are_waited_for_as_long_as_they_may_be_quiet():
    def serve(listening):
        connection, _ = listening.accept()
        with connection:
            time.sleep(0.05)
            connection.sendall(b"late")

    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=serve, args=(listening,))
            thread.start()
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            async with asyncio.timeout(3600):
                got = await reader.read()
            writer.close()
            thread.join()
            return got

    assert run_virtual(main(), clock=VirtualClock(quiet=10)) == b"late"


def test_a_thread_that_never_ends_is_given_up_after_the_clocks_patience():
    release = threading.Event()
    limits = ParallelResourceLimits(execution_timeout=60, cancellation_timeout=1)

    @step
    def stuck(_):
        release.wait()

    flow = ParallelWorkflow(steps=(stuck,), limits=limits, aggregation=PartialSuccess(minimum=0))
    clock, began = VirtualClock(patience=0.05), time.monotonic()
    (outcome,) = run_virtual(flow, 1, clock=clock, cancellation_timeout=2)
    release.set()
    assert isinstance(outcome, TimedOut)
    assert 60 <= clock.elapsed < 70
    assert time.monotonic() - began < 30


def test_a_run_with_nothing_left_to_wait_for_ends_with_an_error_that_says_who_waits_where():
    @step
    async def stuck(_):
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Hung, match=r"nothing is left .* at 7 s.*test_virtual_clock\.py:\d+ in .*stuck") as hung:
        run_virtual(sleeps_then(stuck), 7)
    assert hung.value.at == 7
    assert isinstance(hung.value, AssertionError)


def sleeps_then(then):
    @step
    async def both(seconds, context):
        await context.run(sleeps, seconds)
        return await context.run(then, seconds)

    return both


def test_a_wait_without_end_is_no_timer():
    with pytest.raises(Hung):
        run_virtual(asyncio.sleep(math.inf))


def test_what_ticks_for_ever_meets_the_horizon():
    ticked = []

    async def ticks():
        while True:
            await asyncio.sleep(10)
            ticked.append(10)

    clock = VirtualClock(horizon=1000)
    with pytest.raises(Hung, match="the horizon of 1000 s"):
        run_virtual(ticks(), clock=clock)
    assert clock.elapsed == pytest.approx(1000)


def test_a_hung_generator_is_named_by_its_own_line():
    async def items():
        yield await hang()

    async def main():
        async for _ in items():
            pass

    with pytest.raises(Hung, match=r"virtual\.py:\d+ in hang"):
        run_virtual(main())


@pytest.mark.parametrize("setting", [{"patience": -1}, {"quiet": "long"}, {"horizon": 0}])
def test_a_clock_refuses_settings_that_mean_nothing(setting):
    with pytest.raises(DefinitionError, match=next(iter(setting))):
        VirtualClock(**setting)


def test_settings_reach_the_run():
    with pytest.raises(StepTimeout, match="run 'sleeps'"):
        run_virtual(sleeps, 60, timeout=30)
    with pytest.raises(UnknownSetting):
        run_virtual(sleeps, 60, tiemout=30)


def test_a_coroutine_takes_no_input():
    with pytest.raises(DefinitionError, match="has its input already"):
        run_virtual(sleeps.execute(1, None), 2)
