"""Functions in processes of their own: what comes back, what is held, and what is killed."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from stretto.core.errors import (
    DefinitionError,
    MemoryExceeded,
    NotSendable,
    ProcessDied,
    ProcessRaised,
)
from stretto.runtime import process as process_file
from stretto.runtime import workers as workers_file
from stretto.runtime.admission import Admission
from stretto.runtime.workers import ThreadsAndProcesses, WorkerPool
from tests.runtime import isolated_functions as functions
from tests.runtime import isolated_steps
from tests.runtime.at_work import MIB, cancelled_after, in_process, lives, until, with_workers

REPOSITORY = Path(__file__).resolve().parents[2]


# What comes back


def test_a_process_returns_what_the_function_returns():
    assert in_process(functions.double, 21) == 42
    assert in_process(functions.by_name, 5, keywords={"y": 2}) == 3
    assert in_process(functions.double_later, 21) == 42
    assert in_process(functions.move, functions.Point(1)).x == 2


def test_a_process_is_a_fresh_one_with_a_session_of_its_own_and_an_empty_stdin():
    pid, session, stdin = in_process(functions.where)
    assert pid == session != os.getpid()
    assert stdin == b""


def test_a_process_loads_nothing_that_the_functions_module_does_not_need():
    assert in_process(functions.stretto_modules) == []


def test_large_values_go_there_and_back():
    assert len(in_process(functions.answer, 20 * MIB)) == 20 * MIB
    assert in_process(len, "x" * (5 * MIB)) == 5 * MIB


def test_a_step_made_of_the_function_is_seen_through():
    assert in_process(isolated_steps.double.function, 4) == 8


def test_a_function_under_another_name_is_refused_with_a_way_out():
    def inside(x: int) -> int:
        return x

    with pytest.raises(DefinitionError, match="top level under its own name"):
        in_process(inside, 1)
    other = lambda: None  # noqa: E731
    other.__module__, other.__qualname__ = functions.__name__, "double"
    with pytest.raises(DefinitionError, match="something else"):
        in_process(other)


def test_functions_and_classes_of_the_main_program_are_found(tmp_path: Path):
    program = tmp_path / "program.py"
    program.write_text("""
import asyncio, sys
from stretto.runtime.workers import ThreadsAndProcesses, WorkerPool

class Thing:
    def __init__(self, x): self.x = x

class Trouble(Exception):
    pass

def grow(thing):
    if thing.x > 1:
        raise Trouble("too big")
    return Thing(thing.x + 1)

async def main():
    workers = ThreadsAndProcesses("run", WorkerPool())
    thing = await workers.process(grow, Thing(1))
    assert type(thing) is Thing
    try:
        await workers.process(grow, thing)
    except Trouble as error:
        print(thing.x, error)

if __name__ == "__main__":
    asyncio.run(main())
else:
    assert __name__ == "__mp_main__"
""")
    for argv, cwd in (([str(program)], None), (["-m", "program"], tmp_path)):
        done = subprocess.run([sys.executable, *argv], cwd=cwd, capture_output=True, text=True, timeout=30, check=False)
        assert done.stdout == "2 too big\n", done.stderr


def test_a_function_of_an_interactive_session_is_refused():
    program = """
import asyncio
from stretto.runtime.workers import ThreadsAndProcesses, WorkerPool

def f(): pass

try:
    asyncio.run(ThreadsAndProcesses("run", WorkerPool()).process(f))
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert "DefinitionError" in done.stdout
    assert "put it into a file" in done.stdout


def test_a_function_of_a_file_that_was_loaded_by_its_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import importlib.util

    file = tmp_path / "some plan.py"
    file.write_text("class Thing:\n    x = 3\n\ndef make(): return Thing()\n")
    spec = importlib.util.spec_from_file_location("plan_from_a_path", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "plan_from_a_path", module)
    spec.loader.exec_module(module)
    assert type(in_process(module.make)) is module.Thing


def test_what_a_process_prints_goes_to_our_stderr(capsys: pytest.CaptureFixture[str]):
    in_process(functions.say, "words")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert sorted(printed.err.replace("WORDS", "WORDS\n").split()) == ["WORDS", "words"]


# How they fail


def test_an_error_comes_back_with_its_type_and_the_traceback_from_there():
    with pytest.raises(KeyError, match="lost") as caught:
        in_process(functions.raise_key_error, "lost")
    (note,) = caught.value.__notes__
    assert "in the process of 'run/step'" in note
    assert "raise_key_error" in note
    assert "child.py" not in note


