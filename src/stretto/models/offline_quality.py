"""The survey's chapter on quality: tests, marks of unfinished work, and what is odd."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

from stretto.models.offline_chapter import Chapter, Number, code, codes, number
from stretto.models.offline_files import Hit, Workspace
from stretto.models.offline_languages import is_binary, is_readme, is_source, is_test
from stretto.models.offline_sight import Sight, words_in

MARKS = r"\b(TODO|FIXME|XXX|HACK)\b"
MOST_READ = 8
LARGE = 1_000_000
"""Bytes; larger files are told as odd."""
LARGEST_READ = 100_000
LONGEST_LINE = 200
_MARK = re.compile(MARKS)


class Quality(Chapter):
    """Tells tests, TODO and FIXME marks, and oddities."""

    focus: ClassVar[str] = "quality"
    words: ClassVar[frozenset[str]] = words_in("quality tests todo fixme oddities qualité anomalies")

    def title(self, sight: Sight) -> str:
        """Returns the heading."""
        return sight.say("Quality", "Qualité")

    def reads(self, seen: Workspace) -> Sequence[str]:
        """Returns the largest source files that can be read in one piece."""
        own = seen.own
        sources = [path for path in own if is_source(path) and (own[path] or 0) <= LARGEST_READ]
        return sorted(sources, key=lambda path: (-(own[path] or 0), path))[:MOST_READ]

    def searches(self) -> Sequence[str]:
        """Returns the pattern of what marks unfinished work."""
        return (MARKS,)

    def sums(self, seen: Workspace) -> Mapping[str, str]:
        """Returns how many files of tests there are for one hundred other source files."""
        tests = sum(is_test(path) for path in seen.own)
        others = sum(is_source(path) for path in seen.own) - tests
        return {"ratio": f"{tests} / {others} * 100"} if tests and others else {}

    def write(self, seen: Workspace, sums: Mapping[str, Number], sight: Sight) -> Iterable[str]:
        """Yields tests, marks and oddities."""
        yield from _tests(seen, sums, sight)
        yield from _marks(seen, sight)
        yield from _oddities(seen, sight)


def _tests(seen: Workspace, sums: Mapping[str, Number], sight: Sight) -> Iterator[str]:
    tests = [path for path in seen.own if is_test(path)]
    if not tests:
        yield sight.say("- Tests: no file looks like one.", "- Tests : aucun fichier n'y ressemble.")
        return
    ratio = ""
    if "ratio" in sums:
        per = number(sums["ratio"])
        ratio = sight.say(f", {per} for 100 other source files", f", {per} pour 100 autres fichiers source")
    yield sight.say("- Files of tests: ", "- Fichiers de tests : ") + f"{number(len(tests))}{ratio}"


def _marks(seen: Workspace, sight: Sight) -> Iterator[str]:
    own = seen.own
    hits = [hit for hit in seen.hits if hit.path in own and not is_binary(hit.path) and _MARK.search(hit.text)]
    where = sight.say("in all files", "dans tous les fichiers")
    if not seen.searched:
        hits = [hit for path, text in sorted(seen.texts.items()) for hit in _marked(path, text.content)]
        where = sight.say(f"in the {len(seen.texts)} files read", f"dans les {len(seen.texts)} fichiers lus")
    kinds = Counter(found[1] for hit in hits if (found := _MARK.search(hit.text)) is not None)
    counted = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    least = sight.say("at least ", "au moins ") if seen.search_cut else ""
    none = sight.say("none", "aucune")
    told = f"{least}{counted}" if counted else none
    yield sight.say(f"- Marks of unfinished work, {where}: ", f"- Marques de travail inachevé, {where} : ") + told
    for hit in hits[:5]:
        yield f"  - {code(f'{hit.path}:{hit.line}')} {code(hit.text)}"


def _marked(path: str, text: str) -> Iterator[Hit]:
    for place, line in enumerate(text.splitlines(), 1):
        if _MARK.search(line) is not None:
            yield Hit(path, place, line.strip())


def _oddities(seen: Workspace, sight: Sight) -> Iterator[str]:
    own = seen.own
    folded: dict[str, list[str]] = defaultdict(list)
    for path in own:
        folded[path.casefold()].append(path)
    long = [
        path for path, text in seen.texts.items() if any(len(line) > LONGEST_LINE for line in text.content.splitlines())
    ]
    found: list[tuple[str, str, list[str]]] = [
        ("empty files", "fichiers vides", [path for path, size in own.items() if size == 0]),
        ("files over 1 MB", "fichiers de plus de 1 Mo", [path for path, size in own.items() if (size or 0) > LARGE]),
        ("binary files", "fichiers binaires", [path for path in own if is_binary(path)]),
        ("names with spaces", "noms avec des espaces", [path for path in own if " " in path]),
        ("names beyond ASCII", "noms hors ASCII", [path for path in own if not path.isascii()]),
        (
            "names that differ only in case", "noms qui ne diffèrent que par la casse",
            [path for same in folded.values() if len(same) > 1 for path in same],
        ),
        ("lines over 200 characters", "lignes de plus de 200 caractères", sorted(long)),
        ("unreadable as text", "illisibles comme texte", sorted(path for path in seen.refused if path in own)),
    ]  # fmt: skip
    sized = any(size is not None for size in own.values())
    unknown = sight.say(" (sizes are not known)", " (tailles inconnues)")
    yield sight.say("- Oddities", "- Anomalies") + ("" if sized else unknown) + sight.say(":", " :")
    for english, french, paths in found:
        if paths:
            yield f"  - {sight.say(english, french)}, {len(paths)}: {codes(paths, sight, 5)}"
    if not any(is_readme(path) for path in own):
        yield sight.say("  - no README at the root", "  - pas de README à la racine")
        return
    if not any(paths for _, _, paths in found):
        yield sight.say("  - none noticed", "  - aucune remarquée")
