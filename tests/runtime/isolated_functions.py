"""Functions that the tests of workers run in processes; nothing heavy is imported here, so that these start fast."""

import os
import signal
import sys
import threading
import time
from pathlib import Path


class Point:
    def __init__(self, x: int) -> None:
        self.x = x


class TwoWords(Exception):
    """An error that pickle writes and cannot read."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")
        self.first, self.second = first, second


class Locked(Exception):
    """An error that pickle cannot write."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = threading.Lock()


def double(x: int) -> int:
    return 2 * x


def by_name(x: int, *, y: int) -> int:
    return x - y


async def double_later(x: int) -> int:
    return 2 * x


def move(point: Point) -> Point:
    return Point(point.x + 1)


def where() -> tuple[int, int, bytes]:
    return os.getpid(), os.getsid(0), sys.stdin.buffer.read()


def stretto_modules() -> list[str]:
    return sorted(name for name in sys.modules if name.split(".")[0] in ("stretto", "pydantic"))


def say(words: str) -> None:
    print(words)
    print(words.upper(), end="", file=sys.stderr)


def raise_key_error(key: str) -> None:
    raise KeyError(key)


def raise_two_words() -> None:
    raise TwoWords("two", "words")


def raise_locked() -> None:
    raise Locked("kept")


def raise_group() -> None:
    raise ExceptionGroup("both", [ValueError("a"), KeyError("b")])


def leave(status: int) -> None:
    print("last words", file=sys.stderr, flush=True)
    os._exit(status)


def crash() -> None:
    import ctypes

    ctypes.string_at(0)


def kill_oneself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def take(size: int) -> int:
    return len(bytearray(size))


def map_memory(size: int) -> None:
    import mmap

    mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def answer(size: int) -> bytes:
    return bytes(size)


def raise_memory_error() -> None:
    raise MemoryError("asked too much")


def return_lock() -> object:
    return threading.Lock()


def note_and_wait(file: str) -> None:
    """Writes the numbers of this process and of a child of it, and waits for long."""
    import subprocess

    child = subprocess.Popen(["sleep", "600"])
    Path(file + ".part").write_text(f"{os.getpid()} {child.pid}")
    Path(file + ".part").rename(file)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


def leave_a_child(file: str) -> int:
    import subprocess

    child = subprocess.Popen(["sleep", "600"])
    Path(file).write_text(str(child.pid))
    return child.pid


def answer_and_stay() -> str:
    threading.Thread(target=time.sleep, args=(600,)).start()
    return "answered"


def count_together(folder: str) -> int:
    """Returns how many processes were in the folder at once."""
    mine = Path(folder) / str(os.getpid())
    mine.touch()
    time.sleep(0.02)
    seen = len(list(Path(folder).iterdir()))
    mine.unlink()
    return seen
