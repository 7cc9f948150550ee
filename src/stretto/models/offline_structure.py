"""The survey's chapter on structure: what a repository is, its languages, its folders, where its programs begin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import ClassVar

from stretto.models.offline_chapter import Chapter, Number, code, codes, number
from stretto.models.offline_files import Workspace
from stretto.models.offline_languages import is_binary, is_entry_point, is_readme, is_source, language_of
from stretto.models.offline_sight import Sight, words_in

MOST_READ = 24
"""How many source files are read for their lines."""
LARGEST_READ = 100_000
"""Bytes; larger files are not read for their lines."""


class Structure(Chapter):
    """Tells languages by files and lines, folders and entry points."""

    focus: ClassVar[str] = "structure"
    words: ClassVar[frozenset[str]] = words_in(
        "structure layout languages language folders organisation architecture langages dossiers"
    )

    def title(self, sight: Sight) -> str:
        """Returns the heading."""
        return sight.say("Structure", "Structure")

    def reads(self, seen: Workspace) -> Sequence[str]:
        """Returns the README, the entry points and the largest source files that can be read in one piece."""
        own = seen.own
        sources = [path for path in own if is_source(path) and not is_binary(path) and (own[path] or 0) <= LARGEST_READ]
        sources.sort(key=lambda path: (not is_entry_point(path), -(own[path] or 0), path))
        return [*[path for path in own if is_readme(path)][:1], *islice(sources, MOST_READ)]

    def sums(self, seen: Workspace) -> Mapping[str, str]:
        """Returns the share of the first language among the source files."""
        counts = _languages(seen)
        return {"share": f"{counts.most_common(1)[0][1]} / {counts.total()} * 100"} if counts else {}

    def write(self, seen: Workspace, sums: Mapping[str, Number], sight: Sight) -> Iterable[str]:
        """Yields what the repository says of itself, and tables."""
        yield from _introduction(seen, sight)
        yield from _languages_table(seen, sums, sight)
        yield from _folders(seen, sight)
        entries = [path for path in seen.own if is_entry_point(path)]
        none = sight.say("none by its name", "aucun d'après les noms")
        yield sight.say("- Entry points: ", "- Points d'entrée : ") + (codes(entries, sight) or none)


def _introduction(seen: Workspace, sight: Sight) -> Iterator[str]:
    readme = next((path for path in seen.texts if is_readme(path)), None)
    if readme is None:
        return
    lines = [line.strip() for line in seen.texts[readme].content.splitlines()]
    title = next((line.lstrip("# ") for line in lines if line.strip("#= ")), "")
    if title:
        yield sight.say(f"- {code(readme)} begins: {code(title)}", f"- {code(readme)} commence ainsi : {code(title)}")


def _languages(seen: Workspace) -> Counter[str]:
    return Counter(sorted(language_of(path) for path in seen.own if is_source(path)))


def _languages_table(seen: Workspace, sums: Mapping[str, Number], sight: Sight) -> Iterator[str]:
    own, counts = seen.own, Counter(sorted(language_of(path) for path in seen.own))
    whole = {path: text for path, text in seen.texts.items() if text.whole}
    lines = Counter[str]()
    read = Counter[str]()
    for path, text in whole.items():
        lines[language_of(path)] += len(text.content.splitlines())
        read[language_of(path)] += 1
    sizes = sum(size or 0 for size in own.values())
    bytes_told = sight.say(f", {number(sizes)} bytes", f", {number(sizes)} octets") if sizes else ""
    yield sight.say(f"- Files: {number(len(own))}{bytes_told}", f"- Fichiers : {number(len(own))}{bytes_told}")
    if "share" in sums:
        first = _languages(seen).most_common(1)[0][0]
        yield sight.say(
            f"- Main language: {first}, {number(sums['share'])} % of the source files",
            f"- Langage principal : {first}, {number(sums['share'])} % des fichiers source",
        )
    yield ""
    yield sight.say("| language | files | lines | counted in |", "| langage | fichiers | lignes | comptées dans |")
    yield "|---|---:|---:|---|"
    for language, count in sorted(counts.items(), key=lambda row: (row[0] == "other", -row[1], row[0])):
        where = sight.say(f"{read[language]} of {count} files", f"{read[language]} fichiers sur {count}")
        yield f"| {language} | {count} | {number(lines[language]) if read[language] else '–'} | {where} |"
    yield ""


def _folders(seen: Workspace, sight: Sight) -> Iterator[str]:
    folders = Counter(path.partition("/")[0] for path in seen.own if "/" in path)
    if folders:
        shown = [f"{code(name + '/')} ({count})" for name, count in folders.most_common(10)]
        yield sight.say("- Folders, by files: ", "- Dossiers, par nombre de fichiers : ") + ", ".join(shown)
