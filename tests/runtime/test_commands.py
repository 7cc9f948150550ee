"""Command lines: what they give, what is held, and what is killed."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from stretto.core.errors import (
    DefinitionError,
    OutputTooLarge,
    ProgramMissing,
)
from stretto.runtime import workers as workers_file
from stretto.runtime.workers import ThreadsAndProcesses, WorkerPool
from tests.runtime.at_work import MIB, cancelled_after, command, lives, until, with_workers


def test_a_command_gives_its_status_and_what_it_wrote():
    result = command("sh", "-c", "cat; echo error >&2; exit 3", stdin=b"in")
    assert (result.returncode, result.stdout, result.stderr) == (3, b"in", b"error\n")


def test_a_command_has_its_directory_and_its_environment(tmp_path: Path):
    result = command(
        "sh", "-c", 'pwd; echo "$WORD"', cwd=str(tmp_path), env={"WORD": "said", "PATH": os.environ["PATH"]}
    )
    assert result.stdout.decode().split() == [str(tmp_path), "said"]


def test_a_command_need_not_read_what_it_is_given():
    assert command("true", stdin=bytes(5 * MIB)).returncode == 0


def test_much_goes_through_a_command_both_ways():
    assert len(command("cat", stdin=bytes(5 * MIB)).stdout) == 5 * MIB


def test_a_command_that_writes_too_much_is_stopped():
    with pytest.raises(OutputTooLarge, match="more than 1,000 bytes"):
        with_workers(lambda workers, _: workers.command(["yes"]), capture=1000)


def test_a_missing_program_is_named_with_a_way_out(tmp_path: Path):
    with pytest.raises(ProgramMissing, match=r"no program 'no-such-program'.*install it"):
        command("no-such-program")
    with pytest.raises(ProgramMissing, match="no program"):
        command("sh", env={"PATH": str(tmp_path)})
    with pytest.raises(ProgramMissing, match=r"directory .* does not exist"):
        command("true", cwd=str(tmp_path / "nowhere"))
    (tmp_path / "text").write_text("no program")
    with pytest.raises(ProgramMissing, match="may be executed"):
        command("./text", cwd=str(tmp_path))
    with pytest.raises(DefinitionError, match="is empty"):
        command()


def test_a_program_of_its_own_directory_is_found(tmp_path: Path):
    program = tmp_path / "here"
    program.write_text("#!/bin/sh\necho here\n")
    program.chmod(0o755)
    assert command("./here", cwd=str(tmp_path)).stdout == b"here\n"


def test_a_program_that_the_system_refuses_is_named():
    with pytest.raises(ProgramMissing, match="look at the program and its arguments"):
        command("echo", "a\0b")


def test_a_command_is_held_to_its_memory():
    argv = [sys.executable, "-S", "-c", f"print(len(bytearray({200 * MIB})))"]
    assert command(*argv).returncode == 0
    result = command(*argv, memory=100 * MIB)
    assert result.returncode == 1
    assert b"MemoryError" in result.stderr


@pytest.mark.parametrize("ignores", [False, True])
def test_a_cancelled_command_is_asked_to_end_and_then_killed_with_its_children(tmp_path: Path, ignores: bool):
    file, asked = tmp_path / "numbers", tmp_path / "asked"
    script = f"""
trap 'touch {asked}; {"" if ignores else "exit"}' TERM
sleep 600 & echo $$ $! > {file}.part; mv {file}.part {file}
while true; do wait; sleep 0.01; done
"""

    async def use(workers: ThreadsAndProcesses, pool: WorkerPool) -> list[int]:
        took = await cancelled_after(workers.command(["sh", "-c", script]), file.exists)
        assert took < 1
        return [int(number) for number in file.read_text().split()]

    numbers = with_workers(use, grace=0.3 if ignores else 20)
    assert asked.exists()
    asyncio.run(until(lambda: not any(lives(number) for number in numbers)))


def test_a_second_cancel_does_not_wait_for_the_grace():
    async def use(workers: ThreadsAndProcesses, pool: WorkerPool) -> None:
        task = asyncio.create_task(workers.command(["sh", "-c", "trap '' TERM; while true; do sleep 0.01; done"]))
        await until(lambda: any(child.name() == "sh" for child in psutil.Process().children()))
        task.cancel()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)

    with_workers(use, grace=600)


def test_what_a_command_leaves_running_is_killed_at_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers_file, "FLUSH", 0.1)
    result = command("sh", "-c", "sleep 600 & echo $!")
    asyncio.run(until(lambda: not lives(int(result.stdout))))


def test_what_the_children_of_a_command_write_after_its_end_is_kept():
    assert command("sh", "-c", "(sleep 0.05; echo late) &").stdout == b"late\n"


def test_a_command_dies_with_us_even_when_we_are_killed(tmp_path: Path):
    file = tmp_path / "numbers"
    script = f"sleep 600 & echo $$ $! > {file}.part; mv {file}.part {file}; wait"
    program = f"""
import asyncio
from stretto.runtime.workers import ThreadsAndProcesses, WorkerPool
asyncio.run(ThreadsAndProcesses("run", WorkerPool()).command(["sh", "-c", {script!r}]))
"""
    with subprocess.Popen([sys.executable, "-c", program]) as parent:
        asyncio.run(until(file.exists))
        numbers = [int(number) for number in file.read_text().split()]
        parent.send_signal(signal.SIGKILL)
    asyncio.run(until(lambda: not any(lives(number) for number in numbers)))


def test_two_hundred_commands_leave_no_descriptors_threads_or_processes():
    async def use(workers: ThreadsAndProcesses, pool: WorkerPool) -> None:
        await workers.command(["true"])
        before = psutil.Process().num_fds()
        for _ in range(25):
            await asyncio.gather(*(workers.command(["true"]) for _ in range(8)))
        with pytest.raises(ProgramMissing):
            await workers.command(["echo", "\0"])
        assert psutil.Process().num_fds() <= before
        assert pool.in_flight == 0

    threads, processes = threading.active_count(), set(psutil.Process().children())
    with_workers(use)
    asyncio.run(until(lambda: threading.active_count() <= threads))
    assert set(psutil.Process().children()) <= processes
