"""A server that is a program: its process, its lines in and out, what it writes to stderr, and its end."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections import deque
from collections.abc import Callable
from subprocess import PIPE

import anyio
import psutil
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.os.posix.utilities import terminate_posix_process_tree
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from stretto.tools.mcp.config import StdioServer
from stretto.tools.mcp.trouble import McpUnreachable

TAIL = 20
"""How many lines of stderr are kept."""
LINE = 500
"""How many characters of a line of stderr are kept."""
_LOOK = 0.01
_CHUNK = 65_536
_GONE = (anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream, OSError)

if sys.platform == "linux":
    import fcntl
    import signal

    def _tie(process: Process, lifeline: int) -> None:
        """Lets the kernel kill the process's group when this process dies (``F_SETOWN``, ``F_SETSIG``: fcntl(2))."""
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -process.pid)
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC)
else:

    def _tie(process: Process, lifeline: int) -> None:
        """Does nothing: other systems tell the process by the end of its input only."""


class Tail:
    """The last lines that a server wrote beside the protocol, secrets taken out."""

    def __init__(self, clean: Callable[[str], str]) -> None:
        self._clean, self._lines, self._part = clean, deque[str](maxlen=TAIL), b""

    def feed(self, data: bytes) -> None:
        """Takes what was written; of a line without end only the first bytes are kept."""
        *lines, rest = (self._part + data).split(b"\n")
        for line in lines:
            self.add(line.decode("utf-8", "replace"))  # cut when its secrets are out: half of one is not known any more
        self._part = rest[:_CHUNK]

    def add(self, line: str) -> None:
        """Keeps one line."""
        line = self._clean(line).strip()
        if line:
            self._lines.append(line if len(line) <= LINE else line[:LINE] + "…")

    @property
    def lines(self) -> tuple[str, ...]:
        """The last lines, oldest first."""
        return tuple(self._lines)


