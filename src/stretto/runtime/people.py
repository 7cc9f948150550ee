"""Questions to humans: told in the log, answered from anywhere, and waited for without room or a running clock."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from stretto.core.events import Answered, Asked
from stretto.core.step import Answer, Request

if TYPE_CHECKING:
    from stretto.runtime.context import RunContext


async def ask(context: RunContext, request: Request, request_id: str) -> Answer:
    """Asks, and returns the answer; one that the log already holds is not asked for again."""
    state = context.state
    if request_id in state.answers:
        return state.answers[request_id]
    asked = Asked(
        context.path, state.now(), request_id, request.question, list(request.choices), request.reason, request.details
    )
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Answer] = loop.create_future()
    state.questions[request_id] = future
    state.emit(asked)
    lender = next((c for c in context.lineage() if c.live is not None and c.scope is not None), None)
    chain = context.lineage()
    left = _pause(chain, loop.time())
    if lender is not None and lender.scope is not None and lender.live is not None:
        lender.scope.lend(lender.live)
    try:
        async with asyncio.timeout(request.timeout):
            answer = await future
    except TimeoutError:
        answer = Answer(
            choice=request.default or "", reason=f"nobody answered within {request.timeout:g} s", by="timeout"
        )
    finally:
        state.questions.pop(request_id, None)
    if lender is not None and lender.scope is not None and lender.live is not None:
        await lender.scope.reclaim(lender.live)
    _resume(chain, left, loop.time())
    state.answers[request_id] = answer
    state.emit(Answered(context.path, state.now(), request_id, answer.choice, answer.value, answer.reason, answer.by))
    return answer


def _pause(chain: list[RunContext], now: float) -> list[float | None]:
    left: list[float | None] = []
    for context in chain:
        when = context.clock.when() if context.clock is not None else None
        left.append(None if when is None else when - now)
        if context.clock is not None and when is not None:
            context.clock.reschedule(None)
        if context.live is not None:
            context.live.pause(now)
    return left


def _resume(chain: list[RunContext], left: list[float | None], now: float) -> None:
    for context, seconds in zip(chain, left, strict=True):
        if context.clock is not None and seconds is not None:
            context.clock.reschedule(now + seconds)
        if context.live is not None and context.scope is not None:
            context.scope.resume_clock(context.live)
