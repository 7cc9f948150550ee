"""What every archive must do: in memory, in a SQLite file, in PostgreSQL."""

import asyncio
import time
from dataclasses import replace

import pytest

from stretto.core.archive import Archive, Conversation, Document, Memory, NotKept, StoredMessage, Todo
from stretto.core.errors import DefinitionError, StoreError
from stretto.stores.archive_rules import IdTaken, MessagesLeaveGap, TodoRefused
from stretto.stores.memory import MemoryStore
from stretto.stores.sql import SqlStore
from stretto.stores.store import Store
from tests.stores.postgres_server import empty_tables

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def store(request, tmp_path):
    if request.param == "memory":
        made: Store = MemoryStore()
    elif request.param == "sqlite":
        made = SqlStore(tmp_path / "runs.db")
    else:
        made = SqlStore(await empty_tables())
    async with made:
        yield made


@pytest.fixture
def archive(store) -> Archive:
    return store.archive


def memory(id: str, content: str = "something", **more) -> Memory:
    return Memory(**{"id": id, "type": "knowledge", "content": content, **more})


def ids(found) -> list[str]:
    return [one.id for one in found]


# -- memories ----------------------------------------------------------------------------------------------------------


async def test_a_memory_comes_back_as_it_was_given_whatever_its_text(archive):
    given = Memory(
        id="m1",
        type="decision",
        content="a \x00 \udc80 \u2028 'quote' \"two\" 😀",
        workflow_id="w1",
        tags=("é", "b"),
        priority=0.5,
        agent_source="coder",
        importance=0.9,
        created_at=12.5,
        expires_at=time.time() + 1000,
        embedder="small",
        embedding=(0.5, -0.25, 1.0),
    )
    await archive.add_memory(given)
    assert await archive.memory("m1") == given
    assert await archive.memories() == [replace(given, embedding=None)]
    assert await archive.memories(embedded=True) == [given]


async def test_vectors_are_kept_as_float32(archive):
    await archive.add_memory(memory("m1", embedding=(0.1, 1e-3)))
    held = (await archive.memory("m1")).embedding
    assert held == pytest.approx((0.1, 1e-3), rel=1e-7)
    assert held != (0.1, 1e-3)
    for wrong in ((1e39,), ("x",)):
        with pytest.raises(StoreError, match="the embedding cannot be kept as float32"):
            await archive.add_memory(memory("m2", embedding=wrong))
    assert ids(await archive.memories()) == ["m1"]


async def test_an_id_of_a_memory_is_given_once(archive):
    await archive.add_memory(memory("m1", "first"))
    with pytest.raises(IdTaken, match="memory 'm1' is there already"):
        await archive.add_memory(memory("m1", "second"))
    assert (await archive.memory("m1")).content == "first"


async def test_what_is_not_kept_is_named(archive):
    for asked in (
        archive.memory("x"),
        archive.delete_memory("x"),
        archive.change_memory(memory("x")),
        archive.todo("w", "x"),
        archive.change_todo(Todo(id="x", workflow_id="w", name="n")),
        archive.delete_todo("w", "x"),
        archive.conversation("x"),
        archive.messages("x"),
        archive.add_messages("x", []),
        archive.rename_conversation("x", "t"),
        archive.delete_conversation("x"),
        archive.document("agent", "x"),
        archive.delete_document("agent", "x"),
    ):
        with pytest.raises(NotKept, match=r"there is no \w+ 'x'$") as caught:
            await asked
        assert caught.value.id == "x"


async def test_memories_come_newest_first_in_pages(archive):
    for number, at in enumerate((3.0, 1.0, 2.0, 2.0)):
        await archive.add_memory(memory(f"m{number}", created_at=at))
    assert ids(await archive.memories()) == ["m0", "m3", "m2", "m1"]
    assert ids(await archive.memories(limit=2, offset=1)) == ["m3", "m2"]
    assert ids(await archive.memories(limit=None, offset=3)) == ["m1"]
    assert await archive.memories(limit=0) == []
    with pytest.raises(DefinitionError, match="must be 0 or more, not -1 and 0"):
        await archive.memories(limit=-1)


