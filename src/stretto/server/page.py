"""The page as it was built: which paths are its own, what its files are, and how they are sent."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path

from fastapi import Request, Response
from starlette._utils import get_route_path
from starlette.types import Scope

FOLDER = Path(__file__).resolve().parent / "static"
CHECKOUT = Path(__file__).resolve().parents[3]
ELSEWHERE = frozenset({
    "api", "v1", "ag-ui", "mcp", "assets", "healthz", "readyz", "metrics", "docs", "openapi.json", ".well-known",
})  # fmt: skip
"""How paths begin that are not the page's; what comes under them is guarded, and missing when it is missing."""
LONGEST = 2_000
"""How long a path of the page may be (characters)."""
POLICY = (
    "default-src 'self'; script-src 'self'; worker-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""What the page may load: it sets styles of single elements, and tells where its root is."""
KINDS = {
    ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
    ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2", ".json": "application/json",
    ".webmanifest": "application/manifest+json", ".txt": "text/plain; charset=utf-8",
}  # fmt: skip
FOR_EVER, ASK_AGAIN = "public, max-age=31536000, immutable", "no-cache"
_NAME = re.compile(r"^[\w-][\w.-]{0,150}$", re.ASCII)


@dataclass(frozen=True)
class PageFile:
    """A file of the page: its bytes, the same compressed where that pays, its media type and a digest."""

    body: bytes
    kind: str
    compressed: bytes | None = None

    @property
    def tag(self) -> str:
        """What the content is recognized by."""
        return hashlib.sha256(self.body).hexdigest()[:32]


def path_of(scope: Scope) -> str:
    """Returns the path that the router compares: without what stands before everything behind a proxy."""
    return get_route_path(scope)


def is_of_the_page(scope: Scope) -> bool:
    """Says whether the page shows something at a path, or would if it knew it."""
    path = path_of(scope)
    return path.startswith("/") and len(path) <= LONGEST and path[1:].split("/", 1)[0] not in ELSEWHERE


def index(root_path: str) -> PageFile | None:
    """Returns the document that every path of the page shows, or None where it was never built.

    It says where the root is, because what it loads is named relative to that: the path may have any depth.
    """
    try:
        text = (FOLDER / "index.html").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    base = f'<base href="{escape(root_path.rstrip("/"))}/">'
    return PageFile(re.sub(r"<head[^>]*>", lambda found: found[0] + base, text, count=1).encode(), "text/html")


def asset(name: str) -> PageFile | None:
    """Returns a file whose name changes with its content."""
    return _file(FOLDER / "assets", name)


def beside_the_index(path: str) -> PageFile | None:
    """Returns a file that lies beside the index, by the path that was asked: it keeps its name."""
    return _file(FOLDER, path.removeprefix("/"))


def answer(request: Request, file: PageFile, cache: str, headers: Mapping[str, str] | None = None) -> Response:
    """Returns a file as the browser wants it: compressed, or not at all when it has it already."""
    small = file.compressed if "gzip" in _taken(request.headers.get("accept-encoding", "")) else None
    tag = f'"{file.tag}{"-gz" if small is not None else ""}"'
    said = {"cache-control": cache, "etag": tag, **(headers or {})}
    if file.compressed is not None:
        said["vary"] = "accept-encoding"
    if tag in (known.strip().removeprefix("W/") for known in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=said)
    if small is not None:
        said["content-encoding"] = "gzip"
    return Response(file.body if small is None else small, media_type=file.kind, headers=said)


def how_to_build() -> str:
    """Returns the command that makes the page, where it is missing."""
    if (CHECKOUT / "ui" / "package.json").is_file():
        return "python3 dev.py build"
    return "python3 -m pip install --force-reinstall --no-cache-dir stretto"


def _file(folder: Path, name: str) -> PageFile | None:
    place = folder / name
    if not _NAME.match(name) or place.suffix not in KINDS:
        return None
    try:
        known = place.stat()
    except FileNotFoundError:
        return None
    return _read(place, known.st_mtime_ns, known.st_size)


@lru_cache(maxsize=256)
def _read(place: Path, changed: int, size: int) -> PageFile:
    """Reads a file once for as long as it stays the same."""
    small = place.with_name(place.name + ".gz")
    return PageFile(place.read_bytes(), KINDS[place.suffix], small.read_bytes() if small.is_file() else None)


def _taken(accepted: str) -> set[str]:
    """Returns the encodings that a browser takes."""
    parts = (part.lower().replace(" ", "").partition(";q=") for part in accepted.split(","))
    return {name for name, _, share in parts if share not in ("0", "0.0", "0.00", "0.000")}
