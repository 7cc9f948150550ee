"""What is measured: plain functions that take a batch of files and return numbers that can be added up."""

import ast
import os
import re
import subprocess
import threading
import warnings
from collections import Counter
from pathlib import Path

warnings.filterwarnings("ignore", category=SyntaxWarning)  # what other people's files are warned of is theirs

LANGUAGES = {
    ".py": "Python", ".pyi": "Python", ".js": "JavaScript", ".mjs": "JavaScript", ".ts": "TypeScript",
    ".tsx": "TypeScript", ".svelte": "Svelte", ".vue": "Vue", ".rs": "Rust", ".go": "Go", ".java": "Java",
    ".kt": "Kotlin", ".c": "C", ".h": "C", ".cc": "C++", ".cpp": "C++", ".hpp": "C++", ".cs": "C#", ".rb": "Ruby",
    ".php": "PHP", ".swift": "Swift", ".sh": "Shell", ".sql": "SQL", ".html": "HTML", ".css": "CSS", ".md": "Markdown",
    ".rst": "reStructuredText", ".json": "JSON", ".yaml": "YAML", ".yml": "YAML", ".toml": "TOML", ".xml": "XML",
    ".txt": "Text",
}  # fmt: skip
NO_CODE = {"Markdown", "reStructuredText", "JSON", "YAML", "TOML", "XML", "Text", "HTML", "other"}
LEFT_OUT = {"venv", "node_modules", "__pycache__", "dist", "build", "target"}  # and what begins with a dot
PARSING = threading.Lock()  # before Python 3.13 two threads that parse at once may disturb each other
LARGEST = 2_000_000  # bytes; larger files are counted, not read
SYMBOL = re.compile(
    r"^\s*(?:export\s+|pub\s+|public\s+|static\s+|async\s+)*(fn|func|function|def|class|struct|interface)\s+\w", re.M
)
PYTHON_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+(\w[\w.]*)[ \t]+import\b|import[ \t]+(\w[\w., \t]*))", re.M)
IMPORT = re.compile(
    r"""^\s*(?:import\s.*?from\s+|import\s+|use\s+|require\s*\(?\s*|\#include\s*)["'<]?([\w@./:-]+)""", re.M
)
COMMENT = re.compile(r"^\s*(?:#|//|/\*|\*|--|;)")
NOTE = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b[:\s(]*(.{0,80})")


def find_files(root: str) -> list[list[str]]:
    """Walks the tree without following links; returns its files in batches: one batch is one branch of each measure."""
    if not Path(root).is_dir():
        raise NotADirectoryError(f"{root} is no directory; give the path of a source tree")
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT and not name.startswith("."))
        found += [path for name in sorted(names) if not os.path.islink(path := os.path.join(folder, name))]
    size = max(1, min(64, len(found) // 24))
    return [found[first : first + size] for first in range(0, len(found), size)]


def read(path: str) -> str:
    """Returns a file's text, whatever its bytes; nothing for what is binary, large or unreadable."""
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > LARGEST:  # a pipe would never end
            return ""
        content = Path(path).read_bytes()
    except OSError:
        return ""
    return "" if b"\0" in content[:8192] else content.decode("utf-8", errors="replace")


def language_of(path: str) -> str:
    return LANGUAGES.get(Path(path).suffix.lower(), "other")


def measure_files(batch: list[str]) -> dict:
    """Counts files, bytes and lines by language, and names the largest files and those that cannot be read."""
    languages: dict[str, dict[str, int]] = {}
    sizes, unreadable = {}, 0
    for path in batch:
        try:
            sizes[path] = os.path.getsize(path)
            if os.path.isfile(path):
                open(path, "rb").close()
        except OSError:
            unreadable += 1
            continue
        row = languages.setdefault(language_of(path), {"files": 0, "bytes": 0, "lines": 0})
        row["files"] += 1
        row["bytes"] += sizes[path]
        row["lines"] += read(path).count("\n")
    largest = dict(sorted(sizes.items(), key=lambda pair: -pair[1])[:5])
    return {"files": len(batch), "unreadable": unreadable, "languages": languages, "largest": largest}


def measure_symbols(batch: list[str]) -> dict:
    """Counts functions and classes: Python by its syntax tree, other languages by how a definition looks."""
    counts: Counter[str] = Counter()
    longest: dict[str, int] = {}
    for path in batch:
        language, text = language_of(path), read(path)
        if language == "Python":
            tree = parse(text)
            if tree is None:
                counts["unparsable"] += 1
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    counts["classes"] += 1
                elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    counts["functions"] += 1
                    counts["documented"] += ast.get_docstring(node) is not None
                    longest[f"{path}:{node.lineno} {node.name}"] = (node.end_lineno or node.lineno) - node.lineno + 1
        elif language not in NO_CODE:
            for word in SYMBOL.findall(text):
                counts["classes" if word in ("class", "struct", "interface") else "functions"] += 1
    return {**counts, "longest": dict(sorted(longest.items(), key=lambda pair: -pair[1])[:5])}


def parse(text: str) -> ast.Module | None:
    try:
        with PARSING:
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def measure_imports(batch: list[str]) -> dict:
    """Counts in how many files each module is imported, and from where to where imports of Python go."""
    modules: Counter[str] = Counter()
    edges: Counter[str] = Counter()
    for path in batch:
        parts = Path(path).parts[:-1]
        if language_of(path) == "Python":
            names = {name.strip().split(" ")[0] for found in PYTHON_IMPORT.findall(read(path)) for name in
                     (found[0] or found[1]).split(",")}  # fmt: skip
            modules.update({name.partition(".")[0] for name in names if name})
            for root, *below in (name.split(".") for name in names if name):
                inside = parts[parts.index(root) :][:2] if root in parts else parts[-1:]
                edges[f"{'.'.join(inside)} → {'.'.join([root, *below[:1]])}"] += 1
        elif language_of(path) not in NO_CODE:
            modules.update(set(IMPORT.findall(read(path))))
    own = {name: 1 for path in batch for name in (Path(path).stem, Path(path).parent.name)}
    return {"modules": dict(modules), "edges": dict(edges), "own": own}


def measure_comments(batch: list[str]) -> dict:
    """Counts lines of code, of comments and docstrings, and of nothing."""
    counts: Counter[str] = Counter()
    for path in batch:
        told = False
        for line in map(str.strip, read(path).splitlines() if language_of(path) not in NO_CODE else ()):
            quotes = line.count('"""')
            said = told or line.startswith('"""') or bool(COMMENT.match(line))
            counts["comments" if said and line else "code" if line else "blank"] += 1
            told ^= quotes % 2 == 1 and (told or line.startswith('"""'))
    return dict(counts)


def measure_notes(batch: list[str]) -> dict:
    """Finds what people have left to do."""
    counts: Counter[str] = Counter()
    some: dict[str, int] = {}
    for path in batch:
        for number, line in enumerate(read(path).splitlines() if language_of(path) not in NO_CODE else (), 1):
            if found := NOTE.search(line):
                counts[found[1]] += 1
                if len(some) < 5:
                    some[f"{path}:{number} {found[0].strip()}"] = 1
    return {"counts": dict(counts), "some": some}


def git(root: str, *words: str) -> str:
    """Runs git where it may change nothing and start nothing; raises with git's own words when it refuses."""
    safe = ("git", "--no-pager", "--no-optional-locks", "-C", root, "-c", "core.fsmonitor=false")
    done = subprocess.run([*safe, *words], capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace").strip().partition("\n")[0] or "git failed")
    return done.stdout.decode("utf-8", errors="replace")


def read_commits(root: str) -> dict:
    """Counts commits by author; a machine without git, or a tree without history, is told and not a failure."""
    try:
        lines = git(root, "log", "--format=%as%x09%an", "--", ".").splitlines()
    except (FileNotFoundError, RuntimeError) as error:
        return {"why": "git is not installed" if isinstance(error, FileNotFoundError) else str(error)}
    rows = [line.partition("\t") for line in lines]
    if not rows:
        return {"why": "nothing in this tree is committed"}
    authors = Counter(author for _, _, author in rows)
    span = {"first": rows[-1][0], "last": rows[0][0]}
    return {"commits": len(rows), **span, "people": len(authors), "authors": dict(authors.most_common(10))}


def read_churn(root: str) -> dict:
    """Counts the lines that the last 2,000 commits added and removed, by file."""
    try:
        told = git(
            root,
            "log",
            "-n",
            "2000",
            "--numstat",
            "--no-renames",
            "--no-ext-diff",
            "--no-textconv",
            "--format=",
            "--",
            ".",
        )
    except (FileNotFoundError, RuntimeError):
        return {}
    churn: Counter[str] = Counter()
    for added, removed, path in (row for line in told.splitlines() if len(row := line.split("\t")) == 3):
        if added != "-":
            churn[path] += int(added) + int(removed)
    return dict(churn.most_common(10))


def add_up(parts: list[dict]) -> dict:
    """Adds up what the batches found: numbers are added, mappings merged name by name."""
    total: dict = {}
    for part in parts:
        for name, value in part.items():
            if isinstance(value, dict):
                total[name] = add_up([total.get(name, {}), value])
            else:
                total[name] = total.get(name, 0) + value
    return total


def total(found: dict[str, list[dict]]) -> dict:
    """Reduces one measure: its only input holds what each batch found."""
    (parts,) = found.values()
    return add_up(parts)
