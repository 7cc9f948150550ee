"""Steps and plans that several tests of planning use."""

from hypothesis import strategies as st

from stretto.core.step import Step
from stretto.planning.operation import Operation


class Holder(Step):
    """A step made of steps."""

    kind = "workflow"

    def __init__(self, name, *children):
        self.name, self._children = name, children

    async def execute(self, input, context):
        return input

    def children(self):
        return {child.name: child for child in self._children}


@st.composite
def operations_of_a_dag(draw, most=14):
    """Operations whose data flow in declared order, with shared resources, optional inputs and durations."""
    count = draw(st.integers(1, most))
    made = []
    for place in range(count):
        earlier = [f"d{index}" for index in range(place)]
        needs = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3)) if earlier else []
        optional = draw(st.integers(0, len(needs)))
        made.append(
            Operation(
                id=f"o{place}",
                inputs=tuple(needs[optional:]),
                optional_inputs=tuple(needs[:optional]),
                outputs=(f"d{place}",),
                reads=tuple(draw(st.lists(st.sampled_from(["r", "s"]), unique=True, max_size=2))),
                writes=tuple(draw(st.lists(st.sampled_from(["r", "s"]), unique=True, max_size=1))),
                duration=draw(st.integers(0, 9)),
                required=draw(st.booleans()),
            )
        )
    return made
