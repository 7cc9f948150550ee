"""Running from outside asyncio: one loop, orderly interrupts, and an end that waits for nobody."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Self

import pytest

from stretto.runtime.loop import KILLED, drive
from stretto.runtime.run import run_sync
from tests.runtime.stage import good, sleeper

BEGIN = """
import asyncio, sys, time
from stretto.core.function import step
from stretto.runtime.run import run_sync, start
from stretto.runtime.loop import drive

def say(word):
    print(word, flush=True)
"""
TIDIES = """
@step
async def tidies(x):
    say("ready")
    try:
        await asyncio.sleep(60)
    finally:
        say("tidied")
run_sync(tidies)
"""
DEAF = """
@step
async def deaf(x):
    say("ready")
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            say("no")
run_sync(deaf)
"""
BLOCKS = """
@step
def blocks(x):
    say("ready")
    time.sleep(60)
try:
    run_sync(blocks, timeout=0.1, cancellation_timeout=0.1)
except TimeoutError:
    say("timed out")
"""
ASKED = """
async def main():
    say("ready")
    while not asked:
        await asyncio.sleep(0.01)
    return "ended"
asked = []
say(drive(main(), lambda: asked.append(1)))
"""


class Program:
    """A Python program in a process of its own."""

    def __init__(self, text: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", BEGIN + text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.communicate()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def interrupt(self, number: int = signal.SIGINT) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> tuple[int, str]:
        """Returns the exit status and the rest of what was said, errors included."""
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out + err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_interrupt_ends_the_run_in_order(number: int) -> None:
    with Program(TIDIES) as program:
        assert program.line() == "ready"
        program.interrupt(number)
        status, said = program.end()
    assert "tidied" in said
    assert "KeyboardInterrupt" in said
    assert status in (-signal.SIGINT, KILLED)


def test_the_second_interrupt_kills() -> None:
    with Program(DEAF) as program:
        assert program.line() == "ready"
        program.interrupt()
        assert program.line() == "no"
        program.interrupt()
        assert program.end() == (KILLED, "")


def test_an_interrupt_may_be_taken_by_who_asked_for_it() -> None:
    with Program(ASKED) as program:
        assert program.line() == "ready"
        program.interrupt()
        assert program.end() == (0, "ended\n")


def test_a_thread_that_blocks_does_not_keep_the_process_from_ending() -> None:
    began = time.monotonic()
    with Program(BLOCKS) as program:
        assert program.end() == (0, "ready\ntimed out\n")
    assert time.monotonic() - began < 30


def test_a_run_inside_a_loop_is_refused() -> None:
    async def main() -> None:
        run_sync(good, 1)

    with pytest.raises(RuntimeError, match=r"a loop is running here already; await run\(...\) instead"):
        asyncio.run(main())


def test_a_run_in_another_thread_has_a_loop_of_its_own_and_no_signals() -> None:
    outputs: list[Any] = []
    thread = threading.Thread(target=lambda: outputs.append(run_sync(good, 7)))
    thread.start()
    thread.join()
    assert outputs == [7]


def test_signals_are_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert run_sync(good, 1) == 1
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_tasks_that_are_left_on_the_loop_are_ended_with_it() -> None:
    ended: list[str] = []

    async def lingers() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("lingers")

    async def main() -> str:
        main.task = asyncio.ensure_future(lingers())  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        return "done"

    assert drive(main()) == "done"
    assert ended == ["lingers"]


def test_a_coroutine_that_cancels_itself_is_cancelled() -> None:
    async def main() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        drive(main())
    assert run_sync(sleeper(0), 3) == 3
