"""What cannot be followed is refused when it is said, naming the setting, the value and the way out."""

import math
from dataclasses import MISSING, fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.core.errors import DefinitionError, UnknownSetting
from stretto.core.function import step
from stretto.core.policies import (
    PLAIN,
    AdaptiveTimeout,
    BatchPolicy,
    CachePolicy,
    CircuitBreaker,
    ParallelResourceLimits,
    RetryPolicy,
    ServiceLimit,
    StepPolicy,
    positive,
    whole,
)

NO_NUMBER = ("3", math.nan, True, [1])
NO_COUNT = (0, -1, 1.5, "3", True)
NO_FLAG = (None, 1, "yes")

NO_ERRORS = ((), ValueError, [ValueError], (3,), ("ValueError",), (KeyboardInterrupt,), (dict,), None)
WRONG: dict[type[Any], dict[str, tuple[Any, ...]]] = {
    ParallelResourceLimits: {
        "max_concurrent_executions": (*NO_COUNT, None),
        "max_memory_per_branch": NO_COUNT,
        "max_total_memory": NO_COUNT,
        "execution_timeout": (*NO_NUMBER, 0, -1),
        "cancellation_timeout": (*NO_NUMBER, -1, None),
    },
    RetryPolicy: {
        "attempts": (*NO_COUNT, None),
        "wait": (*NO_NUMBER, -1, None),
        "factor": (*NO_NUMBER, 0, -1, None),
        "max_wait": (*NO_NUMBER, -1, None),
        "jitter": (*NO_NUMBER, -0.1, 1.1, None),
        "on": NO_ERRORS,
    },
    CachePolicy: {"ttl": (*NO_NUMBER, 0, -1, None), "key": (3, "name"), "maximum": (*NO_COUNT, None)},
    BatchPolicy: {"size": (*NO_COUNT, None), "wait": (*NO_NUMBER, -1, None)},
    CircuitBreaker: {
        "service": ("", None, 3),
        "failures": (*NO_COUNT, None),
        "reset": (*NO_NUMBER, -1, None),
        "on": NO_ERRORS,
    },
    ServiceLimit: {
        "service": ("", None, 3),
        "maximum": (*NO_COUNT, None),
        "minimum": (*NO_COUNT, None),
    },
    AdaptiveTimeout: {
        "default": (*NO_NUMBER, 0, -1, None),
        "factor": (*NO_NUMBER, 0, -1, None),
        "percentile": (*NO_NUMBER, 0, -0.5, 1.01, None),
        "minimum": (*NO_NUMBER, 0, -1, None),
        "maximum": (*NO_NUMBER, 0, -1, None),
        "samples": (*NO_COUNT, None),
    },
    StepPolicy: {
        "timeout": (*NO_NUMBER, 0, -1),
        "idempotent": NO_FLAG,
        "retry": (3, True, CachePolicy()),
        "critical": NO_FLAG,
        "cache": (3600, True, RetryPolicy()),
        "batch": (10, True),
        "breaker": ("search", True),
        "service": ("search", True, 8),
        "fallback": (3, len, "step"),
        "fallback_on": NO_ERRORS,
        "undo": (3, len, "step"),
        "isolation": ("proces", None, True),
        "memory": NO_COUNT,
        "version": (None, 2),
        "duration": (*NO_NUMBER, -1),
    },
}
NEEDED: dict[type[Any], dict[str, Any]] = {
    CircuitBreaker: {"service": "search"},
    ServiceLimit: {"service": "search"},
}
CASES = [(cls, name, value) for cls, wrong in WRONG.items() for name, values in wrong.items() for value in values]


@pytest.mark.parametrize(
    ("policy", "setting", "value"), CASES, ids=lambda v: v.__name__ if isinstance(v, type) else repr(v)[:30]
)
def test_a_wrong_setting_is_refused_by_its_name_and_value(policy, setting, value):
    with pytest.raises(DefinitionError) as caught:
        policy(**{**NEEDED.get(policy, {}), setting: value})
    assert setting in str(caught.value)
    assert repr(value) in str(caught.value)


def test_every_setting_of_every_policy_is_tried():
    for policy, wrong in WRONG.items():
        assert set(wrong) == {field.name for field in fields(policy) if field.init}


@pytest.mark.parametrize("policy", WRONG)
def test_the_defaults_can_be_followed(policy):
    made = policy(**NEEDED.get(policy, {}))
    for field in fields(policy):
        if field.init and field.default is not MISSING:
            assert getattr(made, field.name) == field.default
    assert made == replace(made)


