"""The tally tells repeats and items of a step from steps whose names end with digits."""

from hypothesis import given
from hypothesis import strategies as st

from stretto.core.events import step_name
from stretto.core.journal import Line
from stretto.stores.summary import Tally

NAMES = st.sampled_from(["map", "map2", "map23", "odd#name1", "a[b]", "9"])
ENDS = st.sampled_from(["", "#2", "#23", "[0]", "[17]", "[17]#2", "#name7"])
PATHS = st.tuples(st.sampled_from(["", "lead/", "lead#2/"]), NAMES, ENDS).map("".join)


@given(st.lists(PATHS, unique=True, min_size=1))
def test_durations_are_kept_under_the_name_that_repeats_and_items_share(paths: list[str]) -> None:
    lines: list[Line] = []
    for seconds, path in enumerate(paths):
        lines.append(Line(len(lines), "step_started", path, 0.0, "{}"))
        lines.append(Line(len(lines), "step_completed", path, float(seconds), '{"output":1,"source":"run"}'))
    wanted: dict[str, list[float]] = {}
    for seconds, path in enumerate(paths):
        wanted.setdefault(step_name(path), []).append(float(seconds))
    assert Tally("run", 0.0).add(lines) == wanted
