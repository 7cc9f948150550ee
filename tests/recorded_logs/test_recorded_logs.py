"""The recordings that the tests of the page read are what a server tells today, and their parts fit together."""

import json
from typing import Any

import pytest

from tests.monitoring.test_timeline_updates import LATER, in_order
from tests.recorded_logs.record import CHUNKS, FOLDER, recorded, stages, text_of

NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def test_every_recording_is_there() -> None:
    assert sorted(stages()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_what_a_server_tells(name: str) -> None:
    kept = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    again = "record it again with `python -m tests.recorded_logs.record`, and look at what changed"
    assert json.loads(kept) == json.loads(text_of(recorded(name))), again


@pytest.mark.parametrize("name", NAMES)
def test_all_updates_of_a_recording_amount_to_its_timeline(name: str) -> None:
    recording: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    timeline, updates = recording["timeline"], recording["span_updates"]
    known = {row["path"]: row for update in updates for row in update["spans"]}
    assert in_order(known) == [row | LATER for row in timeline["spans"]]
    assert [update["over"] for update in updates] == [False] * (len(updates) - 1) + [True]
    assert (updates[-1]["summary"], updates[-1]["status"]) == (timeline["summary"], timeline["status"])
    assert [update["seq"] for update in updates] == sorted(update["seq"] for update in updates)
    assert {chunk["event"] for chunk in recording["chunks"]} <= CHUNKS
