"""Questions to humans: told in the log, answered from anywhere, and waited for without room or a running clock."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from stretto.core.decisions import Decisions
from stretto.core.events import Answered, Asked
from stretto.core.step import Answer, Request
from stretto.runtime.state import Question, RunState

if TYPE_CHECKING:
    from stretto.runtime.context import RunContext


async def ask(context: RunContext, request: Request, request_id: str) -> Answer:
    """Asks, and returns the answer; one that the log already holds is not asked for again."""
    state, decisions = context.state, context.state.decisions
    request_id = _identity(decisions, request_id, request)
    if request_id in decisions.answers:
        return decisions.answers[request_id]
    earlier = decisions.asked.get(request_id)
    began = earlier.asked_at if earlier is not None and earlier.asked_at else time.time()
    asked = Asked(
        context.path, state.now(), request_id, request.question, list(request.choices), request.reason, request.details,
        request.topic, request.risk, request.timeout, request.default, began, request.value,
    )  # fmt: skip
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Answer] = loop.create_future()
    until = math.inf if request.timeout is None else began + request.timeout
    state.emit(asked)
    decisions.record(asked)
    state.questions[request_id] = Question(request, future, until)
    chain = context.lineage()
    _pause(chain, loop.time())
    lender = next((c for c in chain if c.live is not None), None)
    if lender is not None and lender.scope is not None and lender.live is not None:
        lender.scope.lend(lender.live)
    try:
        answer = await _answered(state, future, request, None if earlier is None else until - time.time())
        del state.questions[request_id]
        answered = Answered(
            context.path, state.now(), request_id, answer.choice, answer.value, answer.reason, answer.by, answer.at
        )
        state.emit(answered)
        decisions.record(answered)
        if lender is not None and lender.scope is not None and lender.live is not None:
            await lender.scope.reclaim(lender.live)
    finally:
        if state.questions.pop(request_id, None) is not None:
            decisions.withdraw(asked)
        if lender is not None and lender.scope is not None and lender.live is not None:
            lender.scope.retake(lender.live)
        _resume(chain, loop.time())
    return answer


async def ask_anew(context: RunContext, request: Request, about: str) -> Answer:
    """Asks what an earlier answer does not settle, because it is about what has happened since.

    A question that nobody has answered keeps its id over restarts, so that an answer given meanwhile finds it.
    """
    number = 1
    while (request_id := f"{context.path}?{about}{number}") in context.state.decisions.answers:
        number += 1
    return await ask(context, request, request_id)


def _identity(decisions: Decisions, request_id: str, request: Request) -> str:
    """Returns the id, or the next one when the log holds another question under it.

    An answer counts for what was asked: after a change of code a step may ask something else in the same place. With
    the words and the choices an editable ``value`` makes a question what it is: nobody agreed to another one.
    """
    found, number = request_id, 1
    while (asked := decisions.asked.get(found)) is not None and not (
        asked.question == request.question and asked.choices == list(request.choices) and asked.value == request.value
    ):
        number += 1
        found = f"{request_id}~{number}"
    return found


async def _answered(state: RunState, future: asyncio.Future[Answer], request: Request, left: float | None) -> Answer:
    """Waits for the answer as long as the request says, or ``left`` where it was asked by an earlier process."""
    seconds = request.timeout
    if seconds is not None and left is not None:
        seconds = min(seconds, max(0.0, left))
    await asyncio.wait([future], timeout=seconds)
    if not future.done() and state.look is not None:
        await state.look()  # somebody may have answered in time, in another process
    if future.done():
        return future.result()
    reason = f"nobody answered within {request.timeout or 0:g} s"
    return Answer(choice=request.default or "", reason=reason, by="timeout", at=time.time())


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
