"""Whatever the outcomes and their order, each strategy says the same of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.core.aggregation import (
    AggregationStrategy,
    AllSuccess,
    Custom,
    FirstSuccess,
    PartialSuccess,
    Quorum,
    Tally,
    errors_of,
    gathered,
    require,
)
from stretto.core.errors import (
    BranchCancelled,
    BranchesFailed,
    DefinitionError,
    ExecutionError,
    NothingSucceeded,
    StepTimeout,
    TooFewSucceeded,
)
from stretto.core.outcome import Cancelled, Completed, Failed, NotStarted, Outcome, TimedOut, error_of
from stretto.core.policies import ErrorMode

outcome = st.one_of(
    st.builds(Completed, st.integers() | st.none()),
    st.builds(Failed, st.sampled_from([ValueError("v"), KeyError("k"), KeyboardInterrupt(), SystemExit(2)])),
    st.builds(TimedOut, st.builds(StepTimeout, st.just("a"), st.floats(0.1, 9))),
    st.builds(Cancelled, st.text(), st.booleans()),
    st.builds(NotStarted, st.text()),
)
many = st.lists(outcome, max_size=8)
some_with_optional = many.flatmap(
    lambda outcomes: st.tuples(st.just(outcomes), st.sets(st.integers(0, max(0, len(outcomes) - 1))))
)


def values_of(outcomes: list[Outcome[Any]]) -> list[Any]:
    return [one.value for one in outcomes if isinstance(one, Completed)]


def missing(outcomes: list[Outcome[Any]], optional: set[int]) -> list[Outcome[Any]]:
    return [one for n, one in enumerate(outcomes) if n not in optional and not isinstance(one, Completed)]


@given(some_with_optional)
def test_all_success_gives_the_values_in_declared_order_or_every_failure(case):
    outcomes, optional = case
    failed = missing(outcomes, optional)
    if not failed:
        expected = [one.value if isinstance(one, Completed) else one for one in outcomes]
        assert AggregationStrategy.ALL_SUCCESS.combine(outcomes, optional) == expected
        return
    with pytest.raises(BranchesFailed) as caught:
        AggregationStrategy.ALL_SUCCESS.combine(outcomes, optional)
    assert f"{len(failed)} of {len(outcomes)} branches failed" in str(caught.value)
    assert len(caught.value.exceptions) == len(failed)
    for one, error in zip(failed, caught.value.exceptions, strict=True):
        told = error_of(one)
        if isinstance(told, Exception):
            assert error is told
        elif told is not None:
            assert error.__cause__ is told
            assert type(error) is ExecutionError
            assert type(told).__name__ in str(error)
        else:
            assert isinstance(error, BranchCancelled)
            assert error.reason == one.reason


@given(many)
def test_first_success_gives_the_first_value_or_every_error(outcomes):
    values = values_of(outcomes)
    if values:
        assert AggregationStrategy.FIRST_SUCCESS.combine(outcomes, range(9)) == values[0]
        return
    with pytest.raises(NothingSucceeded) as caught:
        AggregationStrategy.FIRST_SUCCESS.combine(outcomes, range(9))
    assert len(caught.value.failures) == len(outcomes)
    assert f"none of {len(outcomes)} branches" in str(caught.value)


@given(many, st.integers(0, 9))
def test_partial_success_gives_all_outcomes_when_enough_succeeded(outcomes, minimum):
    succeeded = len(values_of(outcomes))
    if succeeded >= minimum:
        assert PartialSuccess(minimum).combine(outcomes) == outcomes
        return
    with pytest.raises(TooFewSucceeded if succeeded else NothingSucceeded) as caught:
        PartialSuccess(minimum).combine(outcomes)
    assert len(caught.value.failures) == len(outcomes) - succeeded


@given(many, st.integers(1, 9))
def test_a_quorum_gives_all_outcomes_when_it_is_there(outcomes, needed):
    succeeded = len(values_of(outcomes))
    if succeeded >= needed:
        assert Quorum(needed).combine(outcomes) == outcomes
        return
    with pytest.raises(TooFewSucceeded) as caught:
        Quorum(needed).combine(outcomes)
    assert (caught.value.minimum, caught.value.succeeded) == (needed, succeeded)


@given(many)
def test_a_function_of_ones_own_gets_every_outcome_in_a_list_of_its_own(outcomes):
    given_to: list[Any] = []
    strategy = AggregationStrategy.custom(lambda seen: given_to.append(seen) or len(seen))
    assert strategy.combine(outcomes) == len(outcomes)
    assert given_to == [outcomes]
    assert given_to[0] is not outcomes


@given(many)
def test_outcomes_are_never_changed(outcomes):
    before = list(outcomes)
    for strategy in (AllSuccess(), FirstSuccess(), PartialSuccess(0), Quorum(1), Custom(list)):
        try:
            made = strategy.combine(outcomes)
        except ExecutionError:
            made = None
        assert outcomes == before
        assert made is not outcomes


@given(some_with_optional)
def test_what_is_required_must_succeed(case):
    outcomes, optional = case
    assert len(errors_of(outcomes, optional)) == len(missing(outcomes, optional))
    assert all(isinstance(error, Exception) for error in gathered(errors_of(outcomes)))
    if missing(outcomes, optional):
        with pytest.raises(BranchesFailed):
            require(outcomes, optional)
    else:
        require(outcomes, optional)


endings = st.lists(st.booleans(), max_size=12)
strategies = st.sampled_from([AllSuccess(), FirstSuccess(), PartialSuccess(2), Custom(list), Quorum(1), Quorum(3)])


@given(strategies, endings)
def test_what_is_settled_stays_settled(strategy, ended):
    tally = Tally(started=len(ended))
    settled = strategy.settled(tally)
    assert not settled
    for good in ended:
        tally.completed += good
        tally.failed += not good
        now = strategy.settled(tally)
        assert now >= settled
        settled = now
    assert tally.live == 0
    wanted = {FirstSuccess: 1, Quorum: getattr(strategy, "needed", 0)}.get(type(strategy))
    assert settled == (wanted is not None and tally.completed >= wanted)


@given(st.integers(1, 4), st.lists(outcome, min_size=1, max_size=8))
def test_once_settled_no_later_outcome_takes_the_success_away(needed, outcomes):
    tally = Tally(len(outcomes), len(values_of(outcomes)))
    if Quorum(needed).settled(tally):
        later = [*outcomes, Failed(ValueError("late"))]
        assert Quorum(needed).combine(later) == later
    if FirstSuccess().settled(tally):
        assert FirstSuccess().combine([*outcomes, Failed(ValueError("late"))]) == values_of(outcomes)[0]


def test_only_all_success_stops_its_siblings_by_default():
    modes = {
        type(one).__name__: one.default_mode for one in (AllSuccess(), FirstSuccess(), PartialSuccess(), Quorum(1))
    }
    assert modes.pop("AllSuccess") is ErrorMode.FAIL_FAST
    assert set(modes.values()) == {ErrorMode.FAIL_SLOW}
    assert AggregationStrategy.custom(list).default_mode is ErrorMode.FAIL_SLOW
    assert PartialSuccess(1) == AggregationStrategy.PARTIAL_SUCCESS


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "1"])
def test_a_strategy_nobody_could_meet_is_refused(wrong):
    with pytest.raises(DefinitionError, match=rf"PartialSuccess: minimum .* at least 0, not {wrong!r}"):
        PartialSuccess(wrong)
    with pytest.raises(DefinitionError, match=rf"Quorum: needed .* at least 1, not {wrong!r}"):
        Quorum(wrong)
    with pytest.raises(DefinitionError, match="not 0"):
        Quorum(0)
