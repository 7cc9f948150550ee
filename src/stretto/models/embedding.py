"""Embedders: those of providers through pydantic-ai, and one that runs on this machine without a network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from stretto.core.errors import DefinitionError
from stretto.core.resources import Embedder
from stretto.models.errors import failure

AT_ONCE = 64
"""How many texts are computed before others have their turn; a text takes well under a tenth of a millisecond."""


class NoEmbedder(DefinitionError):
    """An embedder cannot be had."""

    def __init__(self, id: str, why: str) -> None:
        super().__init__(f"embedder {id!r} cannot be used: {why}")
        self.id, self.why = id, why


class ProviderEmbedder(Embedder):
    """An embedder of a provider; ``source`` gives pydantic-ai's for the running event loop."""

    def __init__(self, id: str, source: Callable[[], Awaitable[Any]], secrets: Collection[str] = ()) -> None:
        self.name = id
        self._source, self._secrets = source, tuple(secrets)

    async def embed(self, texts: Sequence[str]) -> list[tuple[float, ...]]:
        """Asks the provider for the vectors of all texts at once; raises one of ``ModelFailed``, or ``NoEmbedder``."""
        if not texts:
            return []
        from pydantic_ai.exceptions import UserError

        try:
            model = await self._source()
            found = await model.embed(list(texts), input_type="document")
        except UserError:
            raise NoEmbedder(self.name, "its provider has no embedders that can be asked; take another one") from None
        except Exception as error:
            failed = failure(self.name, error, self._secrets)
            if failed is None:
                raise
            raise failed from None
        vectors = [tuple(map(float, vector)) for vector in found.embeddings]
        self.dimensions = len(vectors[0])
        return vectors


class StaticEmbedder(Embedder):
    """Static vectors of words (model2vec): a directory with such a model, or its name where a network is.

    It is loaded when it is made; raises ``NoEmbedder`` when it cannot be.
    """

    def __init__(self, place: str) -> None:
        self.name = f"model2vec:{Path(place).name if Path(place).exists() else place}"
        self._model = _loaded(place)
        self.dimensions = int(self._model.dim)

    async def embed(self, texts: Sequence[str]) -> list[tuple[float, ...]]:
        """Computes the vectors, some texts at a time, so that others have their turn between."""
        from anyio.lowlevel import checkpoint

        vectors: list[tuple[float, ...]] = []
        for begin in range(0, len(texts), AT_ONCE):
            some = list(texts[begin : begin + AT_ONCE])
            vectors += [tuple(map(float, vector)) for vector in self._model.encode(some, use_multiprocessing=False)]
            await checkpoint()
        return vectors


def _loaded(place: str) -> Any:
    try:
        from model2vec import StaticModel
    except ImportError:
        raise NoEmbedder(f"model2vec:{place}", 'install it: pip install "stretto[embeddings]"') from None
    try:
        return StaticModel.from_pretrained(place, force_download=False)
    except Exception as error:
        raise NoEmbedder(f"model2vec:{place}", f"{type(error).__name__}: {error}") from error
