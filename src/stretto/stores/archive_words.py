"""The words of a text, folded so that neither case nor accents matter, and how well they answer a question."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

SEARCHED = 100_000
"""How many characters of a text are searched."""
LONGEST_WORD = 200

_ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # kana and ideographs: written without spaces
_WORD = re.compile(f"[{_ALONE}]|[^\\W_{_ALONE}]+")
_K1, _B = 1.2, 0.75


def words(*texts: str) -> list[str]:
    """Returns the words of texts in order: runs of letters and digits, or single kana and ideographs."""
    folded = unicodedata.normalize("NFKD", "\n".join(texts)[:SEARCHED].casefold())
    plain = "".join(character for character in folded if unicodedata.category(character) != "Mn")
    return [word[:LONGEST_WORD] for word in _WORD.findall(plain.casefold())]


def ranked(query: Sequence[str], texts: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Returns how well each text that holds every word of the query answers it, by the text's id.

    Source: S. Robertson and H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
    """
    wanted = set(query)
    counts = {id: Counter(held) for id, held in texts.items()}
    found = [id for id, count in counts.items() if wanted and all(word in count for word in wanted)]
    mean = sum(map(len, texts.values())) / max(1, len(texts))
    weight: dict[str, float] = {}
    for word in wanted:
        holders = sum(word in count for count in counts.values())
        weight[word] = max(1e-6, math.log((len(texts) - holders + 0.5) / (holders + 0.5)))
    ranks: dict[str, float] = {}
    for id in found:
        length = 1 - _B + _B * len(texts[id]) / mean
        ranks[id] = sum(weight[w] * counts[id][w] * (_K1 + 1) / (counts[id][w] + _K1 * length) for w in wanted)
    return ranks


def share_of_best(ranks: Sequence[float]) -> list[float]:
    """Returns positive ranks as shares of the best one, so that they lie between 0 and 1 in every store."""
    best = max(ranks, default=1.0)
    return [rank / best for rank in ranks]
