"""Calls to a service lower their own number when it says that it has too much, wait when it asks to, and recover."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.core.errors import CircuitOpen, DeadlockError
from stretto.core.function import FunctionStep, step
from stretto.core.outcome import Completed
from stretto.core.policies import (
    BatchPolicy,
    CachePolicy,
    CircuitBreaker,
    ParallelResourceLimits,
    RetryPolicy,
    ServiceLimit,
)
from stretto.core.step import Context
from stretto.runtime.run import Run, run, start
from stretto.runtime.shared import Shared
from stretto.runtime.throttle import asked_wait, rest
from tests.runtime.stage import SLOW, go, kinds, named, raiser, together, told, virtually, watch


class TooMany(Exception):
    """What a client raises when the service is overloaded."""

    def __init__(self, retry_after: float | None = None, status: int = 429) -> None:
        super().__init__(f"{status} Too Many Requests")
        self.status_code = status
        if retry_after is not None:
            self.retry_after = retry_after


class Api:
    """A service that answers each call, in the order in which they begin, as it was told to, and then well."""

    def __init__(self, answers: Sequence[Exception | None] = (), seconds: float | Sequence[float] = 1.0) -> None:
        self._answers, self._seconds = list(answers), seconds
        self.now = self.most = 0
        self.begun: list[tuple[Any, float]] = []

    async def __call__(self, x: Any) -> Any:
        number = len(self.begun)
        self.begun.append((x, asyncio.get_running_loop().time()))
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(
                self._seconds if isinstance(self._seconds, int | float) else self._seconds[number % len(self._seconds)]
            )
        finally:
            self.now -= 1
        if number < len(self._answers) and (error := self._answers[number]) is not None:
            raise error
        return x

    @property
    def times(self) -> list[float]:
        return [time for _, time in self.begun]


def calling(api: Api, service: ServiceLimit | None, **policy: Any) -> FunctionStep[Any, Any]:
    async def call(x: Any) -> Any:
        return await api(x)

    return named("call", call, service=service, **policy)


def many(work: FunctionStep[Any, Any], at_once: int = 1000) -> FunctionStep[Any, Any]:
    """Returns a step that calls once for each input, all at once, and returns the outcomes."""

    @step(name="many")
    async def all_of(inputs: Any, context: Context) -> Any:
        async with context.branches(ParallelResourceLimits(max_concurrent_executions=at_once), SLOW) as branches:
            for each in inputs:
                await branches.start(work, each)
        return branches.outcomes

    return all_of


def limit(shared: Shared, maximum: int = 8, service: str = "api") -> int:
    return shared.throttles.limit(ServiceLimit(service, maximum=maximum))


def waiting(shared: Shared) -> Any:
    """Returns the books that are kept while somebody calls or waits."""
    return vars(shared.throttles)["_lanes"]


def said(ran: Run[Any]) -> list[Any]:
    return [(event.level, event.data["limit"], event.data["pause"]) for event in told(ran, "said")]


def test_a_service_gets_no_more_calls_at_once_than_its_limit_and_those_who_wait_are_served_in_order() -> None:
    api = Api()
    ran = watch(many(calling(api, ServiceLimit("api", maximum=3))), range(8))
    assert ran.outcome.unwrap() == [Completed(number) for number in range(8)]
    assert api.most == 3
    assert api.begun == [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1), (5, 1), (6, 2), (7, 2)]
    assert not said(ran)


def test_without_a_limit_there_is_none() -> None:
    api = Api([TooMany(5)])
    watch(many(calling(api, None)), range(20))
    assert api.most == 20


def test_ten_calls_are_made_at_once_unless_said_otherwise() -> None:
    api = Api()
    watch(many(calling(api, ServiceLimit("api"))), range(20))
    assert api.most == 10


def test_an_overload_halves_the_limit_once_however_many_calls_are_told_of_it() -> None:
    api, shared = Api([TooMany()] * 8), Shared()
    ran = watch(many(calling(api, ServiceLimit("api", maximum=8))), range(12), shared=shared)
    assert api.times == [0] * 8 + [1] * 4
    assert said(ran) == [("warning", 4, 0)]
    assert [event.text for event in told(ran, "said")] == ["service 'api' is overloaded: at most 4 at once from now on"]
    assert told(ran, "said")[0].path == "many/call"
    assert told(ran, "said")[0].data["service"] == "api"


def test_a_call_that_began_after_the_limit_was_lowered_lowers_it_again_but_not_below_the_minimum() -> None:
    api, shared = Api([TooMany()] * 30), Shared()
    ran = watch(many(calling(api, ServiceLimit("api", maximum=8, minimum=2))), range(20), shared=shared)
    assert said(ran) == [("warning", 4, 0), ("warning", 2, 0)]
    assert api.times == [0] * 8 + [1] * 4 + [2, 2, 3, 3, 4, 4, 5, 5]
    assert limit(shared) == 2


def test_another_step_with_a_higher_minimum_does_not_raise_the_limit_by_being_refused() -> None:
    shared = Shared()
    watch(many(calling(Api([TooMany()] * 3), ServiceLimit("api", maximum=8))), range(1), shared=shared)
    watch(many(calling(Api([TooMany()] * 3), ServiceLimit("api", maximum=8))), range(1), shared=shared)
    assert limit(shared) == 2
    watch(many(calling(Api([TooMany()]), ServiceLimit("api", maximum=8, minimum=6))), range(1), shared=shared)
    assert limit(shared) == 2


def test_successes_raise_the_limit_by_one_for_each_round_up_to_the_maximum() -> None:
    api, shared = Api([TooMany()]), Shared()
    service = ServiceLimit("api", maximum=4)

    async def main() -> list[int]:
        seen: list[int] = []
        for _ in range(10):
            async with start(many(calling(api, service)), [1], shared=shared):
                pass
            seen.append(limit(shared, 4))
        return seen

    assert virtually(main) == [2, 2, 2, 3, 3, 3, 4, 4, 4, 4]  # 2, 2.5, 2.9, 3.24, …
    assert shared.throttles.limit(ServiceLimit("api", maximum=3)) == 3


def test_successes_save_nothing_up_for_the_next_overload() -> None:
    shared = Shared()
    service = ServiceLimit("api", maximum=8)
    watch(many(calling(Api([None] * 50), service)), range(50), shared=shared)
    watch(many(calling(Api([TooMany()]), service)), [1], shared=shared)
    assert limit(shared) == 4


def test_other_errors_neither_lower_the_limit_nor_raise_it() -> None:
    shared = Shared()
    watch(many(calling(Api([TooMany()]), ServiceLimit("api", maximum=8))), [1], shared=shared)
    ran = watch(many(raiser(OSError("net"), service=ServiceLimit("api", maximum=8))), range(30), shared=shared)
    assert limit(shared) == 4
    assert not said(ran)


def test_no_call_starts_before_the_time_is_over_for_which_the_service_wants_none() -> None:
    api = Api([None, TooMany(7)], seconds=[1, 2, 4])
    ran = watch(many(calling(api, ServiceLimit("api", maximum=3))), range(8))
    assert api.times[:4] == [0, 0, 0, 1]
    assert min(api.times[4:]) == 9
    assert said(ran) == [("warning", 1, 7)]
    assert told(ran, "said")[0].text.endswith("at most 1 at once from now on, and none for 7 s")


def test_a_longer_rest_counts_even_when_it_is_asked_for_by_a_call_of_the_same_episode() -> None:
    api = Api([TooMany(5), TooMany(20), TooMany(1)], seconds=[1, 2, 3])
    ran = watch(many(calling(api, ServiceLimit("api", maximum=3))), range(4))
    assert api.times == [0, 0, 0, 22]
    assert said(ran) == [("warning", 1, 5)]


def test_a_rest_is_told_of_where_the_limit_cannot_be_lowered() -> None:
    ran = watch(many(calling(Api([TooMany(3)]), ServiceLimit("api", maximum=1))), range(2))
    assert said(ran) == [("warning", 1, 3)]


def test_calls_that_come_during_a_rest_wait_for_its_end() -> None:
    api = Api([TooMany(5)])
    work = calling(api, ServiceLimit("api", maximum=4))

    @step
    async def main(x: Any, context: Context) -> Any:
        await context.run(many(work), [1])
        return await context.run(work, 2)

    assert go(main) == 2
    assert api.times == [0, 6]


def test_who_was_just_let_in_when_the_service_asks_for_a_rest_waits_again_in_its_place() -> None:
    api = Api([None, TooMany(7)])
    watch(many(calling(api, ServiceLimit("api", maximum=2))), range(5))
    assert api.begun[:4] == [(0, 0), (1, 0), (2, 8), (3, 9)]


def test_an_idempotent_step_waits_once_for_what_the_service_asks() -> None:
    api = Api([TooMany(7), TooMany(7)])
    work = calling(
        api, ServiceLimit("api", maximum=4), idempotent=True, retry=RetryPolicy(attempts=2, wait=100, jitter=0)
    )
    ran = watch(many(work), range(2))
    assert [outcome.status for outcome in ran.outcome.unwrap()] == ["completed"] * 2
    assert api.times == [0, 0, 8, 8]
    assert said(ran) == [("warning", 2, 7)]


def test_the_wait_for_a_service_counts_in_no_timeout_of_the_step() -> None:
    api = Api()
    outcomes = go(many(calling(api, ServiceLimit("api", maximum=1), timeout=1.5)), range(5))
    assert [outcome.status for outcome in outcomes] == ["completed"] * 5


def test_services_are_independent_of_each_other() -> None:
    one, other, shared = Api([TooMany(50)]), Api(), Shared()
    first = many(calling(one, ServiceLimit("one", maximum=2)))
    second = many(calling(other, ServiceLimit("other", maximum=2)))
    work = together(first, second)
    go(work, range(4), shared=shared)
    assert other.times == [0, 0, 1, 1]
    assert one.times == [0, 0, 51, 51]
    assert (limit(shared, 2, "one"), limit(shared, 2, "other")) == (2, 2)


def test_a_step_that_would_allow_more_calls_of_a_service_does_not_overtake_one_that_allows_fewer() -> None:
    api = Api()
    narrow = calling(api, ServiceLimit("api", maximum=1))
    wide = calling(api, ServiceLimit("api", maximum=4))
    go(together(narrow, narrow, wide, wide))
    assert api.times == [0, 1, 1, 1]


def test_runs_share_what_is_known_of_a_service_unless_they_are_given_their_own() -> None:
    ours = Shared()
    service = ServiceLimit("api", maximum=4)

    def most(shared: Shared, answers: Sequence[Exception] = ()) -> int:
        api = Api(answers)
        watch(many(calling(api, service)), range(4), shared=shared)
        return api.most

    assert [most(ours, [TooMany()] * 4), most(ours), most(Shared())] == [4, 2, 4]


def test_two_runs_at_once_share_a_services_limit() -> None:
    api, shared = Api(), Shared()
    work = many(calling(api, ServiceLimit("api", maximum=2)))

    async def main() -> Any:
        async with start(work, range(3), shared=shared) as one, start(work, range(3), shared=shared) as other:
            pass
        return one.outcome.unwrap() + other.outcome.unwrap()

    assert [outcome.status for outcome in virtually(main)] == ["completed"] * 6
    assert api.most == 2
    assert api.times == [0, 0, 1, 1, 2, 2]


def test_a_run_whose_branches_all_wait_for_another_runs_calls_is_not_stuck() -> None:
    api, shared = Api(seconds=50), Shared()
    work = calling(api, ServiceLimit("api", maximum=1))

    async def main() -> Any:
        async with start(work, 1, shared=shared) as one:
            await asyncio.sleep(1)
            async with start(together(work), 2, shared=shared) as other:
                pass
        return one.outcome.unwrap(), other.outcome.unwrap()

    assert virtually(main) == (1, [Completed(2)])


def nested(service: ServiceLimit, inner: FunctionStep[Any, Any], name: str = "outer") -> FunctionStep[Any, Any]:
    async def outer(x: Any, context: Context) -> Any:
        await asyncio.sleep(1)
        return await context.run(inner, x)

    return named(name, outer, service=service)


def test_a_call_that_waits_for_another_of_its_own_service_is_told_that_it_is_stuck() -> None:
    service = ServiceLimit("api", maximum=1)
    with pytest.raises(DeadlockError, match="'outer/call' waits for service 'api', which takes no more than 1 at once"):
        go(nested(service, calling(Api(), service)))
    assert go(nested(ServiceLimit("api", maximum=2), calling(Api(), ServiceLimit("api", maximum=2))), 3) == 3


def test_what_is_stuck_is_told_when_the_last_who_could_have_helped_has_gone() -> None:
    service, shared = ServiceLimit("api", maximum=2), Shared()

    async def main() -> Any:
        stuck = nested(service, calling(Api(), service))
        async with (
            start(raiser(TooMany(), after=30, service=service), shared=shared),
            start(stuck, shared=shared) as ran,
        ):
            pass
        return ran

    ran = virtually(main)
    assert isinstance(ran.outcome.error, DeadlockError)
    assert ran.log[-1].at == pytest.approx(30)


def test_a_rest_is_no_deadlock_and_what_is_stuck_behind_it_is_told_at_its_end() -> None:
    service = ServiceLimit("api", maximum=2)
    refused = Api([TooMany(20)])
    work = together(calling(refused, service), nested(service, calling(Api(), service)))
    ran = watch(work)
    failed = ran.outcome.unwrap()[1]
    assert isinstance(failed.error, DeadlockError)
    assert told(ran, "step_failed", "all/outer")[0].at == pytest.approx(21)


@pytest.mark.parametrize("when", [0.5, 1.0, 1.5])
def test_who_is_cancelled_while_it_waits_or_calls_takes_no_room_with_it(when: float) -> None:
    api, shared = Api(), Shared()
    work = calling(api, ServiceLimit("api", maximum=1))

    async def main() -> Any:
        async with start(many(work), range(3), shared=shared) as ran:
            await asyncio.sleep(when)
            ran.cancel_branch("many/call#2")
        assert [outcome.status for outcome in ran.outcome.unwrap()] == ["completed", "cancelled", "completed"]
        async with start(many(work), range(3), shared=shared) as after:
            pass
        assert [outcome.status for outcome in after.outcome.unwrap()] == ["completed"] * 3

    virtually(main)
    assert api.most == 1


def test_who_is_cancelled_when_it_was_just_let_in_lets_the_next_in() -> None:
    api, shared = Api(), Shared()
    work = calling(api, ServiceLimit("api", maximum=1))
    runs: list[Run[Any]] = []

    @step
    async def first(x: Any, context: Context) -> Any:
        await context.run(work, x)
        runs[0].cancel_branch("all/call")

    async def main() -> Any:
        async with start(together(first, work, calling(api, ServiceLimit("api"))), shared=shared) as ran:
            runs.append(ran)
        return ran.outcome.unwrap()

    assert [outcome.status for outcome in virtually(main)] == ["completed", "cancelled", "completed"]
    assert api.times == [0, 1]


def test_a_run_that_is_cancelled_during_a_rest_leaves_no_clock_and_no_room_behind() -> None:
    api, shared = Api([TooMany(1000)]), Shared()
    work = calling(api, ServiceLimit("api", maximum=1))

    async def main() -> float:
        async with start(many(work), range(3), shared=shared) as ran:
            await asyncio.sleep(5)
            ran.cancel("enough")
        assert ran.outcome.status == "cancelled"
        return asyncio.get_running_loop().time()

    assert virtually(main) == 5
    assert not waiting(shared)


def test_a_batch_is_one_call() -> None:
    api = Api()
    work = calling(api, ServiceLimit("api", maximum=1), batch=BatchPolicy(size=3, wait=0.25))
    outcomes = go(many(work), range(6))
    assert outcomes == [Completed(number) for number in range(6)]
    assert api.begun == [([0, 1, 2], 0), ([3, 4, 5], 1)]


def test_what_is_in_the_cache_waits_for_no_service() -> None:
    api, shared = Api([None, TooMany(50)]), Shared()
    work = calling(api, ServiceLimit("api", maximum=1), cache=CachePolicy())

    async def main() -> Any:
        await run(many(work), [1], shared=shared)
        await run(many(work), [2], shared=shared)
        return await run(many(work), [1, 1], shared=shared), asyncio.get_running_loop().time()

    assert virtually(main) == ([Completed(1), Completed(1)], 2)


def test_an_overload_is_a_failure_for_the_breaker_which_stops_those_who_wait() -> None:
    api, shared = Api([TooMany()] * 9), Shared()
    breaker = CircuitBreaker(service="api", failures=2, reset=60)
    ran = watch(many(calling(api, ServiceLimit("api", maximum=2), breaker=breaker)), range(6), shared=shared)
    errors = [type(outcome.error).__name__ for outcome in ran.outcome.unwrap()]
    assert errors == ["TooMany"] * 2 + ["CircuitOpen"] * 4
    assert said(ran) == [("warning", 1, 0)]  # an open circuit is no word of the service


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (TooMany(), 0),
        (TooMany(3), 3),
        (TooMany(status=503), 0),
        (TooMany(status=500), None),
        (TooMany(2.5, status=500), 2.5),
        (TooMany(-1, status=500), None),
        (TooMany(float("nan"), status=429), 0),
        (TooMany(float("inf"), status=500), None),
        (TooMany(True, status=500), None),
        (TooMany(10**400, status=500), None),
        (TooMany("soon", status=500), None),  # type: ignore[arg-type]  # some do
        (OSError("429"), None),
        (CircuitOpen("api", 3, 9.0), None),
    ],
    ids=repr,
)
def test_an_error_asks_for_patience_by_its_attributes_and_not_by_its_words(
    error: Exception, seconds: float | None
) -> None:
    assert rest(error) == seconds


@pytest.mark.parametrize(("attribute", "status"), [("status_code", 429), ("status", 503), ("status_code", 529)])
def test_the_status_may_stand_on_the_error_or_on_its_response(attribute: str, status: int) -> None:
    plain, within = OSError("no"), OSError("no")
    setattr(plain, attribute, status)
    within.response = SimpleNamespace(**{attribute: status})  # type: ignore[attr-defined]  # as HTTP clients do
    assert rest(plain) == rest(within) == 0
    assert asked_wait(plain) is None


answers = st.lists(
    st.one_of(st.none(), st.builds(TooMany, st.one_of(st.none(), st.floats(0, 5)), st.sampled_from([429, 503, 500]))),
    max_size=25,
)


@given(
    answers,
    st.lists(st.floats(0, 3), min_size=1, max_size=5),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 25),
    st.integers(0, 10_000),
    st.sets(st.integers(2, 25), max_size=4),
)
@settings(max_examples=80, deadline=None)
def test_whatever_a_service_answers_calls_stay_within_the_limit_and_all_end(
    told_to: list[Exception | None],
    seconds: list[float],
    maximum: int,
    minimum: int,
    calls: int,
    seed: int,
    gone: set[int],
) -> None:
    service = ServiceLimit("api", maximum=max(maximum, minimum), minimum=minimum)
    shared, api = Shared(), Api(told_to, seconds)
    begun: list[tuple[int, int]] = []

    async def call(x: Any) -> Any:
        begun.append((api.now + 1, limit(shared, service.maximum)))
        return await api(x)

    work = named("call", call, service=service)

    async def main() -> Run[Any]:
        async with start(many(work), range(calls), shared=shared) as ran:
            await asyncio.sleep(1)
            for number in gone:
                ran.cancel_branch(f"many/call#{number}")
        return ran

    ran: Run[Any] = virtually(main, seed)
    assert all(now <= allowed for now, allowed in begun)
    assert service.minimum <= limit(shared, service.maximum) <= service.maximum
    rests = [(event.at, event.at + event.data["pause"]) for event in told(ran, "said")]
    assert all(not since < time < until for since, until in rests for time in api.times)
    assert len(ran.outcome.unwrap()) == calls
    assert not waiting(shared)
    assert "step_abandoned" not in kinds(ran)