async def test_memories_are_found_by_type_and_by_whose_they_are(archive):
    await archive.add_memory(memory("g", created_at=4.0))
    await archive.add_memory(memory("w1", workflow_id="one", type="context", created_at=3.0))
    await archive.add_memory(memory("w2", workflow_id="two", type="decision", created_at=2.0))

    async def found(**asked):
        listed = ids(await archive.memories(**asked))
        assert listed == ids([held for held, _ in await archive.match_memories("something", **asked)])
        assert len(listed) == await archive.count_memories(**asked)
        return listed

    assert await found(scope="general", workflow_id="one") == ["g"]
    assert await found(scope="workflow", workflow_id="one") == ["w1"]
    assert await found(scope="both", workflow_id="one") == ["g", "w1"]
    assert await found(scope="both") == ["g", "w1", "w2"]
    assert await found(types=["context", "decision"]) == ["w1", "w2"]
    assert await found(types=["context"], scope="general") == []
    for wrong, why in (("workflow", "needs a workflow_id"), ("mine", "must be 'both', 'workflow' or 'general'")):
        with pytest.raises(DefinitionError, match=why):
            await archive.memories(scope=wrong)


async def test_an_expired_memory_is_nowhere_shown_and_its_id_is_free(archive):
    await archive.add_memory(memory("old", expires_at=time.time() - 1))
    await archive.add_memory(memory("older", expires_at=time.time() - 1))
    await archive.add_memory(memory("new", expires_at=time.time() + 1000))
    assert ids(await archive.memories(limit=None)) == ["new"]
    assert ids([held for held, _ in await archive.match_memories("something")]) == ["new"]
    for asked in (archive.memory("old"), archive.change_memory(memory("old")), archive.delete_memory("old")):
        with pytest.raises(NotKept):
            await asked
    await archive.add_memory(memory("old", "again"))
    assert (await archive.memory("old")).content == "again"
    assert await archive.purge_memories() == 1
    assert await archive.purge_memories() == 0
    assert sorted(ids(await archive.memories(limit=None))) == ["new", "old"]


async def test_words_are_found_whatever_their_case_and_accents_and_all_must_occur(archive):
    await archive.add_memory(memory("m1", "Crème brûlée, at Émile's café: 2 portions", created_at=3.0))
    await archive.add_memory(memory("m2", "STRASSE in Köln", created_at=2.0, tags=("Ürlaub",)))
    await archive.add_memory(memory("m3", "東京 and ガイド, снег \U0001e922\U0001e923", created_at=1.0))

    async def found(query):
        return ids([held for held, _ in await archive.match_memories(query)])

    for query, expected in {
        "creme": ["m1"],
        "CAFÉ emile": ["m1"],
        "cre": [],
        "creme köln": [],
        "straße": ["m2"],
        "urlaub": ["m2"],
        "東": ["m3"],
        "京 ガイト": ["m3"],
        "Снег": ["m3"],
        "\U0001e900\U0001e901": ["m3"],
        "2": ["m1"],
        "": [],
        "  ?!": [],
        "x" * 300: [],
    }.items():
        assert await found(query) == expected, query


@pytest.mark.parametrize(
    "query",
    ['"', "a AND", "NOT", "NEAR(", "words : x", "*", "^a", "a'b", "' | 'x", "(", "a & ! b", "\\", "\0", "\udc80", "-a",
     "{a b}: c", "a:*", "'; DROP TABLE memory; --"],
)  # fmt: skip
async def test_the_language_of_a_search_engine_is_text_like_any_other(archive, query):
    await archive.add_memory(memory("m1", f"before {query} after"))
    found = await archive.match_memories(query)
    assert len(found) == (1 if any(character.isalnum() for character in query) else 0)
    assert await archive.match_memories(f"{query} missing") == []


async def test_ranks_lie_between_0_and_1_and_the_best_comes_first(archive):
    filler = " ".join(["filler"] * 60)
    await archive.add_memory(memory("long", f"rust {filler}", created_at=3.0))
    await archive.add_memory(memory("short", "rust rust compiler", created_at=1.0))
    await archive.add_memory(memory("other", "python", created_at=2.0))
    await archive.add_memory(memory("another", "java", created_at=2.0))
    await archive.add_memory(memory("last", "go", created_at=2.0))
    found = await archive.match_memories("rust")
    assert ids([held for held, _ in found]) == ["short", "long"]
    assert found[0][1] == 1.0
    assert 0 < found[1][1] < 1
    assert found[0][0].embedding is None
    assert await archive.match_memories("rust", limit=1) == found[:1]
    assert await archive.match_memories("rust", limit=0) == []


