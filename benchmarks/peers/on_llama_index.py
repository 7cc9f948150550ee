"""LlamaIndex workflows: a step sends an event per item, and one collects; returning lists of events is slower."""

from collections.abc import Sequence

from rounds import ITEMS, main
from workflows import Context, Workflow, step
from workflows.events import Event, StartEvent, StopEvent


class Item(Event):
    item: int


class Made(Event):
    value: int


class FanOut(Workflow):
    @step
    async def items(self, context: Context, event: StartEvent) -> Item | None:
        for item in range(ITEMS):
            context.send_event(Item(item=item))
        return None

    @step(num_workers=ITEMS)
    async def work(self, event: Item) -> Made:
        return Made(value=event.item + 1)

    @step
    async def collect(self, context: Context, event: Made) -> StopEvent | None:
        events = context.collect_events(event, [Made] * ITEMS)
        return None if events is None else StopEvent(result=[each.value for each in events])


async def fan_out() -> Sequence[int]:
    return await FanOut(timeout=None).run()


if __name__ == "__main__":
    main("llama-index-workflows", fan_out)
