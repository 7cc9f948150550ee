"""Graphs of work: random ones, and ones shaped like scientific workflows, all decided by a seed.

The shapes follow the descriptions of Montage, Epigenomics, CyberShake, LIGO Inspiral and Sipht in S. Bharathi et al.,
"Characterization of Scientific Workflows", WORKS 2008; the durations are drawn from log-normal distributions whose
means differ per kind of job as they do there.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass
class Work:
    """Jobs with durations (seconds), and for each the jobs that must have ended before it begins."""

    name: str
    durations: dict[str, float] = field(default_factory=dict[str, float])
    needs: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def add(self, id: str, seconds: float, *needs: str) -> str:
        """Adds a job and returns its id."""
        self.durations[id], self.needs[id] = seconds, needs
        return id

    @property
    def critical_path(self) -> float:
        """How long the longest row of jobs takes that wait for each other (seconds)."""
        ends: dict[str, float] = {}
        for id, needs in self.needs.items():  # a job is added after those that it needs
            ends[id] = self.durations[id] + max((ends[need] for need in needs), default=0.0)
        return max(ends.values())


def _about(chance: random.Random, mean: float) -> float:
    return round(mean * chance.lognormvariate(0, 0.5), 3)


def layered(size: int, seed: int) -> Work:
    """Makes a random graph in layers: each job needs one to four jobs of the layer before, some one further back."""
    chance = random.Random(seed)
    work, earlier, last = Work(f"layered {seed}"), list[str](), list[str]()
    while len(work.durations) < size:
        layer: list[str] = []
        for _ in range(chance.randint(1, max(2, size // 8))):
            needs = set(chance.sample(last, min(len(last), chance.randint(1, 4))))
            if earlier and chance.random() < 0.2:
                needs.add(chance.choice(earlier))
            layer.append(work.add(f"job{len(work.durations)}", _about(chance, 10), *sorted(needs)))
        earlier, last = earlier + last, layer
    return work


def sparse(size: int, seed: int) -> Work:
    """Makes a random graph in which each job needs each earlier one with a small chance; few jobs are very long."""
    chance = random.Random(seed)
    work, ids = Work(f"sparse {seed}"), list[str]()
    for place in range(size):
        needs = [id for id in ids if chance.random() < 2 / size]
        long = 20 if chance.random() < 0.05 else 1
        ids.append(work.add(f"job{place}", _about(chance, 5 * long), *needs))
    return work


def montage(size: int, seed: int) -> Work:
    """Makes a mosaic of images: project each, compare overlapping ones, fit, correct each, add up."""
    chance = random.Random(seed)
    work, count = Work(f"Montage {seed}"), max(2, size // 5)
    projected = [work.add(f"mProject{i}", _about(chance, 13)) for i in range(count)]
    compared = [
        work.add(f"mDiffFit{i}.{j}", _about(chance, 10), projected[i], projected[j])
        for i in range(count)
        for j in range(i + 1, min(count, i + 3))
    ]
    fitted = work.add("mConcatFit", _about(chance, 40), *compared)
    model = work.add("mBgModel", _about(chance, 60), fitted)
    corrected = [work.add(f"mBackground{i}", _about(chance, 10), model, projected[i]) for i in range(count)]
    table = work.add("mImgtbl", _about(chance, 5), *corrected)
    added = work.add("mAdd", _about(chance, 45), table)
    work.add("mJPEG", _about(chance, 1), work.add("mShrink", _about(chance, 8), added))
    return work


def epigenomics(size: int, seed: int) -> Work:
    """Makes lanes of a sequencer: split each, a pipeline per chunk, merge the lane, then all lanes."""
    chance = random.Random(seed)
    work, lanes = Work(f"Epigenomics {seed}"), max(1, size // 40)
    merged: list[str] = []
    for lane in range(lanes):
        split = work.add(f"fastQSplit{lane}", _about(chance, 35))
        ends: list[str] = []
        for chunk in range(max(1, size // (lanes * 4) - 1)):
            last = split
            for kind, mean in (("filterContams", 2.5), ("sol2sanger", 0.5), ("fast2bfq", 1.4), ("map", 200.0)):
                last = work.add(f"{kind}{lane}.{chunk}", _about(chance, mean), last)
            ends.append(last)
        merged.append(work.add(f"mapMerge{lane}", _about(chance, 10), *ends))
    whole = work.add("mapMerge", _about(chance, 15), *merged)
    work.add("pileup", _about(chance, 55), work.add("maqIndex", _about(chance, 45), whole))
    return work


def cybershake(size: int, seed: int) -> Work:
    """Makes a map of seismic hazard: two large extractions, each with many syntheses and their peaks, then two zips."""
    chance = random.Random(seed)
    work, sites = Work(f"CyberShake {seed}"), 2
    seismograms: list[str] = []
    peaks: list[str] = []
    for site in range(sites):
        extracted = work.add(f"ExtractSGT{site}", _about(chance, 110))
        for place in range(max(1, size // (2 * sites))):
            made = work.add(f"SeismogramSynthesis{site}.{place}", _about(chance, 80), extracted)
            seismograms.append(made)
            peaks.append(work.add(f"PeakValCalc{site}.{place}", _about(chance, 1), made))
    work.add("ZipSeis", _about(chance, 260), *seismograms)
    work.add("ZipPSA", _about(chance, 195), *peaks)
    return work


def inspiral(size: int, seed: int) -> Work:
    """Makes LIGO's search: banks of templates, matched, joined by coincidence, then triggered and matched again."""
    chance = random.Random(seed)
    work, groups = Work(f"Inspiral {seed}"), max(1, size // 40)
    for group in range(groups):
        width = max(2, size // (groups * 4))
        banks = [work.add(f"TmpltBank{group}.{i}", _about(chance, 18)) for i in range(width)]
        matched = [work.add(f"Inspiral{group}.{i}", _about(chance, 460), banks[i]) for i in range(width)]
        joined = work.add(f"Thinca{group}", _about(chance, 5), *matched)
        triggered = [work.add(f"TrigBank{group}.{i}", _about(chance, 5), joined) for i in range(width)]
        again = [work.add(f"InspiralVeto{group}.{i}", _about(chance, 460), triggered[i]) for i in range(width)]
        work.add(f"ThincaVeto{group}", _about(chance, 5), *again)
    return work


def sipht(size: int, seed: int) -> Work:
    """Makes a search for untranslated RNA: many small matches into one, beside four very long ones."""
    chance = random.Random(seed)
    work = Work(f"Sipht {seed}")
    small = [work.add(f"Patser{i}", _about(chance, 1)) for i in range(max(2, size - 12))]
    concatenated = work.add("PatserConcate", _about(chance, 1), *small)
    long = [
        work.add(kind, _about(chance, mean))
        for kind, mean in (("Transterm", 32), ("Findterm", 595), ("RNAMotif", 26), ("Blast", 3311))
    ]
    srna = work.add("SRNA", _about(chance, 12), *long)
    parse = work.add("FFN_Parse", _about(chance, 1), srna)
    blasts = [
        work.add(kind, _about(chance, mean), need)
        for kind, mean, need in (
            ("BlastSynteny", 4, parse), ("BlastCandidate", 1, srna),
            ("BlastQRNA", 441, srna), ("BlastParalogues", 1, srna),
        )
    ]  # fmt: skip
    work.add("SRNAAnnotate", _about(chance, 1), concatenated, *blasts)
    return work


Maker: TypeAlias = Callable[[int, int], Work]
"""Makes a graph of about so many jobs, decided by a seed."""

RANDOM: tuple[Maker, ...] = (layered, sparse)
REAL: tuple[Maker, ...] = (montage, epigenomics, cybershake, inspiral, sipht)