async def test_a_changed_memory_is_found_by_its_new_words_only(archive):
    await archive.add_memory(memory("m1", "blue", created_at=1.0))
    await archive.change_memory(memory("m1", "green", created_at=1.0, importance=0.1, workflow_id="w"))
    assert await archive.match_memories("blue") == []
    assert [held.importance for held, _ in await archive.match_memories("green")] == [0.1]
    assert ids(await archive.memories(scope="workflow", workflow_id="w")) == ["m1"]
    await archive.delete_memory("m1")
    assert await archive.match_memories("green") == []


async def test_clearing_forgets_what_is_of_the_types_and_the_scope(archive):
    await archive.add_memory(memory("g"))
    await archive.add_memory(memory("gone", expires_at=1.0))
    await archive.add_memory(memory("c", type="context", workflow_id="w"))
    await archive.add_memory(memory("d", type="decision", workflow_id="w"))
    assert await archive.clear_memories(["context", "knowledge"], "workflow", "w") == 1
    assert await archive.clear_memories([], "general") == 1
    assert ids(await archive.memories()) == ["d"]
    with pytest.raises(DefinitionError, match="needs a workflow_id"):
        await archive.clear_memories([], "workflow")


# -- tasks -------------------------------------------------------------------------------------------------------------


def todo(id: str, *needed: str, **more) -> Todo:
    return Todo(**{"id": id, "workflow_id": "w", "name": id.upper(), "dependencies": needed, **more})


async def test_a_task_comes_back_as_it_was_given(archive):
    await archive.add_todo(todo("b"))
    await archive.add_todo(todo("c", status="completed"))
    given = todo(
        "a", "c", "b", description="é\x00", priority=1, agent_assigned="coder", duration_ms=7, created_at=1.5,
        started_at=2.0, completed_at=2.5, status="blocked",
    )  # fmt: skip
    await archive.add_todo(given)
    assert await archive.todo("w", "a") == given
    with pytest.raises(NotKept):
        await archive.todo("elsewhere", "a")
    with pytest.raises(IdTaken, match="task 'a' is there already"):
        await archive.add_todo(todo("a"))
    await archive.add_todo(todo("a", workflow_id="elsewhere"))
    assert ids(await archive.todos("elsewhere")) == ["a"]


async def test_tasks_come_by_priority_then_by_age(archive):
    for id, priority, at in (("a", 3, 1.0), ("b", 1, 2.0), ("c", 3, 0.0), ("d", 3, 1.0)):
        await archive.add_todo(todo(id, priority=priority, created_at=at))
    await archive.change_todo(todo("a", priority=3, created_at=1.0, status="in_progress"))
    assert ids(await archive.todos("w")) == ["b", "c", "a", "d"]
    assert ids(await archive.todos("w", limit=2)) == ["b", "c"]
    assert ids(await archive.todos("w", status="in_progress")) == ["a"]
    assert len(await archive.todos("w", limit=None)) == 4
    assert await archive.todos("unknown") == []


async def test_a_task_depends_on_tasks_of_its_own_workflow_only(archive):
    await archive.add_todo(todo("tests"))
    await archive.add_todo(todo("there", workflow_id="elsewhere"))
    with pytest.raises(TodoRefused, match="depends on 'test', which is no task of workflow 'w'; did you mean 'tests'"):
        await archive.add_todo(todo("a", "test"))
    with pytest.raises(TodoRefused, match="depends on 'there', which is no task of workflow 'w'; add that one first"):
        await archive.add_todo(todo("a", "tests", "there"))
    assert ids(await archive.todos("w")) == ["tests"]


async def test_no_task_depends_on_itself_even_over_others(archive):
    with pytest.raises(TodoRefused, match="task 'a' would depend on itself"):
        await archive.add_todo(todo("a", "a"))
    await archive.add_todo(todo("a"))
    await archive.add_todo(todo("b", "a"))
    await archive.add_todo(todo("c", "b"))
    with pytest.raises(TodoRefused, match="task 'a' would depend on itself"):
        await archive.change_todo(todo("a", "c"))
    assert (await archive.todo("w", "a")).dependencies == ()


