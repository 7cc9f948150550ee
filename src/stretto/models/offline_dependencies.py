"""The survey's chapter on dependencies: what the manifests name, what locks them, under which licence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from posixpath import basename
from typing import ClassVar

from stretto.models.offline_chapter import Chapter, Number, code, codes
from stretto.models.offline_files import Workspace
from stretto.models.offline_languages import LOCKS, MANIFESTS, OTHER_MANIFESTS
from stretto.models.offline_manifests import Manifest, read_manifest
from stretto.models.offline_sight import Sight, words_in

MOST_READ = 12
_LICENCE = re.compile(r"^(licen[cs]e|copying)(\.\w+)?$", re.IGNORECASE)
_AUTOMATION = re.compile(
    r"^(\.github/workflows/|\.gitlab-ci\.yml|\.circleci/|Jenkinsfile|azure-pipelines\.yml|\.travis\.yml)"
)


class Dependencies(Chapter):
    """Tells dependencies from manifests, lock files, licence and automation."""

    focus: ClassVar[str] = "dependencies"
    words: ClassVar[frozenset[str]] = words_in(
        "dependencies dependency manifests packages licence license dépendances dépendance manifestes paquets"
    )

    def title(self, sight: Sight) -> str:
        """Returns the heading."""
        return sight.say("Dependencies", "Dépendances")

    def reads(self, seen: Workspace) -> Sequence[str]:
        """Returns the manifests, those nearest to the root first."""
        found = [path for path in seen.own if basename(path) in MANIFESTS]
        found.sort(key=lambda path: (path.count("/"), path))
        licences = [path for path in seen.own if _LICENCE.match(path)]
        return [*found[:MOST_READ], *licences[:1]]

    def sums(self, seen: Workspace) -> Mapping[str, str]:
        """Returns how many dependencies all manifests name together."""
        counts = [len(manifest.dependencies) for manifest in _manifests(seen).values()]
        return {"named": " + ".join(str(count) for count in counts)} if len(counts) > 1 else {}

    def write(self, seen: Workspace, sums: Mapping[str, Number], sight: Sight) -> Iterable[str]:
        """Yields what each manifest names."""
        manifests = _manifests(seen)
        for path, manifest in manifests.items():
            yield from _told(path, manifest, sight)
        names = [path for path in seen.own if basename(path) in (*MANIFESTS, *OTHER_MANIFESTS)]
        unread = [path for path in names if path not in manifests]
        if not names:
            yield sight.say("- No manifest of a known kind.", "- Aucun manifeste d'un format connu.")
        if unread:
            yield sight.say("- Not understood or not read: ", "- Non compris ou non lus : ") + codes(unread, sight)
        if "named" in sums:
            total = sums["named"]
            yield sight.say(f"- Named in all manifests: {total}", f"- Nommées dans tous les manifestes : {total}")
        yield from _around(seen, sight)


def _manifests(seen: Workspace) -> dict[str, Manifest]:
    found = {path: read_manifest(path, text.content) for path, text in sorted(seen.texts.items()) if text.whole}
    return {path: manifest for path, manifest in found.items() if manifest is not None}


def _told(path: str, manifest: Manifest, sight: Sight) -> Iterator[str]:
    named = f" ({code(f'{manifest.name} {manifest.version}')})" if manifest.name else ""
    yield f"- {code(path)}{named}"
    groups: dict[str, list[str]] = {}
    for needed in manifest.dependencies:
        groups.setdefault(needed.group, []).append(f"{needed.name} {needed.version}".strip())
    for group, names in groups.items():
        kind = code(group) if group else sight.say("needed", "nécessaires")
        yield f"  - {kind}, {len(names)}: {codes(names, sight, 12)}"
    if not groups:
        yield sight.say("  - names no dependency", "  - ne nomme aucune dépendance")
    if manifest.commands:
        yield sight.say("  - commands: ", "  - commandes : ") + codes(manifest.commands, sight)


def _around(seen: Workspace, sight: Sight) -> Iterator[str]:
    locks = [path for path in seen.own if basename(path) in LOCKS]
    licences = [path for path in seen.own if _LICENCE.match(path)]
    automation = [path for path in seen.sizes if _AUTOMATION.match(path)]
    none = sight.say("none", "aucun")
    yield sight.say("- Lock files: ", "- Fichiers de verrouillage : ") + (codes(locks, sight) or none)
    line = next((_first_line(seen.texts[path].content) for path in licences if path in seen.texts), "")
    told = f" ({code(line)})" if line else ""
    yield sight.say("- Licence: ", "- Licence : ") + (f"{code(licences[0])}{told}" if licences else none)
    yield sight.say("- Automation: ", "- Automatisation : ") + (codes(automation, sight) or none)


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
