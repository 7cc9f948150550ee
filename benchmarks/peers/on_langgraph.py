"""LangGraph: one ``Send`` per item to a node, whose updates a reducer joins; no checkpointer."""

import operator
from collections.abc import Sequence
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from rounds import ITEMS, main


class State(TypedDict):
    items: list[int]
    values: Annotated[list[int], operator.add]


class Item(TypedDict):
    item: int


async def work(state: Item) -> dict[str, list[int]]:
    return {"values": [state["item"] + 1]}


def each(state: State) -> list[Send]:
    return [Send("work", {"item": item}) for item in state["items"]]


builder = StateGraph(State)
builder.add_node("work", work)
builder.add_conditional_edges(START, each, ["work"])
builder.add_edge("work", END)
graph = builder.compile()


async def fan_out() -> Sequence[int]:
    made = await graph.ainvoke({"items": list(range(ITEMS)), "values": []})
    return made["values"]


if __name__ == "__main__":
    main("langgraph", fan_out)
