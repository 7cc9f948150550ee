"""One process with everything that it starts: fed, listened to and reaped in one thread, killed from any other.

The process leads a session of its own, so that a signal to its group reaches its children, too. It inherits the
reading end of a pipe, the lifeline, whose other end only we hold: when we die, however we die, the kernel closes that
end and kills the group, because the lifeline was told to signal it (``F_SETOWN``, ``F_SETSIG``: fcntl(2), Linux).
"""

from __future__ import annotations

import fcntl
import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import IO

HAS_LIFELINE = hasattr(fcntl, "F_SETSIG")
"""Whether the kernel itself kills the group of a process whose parent has died."""
POLL = 0.05
"""How often an ending is looked for where the system does not tell (seconds)."""
CHUNK = 65_536

Sink = Callable[[bytes], None]


class Subprocess:
    """A command line under supervision.

    ``stdin`` makes what it reads; ``stdout`` and ``stderr`` receive what it writes, as it writes it; without ``stderr``
    both go to ``stdout``. When its first process has ended, the others of its group have ``linger`` seconds to close
    their output before they are killed. ``extra`` names pipes that it inherits for writing: their numbers are put in
    place of ``{name}`` in argv.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        stdin: Callable[[], bytes],
        stdout: Sink,
        stderr: Sink | None = None,
        extra: Mapping[str, Sink] | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        linger: float = 1.0,
    ) -> None:
        self._argv, self._cwd, self._env, self._linger = argv, cwd, env, linger
        self._make_stdin, self._stdin = stdin, memoryview(b"")
        self._stdout, self._stderr, self._extra = stdout, stderr, dict(extra or {})
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = threading.Event()
        self._over = self._gone = False
        self._deadline: float | None = None
        self._heard: dict[int, Sink] = {}
        self._open: set[int] = set()

    def run(self) -> int:
        """Runs it to its end and returns its exit status, or minus the number of the signal that ended it.

        Raises ``OSError`` when it cannot be started, and whatever ``stdin`` or a sink raises, after all was killed.
        """
        self._selector = selectors.DefaultSelector()  # here: those who wait for their turn hold no descriptor
        try:
            self._stdin = memoryview(self._make_stdin())
            if self._stopped.is_set():
                return -signal.SIGKILL
            process = self._start()
            if self._stopped.is_set():  # meanwhile
                self.signal(signal.SIGKILL)
            self._listen(process)
        finally:
            self._finish()
        return process.returncode

    def signal(self, number: int) -> None:
        """Sends a signal to it and to all that it started; does nothing when it has ended."""
        with self._lock:
            self._stopped.set()
            if self._process is not None and not self._over:
                _signal_group(self._process.pid, number)

    def must_end_in(self, seconds: float) -> None:
        """Says that its work is done: it is killed unless it ends by itself within ``seconds``."""
        self._deadline = monotonic() + seconds

    def _start(self) -> subprocess.Popen[bytes]:
        lifeline = self._pipe()
        pipes = {name: self._pipe() for name in self._extra}
        theirs = {"lifeline": lifeline[0]} | {name: writing for name, (_, writing) in pipes.items()}
        numbers = {f"{{{name}}}": str(number) for name, number in theirs.items()} if pipes else {}
        process = self._process = subprocess.Popen(
            [numbers.get(argument, argument) for argument in self._argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if self._stderr is None else subprocess.PIPE,
            bufsize=0,
            cwd=self._cwd,
            env=self._env,
            pass_fds=tuple(theirs.values()),
            start_new_session=True,
        )
        if HAS_LIFELINE:
            fcntl.fcntl(lifeline[0], fcntl.F_SETOWN, -process.pid)
            fcntl.fcntl(lifeline[0], fcntl.F_SETSIG, signal.SIGKILL)
            fcntl.fcntl(lifeline[0], fcntl.F_SETFL, os.O_ASYNC)
        for number in theirs.values():
            self._close(number)
        for name, (reading, _) in pipes.items():
            self._hear(reading, self._extra[name])
        return process

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        for stream, sink in ((process.stdout, self._stdout), (process.stderr, self._stderr)):
            if stream is not None and sink is not None:
                self._hear(stream.fileno(), sink)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            self._selector.register(process.stdin, selectors.EVENT_WRITE, self._feed)
        told = self._watch(process)
        gone = False
        while not gone or self._heard:
            for key, _ in self._selector.select(self._patience(told or gone)):
                key.data(key.fileobj)
            if not gone and (gone := self._gone if told else self._poll(process)):
                self.must_end_in(self._linger)
            if self._deadline is not None and monotonic() >= self._deadline:
                break

    def _patience(self, told: bool) -> float | None:
        waits = [] if told else [POLL]
        if self._deadline is not None:
            waits.append(max(0.0, self._deadline - monotonic()))
        return min(waits, default=None)

    def _watch(self, process: subprocess.Popen[bytes]) -> bool:
        """Asks the system to tell when the process ends, and says whether it will."""
        if not hasattr(os, "pidfd_open"):
            return False
        self._open.add(told := os.pidfd_open(process.pid))
        self._selector.register(told, selectors.EVENT_READ, self._notice)
        return True

    def _notice(self, told: int) -> None:
        self._selector.unregister(told)
        self._gone = True  # and not reaped yet: until its group is killed nobody else can get its number

    def _poll(self, process: subprocess.Popen[bytes]) -> bool:
        with self._lock:
            return process.poll() is not None

    def _hear(self, reading: int, sink: Sink) -> None:
        os.set_blocking(reading, False)
        self._heard[reading] = sink
        self._selector.register(reading, selectors.EVENT_READ, self._read)

    def _read(self, reading: int) -> bool:
        """Takes what lies in a pipe, and says whether there was anything."""
        try:
            data = os.read(reading, CHUNK)
        except BlockingIOError:
            return False
        if data:
            self._heard[reading](data)
            return True
        self._selector.unregister(reading)
        del self._heard[reading]
        return False

    def _feed(self, stdin: IO[bytes]) -> None:
        try:
            written = os.write(stdin.fileno(), self._stdin[:CHUNK]) if self._stdin else 0
        except BrokenPipeError:  # it does not want to read all of it
            written = len(self._stdin)
        self._stdin = self._stdin[written:]
        if not self._stdin:
            self._selector.unregister(stdin)
            stdin.close()

    def _finish(self) -> None:
        if (process := self._process) is not None:
            with self._lock:
                self._over = True
                _signal_group(process.pid, signal.SIGKILL)
            process.wait()
        try:
            for reading in tuple(self._heard):
                while self._read(reading):
                    pass
        finally:
            for stream in (process.stdin, process.stdout, process.stderr) if process is not None else ():
                if stream is not None:
                    stream.close()
            self._selector.close()
            for descriptor in tuple(self._open):
                self._close(descriptor)

    def _pipe(self) -> tuple[int, int]:
        pipe = os.pipe()
        self._open.update(pipe)
        return pipe

    def _close(self, descriptor: int) -> None:
        self._open.discard(descriptor)
        os.close(descriptor)


def _signal_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):  # all of them have ended
        return
