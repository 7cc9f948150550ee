"""Branches in processes of their own: what becomes of one is its outcome, and the others are as the mode says."""

import pytest

from stretto import ParallelBranch, ParallelResourceLimits, ParallelWorkflow, PartialSuccess, run_sync, step
from stretto.core.errors import MemoryExceeded, ProcessDied
from tests.runtime.isolated_functions import crash, leave, take

MIB = 2**20


@step
async def given(x):
    return x


greedy = step(name="greedy", isolation="process")(take)


nested = ParallelBranch("branch", (ParallelWorkflow(name="inner", steps=(greedy,)),), required=False)


@pytest.mark.parametrize(
    "branch", [greedy, ParallelBranch("branch", (greedy,), required=False), nested], ids=["step", "branch", "nested"]
)
def test_a_process_that_names_no_memory_is_held_to_max_memory_per_branch(branch):
    def outcomes(per_branch):
        limits = ParallelResourceLimits(max_memory_per_branch=per_branch)
        flow = ParallelWorkflow(name="all", steps=(branch, given), limits=limits, aggregation=PartialSuccess())
        return run_sync(flow, 200 * MIB)

    held, beside = outcomes(32 * MIB)
    assert isinstance(held.error, MemoryExceeded)
    assert held.error.path.startswith("all/")
    assert beside.status == "completed"
    assert [outcome.status for outcome in outcomes(400 * MIB)] == ["completed", "completed"]


def test_a_branch_that_dies_with_its_process_is_told_and_leaves_the_others_alone():
    dying = (step(name="crash", isolation="process")(dies), step(name="leave", isolation="process")(leave))
    flow = ParallelWorkflow(name="all", steps=(*dying, given), aggregation=PartialSuccess())
    *dead, alive = run_sync(flow, 3)
    assert [type(outcome.error) for outcome in dead] == [ProcessDied, ProcessDied]
    assert [outcome.error.path for outcome in dead] == ["all/crash", "all/leave"]
    assert alive.value == 3


def dies(x):
    crash()
