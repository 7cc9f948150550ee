"""Names, questions, what branches may wait for together, channels, and the words of the log."""

import asyncio
import os
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.core import events
from stretto.core.errors import DefinitionError
from stretto.core.events import EVENTS, TERMINAL, Event, name_of, parent_of, step_name
from stretto.core.journal import owner_of_this_process
from stretto.core.policies import PLAIN
from stretto.core.resources import Channel, CommandResult, EndOfChannel, Meetings
from stretto.core.step import Answer, Request, Step, check_name
from stretto.core.synchronization import Barrier, Rendezvous, Semaphore


@given(st.text(max_size=300))
def test_a_name_is_refused_unless_a_path_can_hold_it(name):
    good = 0 < len(name) <= 200 and name.isprintable() and "/" not in name
    if good:
        assert check_name(name) == name
        assert name_of(f"lead/{name}") == name
    else:
        with pytest.raises(DefinitionError, match=re.escape(f"it cannot be called {name!r}: a name is 1 to 200")):
            check_name(name, "it")


@pytest.mark.parametrize("name", [None, 3, b"a"])
def test_a_name_is_text(name):
    with pytest.raises(DefinitionError, match=f"a step cannot be called {name!r}"):
        check_name(name)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"question": ""}, "a request needs a question, not ''"),
        ({"question": " \n"}, "needs a question"),
        ({"question": None}, "needs a question, not None"),
        ({"question": "?", "default": "maybe"}, "the default 'maybe' is none of the choices approve, reject"),
        ({"question": "?", "timeout": 3}, "a request with a timeout needs a default"),
        ({"question": "?", "timeout": 0, "default": "reject"}, "timeout must be greater than 0, not 0"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(settings, why):
    with pytest.raises(DefinitionError, match=why):
        Request(**settings)


def test_a_question_may_have_a_default_and_a_free_answer():
    assert Request(question="?", timeout=3, default="reject").default == "reject"
    assert Request(question="?", choices=(), timeout=3, default="anything").choices == ()


def test_an_answer_says_whether_it_approves():
    assert Answer(choice="approve").approved
    assert not Answer(choice="reject").approved


def test_a_step_is_made_of_nothing_unless_it_says_so():
    class Nothing(Step[int, int]):
        name = "nothing"

        async def execute(self, input: int, context: Any) -> int:
            return input

    assert (Nothing().children(), Nothing().policy, Nothing.kind, Nothing.transparent) == ({}, PLAIN, "step", False)


class Met(Meetings):
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def arrive(self, name: str, parties: int, value: Any) -> tuple[int, list[Any]]:
        self.asked.append(("arrive", name, parties, value))
        return 1, ["theirs", value]

    async def acquire(self, name: str, permits: int) -> None:
        self.asked.append(("acquire", name, permits))

    def release(self, name: str) -> None:
        self.asked.append(("release", name))


class Inside:
    def __init__(self) -> None:
        self.met = Met()

    def resource(self, type_: Any) -> Any:
        assert type_ is Meetings
        return self.met


def test_barriers_and_rendezvous_ask_the_run_for_their_meeting():
    async def meet() -> Any:
        inside: Any = Inside()
        place = await Barrier("b", 3).wait(inside)
        brought = await Rendezvous("r").exchange("mine", inside)
        return place, brought, inside.met.asked

    assert asyncio.run(meet()) == (
        1,
        ["theirs", "mine"],
        [("arrive", "barrier 'b'", 3, None), ("arrive", "rendezvous 'r'", 2, "mine")],
    )


def test_a_semaphore_is_given_back_whatever_happens():
    inside: Any = Inside()

    async def hold() -> None:
        async with Semaphore("s", 2).hold(inside):
            inside.met.asked.append("held")
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        asyncio.run(hold())
    assert inside.met.asked == [("acquire", "semaphore 's'", 2), "held", ("release", "semaphore 's'")]


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, None])
def test_a_meeting_that_cannot_come_about_is_refused(wrong):
    with pytest.raises(DefinitionError, match=rf"Barrier 'b': parties .* at least 2, not {wrong!r}"):
        Barrier("b", wrong)
    with pytest.raises(DefinitionError, match=rf"Rendezvous 'r': parties .* at least 2, not {wrong!r}"):
        Rendezvous("r", wrong)
    with pytest.raises(DefinitionError, match=rf"Semaphore 's': permits .* at least 1, not {wrong!r}"):
        Semaphore("s", wrong)


def test_what_branches_meet_at_is_a_value():
    assert Barrier("b", 2) == Barrier("b", 2)
    assert len({Semaphore("s"), Semaphore("s")}) == 1
    with pytest.raises(DefinitionError, match="at least 2, not 1"):
        Barrier("b", 1)


class Row(Channel[int]):
    """A channel that holds what it was made with."""

    def __init__(self, *items: int) -> None:
        self.items = list(items)

    async def send(self, item: int) -> None:
        self.items.append(item)

    def offer(self, item: int) -> bool:
        return False

    async def receive(self, timeout: float | None = None) -> int:
        if not self.items:
            raise EndOfChannel
        return self.items.pop(0)

    def close(self) -> None:
        self.items.clear()

    def __len__(self) -> int:
        return len(self.items)


def test_a_channel_is_walked_until_it_is_closed_and_empty():
    async def walk() -> list[int]:
        return [item async for item in Row(1, 2, 3)]

    assert asyncio.run(walk()) == [1, 2, 3]


def test_a_command_tells_how_it_ended():
    ended = CommandResult(3, b"out", b"err")
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, b"out", b"err")


def test_every_claim_of_a_run_has_a_name_of_its_own():
    one, other = owner_of_this_process(), owner_of_this_process()
    host, pid, at, number = one.split(":")
    assert one != other
    assert int(pid) == os.getpid()
    assert float(at) > 1e9
    assert (bool(host), number.isdigit()) == (True, True)


def test_every_event_is_registered_under_its_kind():
    declared = [cls for cls in vars(events).values() if isinstance(cls, type) and issubclass(cls, Event)]
    assert set(EVENTS.values()) == set(declared) - {Event}
    assert {kind: cls.kind for kind, cls in EVENTS.items()} == {kind: kind for kind in EVENTS}
    assert set(EVENTS) > TERMINAL


@pytest.mark.parametrize(
    ("path", "parent", "name", "step"),
    [
        ("", "", "", ""),
        ("lead", "", "lead", "lead"),
        ("lead/coder#2", "lead", "coder#2", "coder"),
        ("lead/map/[17]", "lead/map", "[17]", "map"),
        ("lead/map#3/work[1]#2", "lead/map#3", "work[1]#2", "work"),
        ("[1]", "", "[1]", ""),
    ],
)
def test_a_path_tells_its_parent_its_name_and_its_step(path, parent, name, step):
    assert (parent_of(path), name_of(path), step_name(path)) == (parent, name, step)
