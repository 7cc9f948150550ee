"""What file names tell: languages, entry points, tests, manifests, and what is none of a repository's own."""

from __future__ import annotations

import re
from functools import lru_cache
from posixpath import basename, splitext

LANGUAGES = {
    ".py": "Python", ".pyi": "Python", ".js": "JavaScript", ".mjs": "JavaScript", ".cjs": "JavaScript",
    ".jsx": "JavaScript", ".ts": "TypeScript", ".tsx": "TypeScript", ".svelte": "Svelte", ".vue": "Vue", ".rs": "Rust",
    ".go": "Go", ".java": "Java", ".kt": "Kotlin", ".scala": "Scala", ".c": "C", ".h": "C", ".cc": "C++",
    ".cpp": "C++", ".hpp": "C++", ".cs": "C#", ".rb": "Ruby", ".php": "PHP", ".swift": "Swift", ".lua": "Lua",
    ".r": "R", ".jl": "Julia", ".hs": "Haskell", ".ex": "Elixir", ".exs": "Elixir", ".sh": "Shell", ".sql": "SQL",
    ".html": "HTML", ".css": "CSS", ".scss": "CSS", ".md": "Markdown", ".rst": "reStructuredText", ".json": "JSON",
    ".yaml": "YAML", ".yml": "YAML", ".toml": "TOML", ".xml": "XML", ".txt": "Text", ".ipynb": "Notebook",
}  # fmt: skip
"""A language by the ending of a file's name."""
PROSE_AND_DATA = frozenset(
    {"Markdown", "reStructuredText", "JSON", "YAML", "TOML", "XML", "Text", "HTML", "CSS", "Notebook", "other"}
)
BINARY = (
    ".png", ".jpg", ".jpeg", ".gif", ".webp", ".ico", ".pdf", ".zip", ".gz", ".tar", ".xz", ".bz2", ".7z", ".whl",
    ".jar", ".class", ".so", ".dll", ".dylib", ".exe", ".bin", ".dat", ".o", ".a", ".pyc", ".woff", ".woff2", ".ttf",
    ".otf", ".mp3", ".mp4", ".ogg", ".wav", ".avi", ".db", ".sqlite", ".sqlite3", ".pack", ".npy", ".npz", ".parquet",
)  # fmt: skip
NOT_ITS_OWN = ("node_modules", "venv", "__pycache__", "dist", "build", "target")
"""Folders that hold what was fetched or made, beside those whose names begin with a dot."""
FETCHED = (*NOT_ITS_OWN, ".git", ".venv*", ".tox", ".nox", ".cache", ".*_cache", ".hypothesis", ".idea", ".vscode")
"""The same as patterns for a tool that can leave folders out; dotted folders that may be a repository's own stay."""
ITS_OWN_ALL_THE_SAME = (".github", ".gitlab", ".circleci")
MANIFESTS = (
    "pyproject.toml", "requirements.txt", "requirements-dev.txt", "setup.cfg", "Pipfile", "package.json", "Cargo.toml",
    "go.mod", "Gemfile", "composer.json",
)  # fmt: skip
"""Files that name dependencies, of which ``offline_manifests.py`` reads each."""
OTHER_MANIFESTS = ("setup.py", "pom.xml", "build.gradle", "build.gradle.kts", "mix.exs", "CMakeLists.txt")
LOCKS = (
    "uv.lock", "poetry.lock", "Pipfile.lock", "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "Cargo.lock",
    "go.sum", "Gemfile.lock", "composer.lock",
)  # fmt: skip
_KEPT = 20_000  # names whose meaning is kept: a report asks for each of them many times
_ENTRY = re.compile(
    r"(^|/)(__main__\.py|main\.(py|go|rs|c|cc|cpp|ts|js|java|kt|rb|swift)|app\.(py|ts|js)|cli\.py|manage\.py|wsgi\.py"
    r"|asgi\.py|server\.(js|ts)|index\.(js|ts|tsx|html)|lib\.rs|Makefile|Dockerfile)$"
)
_TEST_FOLDER = re.compile(r"(^|/)(tests?|specs?|__tests__)/", re.IGNORECASE)
_TEST_FILE = re.compile(r"(^test_|_test\.|\.test\.|\.spec\.|_spec\.|^Test[A-Z]|Tests?\.(java|kt|cs)$)")


@lru_cache(_KEPT)
def language_of(path: str) -> str:
    """Returns the language that a file's name tells, or ``other``."""
    return LANGUAGES.get(splitext(path)[1].lower(), "other")


def is_source(path: str) -> bool:
    """Says whether a file holds code, by its name."""
    return language_of(path) not in PROSE_AND_DATA


def is_binary(path: str) -> bool:
    """Says whether a file holds no text, by its name."""
    return splitext(path)[1].lower() in BINARY


@lru_cache(_KEPT)
def is_entry_point(path: str) -> bool:
    """Says whether a program begins in a file of this name."""
    return _ENTRY.search(path) is not None and not is_test(path)


@lru_cache(_KEPT)
def is_test(path: str) -> bool:
    """Says whether a file holds tests, by its name or its folder."""
    return is_source(path) and bool(_TEST_FOLDER.search(path) or _TEST_FILE.search(basename(path)))


def is_readme(path: str) -> bool:
    """Says whether a file introduces the repository."""
    return "/" not in path and basename(path).lower().startswith("readme")


@lru_cache(_KEPT)
def is_its_own(path: str) -> bool:
    """Says whether a file belongs to the repository and was not fetched or made."""
    return not any(
        part in NOT_ITS_OWN or (part.startswith(".") and part not in ITS_OWN_ALL_THE_SAME)
        for part in path.split("/")[:-1]
    )
