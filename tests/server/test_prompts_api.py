"""The library of prompts over HTTP: kept, found, copied, filled in."""

from typing import Any

import httpx2
import pytest

from stretto.core.archive import Document
from stretto.server.prompt_library import variables_in
from stretto.stores.memory import MemoryStore
from tests.server.conftest import Serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def problem(answer: httpx2.Response, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"], answer.text


LETTER: dict[str, Any] = {
    "name": "Letter", "description": "To somebody.", "category": "generation",
    "content": "Dear {{ name }}, {{greeting}} Yours, {{name}}. {{9}} {{}} { {x} }",
    "variables": [{"name": "greeting", "description": "A sentence.", "default": "how are you?"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("", []), ("{{a}} {{ b_2 }}{{a}}", ["a", "b_2"]), ("{{_x}}{{X}}", ["_x", "X"]), ("{{2a}} {{a-b}} {{é}}", []),
        ("{{{a}}}", ["a"]), ("{{ a", []), ("{{a}} {{b}}}} {{{{c}}", ["a", "b", "c"]), ("{{a\n}}", ["a"]),
    ],
)  # fmt: skip
def test_variables_are_names_in_double_braces(content: str, names: list[str]) -> None:
    assert variables_in(content) == names


async def test_a_prompt_is_kept_changed_copied_and_deleted(serve: Serve) -> None:
    async with serve() as served:
        client = served.client
        made = await client.post("/api/prompts", json=LETTER)
        assert made.status_code == 201, made.text
        prompt, place = made.json(), f"/api/prompts/{made.json()['id']}"
        assert {key: prompt[key] for key in ("name", "description", "category", "content")} == {
            key: LETTER[key] for key in ("name", "description", "category", "content")
        }
        assert prompt["variables"] == [
            {"name": "name", "description": "", "default": None},
            {"name": "greeting", "description": "A sentence.", "default": "how are you?"},
        ]
        assert (await client.get(place)).json() == prompt
        problem(await client.post("/api/prompts", json=LETTER), 409, "is there already")
        copies = [(await client.post(f"{place}/duplicate", json={})).json() for _ in range(2)]
        assert [copy["name"] for copy in copies] == ["Letter 2", "Letter 3"]
        assert copies[0]["variables"] == prompt["variables"]
        problem(await client.post(f"{place}/duplicate", json={"name": "Letter 2"}), 409, "is there already")
        problem(await client.put(place, json={**LETTER, "name": "Letter 3"}), 409, "is there already")
        changed = await client.put(place, json={"name": "Note", "content": "{{what}}"})
        assert changed.status_code == 200, changed.text
        assert changed.json()["created_at"] == prompt["created_at"]
        assert [each["name"] for each in changed.json()["variables"]] == ["what"]
        assert (await client.delete(place)).status_code == 204
        for answer in (
            await client.get(place), await client.delete(place), await client.put(place, json=LETTER),
            await client.post(f"{place}/render", json={}), await client.post(f"{place}/duplicate", json={}),
        ):  # fmt: skip
            problem(answer, 404, "there is no prompt")


async def test_prompts_are_found_by_words_and_category(serve: Serve) -> None:
    async with serve(store=MemoryStore()) as served:
        for name, category, content in (("B", "coding", "Straße"), ("a", "coding", "x"), ("C", "analysis", "y")):
            said = {"name": name, "category": category, "content": content}
            assert (await served.client.post("/api/prompts", json=said)).status_code == 201
        for asked, names in (
            ({}, ["B", "C", "a"]), ({"category": "coding"}, ["B", "a"]), ({"text": "STRASSE"}, ["B"]),
            ({"text": "a", "category": "analysis"}, []), ({"limit": 1, "offset": 1}, ["C"]),
        ):  # fmt: skip
            page = (await served.client.get("/api/prompts", params=asked)).json()
            assert [each["name"] for each in page["items"]] == names
        assert (await served.client.get("/api/prompts", params={"category": "none"})).status_code == 422


async def test_a_prompt_is_filled_in_with_values_and_defaults(serve: Serve) -> None:
    async with serve(store=MemoryStore()) as served:
        place = f"/api/prompts/{(await served.client.post('/api/prompts', json=LETTER)).json()['id']}/render"
        whole = await served.client.post(place, json={"values": {"name": "{{greeting}} 🎼"}})
        assert whole.json() == {
            "text": "Dear {{greeting}} 🎼, how are you? Yours, {{greeting}} 🎼. {{9}} {{}} { {x} }", "missing": [],
        }  # fmt: skip
        part = (await served.client.post(place, json={"values": {"greeting": ""}})).json()
        assert (part["text"][:20], part["missing"]) == ("Dear {{ name }},  Yo", ["name"])
        problem(await served.client.post(place, json={"values": {"nam": "x"}}), 409, "has no variable {{nam}}")
        long = await served.client.post(place, json={"values": {"name": "x" * 50_000}})
        problem(long, 409, "a message has 100,000 at most")
        for values in ({"name": "\0"}, {"a b": "x"}, {"name": 7}, {"name": "x" * 50_001}):
            assert (await served.client.post(place, json={"values": values})).status_code == 422


async def test_what_no_prompt_can_be_is_refused(serve: Serve) -> None:
    async with serve(store=MemoryStore()) as served:
        wrong: list[dict[str, Any]] = [
            {"name": ""}, {"name": " "}, {"name": "x" * 129}, {"description": "x" * 1001}, {"content": ""},
            {"content": "x" * 50_001}, {"content": "\0"}, {"category": "other"}, {"variables": [{"name": "2"}]},
            {"id": "x"},
        ]  # fmt: skip
        for said in wrong:
            assert (await served.client.post("/api/prompts", json={**LETTER, **said})).status_code == 422, said
        twice = {**LETTER, "variables": [{"name": "name"}, {"name": "name"}]}
        problem(await served.client.post("/api/prompts", json=twice), 409, "is described twice")
        absent = {**LETTER, "variables": [{"name": "absent"}]}
        problem(await served.client.post("/api/prompts", json=absent), 409, "has no variable {{absent}}")
        assert (await served.client.get("/api/prompts")).json()["total"] == 0


async def test_one_prompt_that_cannot_be_read_leaves_the_others_alone(serve: Serve) -> None:
    store = MemoryStore()
    await store.archive.put_document(Document(kind="prompt", id="torn", name="torn", body={"content": 7}))
    async with serve(store=store) as served:
        await served.client.post("/api/prompts", json=LETTER)
        page = (await served.client.get("/api/prompts")).json()
        assert [(each["name"], bool(each["problem"])) for each in page["items"]] == [("Letter", False), ("torn", True)]
        problem(await served.client.post("/api/prompts/torn/render", json={}), 409, "cannot be used: what is kept")
        problem(await served.client.post("/api/prompts/torn/duplicate", json={}), 409, "cannot be used")
        mended = await served.client.put("/api/prompts/torn", json={"name": "torn", "content": "whole"})
        assert (mended.status_code, mended.json()["problem"]) == (200, "")
