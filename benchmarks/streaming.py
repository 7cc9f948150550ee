"""What streams cost: time from a step to a client's socket, beside a bare endpoint, and memory for idle clients."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.measure import Figure, Size, seconds, times

ROOT = Path(__file__).resolve().parent.parent
BUSY, IDLE = 2_000, 20
"""Events per second of a busy server and of a quiet one."""
MOST_BUSY, MOST_IDLE = 0.020, 0.005
LEAST = 0.9
CLIENTS, MOST_EACH = 1_000, 50_000
_SAID = re.compile(rb"(\d+\.\d{6}) ")


@contextlib.contextmanager
def server(kind: str) -> Iterator[int]:
    """Runs a server in a process of its own; yields its port."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.streaming_server", kind, folder]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                port = int(process.stdout.readline())
                _wait_for(port)
                yield port
            finally:
                process.kill()


def _wait_for(port: int) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError, http.client.HTTPException):
            call(port, "GET", "/nothing")
            return
        time.sleep(0.05)
    raise TimeoutError("the server does not answer")


def call(port: int, method: str, path: str, body: bytes | None = None) -> bytes:
    """Asks the server something, and returns its answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path, body)
        return connection.getresponse().read()


def listen(port: int, path: str, begin: bytes = b"\n\n\r\n") -> socket.socket:
    """Opens a stream, and returns its socket behind the head of the answer and what the body begins with."""
    connected = socket.create_connection(("127.0.0.1", port), timeout=30)
    connected.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head or not head.endswith(begin):
        head += connected.recv(1)
    assert head.startswith(b"HTTP/1.1 200"), head
    return connected


def body(chunks: bytes) -> bytes:
    """Returns the body of an answer in chunks, as far as it came."""
    found, at = [], 0
    while (end := chunks.find(b"\r\n", at)) >= 0:
        size = int(chunks[at:end], 16)
        found.append(chunks[end + 2 : end + 2 + size])
        at = end + 4 + size
    return b"".join(found)


def delays(port: int, workflows: int, rate: int, length: float) -> list[float]:
    """Returns how long each word took from the step that said it to the socket of one who watches everything."""
    with listen(port, "/api/events") as stream:
        call(port, "GET", "/talkers?" + urlencode({"workflows": workflows, "rate": rate, "seconds": length}))
        taken: list[float] = []
        rest, ends = b"", 0
        while ends < workflows:
            came = stream.recv(1 << 20)
            now = time.perf_counter()
            text = rest + came
            cut = text.rfind(b"\n\n")
            whole, rest = (text[:cut], text[cut:]) if cut >= 0 else (b"", text)
            taken += [now - float(said) for said in _SAID.findall(whole)]
            ends += whole.count(b"event: workflow_complete")
            if rest.count(b"event: workflow_complete") + ends >= workflows:
                break
    return taken


def _delay(port: int, what: str, workflows: int, rate: int, length: float, most: float) -> Figure:
    taken = delays(port, workflows, rate, length)
    expected = workflows * int(rate / workflows * length)
    if len(taken) != expected:
        raise AssertionError(f"{len(taken)} words came of {expected}")
    cuts = statistics.quantiles(taken, n=100)
    return Figure(
        f"from a step's event to a client's socket, {what}", seconds(most), f"p99 {seconds(cuts[98])}",
        times(cuts[98] / most), f"≤ {seconds(most)}", cuts[98] <= most,
        [f"{len(taken):,} events of {workflows} workflows; median {seconds(cuts[49])}, worst {seconds(max(taken))}"],
    )  # fmt: skip


def _until(stream: socket.socket, mark: bytes) -> bytes:
    parts: list[bytes] = []
    tail = b""
    while mark not in tail:
        came = stream.recv(1 << 20)
        if not came:
            break
        parts.append(came)
        tail = tail[-256:] + came
    return b"".join(parts)


def _beside_bare(port: int, count: int, rounds: int) -> Figure:
    with server("bare") as other:
        ours: list[float] = []
        theirs: list[float] = []
        kept: list[float] = []
        sent = b""
        for _ in range(rounds + 1):
            with listen(port, "/api/events") as stream:
                began = time.perf_counter()
                call(port, "GET", f"/log?count={count}")
                sent = body(_until(stream, b"event: workflow_complete"))
                ours.append(time.perf_counter() - began)
            epoch, _, first = sent[4 : sent.index(b"\n")].decode().partition("-")
            began = time.perf_counter()
            with listen(port, f"/api/events?after={epoch}-{int(first) - 1}", b"") as stream:
                _until(stream, b"event: workflow_complete")
                kept.append(time.perf_counter() - began)
            call(other, "POST", "/load", sent)
            began = time.perf_counter()
            with listen(other, "/bare", b"") as stream:
                _until(stream, b"event: workflow_complete")
                theirs.append(time.perf_counter() - began)
    if (came := sent.count(b'"content":"word ')) != count:
        raise AssertionError(f"{came} events came of {count}")
    events = sent.count(b"event: ")
    bare = min(theirs[1:])
    sending, telling = min(kept[1:]), min(ours[1:])
    middle = f"median {statistics.median(kept[1:]):.3f} s beside {statistics.median(theirs[1:]):.3f} s"
    return Figure(
        f"a stream of {events:,} events, sent as they are kept",
        f"{events / bare:,.0f} events/s, bare Starlette endpoint",
        f"{events / sending:,.0f} events/s", times(bare / sending), f"≥ {LEAST:g} ×", bare / sending >= LEAST,
        [
            f"the bare endpoint sends the same bytes, made beforehand, an event at a time; {middle}",
            f"folded from a log, encoded and sent: {events / telling:,.0f} events/s, {times(bare / telling)}",
        ],
    )  # fmt: skip


def _idle_clients(port: int, count: int) -> Figure:
    def taken() -> int:
        return int(re.findall(rb"\d+", call(port, "GET", "/memory"))[0])

    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(listen(port, "/api/events"))
        before = taken()
        for _ in range(count):
            stack.enter_context(listen(port, "/api/events"))
        each = (taken() - before) / count
    return Figure(
        f"memory of an idle client, {count:,} of them", f"{MOST_EACH / 1000:g} kB", f"{each / 1000:.1f} kB",
        times(each / MOST_EACH), f"≤ {MOST_EACH / 1000:g} kB", each <= MOST_EACH, [],
    )  # fmt: skip


def streaming(size: Size) -> list[Figure]:
    """Measures streams, in that order: delays, beside a bare endpoint, idle clients."""
    tiny = size.name == "tiny"
    length = 0.5 if tiny else 5.0
    with server("stretto") as port:
        figures = [
            _delay(port, "idle", 1, IDLE, length * 2, MOST_IDLE),
            _delay(port, f"{BUSY:,} events per second", 10, BUSY, length, MOST_BUSY),
            _beside_bare(port, 500 if tiny else 20_000, 1 if tiny else size.rounds),
        ]
    with server("stretto") as port:
        return [*figures, _idle_clients(port, 50 if tiny else CLIENTS)]
