"""Questions to humans: told in the log, answered from anywhere, and waited for without room or a running clock."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from stretto.core.events import Answered, Asked
from stretto.core.step import Answer, Request
from stretto.runtime.state import Question

if TYPE_CHECKING:
    from stretto.runtime.context import RunContext


async def ask(context: RunContext, request: Request, request_id: str) -> Answer:
    """Asks, and returns the answer; one that the log already holds is not asked for again."""
    state = context.state
    if request_id in state.answers:
        return state.answers[request_id]
    asked = Asked(
        context.path, state.now(), request_id, request.question, list(request.choices), request.reason, request.details,
        request.topic, request.risk, request.timeout, request.default, time.time(),
    )  # fmt: skip
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Answer] = loop.create_future()
    state.questions[request_id] = Question(request, future)
    state.emit(asked)
    chain = context.lineage()
    _pause(chain, loop.time())
    lender = next((c for c in chain if c.live is not None), None)
    if lender is not None and lender.scope is not None and lender.live is not None:
        lender.scope.lend(lender.live)
    try:
        answer = await _answered(future, request)
        if lender is not None and lender.scope is not None and lender.live is not None:
            await lender.scope.reclaim(lender.live)
    finally:
        state.questions.pop(request_id, None)
        if lender is not None and lender.scope is not None and lender.live is not None:
            lender.scope.retake(lender.live)
        _resume(chain, loop.time())
    state.answers[request_id] = answer
    state.emit(Answered(context.path, state.now(), request_id, answer.choice, answer.value, answer.reason, answer.by))
    return answer


async def ask_anew(context: RunContext, request: Request, about: str) -> Answer:
    """Asks what an earlier answer does not settle, because it is about what has happened since.

    A question that nobody has answered keeps its id over restarts, so that an answer given meanwhile finds it.
    """
    number = 1
    while (request_id := f"{context.path}?{about}{number}") in context.state.answers:
        number += 1
    return await ask(context, request, request_id)


async def _answered(future: asyncio.Future[Answer], request: Request) -> Answer:
    try:
        async with asyncio.timeout(request.timeout):
            return await future
    except TimeoutError:
        reason = f"nobody answered within {request.timeout:g} s"
        return Answer(choice=request.default or "", reason=reason, by="timeout")


def _pause(chain: list[RunContext], now: float) -> None:
    for context in chain:
        context.asking += 1
        clock = context.clock
        if clock is not None and not clock.expired() and (when := clock.when()) is not None:
            context.left = when - now
            clock.reschedule(None)
        if context.live is not None:
            context.live.pause(now)


def _resume(chain: list[RunContext], now: float) -> None:
    """Lets the clocks go on inside which nobody else is asked."""
    for context in chain:
        context.asking -= 1
        if not context.asking and context.left is not None:
            if context.clock is not None:
                context.clock.reschedule(now + context.left)
            context.left = None
        if context.live is not None and context.scope is not None:
            context.scope.resume_clock(context.live)
