"""What a step's policy asks for around execution: cache, limit, breaker, batch, timeout, retry, fallback, a human."""

from __future__ import annotations

import asyncio
import random
from asyncio import CancelledError
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from stretto.core.errors import DefinitionError, HumanAborted, StepTimeout
from stretto.core.events import StepRetrying, step_name
from stretto.core.policies import AdaptiveTimeout, RetryPolicy
from stretto.core.step import Request, Step
from stretto.runtime.cache import CacheKey, Waiting, input_key
from stretto.runtime.fingerprints import fingerprint, individual
from stretto.runtime.people import ask_anew
from stretto.runtime.records import record
from stretto.runtime.throttle import asked_wait

if TYPE_CHECKING:
    from stretto.runtime.context import RunContext


async def guarded(child: RunContext, step: Step[Any, Any], input: Any) -> tuple[Any, str]:
    """Executes a step under its policy; returns its output, and where that came from (run, cache, batch, …)."""
    policy = step.policy
    if policy.cache is None:
        return await _persistent(child, step, input)
    source = "run"

    async def call() -> Any:
        nonlocal source
        output, source = await _persistent(child, step, input)
        return output

    key = CacheKey(step.name, (fingerprint(step), individual(step)), input_key(step.name, policy.cache, input))
    loop = asyncio.get_running_loop()
    output, hit = await child.state.shared.cache.get_or_call(key, policy.cache, loop.time, call, _waiting(child))
    return output, "cache" if hit else source


def _waiting(child: RunContext) -> Waiting:
    state = child.state

    def wait(future: asyncio.Future[Any]) -> Awaitable[Any]:
        return state.wait(future, child.path, "another's call")

    return Waiting(state, wait)


async def _persistent(child: RunContext, step: Step[Any, Any], input: Any) -> tuple[Any, str]:
    policy, state = step.policy, child.state
    retry = policy.retry or RetryPolicy(attempts=1)
    attempt = 0
    while True:
        attempt += 1
        try:
            return await _attempt(child, step, input)
        except Exception as error:  # noqa: BLE001  # it is raised again below unless the policy says otherwise
            final: Exception = error
        if attempt < retry.attempts and isinstance(final, retry.on) and not isinstance(final, DefinitionError):
            wait = pause(retry, attempt, final)
            state.emit(StepRetrying(child.path, state.now(), attempt, record(state, final, child.path), wait))
            await asyncio.sleep(wait)
        elif policy.fallback is not None and isinstance(final, policy.fallback_on):
            return await child.run(policy.fallback, input), "fallback"
        elif policy.critical and await _again(child, final):
            continue
        else:
            raise final


def pause(retry: RetryPolicy, attempt: int, error: BaseException) -> float:
    """Returns how long to wait after a failed attempt (seconds): what the error asks for, or the policy's next wait."""
    asked = asked_wait(error)
    if asked is not None:
        return asked
    try:
        longest = min(retry.max_wait, retry.wait * retry.factor**attempt)
    except OverflowError:
        longest = retry.max_wait
    return longest * (1 - retry.jitter * random.random())  # spreads retries, guards no secret


async def _attempt(child: RunContext, step: Step[Any, Any], input: Any) -> tuple[Any, str]:
    batch = step.policy.batch
    if batch is None:
        return await _let_through(child, step, input), "run"

    async def invoke(inputs: list[Any]) -> Any:
        return await _let_through(child, step, inputs)

    key, wait = (id(child.state), step), _waiting(child).wait
    return await child.state.shared.batcher.call(step.name, key, batch, input, invoke, wait), "batch"


async def _let_through(child: RunContext, step: Step[Any, Any], input: Any) -> Any:
    """Calls a service as soon as it takes one more call; a circuit that opens meanwhile stops those who wait."""
    policy, state = step.policy, child.state
    if policy.service is None and policy.breaker is None:
        return await _timed(child, step, input)
    async with AsyncExitStack() as passage:
        if policy.service is not None:
            await passage.enter_async_context(state.shared.throttles.passage(policy.service, state, child.path))
        if policy.breaker is not None:
            passage.enter_context(state.shared.breakers.passage(policy.breaker))
        return await _timed(child, step, input)


async def _timed(child: RunContext, step: Step[Any, Any], input: Any) -> Any:
    timeout = step.policy.timeout
    if timeout is None:
        return await step.execute(input, child)
    if isinstance(timeout, AdaptiveTimeout):
        history = child.state.log.journal
        timeout = timeout.seconds(await history.durations(step_name(child.path)) if history is not None else [])
    level = "workflow" if step.transparent else "step"
    clock = asyncio.timeout(timeout)
    try:
        async with clock:
            child.clock = clock
            _watch(child, clock, StepTimeout(child.path, timeout, level))
            output = await step.execute(input, child)
    except TimeoutError as error:
        if clock.expired() and isinstance(error.__cause__, CancelledError):
            raise StepTimeout(child.path, timeout, level) from None
        raise
    finally:
        child.clock = None
        if child.alarm is not None:
            child.alarm.cancel()
    ends = clock.when()
    if clock.expired() or (ends is not None and ends <= asyncio.get_running_loop().time()):  # the loop may be blocked
        raise StepTimeout(child.path, timeout, level)
    return output


def _watch(child: RunContext, clock: asyncio.Timeout, error: StepTimeout) -> None:
    """Sees to it that a step which ignores the end of its time is left behind with its branch."""
    inside = next((context for context in child.lineage() if context.live is not None), None)
    if inside is None or inside.live is None or inside.scope is None:
        return
    live, scope, loop = inside.live, inside.scope, asyncio.get_running_loop()
    grace = scope.limits.cancellation_timeout

    def look() -> None:
        if child.clock is not clock:
            return
        if clock.expired():
            scope.give_up(live, error)
        else:
            ends = clock.when()  # None while a human is asked
            child.alarm = loop.call_at((loop.time() + error.seconds if ends is None else ends) + grace, look)

    child.alarm = loop.call_later(error.seconds + grace, look)


async def _again(child: RunContext, error: Exception) -> bool:
    """Puts the failure of a critical step before a human; says whether it shall be tried again."""
    request = Request(
        question=f"step {child.path!r} failed and may have done something already: try it again?",
        choices=("retry", "abort"),
        topic="decision",
        reason=f"{type(error).__name__}: {error}",
    )
    answer = await ask_anew(child, request, "failed")
    if answer.choice == "retry":
        return True
    raise HumanAborted(child.path, request.question, answer.reason) from error