def test_limits_under_which_no_branch_could_start_are_refused():
    with pytest.raises(DefinitionError, match=r"max_memory_per_branch \(2,000 bytes\) is more than max_total_memory"):
        ParallelResourceLimits(max_memory_per_branch=2000, max_total_memory=1999)
    assert ParallelResourceLimits(max_memory_per_branch=2000, max_total_memory=2000).max_total_memory == 2000
    assert ParallelResourceLimits(max_memory_per_branch=2000).max_total_memory is None


def test_contradictions_are_refused_with_a_way_out():
    with pytest.raises(DefinitionError, match="say idempotent=True, or leave retry out"):
        StepPolicy(retry=RetryPolicy())
    assert StepPolicy(retry=RetryPolicy(attempts=1)).retry is not None
    assert StepPolicy(retry=RetryPolicy(), idempotent=True).idempotent
    with pytest.raises(DefinitionError, match="with idempotent=True use retry="):
        StepPolicy(critical=True, idempotent=True)
    with pytest.raises(DefinitionError, match="minimum 5 is more than maximum 3"):
        AdaptiveTimeout(minimum=5, maximum=3)
    with pytest.raises(DefinitionError, match="minimum 5 is more than maximum 3"):
        ServiceLimit("search", minimum=5, maximum=3)
    assert ServiceLimit("search", minimum=3, maximum=3).service == "search"


@step
def other(value: int) -> int:
    return value


@pytest.mark.parametrize(
    ("settings", "plain"),
    [
        ({}, True),
        ({"timeout": 3}, False),
        ({"timeout": AdaptiveTimeout()}, False),
        ({"retry": RetryPolicy(), "idempotent": True}, False),
        ({"critical": True}, False),
        ({"cache": CachePolicy()}, False),
        ({"batch": BatchPolicy()}, False),
        ({"breaker": CircuitBreaker(service="s")}, False),
        ({"service": ServiceLimit("s")}, False),
        ({"fallback": other}, False),
        ({"idempotent": True, "undo": other, "isolation": "thread", "memory": 3, "version": "2", "duration": 0}, True),
    ],
)
def test_a_policy_is_plain_only_when_the_door_has_nothing_to_look_after(settings, plain):
    assert StepPolicy(**settings).plain is plain


def test_plain_is_no_setting_and_tells_no_policies_apart():
    with pytest.raises(UnknownSetting, match="plain"):
        StepPolicy(plain=False)  # type: ignore[call-arg]
    assert StepPolicy() == PLAIN
    assert "plain" not in repr(PLAIN)


def test_zero_is_allowed_only_where_it_means_something():
    positive("it", "timeout", None)
    positive("it", "timeout", 0, zero=True)
    with pytest.raises(DefinitionError, match="it: timeout must be greater than 0, not 0; leave it out"):
        positive("it", "timeout", 0)
    whole("it", "count", 0, at_least=0)
    with pytest.raises(DefinitionError, match="it: count must be a whole number of at least 2, not 1"):
        whole("it", "count", 1, at_least=2)


durations = st.lists(st.floats(0.001, 1e5), min_size=1, max_size=60)


@given(durations, st.integers(1, 100))
def test_an_adaptive_timeout_is_the_nearest_rank_percentile(seen, percent):
    policy = AdaptiveTimeout(percentile=percent / 100, factor=1, minimum=1e-9, maximum=1e9, samples=1)
    found = policy.seconds(seen)
    assert found in seen
    at_most = sum(one <= found for one in seen)
    below = sum(one < found for one in seen)
    assert at_most * 100 >= percent * len(seen)  # at least so many are not slower
    assert below * 100 < percent * len(seen)  # and no shorter one would do


@given(durations, st.floats(0.01, 1), st.floats(0.1, 10))
def test_an_adaptive_timeout_stays_within_its_bounds(seen, percentile, factor):
    policy = AdaptiveTimeout(percentile=percentile, factor=factor, minimum=2, maximum=50, samples=1)
    found = policy.seconds(seen)
    assert 2 <= found <= 50
    assert found == policy.seconds(seen[::-1])


def test_an_adaptive_timeout_waits_for_enough_samples():
    policy = AdaptiveTimeout(default=7, factor=2, samples=3, minimum=0.1)
    assert policy.seconds([1, 1]) == 7
    assert policy.seconds([1, 1, 1]) == 2
    assert AdaptiveTimeout(percentile=1e-9, samples=1, minimum=0.1, factor=1).seconds([3, 1, 2]) == 1