class ServerProcess:
    """The process of one connection; whoever owns it runs ``read``, ``write`` and ``listen`` beside each other."""

    def __init__(self, name: str, config: StdioServer, tail: Tail, process: Process, lifeline: int) -> None:
        self._name, self._config, self.tail, self._process, self._lifeline = name, config, tail, process, lifeline
        self._silent = anyio.Event()
        self.why = ""
        """Why it was given up, when it was not its own end."""

    @classmethod
    async def start(cls, name: str, config: StdioServer, tail: Tail) -> ServerProcess:
        """Starts the program with the environment that was configured, and nothing else of ours.

        Raises ``McpUnreachable`` when there is no such program or directory.
        """
        given = {key: value.get_secret_value() for key, value in config.env.items()}
        env = get_default_environment() | given
        command = shutil.which(config.command, path=env.get("PATH"))
        if command is None:
            raise McpUnreachable(name, f"cannot be started: there is no program {config.command!r}")
        if config.cwd is not None and not os.path.isdir(config.cwd):  # noqa: ASYNC240  # a look at one entry
            raise McpUnreachable(name, f"cannot be started: there is no directory {config.cwd!r}")
        reading, writing = os.pipe()
        try:
            process = await _spawned([command, *config.args], config.cwd, env, reading)
        except OSError as error:
            os.close(writing)
            raise McpUnreachable(name, f"cannot be started: {error}") from error
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        return cls(name, config, tail, process, writing)

    @property
    def pid(self) -> int:
        """The number of the process, which is also that of its group."""
        return self._process.pid

    @property
    def exit(self) -> int | None:
        """Its exit status, or None while it lives."""
        return self._process.returncode

    async def read(self, out: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
        """Hands on one message per line, until there are no more; a line that is too long ends the server."""
        stdout, most = _pipe(self._process.stdout), self._config.max_message
        parts: list[bytes] = []
        size = 0
        async with out:
            with contextlib.suppress(*_GONE):
                while True:
                    *lines, rest = (await stdout.receive(_CHUNK)).split(b"\n")
                    for line in lines:
                        parts.append(line)
                        await self._hand_on(b"".join(parts), out)
                        parts, size = [], 0
                    parts.append(rest)
                    size += len(rest)
                    if size > most:
                        self.why = f"was stopped because it sent a message of more than {most:,} bytes"
                        return

    async def _hand_on(self, line: bytes, out: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
        if not line.strip():
            return
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:
            try:
                message = jsonrpc_message_adapter.validate_json(_without_surrogates(line), by_name=False)
            except (ValueError, RecursionError):
                self.tail.add(f"(not a message of the protocol) {line[:_CHUNK].decode('utf-8', 'replace')}")
                return
        await out.send(SessionMessage(message))

    async def write(self, source: MemoryObjectReceiveStream[SessionMessage]) -> None:
        """Writes one line per message."""
        stdin = self._process.stdin
        assert stdin is not None, "it was opened with a pipe"
        async with source:
            with contextlib.suppress(*_GONE):
                async for item in source:
                    text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                    await stdin.send(text.encode("utf-8", "replace") + b"\n")

    async def listen(self) -> None:
        """Keeps the last lines of stderr, so that the server never waits for somebody to read them."""
        stderr = _pipe(self._process.stderr)
        with contextlib.suppress(*_GONE):
            while True:
                self.tail.feed(await stderr.receive(_CHUNK))
        self._silent.set()

    async def told_all(self, seconds: float) -> None:
        """Waits till its stderr is at an end, at most that long."""
        with anyio.move_on_after(seconds):
            await self._silent.wait()

    async def stop(self) -> None:
        """Ends the process and all that it started within ``stop_timeout``: end of input, SIGTERM, SIGKILL."""
        grace = self._config.stop_timeout / 3
        family = self._family()
        try:
            if not self.why:
                await _close(self._process.stdin)
                await self.ended(grace)
            await terminate_posix_process_tree(self._process, grace)
            for relative in family:  # also those that have left the group, as browsers do
                with contextlib.suppress(psutil.Error):
                    relative.kill()
            await self.ended(grace)
        finally:
            os.close(self._lifeline)
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
                await _close(stream)
            _close_transport(self._process)

    def _family(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self._process.pid).children(recursive=True)
        return []

    async def ended(self, seconds: float) -> bool:
        """Waits till it has ended, at most that long; a child that holds its pipes does not count."""
        with anyio.move_on_after(seconds):
            while self._process.returncode is None:  # noqa: ASYNC110  # its own wait() waits for the pipes, too
                await anyio.sleep(_LOOK)
        return self._process.returncode is not None


def _without_surrogates(line: bytes) -> bytes:
    """Writes a line of JSON anew, with what no text may hold replaced: one bad letter is no reason for no answer."""
    return json.dumps(json.loads(line.decode("utf-8", "replace")), ensure_ascii=False).encode("utf-8", "replace")


async def _spawned(argv: list[str], cwd: str | None, env: dict[str, str], lifeline: int) -> Process:
    with anyio.CancelScope(shield=True) as scope:  # a cancellation in between would lose the process
        process = await anyio.open_process(
            argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=cwd, env=env, start_new_session=True,
            pass_fds=(lifeline,) if os.name == "posix" else (),
        )  # fmt: skip
        _tie(process, lifeline)
        return process
    raise AssertionError(f"nobody cancels {scope!r}")


def _pipe(stream: ByteReceiveStream | None) -> ByteReceiveStream:
    assert stream is not None, "it was opened with a pipe"
    return stream


def _close_transport(process: Process) -> None:
    """Closes asyncio's side of the pipes, which else stay open while anybody else holds them."""
    transport = getattr(getattr(process, "_process", None), "_transport", None)
    close = getattr(transport, "close", None)
    if callable(close):
        with contextlib.suppress(PermissionError):
            close()


async def _close(stream: anyio.abc.AsyncResource | None) -> None:
    if stream is not None:
        with contextlib.suppress(*_GONE):
            await stream.aclose()
