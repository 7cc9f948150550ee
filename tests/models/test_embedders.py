"""Embedders: a provider's, and static vectors from a directory on this machine."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest

from stretto.core.resources import Embedder
from stretto.models import Keys, Models, NoEmbedder, ProviderConfig, ServerFailed, StaticEmbedder
from tests.models.loopback import Loopback


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static model of eight words, made here."""
    from model2vec import StaticModel
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[UNK]", "cat", "kitten", "dog", "stock", "market", "the", "a"]
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    vectors = np.array(
        [[0, 0, 0], [1, 0, 0], [0.9, 0.1, 0], [0.8, 0.3, 0], [0, 0, 1], [0, 0.1, 0.9], [0.1, 0.1, 0.1], [0.1, 0, 0.1]],
        dtype=np.float32,
    )
    path = tmp_path_factory.mktemp("models") / "little"
    StaticModel(vectors, tokenizer, normalize=True).save_pretrained(path)
    return path


def closeness(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_a_static_model_from_a_directory_tells_what_is_alike(directory: Path) -> None:
    embedder = Models(keys=Keys({})).embedder(f"model2vec:{directory}")
    assert isinstance(embedder, Embedder)
    assert (embedder.name, embedder.dimensions) == ("model2vec:little", 3)
    cat, kitten, market = asyncio.run(embedder.embed(["the cat", "a kitten", "stock market"]))
    assert closeness(cat, kitten) > 0.9 > closeness(cat, market)
    assert asyncio.run(embedder.embed([])) == []
    assert len(asyncio.run(embedder.embed(["cat"] * 200))) == 200


def test_a_static_model_that_is_not_there_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoEmbedder, match="cannot be used"):
        StaticEmbedder(str(tmp_path / "empty"))
    monkeypatch.setitem(sys.modules, "model2vec", None)
    with pytest.raises(NoEmbedder, match=r'pip install "stretto\[embeddings\]"'):
        StaticEmbedder("anything")


def test_a_providers_embedder_asks_for_all_texts_at_once(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    embedder = Models(keys=Keys({"OPENAI_API_KEY": "sk-from-here"})).embedder("openai:text-embedding-3-small")

    async def main() -> None:
        assert embedder.dimensions is None
        assert await embedder.embed(["one", "three"]) == [(3.0, 1.0), (5.0, 1.0)]
        assert embedder.dimensions == 2
        assert await embedder.embed([]) == []
        assert len(server.requests) == 1
        server.behave(statuses=[500])
        with pytest.raises(ServerFailed, match="text-embedding-3-small"):
            await embedder.embed(["one"])
        assert len(server.requests) == 1

    asyncio.run(main())


def test_an_embedder_of_ones_own_provider_is_found(server: Loopback) -> None:
    own = ProviderConfig(name="own", base_url=f"{server.url}/v1", headers={"X-Team": "blue"})
    embedder = Models([own], keys=Keys({})).embedder("own:vectors")
    assert asyncio.run(embedder.embed(["four"])) == [(4.0, 1.0)]
    assert server.requests[-1]["headers"]["x-team"] == "blue"


def test_a_provider_without_embedders_says_so(server: Loopback) -> None:
    own = ProviderConfig(name="claude", kind="anthropic", base_url=server.url)
    with pytest.raises(NoEmbedder, match="no embedders that can be asked"):
        asyncio.run(Models([own], keys=Keys({})).embedder("claude:vectors").embed(["x"]))