async def test_a_task_begins_when_what_it_depends_on_is_completed(archive):
    await archive.add_todo(todo("a"))
    await archive.add_todo(todo("b", "a"))
    for status in ("in_progress", "completed"):
        with pytest.raises(TodoRefused, match=f"task 'b' cannot be {status} before 'a'"):
            await archive.change_todo(todo("b", "a", status=status))
    await archive.change_todo(todo("b", "a", status="blocked"))
    await archive.change_todo(todo("a", status="completed", completed_at=3.0))
    await archive.change_todo(todo("b", "a", status="in_progress"), expected="blocked")
    with pytest.raises(TodoRefused, match="task 'b' is in_progress by now, not blocked"):
        await archive.change_todo(todo("b", "a", status="completed"), expected="blocked")
    assert (await archive.todo("w", "b")).status == "in_progress"


async def test_a_task_that_others_depend_on_stays(archive):
    await archive.add_todo(todo("a"))
    await archive.add_todo(todo("b", "a"))
    with pytest.raises(TodoRefused, match="task 'a' cannot be deleted: 'b' depend"):
        await archive.delete_todo("w", "a")
    await archive.delete_todo("w", "b")
    await archive.delete_todo("w", "a")
    assert await archive.todos("w") == []


async def test_of_two_who_take_a_task_at_once_one_gets_it(archive):
    await archive.add_todo(todo("a"))
    taken = await asyncio.gather(
        *(archive.change_todo(todo("a", status="in_progress", agent_assigned=str(n)), expected="pending")
          for n in range(4)),
        return_exceptions=True,
    )  # fmt: skip
    assert sorted(type(one).__name__ for one in taken) == ["NoneType", *["TodoRefused"] * 3]


async def test_two_tasks_that_are_made_to_depend_on_each_other_at_once_make_no_circle(archive):
    await archive.add_todo(todo("a"))
    await archive.add_todo(todo("b"))
    done = await asyncio.gather(
        archive.change_todo(todo("a", "b")), archive.change_todo(todo("b", "a")), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in done) == ["NoneType", "TodoRefused"]


# -- conversations -----------------------------------------------------------------------------------------------------


def talk(id: str, title: str = "About", agent: str = "lead", at: float = 1.0) -> Conversation:
    return Conversation(id=id, title=title, agent_id=agent, created_at=at, updated_at=at)


def said(seq: int, text: str = "hi", at: float = 2.0) -> StoredMessage:
    return StoredMessage(seq=seq, role="user", body={"text": text, "n": [1, 2.5, None]}, at=at, run_id="r1")


async def test_messages_come_back_in_order_and_the_newest_alone_when_asked(archive):
    await archive.begin_conversation(talk("c1"))
    given = [said(0, "é \x00 \udc80"), said(1, at=3.0), said(2, at=5.0)]
    await archive.add_messages("c1", given[:2])
    await archive.add_messages("c1", given[2:])
    await archive.add_messages("c1", [])
    assert await archive.messages("c1") == given
    assert await archive.messages("c1", last=2) == given[1:]
    assert await archive.messages("c1", last=9) == given
    assert await archive.messages("c1", last=0) == []
    held = await archive.conversation("c1")
    assert (held.messages, held.created_at, held.updated_at) == (3, 1.0, 5.0)


async def test_messages_leave_no_gap_and_are_kept_all_or_none(archive):
    await archive.begin_conversation(talk("c1"))
    await archive.add_messages("c1", [said(0)])
    for wrong in ([said(0)], [said(2)], [said(1), said(3)]):
        with pytest.raises(MessagesLeaveGap, match="conversation 'c1' goes on with message"):
            await archive.add_messages("c1", wrong)
    with pytest.raises(StoreError, match="the body of message '2' is no JSON"):
        await archive.add_messages("c1", [said(1), replace(said(2), body={"x": object()})])
    assert await archive.messages("c1") == [said(0)]
    assert (await archive.conversation("c1")).messages == 1


