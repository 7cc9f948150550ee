"""What a run gives to its steps beside their input: time, channels, other workers, meeting points.

A step obtains one with ``context.resource(Clock)``. The abstract classes stand here so that steps and workflows can
name them; ``runtime/`` implements them, and a test may give its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Clock(ABC):
    """The run's time, which a test may turn by hand."""

    @abstractmethod
    def now(self) -> float:
        """Returns seconds since the run began."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Waits."""


class Channel(ABC, Generic[T]):
    """A bounded row of items between one side that sends and one that receives."""

    @abstractmethod
    async def send(self, item: T) -> None:
        """Puts an item in, and waits while the channel is full."""

    @abstractmethod
    def offer(self, item: T) -> bool:
        """Puts an item in unless the channel is full, and says whether it did."""

    @abstractmethod
    async def receive(self, timeout: float | None = None) -> T:
        """Takes an item out; raises ``EndOfChannel`` when no more will come, ``TimeoutError`` after ``timeout`` s."""

    @abstractmethod
    def close(self) -> None:
        """Says that no more items will be sent; those inside can still be taken."""

    @abstractmethod
    def __len__(self) -> int:
        """Returns how many items are inside."""

    def __aiter__(self) -> AsyncIterator[T]:
        """Takes items out until the channel is closed and empty."""
        return self._drain()

    async def _drain(self) -> AsyncIterator[T]:
        while True:
            try:
                item = await self.receive()
            except EndOfChannel:
                return
            yield item


class EndOfChannel(Exception):
    """The channel is closed and empty."""


class Channels(ABC):
    """Makes channels."""

    @abstractmethod
    def open(self, size: int) -> Channel[Any]:
        """Returns a channel that holds at most ``size`` items (at least 1)."""


class Workers(ABC):
    """Places beside the event loop where work is done: threads, processes, command lines."""

    @abstractmethod
    async def thread(self, function: Callable[..., T], *args: Any) -> T:
        """Runs a function in a thread. A thread cannot be killed: on cancellation it is left behind and reported."""

    @abstractmethod
    async def process(
        self,
        function: Callable[..., Any],
        *args: Any,
        keywords: Mapping[str, Any] | None = None,
        memory: int | None = None,
    ) -> Any:
        """Runs a module-level function in a process held to ``memory`` bytes, killed on timeout and cancellation."""

    @abstractmethod
    async def command(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        memory: int | None = None,
    ) -> CommandResult:
        """Runs a command line; it and its children are killed on timeout and cancellation."""


class CommandResult:
    """How a command line ended: its exit status, and what it wrote (bytes)."""

    __slots__ = ("returncode", "stderr", "stdout")

    def __init__(self, returncode: int, stdout: bytes, stderr: bytes) -> None:
        self.returncode, self.stdout, self.stderr = returncode, stdout, stderr


class Meetings(ABC):
    """Where the branches of a run wait for each other; ``core/synchronization.py`` says what they can ask for."""

    @abstractmethod
    async def arrive(self, name: str, parties: int, value: Any) -> tuple[int, list[Any]]:
        """Waits until ``parties`` branches are here; returns this one's place and what all of them brought."""

    @abstractmethod
    async def acquire(self, name: str, permits: int) -> None:
        """Takes one of ``permits``, and waits while all are taken."""

    @abstractmethod
    def release(self, name: str) -> None:
        """Gives back what this branch took."""


class Embedder(ABC):
    """Turns texts into vectors whose closeness says how alike the texts are.

    ``name`` is the model's (``provider:model``): vectors of different names cannot be compared. ``dimensions`` is the
    length of each vector, or ``None`` while it is not known before the first text.
    """

    name: str
    dimensions: int | None = None

    @abstractmethod
    async def embed(self, texts: Sequence[str]) -> list[tuple[float, ...]]:
        """Returns one vector for each text, in their order."""
