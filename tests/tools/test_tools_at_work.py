"""The tools in the hands of agents: in one turn, in the right workflow, over a restart, and beside a busy loop."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from stretto import Answer, run_sync, start
from stretto.agents import Agent, Task
from stretto.core.archive import Archive, Memory, NotKept
from stretto.core.events import Answered, Asked
from stretto.core.resources import Embedder
from stretto.stores.memory import MemoryStore
from stretto.stores.sql import SqlStore
from stretto.testing import Scripted, ScriptedModel
from stretto.tools import Invocation, MemoryTool, ToolRegistry, UserQuestionTool, recall
from stretto.tools import memory as memory_module


class Constant(Embedder):
    name = "constant:2"

    async def embed(self, texts):
        return [(1.0, float("blue" in text)) for text in texts]


def test_an_agent_uses_several_in_one_turn_and_is_told_what_was_wrong(tmp_path):
    (tmp_path / "a.txt").write_text("four voices\n")
    model = ScriptedModel(
        Scripted(
            calls=(
                ("CalculatorTool", {"expression": "6 * 7"}),
                ("read_file", {"path": "a.txt"}),
                ("read_file", {"path": "../b.txt"}),
                ("MemoryTool", {"operation": "add", "type": "decision", "content": "blue"}),
                ("TodoTool", {"operation": "create", "name": "", "priority": 9}),
            )
        ),
        "done",
    )
    archive = MemoryStore().archive
    agent = Agent(name="worker", model=model, tools=list(ToolRegistry.builtin(tmp_path)))
    report = run_sync(agent, Task(description="Work.", workflow_id="w1"), resources=[archive])
    calculated, read, outside, kept, wrong = report.tool_uses
    assert json.loads(calculated.output)["result"] == 42
    assert json.loads(read.output)["content"] == "four voices\n"
    assert outside.error.startswith("[PERMISSION_DENIED]")
    assert kept.success
    assert "name: " in wrong.error
    assert "priority: " in wrong.error

    async def scoped(_: Any) -> list[Memory]:
        return await archive.memories(scope="workflow", workflow_id="w1")

    (memory,) = run_sync(scoped, None)
    assert (memory.content, memory.workflow_id) == ("blue", "w1")


def test_a_question_that_was_open_when_the_process_ended_is_answered_in_the_next_and_asked_once():
    tool, store = UserQuestionTool(), MemoryStore()

    async def first(_: Any) -> None:
        async with start(tool, {"question": "Which?"}, store=store, run_id="r1") as running:
            async for event in running.events():
                if isinstance(event, Asked):
                    break
            raise KeyError("the process ends here")

    with pytest.raises(KeyError):
        run_sync(first, None)

    async def second(_: Any) -> Any:
        async with start(tool, {"question": "Which?"}, store=store, run_id="r1") as running:
            async for event in running.events():
                if isinstance(event, Asked) and running.answer(event.request_id, "answer", value="this one"):
                    break
            told = await running.result()
            answers = [event for event in running.log if isinstance(event, Answered)]
            assert [answer.request_id for answer in answers] == ["UserQuestionTool?1"]
            return told

    assert run_sync(second, None)["text"] == "this one"
    assert Answer(choice="answer").approved is False


def test_meanings_are_compared_in_a_thread_and_not_on_the_loop(monkeypatch):
    threads = []

    def compare(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        return recall.by_meaning(*arguments)

    monkeypatch.setattr(memory_module, "by_meaning", compare)
    resources = [MemoryStore().archive, Constant()]
    run_sync(MemoryTool(), {"operation": "add", "type": "knowledge", "content": "blue"}, resources=resources)
    found = run_sync(MemoryTool(), {"operation": "search", "query": "blue"}, resources=resources)
    assert found["count"] == 1
    assert threads
    assert threads[0] is not threading.current_thread()


def test_memories_outlive_the_process_in_sqlite_vectors_included(tmp_path):
    async def keep(path: str) -> Any:
        async with SqlStore(path) as store:
            context = {Archive: store.archive, Embedder: Constant()}
            calls = []
            for arguments in (
                {"operation": "add", "type": "knowledge", "content": "the blue door"},
                {"operation": "add", "type": "knowledge", "content": "the green door"},
                {"operation": "search", "query": "anything blue", "threshold": 0.9},
            ):
                async with start(MemoryTool(), Invocation(arguments=arguments), resources=context) as running:
                    calls.append(await running.result())
            return calls

    *_, found = run_sync(keep, str(tmp_path / "memories.db"))
    assert [(m["content"], m["matched_by"]) for m in found["memories"]] == [("the blue door", "meaning")]
    again = run_sync(keep, str(tmp_path / "memories.db"))
    assert again[0]["already_known"] is True


def test_the_same_content_kept_at_the_same_time_by_two_is_kept_once(monkeypatch):
    archive = MemoryStore().archive
    add = archive.add_memory

    async def overtaken(memory: Memory) -> None:
        await add(replace(memory, tags=("theirs",)))
        await add(memory)  # raises: it is there already

    monkeypatch.setattr(archive, "add_memory", overtaken)
    arguments = {"operation": "add", "type": "knowledge", "content": "blue", "tags": ["mine"]}
    assert run_sync(MemoryTool(), arguments, resources=[archive])["already_known"] is True
    listed = run_sync(MemoryTool(), {"operation": "list"}, resources=[archive])
    assert [memory["tags"] for memory in listed["memories"]] == [["theirs", "mine"]]
    assert issubclass(NotKept, Exception)
