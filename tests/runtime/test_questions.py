"""Questions to humans: no room is held, no clock runs, several may be open, and answers outlive the process."""

import asyncio
from typing import Any

import pytest

from stretto.core.aggregation import FirstSuccess
from stretto.core.errors import DefinitionError, HumanAborted, StepTimeout
from stretto.core.function import step
from stretto.core.outcome import Completed
from stretto.core.policies import ErrorMode, ParallelResourceLimits
from stretto.core.step import Answer, Context, Request
from stretto.runtime.run import Run, run_sync, start
from tests.runtime.stage import SLOW, deaf, good, kinds, named, sleeper, together, virtually, watch

OK = Request(question="go on?")


def asker(name: str = "asks", request: Request = OK, then: float = 0.0, **settings: Any) -> Any:
    async def ask(x: Any, context: Context) -> Any:
        answer = await context.ask(request)
        await asyncio.sleep(then)
        return answer.choice

    return named(name, ask, **settings)


def answered(work: Any, *answers: tuple[float, str, str], **settings: Any) -> Run[Any]:
    """Runs a step, and answers its questions at their times."""

    async def main() -> Run[Any]:
        async with start(work, **settings) as run:
            for at, request_id, choice in answers:
                await asyncio.sleep(at - asyncio.get_running_loop().time())
                assert run.answer(request_id, choice)
        return run

    run: Run[Any] = virtually(main)
    return run


def test_an_answer_reaches_who_asked_and_both_stand_in_the_log() -> None:
    run = answered(asker(), (5, "asks?1", "approve"))
    assert run.outcome == Completed("approve")
    assert kinds(run) == ["run_started", "step_started", "asked", "answered", "step_completed", "run_ended"]


@pytest.mark.parametrize("level", ["step", "branch", "workflow", "run"])
def test_no_clock_runs_while_a_human_thinks(level: str) -> None:
    ask = asker(timeout=10 if level == "step" else None, then=1)
    outer = together(ask, execution_timeout=10 if level == "branch" else None)
    if level == "workflow":
        outer = step(name="all", timeout=10)(outer.function)
    run = answered(outer, (1000, "all/asks?1", "approve"), timeout=10 if level == "run" else None)
    assert run.outcome == Completed([Completed("approve")])


@pytest.mark.parametrize("level", ["step", "branch", "workflow", "run"])
def test_every_clock_goes_on_after_the_answer(level: str) -> None:
    ask = asker(timeout=10 if level == "step" else None, then=11)
    outer = together(ask, execution_timeout=10 if level == "branch" else None)
    if level == "workflow":
        outer = step(name="all", timeout=10)(outer.function)
    run = answered(outer, (1000, "all/asks?1", "approve"), timeout=10 if level == "run" else None)
    if level in ("step", "branch"):
        assert [outcome.status for outcome in run.outcome.unwrap()] == ["timed_out"]
    else:
        assert run.outcome.status == "timed_out"
    assert run.log[-1].at == pytest.approx(1010)


@pytest.mark.parametrize("level", ["workflow", "run", "branch"])
def test_a_clock_around_two_questions_stands_until_both_are_answered(level: str) -> None:
    inner = together(asker("a"), asker("b"), name="inner")
    if level == "workflow":
        inner = step(name="inner", timeout=10)(inner.function)
    outer = together(inner, execution_timeout=10 if level == "branch" else None)
    run = answered(
        outer,
        (100, "all/inner/a?1", "approve"),
        (200, "all/inner/b?1", "reject"),
        timeout=10 if level == "run" else None,
    )
    assert run.outcome.unwrap()[0].unwrap() == [Completed("approve"), Completed("reject")]


@pytest.mark.parametrize("level", ["workflow", "run", "branch"])
def test_clocks_around_a_question_go_on_when_who_asked_was_cancelled(level: str) -> None:
    async def main() -> Run[Any]:
        inner = together(asker("asks"), sleeper(500, "works"), name="inner")
        if level == "workflow":
            inner = step(name="inner", timeout=10)(inner.function)
        outer = together(inner, execution_timeout=10 if level == "branch" else None)
        async with start(outer, timeout=10 if level == "run" else None) as run:
            await asyncio.sleep(100)
            assert run.cancel_branch("all/inner/asks", "no answer")
        return run

    run = virtually(main)
    timed_out = run.outcome if level == "run" else run.outcome.unwrap()[0]
    assert timed_out.status == "timed_out"
    assert run.log[-1].at == pytest.approx(110)


def test_the_room_of_who_asks_is_for_others_meanwhile_and_is_had_back_before_others() -> None:
    order: list[str] = []

    def worker(name: str) -> Any:
        async def work(x: Any) -> None:
            order.append(name)
            await asyncio.sleep(10)

        return named(name, work)

    @step
    async def asks(x: Any, context: Context) -> None:
        await context.ask(OK)
        order.append("answered")

    work = together(asks, worker("b"), worker("c"), worker("d"), max_concurrent_executions=1)
    run = answered(work, (15, "all/asks?1", "approve"))
    assert order == ["b", "c", "answered", "d"]
    assert run.log[-1].at == pytest.approx(30)


