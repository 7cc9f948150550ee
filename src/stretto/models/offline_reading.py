"""The offline model's rule for reading a workspace: lists, reads, searches, computes, and reports what it has read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from stretto.models.offline_arithmetic import number_in, sum_of
from stretto.models.offline_chapter import Chapter, Number
from stretto.models.offline_dependencies import Dependencies
from stretto.models.offline_files import Workspace, list_call, read_call, search_call, tree_call, workspace
from stretto.models.offline_quality import Quality
from stretto.models.offline_rule import Asked, Move, Rule, next_move
from stretto.models.offline_sight import Sight, words_in
from stretto.models.offline_structure import Structure

CHAPTERS: tuple[Chapter, ...] = (Structure(), Dependencies(), Quality())
SURVEY = words_in("survey inventory inventaire")
"""Words of tasks that ask for every chapter, whatever else they name."""
REPOSITORY = words_in("repository repo codebase overview dépôt aperçu")
"""Words of tasks that ask for every chapter unless they name some."""
_FOCUS = re.compile(r"(?im)^[^\w\n]*focus[^\w\n]*:(.*)$")


class Reading(Rule):
    """Reads the files of a workspace, and reports on the sides of it that the task names, or on all."""

    def fits(self, sight: Sight) -> bool:
        """Says whether the task names a side of a repository, or a survey."""
        return bool(chapters_of(sight))

    def move(self, sight: Sight) -> Move:
        """Makes the next calls, and when nothing is left to read, the report."""
        seen, chapters = workspace(sight), chapters_of(sight)
        move = next_move(sight, _stages(sight, seen, chapters))
        if move is not None:
            return move
        if not seen.listed:
            return _nothing_listed(sight, seen)
        report = "\n".join(_report(sight, seen, chapters))
        remember = next_move(sight, [("", [_memory(sight, seen, chapters)])])
        return remember or Move(report, facts={"files": len(seen.own), "files_read": len(seen.texts)})


def chapters_of(sight: Sight) -> tuple[Chapter, ...]:
    """Returns the chapters that a task asks for: what its line FOCUS names, else what all of it names."""
    line = " ".join(_FOCUS.findall(sight.task))
    focused, words = _named(words_in(line)), sight.words()
    if focused or not words & SURVEY:
        return focused or _named(words) or (CHAPTERS if words & REPOSITORY else ())
    return CHAPTERS


def _named(words: frozenset[str]) -> tuple[Chapter, ...]:
    return tuple(chapter for chapter in CHAPTERS if words & chapter.words)


def _stages(sight: Sight, seen: Workspace, chapters: Sequence[Chapter]) -> Iterator[tuple[str, Sequence[Asked | None]]]:
    yield sight.say("I list the files.", "Je dresse la liste des fichiers."), [list_call(sight)]
    if seen.cut or not seen.listed:
        why = sight.say("I look at the whole tree.", "Je regarde tout l'arbre.")
        yield why, [tree_call(sight)]
    reads = [read_call(sight, path) for chapter in chapters for path in chapter.reads(seen)]
    searches = [search_call(sight, pattern) for chapter in chapters for pattern in chapter.searches()]
    if seen.own:
        yield sight.say("I read what tells the most.", "Je lis ce qui en dit le plus."), [*reads, *searches]
    sums = [sum_of(sight, sum) for chapter in chapters for sum in chapter.sums(seen).values()]
    yield sight.say("I compute the shares.", "Je calcule les proportions."), sums


def _computed(sight: Sight, seen: Workspace, chapter: Chapter) -> dict[str, Number]:
    found: dict[str, Number] = {}
    for name, expression in chapter.sums(seen).items():
        call = sum_of(sight, expression)
        told = sight.told(call.tool, call.arguments) if call is not None else None
        value = number_in(told.content) if told is not None and told.ok else None
        if value is not None:
            found[name] = value
    return found


def _report(sight: Sight, seen: Workspace, chapters: Sequence[Chapter]) -> Iterator[str]:
    for chapter in chapters:
        yield f"## {chapter.title(sight)}"
        yield ""
        if seen.own:
            yield from chapter.write(seen, _computed(sight, seen, chapter), sight)
        else:
            yield sight.say("The workspace holds no files.", "L'espace de travail ne contient aucun fichier.")
        yield ""
    yield from _unread(sight, seen)


def _unread(sight: Sight, seen: Workspace) -> Iterator[str]:
    """Yields what a reader of the report must know of what was not seen."""
    refused = {path: why for path, why in seen.refused.items() if path != "."}
    if seen.cut:
        yield sight.say("- The list of files was cut: there are more.", "- La liste des fichiers est incomplète.")
    if refused:
        count = len(refused)
        yield sight.say(
            f"- Files that could not be read as text: {count}.", f"- Fichiers illisibles comme texte : {count}."
        )


def _nothing_listed(sight: Sight, seen: Workspace) -> Move:
    why = seen.refused.get(".", "")
    if why:
        return Move(sight.say(f"I could not list any files: {why}", f"Je n'ai pu lister aucun fichier : {why}"))
    return Move(
        sight.say(
            "I have no tool that lists files, so I can say nothing about this repository.",
            "Je n'ai pas d'outil qui liste les fichiers : je ne peux rien dire de ce dépôt.",
        )
    )


def _memory(sight: Sight, seen: Workspace, chapters: Sequence[Chapter]) -> Asked | None:
    if not sight.takes("MemoryTool", "operation", "type", "content"):
        return None
    sides = ", ".join(chapter.focus for chapter in chapters)
    content = f"Surveyed ({sides}): {len(seen.own)} files listed, {len(seen.texts)} read."
    return Asked("MemoryTool", {"operation": "add", "type": "context", "content": content})
