"""Whatever is kept and asked for, an archive on disk finds the same memories as one in memory."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.core.archive import Memory
from stretto.stores.archive_words import words
from stretto.stores.memory import MemoryStore
from stretto.stores.sql import SqlStore

PIECES = st.sampled_from(
    ["crème", "CREME", "brûlée", "straße", "STRASSE", "ﬁn", "fin", "東京", "ガ", "カ", "İstanbul", "istanbul", "a_b",
     "x-y", "१२", "हिन्दी", "②", "2", "\U0001e922", "\U0001e900", "한국", '"', "*", "(", "NOT", "\x00", "\udc80", "😀",
     "don't"]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=6).map(" ".join)


@settings(max_examples=40, deadline=None)
@given(contents=st.lists(TEXTS, min_size=1, max_size=6), queries=st.lists(TEXTS, min_size=1, max_size=4))
def test_any_words_are_found_on_disk_as_in_memory(tmp_path_factory, contents, queries):
    async def compare():
        async with MemoryStore() as plain, SqlStore(place) as disk:
            for store in (plain, disk):
                await store.archive.clear_memories([], "both")
                for number, content in enumerate(contents):
                    await store.archive.add_memory(Memory(id=f"m{number}", type="knowledge", content=content))
            for query in [*queries, *contents]:
                found = [
                    {(memory.id, memory.content) for memory, _ in await store.archive.match_memories(query)}
                    for store in (plain, disk)
                ]
                assert found[0] == found[1], query
            for number, content in enumerate(contents):
                if words(content):
                    found = await plain.archive.match_memories(content)
                    assert f"m{number}" in {memory.id for memory, _ in found}

    place = tmp_path_factory.getbasetemp() / "equivalence.db"
    asyncio.run(compare())
