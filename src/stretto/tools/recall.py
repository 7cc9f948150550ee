"""How near a memory is to what is looked for: likeness of meaning, importance, and age."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

from stretto.core.archive import Memory

LIKENESS, IMPORTANCE, RECENCY = 0.70, 0.15, 0.15
"""How much each counts in a score."""
FADING = 30 * 24 * 3600.0
"""After so many seconds the age of a memory counts no more."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """A memory that was found, how near it is (0 to 1), and whether by meaning or by its words."""

    memory: Memory
    score: float
    likeness: float
    matched: str


def recency(created_at: float, now: float) -> float:
    """Returns 1 for what is new, 0 for what is 30 days old or older."""
    return 1.0 - min(1.0, max(0.0, (now - created_at) / FADING))


def score(memory: Memory, likeness: float, now: float) -> float:
    """Returns cosine · 0.70 + importance · 0.15 + recency · 0.15; for a match of words the rank is the cosine."""
    return likeness * LIKENESS + memory.importance * IMPORTANCE + recency(memory.created_at, now) * RECENCY


def comparable(memory: Memory, embedder: str, dimensions: int) -> bool:
    """Says whether a memory's vector was made by this embedder and has as many numbers."""
    return memory.embedder == embedder and memory.embedding is not None and len(memory.embedding) == dimensions


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Returns the cosine of the angle between two vectors; 0 when one of them points nowhere.

    By the law of cosines, of the lengths of both and of the distance between their ends: ``math`` computes those ten
    times as fast as a loop does the product. Where the lengths differ much that would be inexact.
    """
    length, others = math.hypot(*one), math.hypot(*other)
    if not length * others:
        return 0.0
    if not 0.01 < length / others < 100:
        product: float = sum(map(mul, one, other))
        return product / (length * others)
    return (length * length + others * others - math.dist(one, other) ** 2) / (2 * length * others)


def by_meaning(vector: Sequence[float], memories: Sequence[Memory], threshold: float, now: float) -> list[Recalled]:
    """Returns the memories whose cosine is at least the threshold, best first.

    Every vector is compared: exact, and quick enough in a thread for some ten thousand memories.
    """
    found: list[Recalled] = []
    for memory in memories:
        likeness = cosine(vector, memory.embedding or ())
        if likeness >= threshold:
            found.append(Recalled(memory, score(memory, likeness, now), likeness, "meaning"))
    return best_first(found)


def by_words(matches: Sequence[tuple[Memory, float]], now: float) -> list[Recalled]:
    """Returns what a full-text search has found, with scores that take importance and age in."""
    return best_first([Recalled(memory, score(memory, rank, now), rank, "words") for memory, rank in matches])


def best_first(found: Sequence[Recalled]) -> list[Recalled]:
    """Returns them by score; of equal ones the newest first."""
    return sorted(found, key=lambda each: (-each.score, -each.memory.created_at, each.memory.id))
