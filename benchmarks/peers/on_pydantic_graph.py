"""pydantic-graph: an edge that maps a step over a list, and a join that appends."""

from collections.abc import Sequence

from pydantic_graph import GraphBuilder, StepContext, reduce_list_append
from rounds import ITEMS, main

builder = GraphBuilder(input_type=int, output_type=list[int])


@builder.step
async def items(context: StepContext[None, None, int]) -> list[int]:
    return list(range(context.inputs))


@builder.step
async def work(context: StepContext[None, None, int]) -> int:
    return context.inputs + 1


collect = builder.join(reduce_list_append, initial_factory=list[int])
builder.add(
    builder.edge_from(builder.start_node).to(items),
    builder.edge_from(items).map().to(work),
    builder.edge_from(work).to(collect),
    builder.edge_from(collect).to(builder.end_node),
)
graph = builder.build()


async def fan_out() -> Sequence[int]:
    return await graph.run(inputs=ITEMS)


if __name__ == "__main__":
    main("pydantic-graph", fan_out)
