"""Builds the page of ``ui/`` into the package whenever something that it is made of has changed."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).resolve().parent
SOURCES, PAGE = Path("ui"), Path("src", "stretto", "server", "static")
STAMP = ".build-stamp"
ASKED = "STRETTO_REQUIRE_PAGE"
"""1: without the page nothing is built; 0: nothing is done for the page; else it is built where that is possible."""
NODE_WANTED = (20, 19)
MADE_OF = ("package.json", "package-lock.json", ".npmrc", "index.html", "*.config.*", "tsconfig*.json")
FOLDERS = ("src", "public")
SQUEEZED = {".js", ".css", ".svg", ".json"}
SMALLEST = 1_024
"""Files below this size (bytes) are not worth a compressed copy."""
Found = Literal["fresh", "prebuilt", "built", "absent"]


class PageNotBuilt(Exception):
    """The page could not be built; says why, and what to do."""


def inputs(root: Path = HERE) -> Iterator[Path]:
    """Yields the files that the page is made of, in one order everywhere; tests are none of them."""
    ui = root / SOURCES
    found = {path for pattern in MADE_OF for path in ui.glob(pattern)}
    found |= {path for folder in FOLDERS for path in (ui / folder).rglob("*") if ".test." not in path.name}
    yield from sorted((path for path in found if path.is_file()), key=lambda path: path.relative_to(ui).as_posix())


def stamp(root: Path = HERE) -> str:
    """Returns what the page is made of, as a digest of names and contents."""
    digest = hashlib.sha256()
    for path in inputs(root):
        name, content = path.relative_to(root).as_posix().encode(), path.read_bytes()
        digest.update(b"%d %s %d " % (len(name), name, len(content)))
        digest.update(content)
    return digest.hexdigest()


def is_fresh(root: Path = HERE) -> bool:
    """Says whether the built page is the one that the sources describe."""
    known = root / PAGE / STAMP
    return (root / PAGE / "index.html").is_file() and known.is_file() and known.read_text() == stamp(root)


def build(root: Path = HERE, *, quiet: bool = True) -> Found:
    """Sees to it that the page is there, and says how; raises ``PageNotBuilt``.

    ``fresh``: nothing has changed; ``prebuilt``: there are no sources, and a page; ``absent``: there is neither, or no
    Node.js to build one with.
    """
    if not (root / SOURCES / "package.json").is_file():
        return "prebuilt" if (root / PAGE / "index.html").is_file() else "absent"
    if is_fresh(root):
        return "fresh"
    npm = find_npm()
    if npm is None:
        return "absent"
    with alone(root):
        if is_fresh(root):  # somebody else has just built it
            return "fresh"
        install(npm, root, quiet=quiet)
        _replace(npm, root, quiet)
    return "built"


def _replace(npm: str, root: Path, quiet: bool) -> None:
    """Builds the page beside the one that is there, and puts it into its place."""
    made_of, place = stamp(root), root / PAGE
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".page-") as folder:  # a failed build spoils nothing
        new, old = Path(folder, "new"), Path(folder, "old")
        _npm(npm, root, "run", "build", "--silent", "--", "--outDir", str(new), "--emptyOutDir", quiet=quiet)
        if not (new / "index.html").is_file():
            raise PageNotBuilt("npm run build wrote no index.html")
        squeeze(new)
        (new / STAMP).write_text(made_of)
        new.chmod(0o755)
        if place.exists():
            place.replace(old)
        new.replace(place)


@contextmanager
def alone(root: Path = HERE) -> Iterator[None]:
    """Lets one process at a time build, where files can be locked."""
    if os.name == "nt":
        yield
        return
    import fcntl

    with (root / SOURCES / ".build-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def squeeze(folder: Path) -> None:
    """Writes a compressed copy beside each file that browsers may get compressed."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in SQUEEZED and path.stat().st_size >= SMALLEST:
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))


def find_npm() -> str | None:
    """Returns npm where it and a Node.js that is new enough are installed."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", said)
    return npm if found and (int(found[1]), int(found[2])) >= NODE_WANTED else None


def install(npm: str, root: Path = HERE, *, quiet: bool = True) -> None:
    """Installs what the lock names, when that is not what is installed; raises ``PageNotBuilt``."""
    if not is_installed(root):
        _npm(npm, root, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", quiet=quiet)


def is_installed(root: Path = HERE) -> bool:
    """Compares the lock with what npm says that it has installed: parts for other machines may be missing."""
    try:
        wanted = _packages(root / SOURCES / "package-lock.json")
        there = _packages(root / SOURCES / "node_modules" / ".package-lock.json")
    except (OSError, ValueError, KeyError):
        return False
    needed = {name for name, said in wanted.items() if not said.get("optional")}
    return needed <= there.keys() <= wanted.keys() and all(wanted[name] == there[name] for name in there)


def _packages(lock: Path) -> dict[str, dict[str, Any]]:
    """Returns what a lock says of each package that it names, without what is said of the project itself."""
    packages: dict[str, dict[str, Any]] = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    return {name: said for name, said in packages.items() if name}


def _npm(npm: str, root: Path, *words: str, quiet: bool) -> None:
    where = root / SOURCES
    env = {name: value for name, value in os.environ.items() if not (quiet and name == "FORCE_COLOR")}
    done = subprocess.run(
        [npm, *words], cwd=where, stdin=subprocess.DEVNULL, capture_output=quiet, text=True, encoding="utf-8",
        errors="replace", env={**env, "NO_UPDATE_NOTIFIER": "1", **({"NO_COLOR": "1"} if quiet else {})}, check=False,
    )  # fmt: skip
    if done.returncode:
        said = f"\n{done.stdout}\n{done.stderr}".rstrip() if quiet else ""
        raise PageNotBuilt(f"npm {' '.join(words[:2])} failed in {SOURCES}/ with status {done.returncode}{said}")


if find_spec("hatchling") is not None:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class PageHook(BuildHookInterface):  # type: ignore[type-arg]  # the configuration's class is of no interest
        """Has the page built before a wheel or a source distribution is packed."""

        PLUGIN_NAME = "custom"

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Builds the page, or tells what is missing; raises ``PageNotBuilt`` when it must not be missing."""
            asked = os.environ.get(ASKED, "")
            if asked == "0":
                return
            try:
                found = build(Path(self.root))
            except PageNotBuilt as error:
                if asked == "1" or version != "editable":
                    raise PageNotBuilt(f"{error}\n{ASKED}=0 installs without the page") from None
                found = "absent"
                self.app.display_warning(str(error))
            if found == "absent":
                node = f"Node.js {'.'.join(map(str, NODE_WANTED))} or newer with npm"
                missing = f"the page is not built: {node} is needed; the server runs without it, and tells how"
                if asked == "1":
                    raise PageNotBuilt(missing)
                self.app.display_warning(missing)


if __name__ == "__main__":
    print(build(quiet=False), file=sys.stderr)