def test_an_error_that_pickle_cannot_read_comes_back_the_same():
    with pytest.raises(functions.TwoWords, match=r"^two words\n") as caught:
        in_process(functions.raise_two_words)
    assert (caught.value.first, caught.value.second) == ("two", "words")


def test_an_error_that_cannot_come_back_leaves_its_type_and_message():
    with pytest.raises(ProcessRaised, match=r"'run/step' raised .*Locked: kept") as caught:
        in_process(functions.raise_locked)
    assert "raise_locked" in caught.value.__notes__[0]


def test_a_group_of_errors_comes_back_as_one():
    with pytest.raises(ExceptionGroup) as caught:
        in_process(functions.raise_group)
    assert [type(error) for error in caught.value.exceptions] == [ValueError, KeyError]


def test_what_pickle_cannot_write_is_named():
    with pytest.raises(NotSendable, match="the input of 'run/step'"):
        in_process(functions.double, threading.Lock())
    with pytest.raises(NotSendable, match="the output of 'run/step'"):
        in_process(functions.return_lock)


def test_an_answer_whose_class_is_not_to_be_had_here_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "comes_and_goes.py"
    file.write_text(
        "class Gone(Exception): pass\nclass Value: pass\ndef f(): return Value()\ndef g(): raise Gone('bye')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import comes_and_goes  # type: ignore[import-not-found]  # it was just written

    f, g = comes_and_goes.f, comes_and_goes.g
    del comes_and_goes.Value, comes_and_goes.Gone
    with pytest.raises(NotSendable, match="the output of"):
        in_process(f)
    with pytest.raises(ProcessRaised, match=r"comes_and_goes.Gone: bye"):
        in_process(g)


def test_a_process_that_ends_without_an_answer_says_how_and_its_last_words():
    with pytest.raises(ProcessDied, match="exited with status 3 without an answer: last words"):
        in_process(functions.leave, 3)
    with pytest.raises(ProcessDied, match="was killed by SIGKILL"):
        in_process(functions.kill_oneself)
    with pytest.raises(ProcessDied, match="was killed by SIGSEGV"):
        in_process(functions.crash)


@pytest.mark.parametrize("function", [functions.take, functions.map_memory, functions.answer])
def test_a_process_is_held_to_its_memory(function: Callable[[int], Any]):
    with pytest.raises(MemoryExceeded, match="33,554,432 bytes") as caught:
        in_process(function, 200 * MIB, memory=32 * MIB)
    assert caught.value.limit == 32 * MIB


def test_an_input_larger_than_the_memory_exceeds_it():
    with pytest.raises(MemoryExceeded):
        in_process(len, bytes(64 * MIB), memory=32 * MIB)


def test_the_memory_of_a_process_is_its_own_whatever_the_interpreter_needs():
    assert in_process(functions.take, 28 * MIB, memory=32 * MIB) == 28 * MIB


def test_without_a_limit_a_memory_error_is_an_error_like_others():
    with pytest.raises(MemoryError, match="asked too much"):
        in_process(functions.raise_memory_error)


@pytest.mark.parametrize("memory", [0, -1, 1.5])
def test_a_memory_limit_that_nothing_meets_is_refused(memory: Any):
    with pytest.raises(DefinitionError, match="memory"):
        in_process(functions.double, 1, memory=memory)


# How they end


def test_a_cancelled_process_is_killed_with_its_children_at_once(tmp_path: Path):
    file = tmp_path / "numbers"

    async def use(workers: ThreadsAndProcesses, pool: WorkerPool) -> list[int]:
        took = await cancelled_after(workers.process(functions.note_and_wait, str(file)), file.exists)
        assert took < 1
        assert pool.in_flight == 0
        return [int(number) for number in file.read_text().split()]

    pid, grandchild = with_workers(use)
    assert not psutil.pid_exists(pid)  # reaped, no zombie
    asyncio.run(until(lambda: not lives(grandchild)))


def test_a_timeout_kills_the_process(tmp_path: Path):
    file = tmp_path / "numbers"

    async def use(workers: ThreadsAndProcesses, pool: WorkerPool) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await workers.process(functions.note_and_wait, str(file))

    with_workers(use)
    assert not any(lives(int(number)) for number in (file.read_text().split() if file.exists() else [])[:1])


def test_a_process_that_is_cancelled_before_it_began_never_begins(tmp_path: Path):
    file, before = tmp_path / "numbers", set(psutil.Process().children())

    async def use(workers: ThreadsAndProcesses, pool: WorkerPool) -> None:
        for turns in range(6):
            task = asyncio.create_task(workers.process(functions.note_and_wait, str(file)))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with_workers(use)
    assert set(psutil.Process().children()) <= before


def test_a_process_does_not_leave_children_behind(tmp_path: Path):
    grandchild = in_process(functions.leave_a_child, str(tmp_path / "number"))
    asyncio.run(until(lambda: not lives(grandchild)))


def test_a_process_that_stays_after_its_answer_is_killed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers_file, "FLUSH", 0.1)
    before = set(psutil.Process().children())
    assert in_process(functions.answer_and_stay) == "answered"
    assert set(psutil.Process().children()) <= before