async def test_of_those_who_write_at_once_one_writes_and_the_others_are_told(archive):
    await archive.begin_conversation(talk("c1"))
    written = await asyncio.gather(
        *(archive.add_messages("c1", [said(0, str(n)), said(1, str(n))]) for n in range(4)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in written) == [*["MessagesLeaveGap"] * 3, "NoneType"]
    assert [message.seq for message in await archive.messages("c1")] == [0, 1]


async def test_conversations_come_the_one_changed_last_first_and_by_text(archive):
    await archive.begin_conversation(talk("c1", "Sorting 100%_sure", at=1.0))
    await archive.begin_conversation(talk("c2", "Été", "Coder", at=2.0))
    await archive.begin_conversation(talk("c3", at=2.0))
    assert ids(await archive.conversations()) == ["c3", "c2", "c1"]
    await archive.add_messages("c1", [said(0, at=9.0)])
    assert ids(await archive.conversations()) == ["c1", "c3", "c2"]
    assert ids(await archive.conversations(limit=1, offset=1)) == ["c3"]
    assert ids(await archive.conversations(text="0%_S")) == ["c1"]
    assert ids(await archive.conversations(text="0_%")) == []
    assert ids(await archive.conversations(text="coder")) == ["c2"]
    assert ids(await archive.conversations(text="ÉTÉ")) == ["c2"]
    await archive.rename_conversation("c3", "Winter \x00")
    assert (await archive.conversation("c3")).title == "Winter \x00"
    assert ids(await archive.conversations(text="winter")) == ["c3"]
    assert ids(await archive.conversations())[0] == "c3"


async def test_a_deleted_conversation_takes_its_messages_along(archive):
    await archive.begin_conversation(talk("c1"))
    with pytest.raises(IdTaken, match="conversation 'c1' is there already"):
        await archive.begin_conversation(talk("c1"))
    await archive.add_messages("c1", [said(0)])
    await archive.delete_conversation("c1")
    await archive.begin_conversation(replace(talk("c1"), messages=7))
    assert await archive.messages("c1") == []
    assert (await archive.conversation("c1")).messages == 0


# -- documents ---------------------------------------------------------------------------------------------------------


def paper(id: str, name: str, kind: str = "agent", **body) -> Document:
    return Document(kind=kind, id=id, name=name, body=body, created_at=1.0, updated_at=2.0)


async def test_a_document_is_found_by_its_id_and_by_its_name(archive):
    given = paper("a1", "Coder", prompt="é\x00\udc80", levels=[1, {"x": None}])
    await archive.put_document(given)
    await archive.put_document(paper("a2", "a1"))
    await archive.put_document(paper("a1", "Coder", kind="mcp_server"))
    assert await archive.document("agent", "a1") == given
    assert await archive.document("agent", "Coder") == given
    assert ids(await archive.documents("agent")) == ["a1", "a2"]
    assert await archive.documents("prompt") == []
    with pytest.raises(NotKept, match="there is no agent 'Codr'; did you mean 'Coder'"):
        await archive.document("agent", "Codr")
    await archive.delete_document("agent", "a1")
    assert (await archive.document("agent", "a1")).id == "a2"
    assert ids(await archive.documents("mcp_server")) == ["a1"]


async def test_no_two_documents_of_a_kind_share_a_name_or_an_id(archive):
    await archive.put_document(paper("a1", "Coder"))
    await archive.put_document(paper("a1", "Writer", x=1))
    assert (await archive.document("agent", "a1")).body == {"x": 1}
    with pytest.raises(IdTaken, match="agent 'a1' is there already"):
        await archive.put_document(paper("a1", "Other"), replace=False)
    await archive.put_document(paper("a2", "Coder"))
    for replaces in (True, False):
        with pytest.raises(IdTaken, match="agent 'Coder' is there already"):
            await archive.put_document(paper("a3", "Coder"), replace=replaces)
    with pytest.raises(IdTaken, match="'Coder'"):
        await archive.put_document(paper("a1", "Coder"))
    with pytest.raises(StoreError, match="the body of agent 'a4' is no JSON"):
        await archive.put_document(paper("a4", "D", x={1, 2}))
    assert ids(await archive.documents("agent")) == ["a2", "a1"]


async def test_what_was_given_may_be_changed_without_changing_what_is_kept(archive):
    body = {"items": [1]}
    await archive.put_document(Document(kind="prompt", id="p", name="P", body=body))
    body["items"].append(2)
    (await archive.document("prompt", "p")).body["items"].append(3)
    assert (await archive.document("prompt", "p")).body == {"items": [1]}


async def test_the_archive_of_a_closed_store_says_so(store):
    await store.close()
    archive = store.archive
    for use in (archive.memories(), archive.todos("w"), archive.conversations(), archive.documents("agent")):
        with pytest.raises(StoreError, match="the store is closed"):
            await use