def test_who_is_cancelled_while_it_asks_and_goes_on_has_its_room_again() -> None:
    @step
    async def impatient(x: Any, context: Context) -> str:
        try:
            async with asyncio.timeout(5):
                await context.ask(OK)
        except TimeoutError:
            await asyncio.sleep(100)
        return "done"

    @step
    async def main(x: Any, context: Context) -> Any:
        async with context.branches(ParallelResourceLimits(max_concurrent_executions=1), SLOW) as branches:
            for _ in range(3):
                await branches.start(impatient, x)
            async for _ in branches.completed():
                pass
            assert branches.room == 1
        return branches.outcomes

    run = watch(main)
    assert run.outcome == Completed([Completed("done")] * 3)


def test_two_questions_of_one_branch_give_its_room_back_once() -> None:
    @step
    async def asks_twice(x: Any, context: Context) -> Any:
        answers = await asyncio.gather(context.ask(OK), context.ask(OK))
        return [answer.choice for answer in answers]

    @step
    async def main(x: Any, context: Context) -> Any:
        async with context.branches(ParallelResourceLimits(max_concurrent_executions=2), SLOW) as branches:
            await branches.start(asks_twice, x)
            await asyncio.sleep(1)
            assert branches.room == 2
            async for _ in branches.completed():
                pass
            assert branches.room == 2
        return branches.outcomes

    run = answered(main, (10, "main/asks_twice?2", "reject"), (20, "main/asks_twice?1", "approve"))
    assert run.outcome == Completed([Completed(["approve", "reject"])])


def test_several_questions_are_open_at_once_and_each_gets_its_own_answer() -> None:
    async def main() -> Run[Any]:
        async with start(together(asker("a"), asker("b"), asker("c"))) as run:
            await asyncio.sleep(1)
            assert run.questions == ["all/a?1", "all/b?1", "all/c?1"]
            for name, choice in (("c", "reject"), ("a", "approve"), ("b", "reject")):
                assert run.answer(f"all/{name}?1", choice)
        return run

    assert virtually(main).outcome.unwrap() == [Completed("approve"), Completed("reject"), Completed("reject")]


def test_an_answer_to_an_unknown_or_answered_question_is_refused() -> None:
    async def main() -> Run[Any]:
        async with start(asker()) as run:
            await asyncio.sleep(1)
            assert not run.answer("nobody?1")
            assert run.answer("asks?1", "reject")
            assert not run.answer("asks?1", "approve")
        assert not run.answer("asks?1")
        return run

    assert virtually(main).outcome == Completed("reject")


def test_an_answer_brings_value_reason_and_name() -> None:
    async def main() -> Any:
        @step
        async def asks(x: Any, context: Context) -> Answer:
            return await context.ask(OK)

        async with start(asks) as run:
            await asyncio.sleep(1)
            run.answer("asks?1", "approve", value={"x": 1}, reason="fine", by="Ann")
        return run.outcome.unwrap()

    assert virtually(main) == Answer(choice="approve", value={"x": 1}, reason="fine", by="Ann")


def test_a_question_with_a_timeout_answers_itself_with_its_default() -> None:
    request = Request(question="go on?", timeout=60, default="reject")
    run = watch(asker(request=request))
    assert run.outcome == Completed("reject")
    assert run.log[-1].at == pytest.approx(60)
    (event,) = (event for event in run.log if event.kind == "answered")
    assert (event.by, event.reason) == ("timeout", "nobody answered within 60 s")  # type: ignore[attr-defined]


def test_a_run_that_is_cancelled_while_it_asks_ends_and_the_question_is_gone() -> None:
    async def main() -> Run[Any]:
        async with start(together(asker(), good)) as run:
            await asyncio.sleep(1)
            run.cancel("enough")
        return run

    run = virtually(main)
    assert run.outcome.status == "cancelled"
    assert run.questions == []


def test_an_answer_in_the_log_is_not_asked_for_again_when_the_run_is_resumed() -> None:
    tries: list[int] = []

    @step
    async def asks(x: Any, context: Context) -> str:
        answer = await context.ask(OK)
        tries.append(1)
        if len(tries) == 1:
            raise OSError("after the answer")
        return answer.choice

    first = answered(asks, (5, "asks?1", "reject"))
    assert first.outcome.status == "failed"
    again = watch(asks, resume=first.log)
    assert again.outcome == Completed("reject")
    assert kinds(again).count("asked") == 1


def test_a_question_without_an_answer_is_asked_again_when_the_run_is_resumed() -> None:
    async def main() -> Run[Any]:
        async with start(asker(idempotent=True)) as run:
            await asyncio.sleep(1)
            run.cancel("restart")
        async with start(asker(idempotent=True), resume=run.log) as again:
            await asyncio.sleep(1)
            assert again.questions == ["asks?1"]
            again.answer("asks?1", "approve")
        return again

    assert virtually(main).outcome == Completed("approve")


