"""What a step says bears its path and its time, without the step having to say them."""

import asyncio

from stretto.core.events import Progress, Said
from stretto.core.function import step
from stretto.runtime.run import start
from stretto.testing import VirtualClock


@step
async def talk(_, context):
    await asyncio.sleep(3)
    context.emit(Said(text="three seconds are over"))
    context.emit(Progress(done=1, total=2))
    context.emit(Said("talk/elsewhere", 1.5, "what is told is kept"))


async def watch():
    async with start(talk) as run:
        pass
    return [event for event in run.log if isinstance(event, Said | Progress)]


def test_an_event_without_path_and_time_gets_those_of_the_step_that_emits_it():
    said, progress, _ = VirtualClock().run(watch())
    assert (said.path, said.at, said.text) == ("talk", 3, "three seconds are over")
    assert (progress.path, progress.at, progress.done, progress.total) == ("talk", 3, 1, 2)


def test_an_event_with_path_and_time_keeps_them():
    *_, said = VirtualClock().run(watch())
    assert (said.path, said.at) == ("talk/elsewhere", 1.5)
