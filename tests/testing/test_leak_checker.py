"""The leak checker sees what outlives a block, and nothing else."""

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from stretto.core.checks import SomethingLeft
from stretto.core.errors import DefinitionError
from stretto.testing import assert_nothing_left


def test_a_block_that_leaves_nothing_passes():
    with assert_nothing_left():
        asyncio.run(asyncio.sleep(0))


def test_a_task_is_named_with_its_place():
    async def main():
        async def waits():
            await asyncio.sleep(60)

        tasks = []
        with pytest.raises(SomethingLeft, match=r"tasks: 'orphan' at tasks\.py:\d+ in sleep") as left:  # noqa: PT012
            with assert_nothing_left():
                tasks.append(asyncio.create_task(waits(), name="orphan"))
                await asyncio.sleep(0)
        tasks[0].cancel()
        assert (len(left.value.tasks), left.value.threads) == (1, ())

    asyncio.run(main())


def test_a_thread_at_work_is_named_with_its_place():
    release = threading.Event()
    with pytest.raises(SomethingLeft, match=r"threads: 'orphan' at .* in Condition\.wait"):
        with assert_nothing_left(within=0.05):
            threading.Thread(target=release.wait, name="orphan").start()
    release.set()


def test_a_thread_that_winds_down_in_time_is_no_leak():
    with assert_nothing_left(within=10):
        threading.Timer(0.05, lambda: None).start()


def test_idle_threads_of_a_pool_are_not_at_work():
    with ThreadPoolExecutor(1) as pool:
        with assert_nothing_left():
            pool.submit(int).result()


def test_a_child_process_is_named_with_its_command():
    child = None
    try:
        with pytest.raises(SomethingLeft, match=r"processes: \d+ .*import time"):
            with assert_nothing_left(within=0.05):
                child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    finally:
        child.kill()
        child.wait()


def test_what_was_there_before_does_not_count():
    release = threading.Event()
    threading.Thread(target=release.wait).start()
    with assert_nothing_left(within=0):
        asyncio.run(asyncio.sleep(0))
    release.set()


def test_an_error_in_the_block_is_passed_on():
    with pytest.raises(ValueError, match="mine"):
        with assert_nothing_left():
            raise ValueError("mine")


def test_a_negative_time_is_refused():
    with pytest.raises(DefinitionError, match="within"):
        with assert_nothing_left(within=-1):
            pass