def test_a_critical_step_that_fails_is_tried_again_or_aborted_as_the_human_says() -> None:
    tries: list[int] = []

    @step(critical=True)
    async def pays(x: Any) -> str:
        tries.append(1)
        if len(tries) < 3:
            raise OSError(f"try {len(tries)}")
        return "paid"

    run = answered(pays, (1, "pays?failed1", "retry"), (2, "pays?failed2", "retry"))
    assert run.outcome == Completed("paid")
    tries.clear()
    run = answered(pays, (1, "pays?failed1", "retry"), (2, "pays?failed2", "abort"))
    with pytest.raises(HumanAborted) as caught:
        run.outcome.unwrap()
    assert isinstance(caught.value.__cause__, OSError)
    assert len(tries) == 2


def test_a_step_that_asks_while_it_is_being_stopped_does_not_live_for_ever() -> None:
    @step
    async def stubborn(x: Any, context: Context) -> Any:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            return await context.ask(OK)

    async def main() -> Run[Any]:
        async with start(together(stubborn, cancellation_timeout=3)) as run:
            await asyncio.sleep(1)
            run.cancel_branch("all/stubborn", "stop")
        return run

    run = virtually(main)
    (outcome,) = run.outcome.unwrap()
    assert (outcome.status, outcome.stopped) == ("cancelled", False)
    assert run.log[-1].at == pytest.approx(4)


@pytest.mark.parametrize("grace", [0, 3])
def test_a_step_that_ignores_its_time_after_an_answer_is_left_behind_then(grace: float) -> None:
    @step(timeout=5)
    async def asks_first(x: Any, context: Context) -> Any:
        await context.ask(OK)
        return await deaf(1000).execute(x, context)

    run = answered(together(asks_first, cancellation_timeout=grace), (100, "all/asks_first?1", "approve"))
    assert [outcome.status for outcome in run.outcome.unwrap()] == ["timed_out"]
    assert run.log[-1].at == pytest.approx(105 + grace)


@pytest.mark.parametrize("how", ["cancelled", "left behind", "stopped"])
def test_who_is_stopped_while_it_waits_for_its_room_again_leaves_no_slot_taken(how: str) -> None:
    @step
    async def asks(x: Any, context: Context) -> None:
        while True:
            try:
                await context.ask(OK)
            except asyncio.CancelledError:
                if how != "left behind":
                    raise

    async def main() -> Any:
        @step
        async def parent(x: Any, context: Context) -> Any:
            limits = ParallelResourceLimits(max_concurrent_executions=1, cancellation_timeout=2)
            async with context.branches(limits, SLOW) as branches:
                await branches.start(asks, x)
                await branches.start(sleeper(50), x)
                await asyncio.sleep(5)
                assert run.answer("parent/asks?1")  # from now on it waits for its room
                await asyncio.sleep(5)
                if how == "stopped":
                    branches.cancel("enough")
                else:
                    run.cancel_branch("parent/asks", "enough")
                async for _ in branches.completed():
                    pass
                for question in run.questions:
                    run.answer(question)
                await asyncio.sleep(5)
                assert branches.room == 1
            return [outcome.status for outcome in branches.outcomes]

        async with start(parent, cancellation_timeout=1) as run:
            pass
        return run.outcome.unwrap()

    assert virtually(main) == ["cancelled", "cancelled" if how == "stopped" else "completed"]


def test_a_timed_out_step_that_asks_in_its_last_words_gets_its_answer_and_is_late_all_the_same() -> None:
    @step(timeout=5)
    async def asks_late(x: Any, context: Context) -> Any:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            return (await context.ask(OK)).choice

    run = answered(asks_late, (50, "asks_late?1", "approve"))
    with pytest.raises(StepTimeout, match="step 'asks_late' took longer than its timeout of 5 s"):
        run.outcome.unwrap()


def test_an_answer_that_the_question_does_not_offer_is_refused_and_the_question_stands() -> None:
    async def main() -> None:
        async with start(asker()) as run:
            await asyncio.sleep(1)
            with pytest.raises(DefinitionError, match=r"'perhaps' is no answer to 'asks.1'; .*'approve' and 'reject'"):
                run.answer("asks?1", "perhaps")
            assert run.questions == ["asks?1"]
            assert run.answer("asks?1", "approve")
        assert run.outcome == Completed("approve")

    virtually(main)


def test_branches_that_wait_for_a_success_cannot_stop_at_the_first_failure() -> None:
    async def contradicts(_: object, context: Context) -> None:
        context.branches(None, ErrorMode.FAIL_FAST, FirstSuccess())

    with pytest.raises(DefinitionError, match="FirstSuccess waits for a success"):
        run_sync(contradicts)
