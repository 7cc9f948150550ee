"""Two children never have one path, whatever names they ask for."""

from __future__ import annotations

from stretto import Context, run_sync, step


@step
async def where(_: object, context: Context) -> str:
    return context.path


@step
async def parent(names: list[str], context: Context) -> list[str]:
    return [await context.run(where, None, name=name) for name in names]


def test_a_repeat_never_takes_a_name_that_a_child_asked_for() -> None:
    paths = run_sync(parent, ["a", "a#2", "a", "a", "a#2"])
    assert paths == ["parent/a", "parent/a#2", "parent/a#3", "parent/a#4", "parent/a#2#2"]
    assert len(set(paths)) == len(paths)
