"""Questions outlive their process: id, time of asking and deadline stay, and answers come from anywhere, once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from stretto.core.decisions import Decisions
from stretto.core.errors import BranchCancelled, StoreError
from stretto.core.events import Answered, Asked, Event, RunStarted, Said, StepCompleted, StepStarted
from stretto.core.function import step
from stretto.core.journal import Journal, Line
from stretto.core.outcome import Completed
from stretto.core.step import Answer, Context, Request
from stretto.runtime import mailbox as mailbox_file
from stretto.runtime.mailbox import Mailbox
from stretto.runtime.run import Run, run, start
from stretto.runtime.virtual import VirtualClock
from stretto.stores.memory import MemoryStore
from stretto.stores.sql import SqlStore
from stretto.stores.store import answer_text
from stretto.testing import run_virtual
from tests.runtime.stage import good, named, sleeper, together, virtually, watch

TIMED = Request(question="go on?", timeout=60, default="reject")
FREE = Request(question="go on?")


def asker(request: Request = FREE, name: str = "asks") -> Any:
    async def ask(x: Any, context: Context) -> Any:
        answer = await context.ask(request)
        return [answer.choice, answer.by]

    return named(name, ask, idempotent=True)


def killed(request: Request, ago: float, answer: Answer | None = None) -> list[Event]:
    """Returns the log of a run whose process died while a question was open that was asked so many seconds ago."""
    asked = Asked(
        "asks", 0.0, "asks?1", request.question, list(request.choices), timeout=request.timeout,
        default=request.default, asked_at=time.time() - ago, value=request.value,
    )  # fmt: skip
    return [RunStarted("", 0.0, "r", "asks", time.time() - ago), StepStarted("asks", 0.0), asked]


def asked_in(run: Run[Any]) -> list[Asked]:
    return [event for event in run.log if isinstance(event, Asked)]


def test_a_question_keeps_its_id_and_the_time_at_which_it_was_first_asked() -> None:
    earlier = killed(FREE, 1000)

    async def main() -> Run[Any]:
        async with start(asker(), resume=earlier) as run:
            await asyncio.sleep(1)
            assert run.questions == ["asks?1"]
            run.answer("asks?1", by="ann")
        return run

    run = virtually(main)
    assert run.outcome == Completed(["approve", "ann"])
    assert {(asked.request_id, asked.asked_at) for asked in asked_in(run)} == {("asks?1", earlier[-1].asked_at)}  # type: ignore[attr-defined]


@pytest.mark.parametrize(("ago", "left"), [(0, 60), (45, 15), (60, 0), (10_000, 0), (-500, 60)])
def test_a_resumed_question_waits_for_the_rest_of_its_time_only(ago: float, left: float) -> None:
    clock = VirtualClock()

    async def main() -> Run[Any]:
        async with start(asker(TIMED), resume=killed(TIMED, ago)) as run:
            pass
        return run

    run = clock.run(main())
    assert run.outcome == Completed(["reject", "timeout"])
    assert clock.elapsed == pytest.approx(left, abs=2)  # the wall clock goes on while the test runs


def test_a_question_that_was_withdrawn_in_order_has_its_whole_time_again() -> None:
    async def main() -> float:
        async with start(asker(TIMED)) as first:
            await asyncio.sleep(50)
            first.cancel("later")
        assert Decisions.of(first.log).open == []
        began = asyncio.get_running_loop().time()
        async with start(asker(TIMED), resume=first.log):
            pass
        return asyncio.get_running_loop().time() - began

    assert virtually(main) == pytest.approx(60)


def test_an_answer_counts_for_what_was_asked_only() -> None:
    first = [
        *killed(Request(question="delete a?", value={"path": "a"}), 5),
        Answered("asks", 1.0, "asks?1", "approve", None, "", "ann"),
    ]
    same = watch(asker(Request(question="delete a?", value={"path": "a"})), resume=first)
    assert same.outcome == Completed(["approve", "ann"])

    async def other(request: Request) -> Run[Any]:
        async with start(asker(request), resume=first) as run:
            await asyncio.sleep(1)
            assert run.questions == ["asks?1~2"]
            run.answer("asks?1~2", "reject", by="bob")
        return run

    for request in (
        Request(question="delete b?", value={"path": "a"}),
        Request(question="delete a?", value={"path": "b"}),
        Request(question="delete a?", value={"path": "a"}, choices=("reject", "burn")),
    ):
        run: Run[Any] = run_virtual(other(request))
        assert run.outcome == Completed(["reject", "bob"])
        assert watch(asker(request), resume=run.log).outcome == run.outcome  # and is found again


def test_a_renamed_step_finds_its_open_question_and_its_answers() -> None:
    decisions = Decisions.of([*killed(TIMED, 5), Answered("asks", 1.0, "asks?0", "approve", None, "", "ann")]).renamed(
        lambda text: text.replace("asks", "begs")
    )
    assert [asked.request_id for asked in decisions.open] == ["begs?1"]
    assert decisions.answers["begs?0"].by == "ann"
    decisions.record(StepCompleted("begs", 2.0))
    assert decisions.open == []


def test_a_step_sees_what_was_asked_and_answers_what_is_open() -> None:
    @step
    async def helps(x: Any, context: Context) -> Any:
        await asyncio.sleep(5)
        decisions = context.resource(Decisions)
        (asked,) = decisions.open
        assert decisions.answer(asked.request_id, Answer(choice="approve", by="a step"))
        assert not decisions.answer("nobody?1", Answer(choice="approve"))
        await asyncio.sleep(5)
        return [(asked.question, answer.by) for asked, answer in decisions.answered()]

    assert watch(together(asker(), helps)).outcome.unwrap() == [
        Completed(["approve", "a step"]),
        Completed([("go on?", "a step")]),
    ]
    assert not Decisions().answer("asks?1", Answer(choice="approve"))


@pytest.fixture
def anyio_backend() -> str:
    """The one event loop that there is."""
    return "asyncio"


# -- the mailbox ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "sql"])
def place(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    """Two hands on one store: that of the run, and that of another process."""
    if request.param == "memory":
        both = MemoryStore()
        return both, both
    return SqlStore(tmp_path / "runs.db"), SqlStore(tmp_path / "runs.db")


async def until(holds: Callable[[], Awaitable[Any]]) -> None:
    """Waits for another hand; the number only bounds how long a broken test takes."""
    for _ in range(1000):
        if await holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to that")


async def open_in(store: Any, run_id: str, request_id: str) -> None:
    """Waits until a question can be read by other processes."""

    async def can_be_read() -> bool:
        lines: list[Line] = await store.lines(run_id) if await begun(store, run_id) else []
        return any(line.kind == "asked" and request_id in line.data for line in lines)

    await until(can_be_read)


async def begun(store: Any, run_id: str = "r") -> bool:
    return bool(await store.ids(run_id)) and (await store.summary(run_id)).steps.started > 0


async def empty(store: Any) -> bool:
    return not await store.answers("r")


@pytest.mark.anyio
async def test_a_program_of_its_own_takes_answers_in_any_order_while_a_third_branch_goes_on(place: Any) -> None:
    mine, other = place
    work = together(asker(name="a"), asker(name="b"), good)
    async with mine, other, start(work, store=mine, run_id="r") as live:
        await open_in(other, "r", "all/b?1")
        assert any(isinstance(event, StepCompleted) and event.path == "all/good" for event in live.log)
        await other.post_answer("r", "all/b?1", "reject", by="bob", reason="no")
        await other.post_answer("r", "all/a?1", "approve", by="ann")
        values = await live.result()
    assert values[:2] == [Completed(["approve", "ann"]), Completed(["reject", "bob"])]
    told = [event for event in live.log if isinstance(event, Answered)]
    assert {(event.by, event.reason) for event in told} == {("ann", ""), ("bob", "no")}
    assert all(0 < event.answered_at <= time.time() for event in told)


@pytest.mark.anyio
async def test_a_program_of_its_own_is_cancelled_from_another_process(place: Any) -> None:
    mine, other = place
    async with mine, other:
        async with start(sleeper(60), store=mine, run_id="r") as live:
            await until(lambda: begun(other))
            await other.request_cancel("r")
        with pytest.raises(BranchCancelled, match="cancelled from another process"):
            live.outcome.unwrap()


@pytest.mark.anyio
async def test_an_answer_posted_while_nobody_runs_is_taken_when_the_run_is_resumed(place: Any) -> None:
    mine, other = place
    async with mine, other:
        async with start(asker(), store=mine, run_id="r") as live:
            await open_in(other, "r", "asks?1")
            live.cancel("restart")
        with pytest.raises(StoreError, match="has ended"):
            await other.post_answer("r", "asks?1", "approve")
        owner = "somewhere:1:1:1"
        first = await mine.claim("r", owner)
        await mine.append("r", [Line(first, "run_resumed", "", 1.0, '{"completed":0,"in_flight":[]}')])
        await mine.release("r", owner)
        with pytest.raises(StoreError, match="does not take 'perhaps'; choose one of 'approve' and 'reject'"):
            await other.post_answer("r", "asks?1", "perhaps")
        await other.post_answer("r", "asks?1", "approve", by="ann")
        with pytest.raises(StoreError, match="has been answered already"):
            await other.post_answer("r", "asks?1", "reject", by="bob")
        assert await run(asker(), store=mine, run_id="r") == ["approve", "ann"]
        with pytest.raises(StoreError, match="has been answered already: 'approve' by ann"):
            await other.post_answer("r", "asks?1", "reject", by="bob")


@pytest.mark.anyio
async def test_a_choice_that_is_not_offered_is_passed_over_and_another_answer_may_come(place: Any) -> None:
    mine, other = place
    async with mine, other:
        first, gate = await mine.claim("r", "x:1:1:1"), asyncio.Event()
        assert first == 0
        await mine.release("r", "x:1:1:1")

        @step
        async def waits_and_asks(x: Any, context: Context) -> Any:
            await gate.wait()
            return (await context.ask(FREE)).choice

        async with start(waits_and_asks, store=mine, run_id="r") as live:
            await until(lambda: begun(other))
            await other.post_answer("r", "waits_and_asks?1", "perhaps", by="ann")  # beforehand: nobody can know
            gate.set()
            await until(lambda: empty(other))
            await other.post_answer("r", "waits_and_asks?1", "reject")
            assert await live.result() == "reject"
        (said,) = (event for event in live.log if isinstance(event, Said))
        assert (said.path, said.level) == ("waits_and_asks", "warning")
        assert "an answer by ann was passed over: 'perhaps' is no answer" in said.text


@pytest.mark.anyio
async def test_an_answer_counts_when_it_came_in_time_and_is_refused_with_words_when_it_did_not(place: Any) -> None:
    mine, other = place
    short = Request(question="go on?", timeout=0.7, default="reject")
    async with mine, other:
        async with start(asker(short), store=mine, run_id="r") as live:
            await open_in(other, "r", "asks?1")
            await other.post_answer("r", "asks?1", "approve", by="ann")
            assert await live.result() == ["approve", "ann"]
        async with start(asker(short), store=mine, run_id="late") as live:
            await live.result()
        late = [line for line in await other.lines("late") if line.kind != "answered" and line.kind != "run_ended"]
        again = [line._replace(seq=seq) for seq, line in enumerate(late) if line.kind != "step_completed"]
        await mine.claim("crashed", "x:1:1:1")
        await mine.append("crashed", [line._replace(data=line.data.replace('"late"', '"crashed"')) for line in again])
        await mine.release("crashed", "x:1:1:1")
        with pytest.raises(StoreError, match=r"within 0\.7 s, which were over .* ago: 'reject' stands"):
            await other.post_answer("crashed", "asks?1", "approve")
        await other._post("crashed", "asks?1", answer_text(Answer(choice="approve", by="eve", at=time.time())))
        async with start(asker(short), store=mine, run_id="crashed") as live:
            assert await live.result() == ["reject", "timeout"]
        assert any("it came after the time for 'asks?1' was up" in e.text for e in live.log if isinstance(e, Said))


class Broken(MemoryStore):
    """A store whose mailbox is out of order."""

    async def answers(self, run_id: str) -> dict[str, Answer]:
        raise StoreError("no letters today")

    async def cancel_requested(self, run_id: str) -> bool:
        raise OSError("no telegrams either")


def test_a_mailbox_that_cannot_be_read_is_told_once_and_the_run_goes_on() -> None:
    async def main() -> Run[Any]:
        async with start(asker(), store=Broken()) as run:
            await asyncio.sleep(20)
            run.answer("asks?1")
        return run

    run = virtually(main)
    assert run.outcome == Completed(["approve", ""])
    told = sorted(event.text for event in run.log if isinstance(event, Said))
    assert told == [
        "the run's mailbox cannot be read: no letters today",
        "the run's mailbox cannot be read: no telegrams either",
    ]


class Stuck(MemoryStore):
    """A store that holds an answer which cannot be used, and cannot set it aside."""

    async def answers(self, run_id: str) -> dict[str, Answer]:
        return {"asks?1": Answer(choice="perhaps", at=time.time())}

    async def pass_over(self, run_id: str, request_id: str) -> None:
        raise StoreError("the disk is full")


@pytest.mark.parametrize("request_", [Request(question="ok?"), TIMED])
def test_an_answer_that_cannot_be_set_aside_does_not_end_the_run(request_: Request) -> None:
    async def main() -> Run[Any]:
        async with start(asker(request_), store=Stuck()) as run:
            await asyncio.sleep(20)
            run.answer("asks?1")
        return run

    run = virtually(main)
    assert isinstance(run.outcome, Completed), run.outcome
    told = [event.text for event in run.log if isinstance(event, Said)]
    assert told.count("the run's mailbox cannot be read: the disk is full") == 1


class Counting(MemoryStore):
    """A store that counts how often somebody looks."""

    looks = 0

    async def cancel_requested(self, run_id: str) -> bool:
        self.looks += 1
        return await super().cancel_requested(run_id)


@pytest.mark.anyio
async def test_a_short_run_never_looks_into_its_mailbox() -> None:
    store = Counting()
    for number in range(50):
        await run(good, store=store, run_id=f"r{number}")
    assert store.looks == 0


def test_a_clock_that_jumps_is_not_held_up_by_the_mailbox() -> None:
    store = Counting()

    async def main() -> None:
        async with start(sleeper(30 * 86400.0), store=store, run_id="r"):
            pass

    virtually(main)
    assert store.looks < 40


@pytest.mark.anyio
@pytest.mark.parametrize(("watched", "looks"), [(0, range(5, 1000)), (1000, range(2))])
async def test_the_more_mailboxes_are_watched_the_less_often_each_is_looked_into(
    watched: int, looks: range, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox_file, "POLL", 0.01)
    monkeypatch.setattr(mailbox_file, "SHARE", 0.0)
    monkeypatch.setattr(Mailbox, "watched", watched)
    store = Counting()
    await run(sleeper(0.5), store=store, run_id="r")
    assert store.looks in looks
    assert Mailbox.watched == watched


class Plain(Journal):
    """A journal that has no mailbox."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    async def claim(self, run_id: str, owner: str) -> int:
        return 0

    async def release(self, run_id: str, owner: str) -> None:
        pass

    async def append(self, run_id: str, lines: Any) -> None:
        self.lines += lines

    async def read(self, run_id: str, since: int = 0) -> list[Line]:
        return self.lines[since:]

    async def durations(self, step: str, limit: int = 100) -> list[float]:
        return []


def test_a_journal_without_a_mailbox_is_enough() -> None:
    journal = Plain()

    async def main() -> Any:
        async with start(asker(TIMED), store=journal) as run:
            pass
        await journal.pass_over("r", "asks?1")
        return run.outcome.unwrap()

    assert virtually(main) == ["reject", "timeout"]
    assert [line.kind for line in journal.lines][-3:] == ["answered", "step_completed", "run_ended"]
