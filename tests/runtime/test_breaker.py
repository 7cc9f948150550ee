"""Circuit breakers: when they open, what they let through, and when they close."""

import asyncio

import pytest

from stretto.core.errors import CircuitOpen
from stretto.core.policies import CircuitBreaker
from stretto.runtime.breaker import Breakers

POLICY = CircuitBreaker(service="weather", failures=3, reset=5)


class Hand:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def fail(breakers: Breakers, times: int = 1, policy: CircuitBreaker = POLICY) -> None:
    for _ in range(times):
        with pytest.raises(OSError, match="down"), breakers.passage(policy):
            raise OSError("down")


def succeed(breakers: Breakers, policy: CircuitBreaker = POLICY) -> None:
    with breakers.passage(policy):
        pass


def test_of_ten_calls_whose_first_three_fail_the_other_seven_are_skipped():
    breakers, told = Breakers(Hand()), []
    for _ in range(10):
        try:
            with breakers.passage(POLICY):
                raise OSError("down")
        except (OSError, CircuitOpen) as error:
            told.append(str(error))
    assert told[:3] == ["down"] * 3
    assert len(told[3:]) == 7
    assert all("Circuit breaker OPEN for 'weather' after 3 failures" in words for words in told[3:])


def test_an_open_circuit_says_when_it_may_be_tried_again():
    hand = Hand()
    breakers = Breakers(hand)
    fail(breakers, 3)
    hand.time += 2
    with pytest.raises(CircuitOpen) as caught:
        succeed(breakers)
    assert caught.value.retry_after == 3


def test_a_success_between_failures_begins_the_count_anew():
    breakers = Breakers(Hand())
    fail(breakers, 2)
    succeed(breakers)
    fail(breakers, 2)
    assert breakers.state(POLICY) == "closed"
    fail(breakers)
    assert breakers.state(POLICY) == "open"


def test_after_the_reset_a_success_closes_the_circuit_and_a_failure_opens_it_again():
    hand = Hand()
    breakers = Breakers(hand)
    fail(breakers, 3)
    hand.time += 5
    assert breakers.state(POLICY) == "half-open"
    fail(breakers)
    assert breakers.state(POLICY) == "open"
    hand.time += 5
    succeed(breakers)
    assert breakers.state(POLICY) == "closed"
    fail(breakers, 2)
    assert breakers.state(POLICY) == "closed"


def test_while_a_trial_is_under_way_no_other_call_is_let_through():
    hand = Hand()
    breakers = Breakers(hand)
    fail(breakers, 3)
    hand.time += 6
    with breakers.passage(POLICY):
        with pytest.raises(CircuitOpen) as caught:
            succeed(breakers)
        assert caught.value.retry_after == POLICY.reset
    succeed(breakers)


def test_a_cancellation_counts_as_neither_and_lets_another_be_the_trial():
    hand = Hand()
    breakers = Breakers(hand)

    def give_up() -> None:
        with pytest.raises(asyncio.CancelledError), breakers.passage(POLICY):
            raise asyncio.CancelledError

    fail(breakers, 2)
    give_up()
    assert breakers.state(POLICY) == "closed"
    fail(breakers)
    hand.time += 5
    give_up()
    assert breakers.state(POLICY) == "half-open"
    succeed(breakers)
    assert breakers.state(POLICY) == "closed"


@pytest.mark.parametrize("ends_well", [True, False])
def test_a_call_that_began_before_the_circuit_opened_does_not_move_it(ends_well: bool):
    hand = Hand()
    breakers = Breakers(hand)
    early = breakers.before(POLICY)
    fail(breakers, 3)
    hand.time += 1
    (breakers.success if ends_well else breakers.failure)(POLICY, trial=early)
    assert breakers.state(POLICY) == "open"
    hand.time += 4
    assert breakers.state(POLICY) == "half-open"


def test_every_service_has_its_own_circuit_and_policy():
    other = CircuitBreaker(service="maps", failures=1, reset=60)
    hand = Hand()
    breakers = Breakers(hand)
    fail(breakers, 1, other)
    assert breakers.state(POLICY) == "closed"
    assert breakers.state(other) == "open"
    hand.time += 59
    assert breakers.state(other) == "open"


def test_an_error_that_is_not_of_the_service_counts_as_nothing():
    policy = CircuitBreaker(service="answers", failures=1, reset=5, on=(OSError,))
    hand = Hand()
    breakers = Breakers(hand)
    for _ in range(3):
        with pytest.raises(ValueError, match="mine"), breakers.passage(policy):
            raise ValueError("mine")
    assert breakers.state(policy) == "closed"
    fail(breakers, 1, policy)
    assert breakers.state(policy) == "open"
    hand.time += 5
    with pytest.raises(ValueError, match="mine"), breakers.passage(policy):
        raise ValueError("mine")
    assert breakers.state(policy) == "half-open"