@pytest.mark.parametrize("by", ["kernel", "thread"])
def test_a_process_dies_with_us_even_when_we_are_killed(tmp_path: Path, by: str):
    file = tmp_path / "numbers"
    program = f"""
import asyncio, sys
from stretto.runtime import process, workers
from tests.runtime.isolated_functions import note_and_wait

if {by!r} == "thread":
    process.HAS_LIFELINE = workers.HAS_LIFELINE = False
asyncio.run(workers.ThreadsAndProcesses("run", workers.WorkerPool()).process(note_and_wait, {str(file)!r}))
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY) as parent:
        asyncio.run(until(file.exists))
        numbers = [int(number) for number in file.read_text().split()]
        assert all(lives(number) for number in numbers)
        parent.kill()
    asyncio.run(until(lambda: not any(lives(number) for number in numbers)))


def test_processes_are_watched_where_the_system_does_not_tell_their_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.setattr(process_file, "POLL", 0.01)
    assert in_process(functions.double, 2) == 4
    with pytest.raises(ProcessDied, match="status 3"):
        in_process(functions.leave, 3)


def test_fifty_processes_run_as_many_at_once_as_the_pool_allows(tmp_path: Path):
    async def use(workers: ThreadsAndProcesses, pool: WorkerPool) -> list[int]:
        return await asyncio.gather(*(workers.process(functions.count_together, str(tmp_path)) for _ in range(50)))

    seen = with_workers(use, processes=3)
    assert len(seen) == 50
    assert 1 < max(seen) <= 3


def test_a_pool_counts_what_is_at_work(tmp_path: Path):
    file = tmp_path / "numbers"

    async def use(workers: ThreadsAndProcesses, pool: WorkerPool) -> None:
        task = asyncio.create_task(workers.process(functions.note_and_wait, str(file)))
        await until(file.exists)
        assert pool.in_flight == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pool.in_flight == 0

    with_workers(use)


def test_a_closed_stderr_does_not_fail_a_process(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert in_process(functions.say, "words") is None


def test_who_waits_for_a_turn_holds_no_descriptors(tmp_path: Path):
    file = tmp_path / "numbers"

    async def use(workers: ThreadsAndProcesses, pool: WorkerPool) -> None:
        first = asyncio.create_task(workers.process(functions.note_and_wait, str(file)))
        await until(file.exists)
        before = psutil.Process().num_fds()
        others = [asyncio.create_task(workers.process(functions.double, 1)) for _ in range(20)]
        await asyncio.sleep(0)
        assert psutil.Process().num_fds() <= before
        for task in (first, *others):
            task.cancel()
        await asyncio.wait((first, *others))

    with_workers(use, processes=1)


def test_pools_with_one_admission_share_its_limits(tmp_path: Path):
    async def use(workers: ThreadsAndProcesses, pool: WorkerPool) -> list[int]:
        both = (workers, ThreadsAndProcesses("other", WorkerPool(admission=pool.admission)))
        return await asyncio.gather(*(who.process(functions.count_together, str(tmp_path)) for who in both * 2))

    assert with_workers(use, admission=Admission(1)) == [1] * 4


def test_a_process_that_names_no_memory_is_held_to_that_of_its_step():
    async def use(workers: ThreadsAndProcesses, pool: WorkerPool) -> None:
        held = ThreadsAndProcesses("run/step", pool, 32 * MIB)
        with pytest.raises(MemoryExceeded, match="33,554,432"):
            await held.process(functions.take, 64 * MIB)
        assert await held.process(functions.take, 64 * MIB, memory=96 * MIB) == 64 * MIB

    with_workers(use)
