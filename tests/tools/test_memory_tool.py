"""MemoryTool against the archive of a store: scopes, types, expiry, search by meaning and by words."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto import run_sync
from stretto.core.archive import Archive, Memory
from stretto.core.events import Said
from stretto.core.resources import Embedder
from stretto.stores.memory import MemoryStore
from stretto.testing import StepHarness, run_virtual
from stretto.tools import Invocation, MemoryTool, ToolFailed, Touches, WrongArguments
from stretto.tools.recall import by_meaning, cosine, recency, score

TOOL = MemoryTool()
DAY = 24 * 3600.0


class Letters(Embedder):
    """Counts letters: texts of the same letters mean the same."""

    def __init__(self, name: str = "letters:26", letters: str = "abcdefghijklmnopqrstuvwxyz") -> None:
        self.name, self.letters = name, letters
        self.fails: Exception | None = None

    async def embed(self, texts):
        if self.fails:
            raise self.fails
        return [tuple(float(text.casefold().count(letter)) for letter in self.letters) for text in texts]


@pytest.fixture
def archive() -> Archive:
    return MemoryStore().archive


def call(archive: Archive, *, workflow: str = "w1", embedder: Embedder | None = None, **arguments: Any) -> Any:
    resources = [archive] if embedder is None else [archive, embedder]
    invocation = Invocation(arguments=arguments, workflow_id=workflow, agent_id="scout")
    return run_sync(TOOL, invocation, resources=resources)


def kept(archive: Archive, id: str) -> Memory:
    async def fetch(_: Any) -> Memory:
        found = await archive.memories(limit=None, embedded=True)
        return next(memory for memory in found if memory.id == id)

    return run_sync(fetch, None)


def put(archive: Archive, memory: Memory) -> None:
    async def add(_: Any) -> None:
        await archive.add_memory(memory)

    run_sync(add, None)


def test_what_is_added_can_be_got_listed_found_and_deleted(archive):
    added = call(archive, operation="add", type="knowledge", content="The sky is blue", tags=["sky", "sky"])
    assert added["scope"] == "general"
    assert added["embedding_generated"] is False
    got = call(archive, operation="get", memory_id=added["memory_id"])
    assert (got["content"], got["tags"], got["agent_source"], got["importance"]) == (
        "The sky is blue", ["sky"], "scout", 0.6,
    )  # fmt: skip
    assert call(archive, operation="list")["memories"] == [got]
    found = call(archive, operation="search", query="BLUE sky")
    assert found["memories"][0]["id"] == added["memory_id"]
    assert found["matched_by"] == ["words"]
    assert call(archive, operation="delete", memory_id=added["memory_id"]) == {"deleted": added["memory_id"]}
    assert call(archive, operation="list") == {"count": 0, "memories": []}


@pytest.mark.parametrize(
    ("kind", "scope", "importance"),
    [
        ("user_pref", "general", 0.8),
        ("knowledge", "general", 0.6),
        ("decision", "workflow", 0.7),
        ("context", "workflow", 0.3),
    ],
)
def test_the_type_decides_scope_importance_and_expiry(archive, kind, scope, importance):
    added = call(archive, operation="add", type=kind, content=f"a {kind}")
    got = call(archive, operation="get", memory_id=added["memory_id"])
    assert (got["scope"], got["importance"]) == (scope, importance)
    assert ("expires_at" in got) is (kind == "context")
    expires = kept(archive, added["memory_id"]).expires_at
    assert expires is None or abs(expires - time.time() - 7 * DAY) < 600


def test_scope_importance_and_priority_can_be_said(archive):
    added = call(
        archive, operation="add", type="knowledge", content="here only", scope="workflow", importance=1.0, priority=0.5
    )
    got = call(archive, operation="get", memory_id=added["memory_id"])
    assert (got["scope"], got["importance"], got["priority"]) == ("workflow", 1.0, 0.5)


def test_a_memory_of_another_workflow_is_not_found(archive):
    added = call(archive, operation="add", type="decision", content="we take the train")
    for operation in ("get", "delete"):
        with pytest.raises(ToolFailed, match=r"\[NOT_FOUND\] there is no memory .* list or search"):
            call(archive, workflow="w2", operation=operation, memory_id=added["memory_id"])
    assert call(archive, workflow="w2", operation="search", query="train")["count"] == 0
    assert call(archive, workflow="w2", operation="list")["count"] == 0
    assert call(archive, operation="list")["count"] == 1


def test_an_unknown_memory_is_not_found(archive):
    with pytest.raises(ToolFailed) as caught:
        call(archive, operation="get", memory_id="nothing")
    assert caught.value.code == "NOT_FOUND"


def test_an_expired_memory_is_neither_listed_nor_found_and_may_be_kept_again(archive):
    added = call(archive, operation="add", type="context", content="the door is open")
    memory = kept(archive, added["memory_id"])

    async def expire(_: Any) -> None:
        await archive.change_memory(replace(memory, expires_at=time.time() - 1))

    run_sync(expire, None)
    assert call(archive, operation="list")["count"] == 0
    assert call(archive, operation="search", query="door")["count"] == 0
    again = call(archive, operation="add", type="context", content="the door is open")
    assert again["memory_id"] == added["memory_id"]
    assert "already_known" not in again
    assert call(archive, operation="list")["count"] == 1


def test_the_same_content_is_kept_once_with_the_tags_of_both(archive):
    first = call(archive, operation="add", type="decision", content="blue", tags=["a"])
    second = call(archive, operation="add", type="decision", content="blue", tags=["b"])
    assert second["memory_id"] == first["memory_id"]
    assert second["already_known"] is True
    assert call(archive, operation="list")["memories"][0]["tags"] == ["a", "b"]
    elsewhere = call(archive, workflow="w2", operation="add", type="decision", content="blue")
    assert elsewhere["memory_id"] != first["memory_id"]


def test_lists_are_filtered_limited_and_shortened_by_whole_characters(archive):
    call(archive, operation="add", type="knowledge", content="é" * 99 + "😀" + "tail", tags=["t"])
    call(archive, operation="add", type="decision", content="short")
    assert call(archive, operation="list", type_filter="decision")["memories"][0]["content"] == "short"
    assert call(archive, operation="list", scope="general")["count"] == 1
    assert call(archive, operation="list", scope="workflow")["count"] == 1
    assert call(archive, operation="list", limit=1)["count"] == 1
    compact = call(archive, operation="list", mode="compact", scope="general")["memories"][0]
    assert compact["preview"] == "é" * 99 + "😀" + "…"
    assert compact["tags"] == ["t"]
    assert "content" not in compact


def test_clearing_a_type_also_clears_general_ones_and_leaves_other_workflows_alone(archive):
    call(archive, operation="add", type="user_pref", content="tea")
    call(archive, operation="add", type="decision", content="mine")
    call(archive, workflow="w2", operation="add", type="decision", content="theirs")
    assert call(archive, operation="clear_by_type", type="user_pref")["deleted"] == 1
    assert call(archive, operation="clear_by_type", type="decision")["deleted"] == 1
    assert call(archive, workflow="w2", operation="list")["count"] == 1
    call(archive, operation="add", type="user_pref", content="coffee")
    assert call(archive, operation="clear_by_type", type="user_pref", scope="workflow")["deleted"] == 0


def test_describing_counts_types_and_the_tags_of_all(archive):
    assert call(archive, operation="describe")["oldest"] is None
    call(archive, operation="add", type="knowledge", content="one", tags=["a", "b"])
    call(archive, operation="add", type="knowledge", content="two", tags=["b"])
    call(archive, operation="add", type="context", content="three")
    told = call(archive, operation="describe")
    assert told["by_type"] == {"knowledge": 2, "context": 1}
    assert told["tags"] == {"b": 2, "a": 1}
    assert (told["total"], told["workflow"], told["general"]) == (3, 1, 2)
    assert told["oldest"] <= told["newest"]


def test_meaning_is_compared_when_an_embedder_was_given(archive):
    embedder = Letters()
    near = call(archive, embedder=embedder, operation="add", type="knowledge", content="listen")
    call(archive, embedder=embedder, operation="add", type="knowledge", content="zebra crossing jump")
    assert near["embedding_generated"] is True
    found = call(archive, embedder=embedder, operation="search", query="silent", threshold=0.9)
    assert [memory["id"] for memory in found["memories"]] == [near["memory_id"]]
    best = found["memories"][0]
    assert best["matched_by"] == "meaning"
    assert best["likeness"] == pytest.approx(1.0, abs=1e-4)
    assert best["score"] == pytest.approx(0.70 + 0.15 * 0.6 + 0.15, abs=1e-3)
    assert found["embedding_generated"] is True


def test_the_threshold_is_held_and_words_stand_in_when_no_meaning_is_near_enough(archive):
    embedder = Letters()
    call(archive, embedder=embedder, operation="add", type="knowledge", content="rhythm of the night")
    assert call(archive, embedder=embedder, operation="search", query="aaaa bbbb")["count"] == 0
    found = call(archive, embedder=embedder, operation="search", query="night", threshold=1.0)
    assert found["matched_by"] == ["words"]
    assert "no meaning was near enough" in found["note"]
    assert call(archive, embedder=embedder, operation="search", query="xyz", threshold=0.0)["count"] == 1


def test_vectors_of_another_embedder_or_dimension_are_never_compared(archive):
    call(archive, embedder=Letters("other:26"), operation="add", type="knowledge", content="listen to the sea")
    call(archive, embedder=Letters("letters:26", "abc"), operation="add", type="knowledge", content="tinsel by the sea")
    call(archive, operation="add", type="knowledge", content="a sea without any vector")
    embedder = Letters()
    assert call(archive, embedder=embedder, operation="search", query="silent", threshold=0.0)["count"] == 0
    found = call(archive, embedder=embedder, operation="search", query="sea")
    assert found["count"] == 3
    assert found["matched_by"] == ["words"]
    assert "no memory has a vector of letters:26 with 26 numbers" in found["note"]
    call(archive, embedder=embedder, operation="add", type="knowledge", content="aes")
    both = call(archive, embedder=embedder, operation="search", query="sea")
    assert both["matched_by"] == ["meaning", "words"]
    assert both["count"] == 4


def test_a_failing_embedder_leaves_text_only_and_says_so(archive):
    embedder = Letters()
    embedder.fails = ConnectionError("no route")
    added = call(archive, embedder=embedder, operation="add", type="knowledge", content="still kept")
    assert added["embedding_generated"] is False
    assert "ConnectionError: no route" in added["embedding_problem"]
    found = call(archive, embedder=embedder, operation="search", query="kept")
    assert (found["count"], found["embedding_generated"]) == (1, False)
    assert "no route" in found["note"]
    harness = StepHarness(resources=[archive, embedder])
    run_virtual(harness.execute(TOOL, {"operation": "search", "query": "kept"}))
    assert any(isinstance(event, Said) and event.level == "warning" for event in harness.events)


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ({"operation": "add", "type": "knowledge", "content": ""}, "content"),
        ({"operation": "add", "type": "knowledge", "content": "  \n "}, "content"),
        ({"operation": "add", "type": "knowledge", "content": "a\x00b"}, "content"),
        ({"operation": "add", "type": "knowledge", "content": "\ud800"}, "content"),
        ({"operation": "add", "type": "knowledge", "content": "x" * 50_001}, "content"),
        ({"operation": "add", "type": "rumour", "content": "x"}, "type"),
        ({"operation": "add", "type": "knowledge", "content": "x", "tags": [""]}, r"tags\[0\]"),
        ({"operation": "add", "type": "knowledge", "content": "x", "tags": ["t"] * 21}, "tags"),
        ({"operation": "list", "limit": 101}, "limit"),
        ({"operation": "list", "limit": 0}, "limit"),
        ({"operation": "search", "query": "x", "threshold": 1.5}, "threshold"),
        ({"operation": "search", "query": " "}, "query"),
        ({"operation": "get"}, "memory_id"),
        ({"operation": "get", "memory_id": "x", "content": "y"}, "content: there is no such argument"),
        ({"operation": "serach"}, "did you mean 'search'"),
        ({}, "operation: is missing"),
        ({"operation": 3}, "operation: there is no operation '3'; it is one of 'add'"),
    ],
)
def test_bad_arguments_are_told_with_their_place_before_anything_runs(archive, arguments, place):
    with pytest.raises(WrongArguments, match=place):
        TOOL.check(arguments)
    with pytest.raises(WrongArguments):
        call(archive, **arguments)


def test_fifty_thousand_characters_are_kept_whole(archive):
    content = "é" * 50_000
    added = call(archive, operation="add", type="knowledge", content=content)
    assert call(archive, operation="get", memory_id=added["memory_id"])["content"] == content


def test_the_schema_is_one_flat_object_whose_properties_say_which_operation_takes_them():
    schema = TOOL.parameters
    assert schema["type"] == "object"
    assert not {"oneOf", "anyOf", "allOf"} & schema.keys()
    assert schema["required"] == ["operation"]
    assert schema["properties"]["operation"]["enum"] == [
        "add", "get", "list", "search", "delete", "clear_by_type", "describe",
    ]  # fmt: skip
    assert schema["properties"]["memory_id"]["description"].endswith("For: get (required), delete (required).")


def test_what_a_call_touches():
    memory = {"memory_id": "m"}
    assert TOOL.touches({"operation": "get", **memory}) == Touches(reads=("memory/m",))
    assert TOOL.touches({"operation": "delete", **memory}) == Touches(writes=("memory/m",))
    assert TOOL.touches({"operation": "clear_by_type", "type": "context"}) == Touches(writes=("memory/*",))
    assert TOOL.touches({"operation": "search", "query": "x"}) == Touches(reads=("memory/*",))
    one, other = (TOOL.touches({"operation": "add", "type": "context", "content": text}) for text in ("a", "b"))
    assert one.writes != other.writes


def test_what_another_operation_takes_may_be_null():
    assert TOOL.check({"operation": "get", "memory_id": "x", "content": None, "tags": None})["memory_id"] == "x"
    with pytest.raises(WrongArguments, match="memory_id"):
        TOOL.check({"operation": "get", "memory_id": None})
    with pytest.raises(WrongArguments, match="nothing: there is no such argument"):
        TOOL.check({"operation": "get", "memory_id": "x", "nothing": None})


def test_checked_arguments_hold_the_defaults():
    checked = TOOL.check({"operation": "list"})
    assert checked == {"operation": "list", "type_filter": None, "limit": 10, "scope": "both", "mode": "full"}
    assert TOOL.check(checked) == checked


def test_the_score_is_the_one_of_the_reference():
    now = 100 * DAY
    memory = Memory(id="m", type="knowledge", content="x", importance=0.5, created_at=now - 15 * DAY)
    assert score(memory, 0.8, now) == pytest.approx(0.8 * 0.70 + 0.5 * 0.15 + 0.5 * 0.15)
    assert recency(now - 60 * DAY, now) == 0.0
    assert recency(now + DAY, now) == 1.0


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8), st.floats(0.1, 10))
def test_a_vector_is_as_near_to_itself_stretched_as_can_be(vector, factor):
    likeness = cosine(vector, [number * factor for number in vector])
    assert likeness == pytest.approx(1.0) or math.hypot(*vector) < 1e-100


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=1, max_size=8), st.floats(1e-4, 1e4))
def test_the_cosine_is_that_of_the_products(pairs, factor):
    one, other = [x for x, _ in pairs], [y * factor for _, y in pairs]
    lengths = math.hypot(*one) * math.hypot(*other)
    expected = sum(x * y for x, y in zip(one, other, strict=True)) / lengths if lengths > 1e-6 else None
    assert expected is None or cosine(one, other) == pytest.approx(expected, abs=1e-6)


def test_a_vector_that_points_nowhere_is_near_to_nothing():
    assert cosine((0.0, 0.0), (1.0, 0.0)) == 0.0


def test_ten_thousand_memories_are_ranked_exactly():
    memories = [
        Memory(id=str(n), type="knowledge", content="x", embedder="e", embedding=(1.0, n / 10_000))
        for n in range(10_000)
    ]
    found = by_meaning((1.0, 0.0), memories, 0.9, 0.0)
    assert [each.memory.id for each in found[:3]] == ["0", "1", "2"]
    assert all(each.likeness >= 0.9 for each in found)
