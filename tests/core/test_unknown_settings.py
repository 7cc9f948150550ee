"""A setting that nothing reads is refused when it is said, whatever it is said to."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import dataclass, replace

import pytest

from stretto import (
    AdaptiveTimeout,
    Barrier,
    BatchPolicy,
    CachePolicy,
    CircuitBreaker,
    ForkJoinWorkflow,
    LoopWorkflow,
    Operation,
    ParallelBranch,
    ParallelResourceLimits,
    ParallelWorkflow,
    PartialSuccess,
    Quorum,
    Rendezvous,
    Request,
    RetryPolicy,
    Semaphore,
    SequentialWorkflow,
    ServiceLimit,
    StepPolicy,
    step,
)
from stretto.core.errors import DefinitionError, UnknownSetting
from stretto.core.settings import Described
from stretto.workflows.condition import Always, Case
from stretto.workflows.iteration import Break
from stretto.workflows.stages import Batch, Filter, Map
from stretto.workflows.streaming import StreamingWorkflow


@step
async def work(x):
    return x


MADE = [
    (AdaptiveTimeout, {}),
    (Barrier, {"name": "b", "parties": 2}),
    (BatchPolicy, {}),
    (CachePolicy, {}),
    (CircuitBreaker, {"service": "s"}),
    (Rendezvous, {"name": "r", "parties": 2}),
    (Semaphore, {"name": "s", "permits": 1}),
    (ParallelResourceLimits, {}),
    (RetryPolicy, {}),
    (ServiceLimit, {"service": "s"}),
    (StepPolicy, {}),
    (Request, {"question": "?"}),
    (PartialSuccess, {}),
    (Quorum, {"needed": 1}),
    (Operation, {"id": "a"}),
    (ParallelBranch, {"name": "a", "steps": (work,)}),
    (SequentialWorkflow, {"steps": (work,)}),
    (ParallelWorkflow, {"steps": (work,)}),
    (LoopWorkflow, {"body": work, "over": 1}),
    (ForkJoinWorkflow, {"branches": (ParallelBranch("a", (work,)),), "join": work}),
    (StreamingWorkflow, {"stages": (Map(work),)}),
    (Map, {"does": work}),
    (Filter, {"keeps": Always()}),
    (Batch, {"size": 2}),
    (Break, {"condition": Always(), "message": "m"}),
    (Case, {"condition": Always(), "step": work}),
]


@pytest.mark.parametrize(("made", "settings"), MADE, ids=[made.__name__ for made, _ in MADE])
def test_an_unknown_setting_is_refused_by_name_with_those_that_there_are(made, settings):
    made(**settings)
    with pytest.raises(UnknownSetting, match=rf"^{made.__name__} takes no 'max_concurency'; it takes ") as caught:
        made(**settings, max_concurency=2)
    assert isinstance(caught.value, DefinitionError)
    assert all(name in str(caught.value) for name in settings)


@pytest.mark.parametrize(("made", "settings"), MADE, ids=[made.__name__ for made, _ in MADE])
def test_a_class_shows_its_settings(made, settings):
    assert list(inspect.signature(made).parameters) == list(inspect.signature(made.__init__).parameters)[1:]


def test_what_is_copied_pickled_or_changed_stays_what_it_is():
    limits = ParallelResourceLimits(max_concurrent_executions=3)
    assert copy.deepcopy(limits) == pickle.loads(pickle.dumps(limits)) == limits
    assert replace(limits, max_concurrent_executions=4).max_concurrent_executions == 4


def test_a_class_of_ones_own_says_itself_what_it_takes():
    class Open(Described):
        def __init__(self, **anything):
            self.anything = anything

    class Empty(Described):
        pass

    @dataclass(frozen=True, kw_only=True)
    class Polite(SequentialWorkflow):
        greeting: str = "hello"

    assert Open(whatever=1).anything == {"whatever": 1}
    assert Polite(steps=(work,), greeting="good day").greeting == "good day"
    with pytest.raises(UnknownSetting, match="Polite takes no 'greting'; it takes greeting, name"):
        Polite(steps=(work,), greting="good day")
    with pytest.raises(TypeError):
        Empty(1)
