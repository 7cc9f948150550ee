"""Batching: like calls that come at about the same time are made as one, by the first who came."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeGuard

from stretto.core.errors import WrongBatch
from stretto.core.policies import BatchPolicy

Invoke = Callable[[list[Any]], Awaitable[Any]]


class _Share(NamedTuple):
    """What a caller is told: its output, the error of the whole batch, or that it is to make the call."""

    output: Any = None
    error: Exception | None = None
    lead: bool = False


@dataclass(eq=False)
class _Caller:
    """One input, and the future of who waits for its output."""

    input: Any
    share: asyncio.Future[_Share]


@dataclass(eq=False)
class _Batch:
    """Calls that are gathered; ``due`` is set when they are to be made."""

    place: tuple[asyncio.AbstractEventLoop, Hashable]
    due: asyncio.Event = field(default_factory=asyncio.Event)
    timer: asyncio.TimerHandle | None = None
    callers: list[_Caller] = field(default_factory=list[_Caller])


class Batcher:
    """Gathers like calls. There is no task of its own: the first caller waits for the others and makes the call.

    A caller that is cancelled leaves the batch. When it is the one who waits or calls, the next takes its place, and
    calls (again) with the inputs of those who are left.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[asyncio.AbstractEventLoop, Hashable], _Batch] = {}

    async def call(
        self,
        step: str,
        key: Hashable,
        policy: BatchPolicy,
        input: Any,
        invoke: Invoke,
        wait: Callable[[asyncio.Future[Any]], Awaitable[Any]] | None = None,
    ) -> Any:
        """Returns the output for one input; ``key`` says which calls are alike, ``step`` names them in errors.

        ``invoke`` receives the list of inputs in the order in which they came. What it raises, every caller of that
        batch raises; ``WrongBatch`` unless it returns a list as long as the inputs. ``wait`` is how a caller waits for
        the one that makes the call.
        """
        loop = asyncio.get_running_loop()
        batch = self._open.get((loop, key))
        leads = batch is None
        if batch is None:
            batch = self._open[loop, key] = _Batch((loop, key))
            batch.timer = loop.call_later(policy.wait, self._close, batch)
        caller = _Caller(input, loop.create_future())
        batch.callers.append(caller)
        if len(batch.callers) >= policy.size:
            self._close(batch)
        try:
            if not leads and wait is not None:
                await wait(caller.share)
            share = _Share(lead=True) if leads else await caller.share
            if share.lead:
                share = await self._lead(batch, caller, step, invoke)
        except BaseException:
            self._leave(batch, caller, leads)
            raise
        if share.error is not None:
            raise share.error
        return share.output

    async def _lead(self, batch: _Batch, leader: _Caller, step: str, invoke: Invoke) -> _Share:
        await batch.due.wait()
        callers = tuple(batch.callers)
        try:
            outputs = await invoke([caller.input for caller in callers])
            shares = [_Share(output) for output in _checked(step, len(callers), outputs)]
        except Exception as error:  # noqa: BLE001  # every caller raises it
            shares = [_Share(error=error)] * len(callers)
        batch.callers.clear()
        for caller, share in zip(callers, shares, strict=True):
            if not caller.share.done():
                caller.share.set_result(share)
        return shares[callers.index(leader)]

    def _leave(self, batch: _Batch, caller: _Caller, led: bool) -> None:
        """Takes a cancelled caller out; when it led, or was just told to, the next who is left leads."""
        if caller in batch.callers:
            batch.callers.remove(caller)
        share = caller.share
        told = share.done() and not share.cancelled() and share.exception() is None
        if led or (told and share.result().lead):
            heir = next((other for other in batch.callers if not other.share.done()), None)
            if heir is None:  # nobody is left, or all are being cancelled
                self._close(batch)
            else:
                heir.share.set_result(_Share(lead=True))

    def _close(self, batch: _Batch) -> None:
        """Lets nobody in any more, and lets the leader call."""
        if self._open.get(batch.place) is batch:
            del self._open[batch.place]
        if batch.timer is not None:
            batch.timer.cancel()
        batch.due.set()


def _checked(step: str, inputs: int, outputs: Any) -> list[Any]:
    if not _is_list(outputs):
        raise WrongBatch(step, inputs, type(outputs).__qualname__)
    if len(outputs) != inputs:
        raise WrongBatch(step, inputs, f"a list of {len(outputs)}")
    return outputs


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
