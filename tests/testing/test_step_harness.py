"""One step on a stage: children, humans and resources scripted, everything said recorded."""

import asyncio

import pytest

from stretto.core.checks import UnexpectedCall, UnexpectedQuestion, UnusedAnswer, UnusedOutput
from stretto.core.errors import DefinitionError, StepTimeout
from stretto.core.events import Said
from stretto.core.function import step
from stretto.core.outcome import Completed, Failed, NotStarted
from stretto.core.policies import BatchPolicy, CachePolicy
from stretto.core.step import Answer, Request
from stretto.testing import StepHarness, run_virtual
from stretto.workflows.map_reduce import MapReduceWorkflow
from stretto.workflows.parallel import ParallelWorkflow


@step
async def search(word):
    raise OSError("no network in tests")


@step
async def lead(words, context):
    found = []
    for word in words:
        found += await context.run(search, word)
    context.emit(Said(context.path, 0.0, f"found {len(found)}"))
    return found


@step
async def deploys(_, context):
    first = await context.ask(Request(question="Deploy to production?"))
    second = await context.ask(Request(question="Tell everybody?", timeout=60, default="reject"))
    return first.choice, second.choice, second.by


def performed(harness, what, input=None):
    return run_virtual(harness.execute(what, input))


def test_a_list_gives_one_output_per_call():
    harness = StepHarness(outputs={"search": [["a"], ["b", "c"]]})
    assert performed(harness, lead, ["x", "y"]) == ["a", "b", "c"]
    assert harness.paths == ["lead", "lead/search", "lead/search#2"]
    assert harness.said == ["found 3"]
    assert harness.outcome == Completed(["a", "b", "c"])


def test_a_function_is_called_with_the_input():
    assert performed(StepHarness(outputs={"lead/search": lambda word: [word.upper()]}), lead, ["x", "y"]) == ["X", "Y"]


def test_anything_else_is_returned_every_time():
    assert performed(StepHarness(outputs={"sea*": ("z",)}), lead, ["x", "y"]) == ["z", "z"]


def test_an_exception_is_raised():
    harness = StepHarness(outputs={"search": ValueError("nothing there")})
    with pytest.raises(ValueError, match="nothing there"):
        performed(harness, lead, ["x"])
    assert isinstance(harness.outcome, Failed)
    assert [event.kind for event in harness.events][-3:] == ["step_failed", "step_failed", "run_ended"]


def test_an_exhausted_list_says_so():
    with pytest.raises(UnexpectedCall, match="'lead/search#2' runs once more, but only 1 outputs"):
        performed(StepHarness(outputs={"search": [["a"]]}), lead, ["x", "y"])


def test_an_output_that_nobody_wants_is_reported():
    with pytest.raises(UnusedOutput, match="'saerch' was never used; the run had 'lead'"):
        performed(StepHarness(outputs={"saerch": ["a"]}), lead, [])
    with pytest.raises(UnusedOutput):
        performed(StepHarness(outputs={"search": [["a"], ["left over"]]}), lead, ["x"])


def test_branches_and_items_are_scripted_by_path():
    @step
    async def double(x):
        return x * 2

    flow = MapReduceWorkflow(name="sums", map=double, reduce=sum)
    assert performed(StepHarness(outputs={"double[1]": 100}), flow, [1, 2, 3]) == 108
    assert performed(StepHarness(outputs={"double": 100}), flow, [1, 2, 3]) == 300
    both = ParallelWorkflow(name="both", steps=(double, search))
    assert performed(StepHarness(outputs={"both/search": "s"}), both, 4) == [8, "s"]


def test_answers_are_found_by_a_part_of_the_question():
    harness = StepHarness(answers={"deploy": "approve", "tell": Answer(choice="approve", by="Ada")})
    assert performed(harness, deploys) == ("approve", "approve", "Ada")
    assert [asked.question for asked in harness.questions] == ["Deploy to production?", "Tell everybody?"]


def test_answers_may_come_in_turn_and_silence_is_one():
    assert performed(StepHarness(answers=["approve", None]), deploys) == ("approve", "reject", "timeout")


def test_a_question_without_an_answer_ends_the_run():
    with pytest.raises(
        UnexpectedQuestion, match="'deploys' asks 'Tell everybody\\?', and there are answers to 'deploy'"
    ):
        performed(StepHarness(answers={"deploy": "approve"}), deploys)


def test_an_answer_that_nobody_asked_for_is_reported():
    with pytest.raises(UnusedAnswer, match="'retreat' was never used"):
        performed(StepHarness(answers={"deploy": "approve", "tell": "reject", "retreat": "approve"}), deploys)
    with pytest.raises(UnusedAnswer):
        performed(StepHarness(answers=["approve", "approve", "reject"]), deploys)


def test_a_text_is_no_list_of_answers():
    with pytest.raises(DefinitionError, match="not the text 'approve'"):
        StepHarness(answers="approve")


def test_resources_and_settings_reach_the_run():
    class Desk:
        lamp = "on"

    @step
    async def reads(_, context):
        await asyncio.sleep(10)
        return context.resource(Desk).lamp

    assert performed(StepHarness(resources=[Desk()]), reads) == "on"
    with pytest.raises(StepTimeout, match="5 s"):
        performed(StepHarness(resources=[Desk()], timeout=5), reads)


def test_policies_of_scripted_steps_still_hold():
    @step(cache=CachePolicy(), idempotent=True)
    async def cached(x):
        return x

    @step(batch=BatchPolicy(size=2))
    async def batched(xs):
        return xs

    @step(fallback=search)
    async def falls(_):
        raise ValueError

    @step
    async def all_of_them(_, context):
        first, second = [await context.run(cached, 1) for _ in range(2)]
        async with context.branches() as branches:
            await branches.start(batched, 1)
            await branches.start(batched, 2)
        return first, second, [o.unwrap() for o in branches.outcomes], await context.run(falls, 1)

    harness = StepHarness(outputs={"cached": ["once"], "batched": [["a", "b"]], "falls/search": "fallen"})
    assert performed(harness, all_of_them) == ("once", "once", ["a", "b"], "fallen")


def test_verbs_of_the_context_reach_the_real_one():
    @step
    async def member(x):
        await asyncio.sleep(x)
        return x

    @step
    async def asks_for_all(_, context):
        async with context.branches() as branches:
            later = branches.declare("later")
            room = branches.room
            await branches.start(member, 1)
            await branches.start(member, 2)
            ended = [(await branches.changed()).outcome]
            ended += [branch.outcome async for branch in branches.completed()]
            branches.cancel("enough")
            settled = branches.settled
        context.emit(Said(context.path, 0.0, "asked"))
        answer = await context.ask(Request(question="well?"))
        return room, settled, isinstance(branches.outcomes[later], NotStarted), len(ended), answer.choice

    harness = StepHarness(outputs={"member": lambda x: x}, answers=["approve"])
    room, settled, late, _, choice = performed(harness, asks_for_all)
    assert (room, settled, late, choice, harness.said) == (10, True, True, "approve", ["asked"])


def test_a_harness_that_ran_nothing_has_nothing_to_tell():
    harness = StepHarness()
    assert (harness.events, harness.paths, harness.questions) == ([], [], [])
    assert isinstance(harness.outcome, NotStarted)
