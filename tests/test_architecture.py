"""Holds the rules of the house: who may import whom, who may start a task, how files are named and sized."""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "src" / "stretto"
FACE = "stretto"  # the package itself: what `from stretto import run` takes from

BELOW_SERVER = {
    "core", "monitoring", "planning", "runtime", "tools", "models", "stores", "workflows", "planfiles", "agents",
}  # fmt: skip
MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "monitoring": {"core"},
    "planning": {"core"},
    "runtime": {"core", "monitoring"},
    "tools": {"core"},
    "models": {"core"},
    "stores": {"core"},
    "workflows": {"core", "planning"},
    "planfiles": {"core", "planning", "workflows"},
    "agents": {"core", "planning", "workflows", "tools", "models"},
    "testing": {"core", "runtime", "models", "stores", FACE},
    "configuring": {"core", "runtime", "tools", "models", "stores", "agents"},
    "server": BELOW_SERVER | {"configuring", FACE},
    "cli": {
        "core",
        "monitoring",
        "planning",
        "runtime",
        "stores",
        "workflows",
        "planfiles",
        "models",
        "tools",
        "agents",
        "configuring",
        "server",
        FACE,
    },
    "__init__": BELOW_SERVER,
    "__main__": {"cli"},
}
ONE_ROOM = {"testing_plugin": "testing", "pytest_plugin": "testing"}
MAY_START_TASKS = {
    "runtime/branches.py", "runtime/run.py", "runtime/supervisor.py", "tools/mcp/connection.py", "tools/mcp/nursery.py",
}  # fmt: skip
STARTS_TASKS = {"create_task", "TaskGroup", "ensure_future", "run_in_executor", "create_task_group", "start_soon"}
STARTS_TASKS_IN_ASYNCIO = {"gather", "to_thread"}  # elsewhere these are good names for other things
DRAWERS = {"utils", "helpers", "common", "base", "types", "misc", "manager"}
MOST_LINES_PER_FILE, MOST_LINES_PER_FUNCTION, MOST_LINES_PER_CLASS = 420, 60, 250


@cache
def sources() -> tuple[tuple[str, str, ast.Module], ...]:
    """Returns name, text and tree of every file of the package."""
    read = ((path.relative_to(SOURCE).as_posix(), path.read_text("utf-8")) for path in sorted(SOURCE.rglob("*.py")))
    return tuple((name, text, ast.parse(text, name)) for name, text in read)


def room_of(name: str) -> str:
    first = name.split("/")[0].removesuffix(".py")
    return ONE_ROOM.get(first, first)


def absolute(name: str, node: ast.ImportFrom) -> str:
    """Returns the module that an import names, relative ones resolved."""
    if not node.level:
        return node.module or ""
    package = [FACE, *name.split("/")[:-1]]
    return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


def modules_imported(name: str, tree: ast.AST) -> Iterator[str]:
    """Yields every module that a file imports, anywhere: lazy and type-only imports are arrows, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(name, node)
            yield from (f"{module}.{alias.name}" for alias in node.names) if module == FACE else (module,)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"}:
                yield str(node.args[0].value)


def rooms_imported(name: str, tree: ast.AST) -> set[str]:
    rooms = set()
    for module in modules_imported(name, tree):
        parts = module.split(".")
        if parts[0] == FACE:
            room = room_of(parts[1]) if len(parts) > 1 else FACE
            rooms.add(room if room in MAY_IMPORT else FACE)
    return rooms


def comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def files_of_the_repository() -> Iterator[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False)
    if listed.returncode:
        pytest.fail("this test looks at what git tracks: run it in a checkout, not in an unpacked archive")
    paths = (REPOSITORY / name.decode() for name in listed.stdout.split(b"\0") if name)
    yield from (path for path in paths if path.is_file())


def spans(tree: ast.AST, kinds: tuple[type[ast.AST], ...]) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, kinds) and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_every_file_lives_in_a_room_that_the_design_names():
    homeless = {name for name, _, _ in sources() if room_of(name) not in MAY_IMPORT}
    assert not homeless


def test_rooms_import_downwards_only():
    upwards = [
        f"{name} may not import from {room}"
        for name, _, tree in sources()
        for room in sorted(rooms_imported(name, tree) - {room_of(name)} - MAY_IMPORT.get(room_of(name), set()))
    ]
    assert not upwards


def test_the_order_of_the_rooms_has_no_circle():
    for room, below in MAY_IMPORT.items():
        assert not any(room in MAY_IMPORT.get(other, set()) for other in below), room


def test_tasks_start_in_two_files_only():
    for name, _, tree in sources():
        if name in MAY_START_TASKS:
            continue
        for node in ast.walk(tree):
            word = getattr(node, "attr", None) or getattr(node, "id", None)
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "asyncio":
                started = {alias.name for alias in node.names} & (STARTS_TASKS | STARTS_TASKS_IN_ASYNCIO)
                assert not started, f"{name}:{node.lineno} imports {started}"
            elif isinstance(node, ast.Attribute) and word in STARTS_TASKS_IN_ASYNCIO:
                owner = node.value.id if isinstance(node.value, ast.Name) else ""
                assert owner != "asyncio", f"{name}:{node.lineno} uses asyncio.{word}"
            elif isinstance(node, ast.Attribute | ast.Name):
                assert word not in STARTS_TASKS, f"{name}:{node.lineno} uses {word}"


def test_only_the_runtime_imports_asyncio():
    guests = [
        name
        for name, _, tree in sources()
        if room_of(name) != "runtime" and any(m.split(".")[0] == "asyncio" for m in modules_imported(name, tree))
    ]
    assert not guests


def test_no_file_is_longer_than_a_person_can_hold():
    long = {name: lines for name, text, _ in sources() if (lines := len(text.splitlines())) > MOST_LINES_PER_FILE}
    assert not long


def test_no_function_is_longer_than_a_screen():
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [(name, *span) for name, _, tree in sources() for span in spans(tree, kinds)]
    assert not [row for row in found if row[2] > MOST_LINES_PER_FUNCTION]


def test_no_class_is_a_god():
    found = [(name, *span) for name, _, tree in sources() for span in spans(tree, (ast.ClassDef,))]
    assert not [row for row in found if row[2] > MOST_LINES_PER_CLASS]


def test_every_file_opens_with_one_sentence():
    for name, text, tree in sources():
        if name.endswith("__init__.py") and not text.strip():
            continue
        caption = (ast.get_docstring(tree) or "").partition("\n")[0]
        assert caption.endswith("."), f"{name} opens with {caption!r}"
        assert not re.search(r"[.!?] +[A-Z]", caption), f"{name} opens with more than one sentence: {caption!r}"


def test_no_name_is_a_drawer_for_everything():
    for folder in ("src", "tests", "examples", "benchmarks"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            named = {part.removesuffix(".py") for part in path.relative_to(REPOSITORY).parts}
            assert not named & DRAWERS, path


def test_an_ignored_type_names_its_code_and_its_reason():
    allowed = re.compile(r"#\s*(type|pyright):\s*ignore\[[\w\-, ]+\]\s*[#,:;–—-]*\s*\w.{4,}")
    for name, text, _ in sources():
        for line, comment in comments(text):
            if re.search(r"(type|pyright):\s*ignore", comment):
                assert allowed.search(comment), f"{name}:{line} {comment}"


def test_nothing_is_cast():
    for name, _, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in {"typing", "typing_extensions"}:
                assert "cast" not in {alias.name for alias in node.names}, f"{name}:{node.lineno}"
            elif isinstance(node, ast.Attribute) and node.attr == "cast" and isinstance(node.value, ast.Name):
                assert node.value.id not in {"typing", "typing_extensions", "t"}, f"{name}:{node.lineno}"


def test_no_comment_puts_work_off():
    for name, text, _ in sources():
        for line, comment in comments(text):
            assert not re.search(r"\b(TODO|FIXME|XXX)\b", comment), f"{name}:{line} {comment}"


def test_no_test_is_passed_over():
    passed_over = re.compile(r"\b(importorskip|skipif|skipIf|SkipTest|xfail)\b|\b(pytest|mark|unittest)\.skip\b")
    for path in (REPOSITORY / "tests").rglob("*.py"):
        if path != Path(__file__):
            match = passed_over.search(path.read_text("utf-8"))
            assert match is None, (
                f"{path.relative_to(REPOSITORY)} says {match and match.group()}: let it fail, and say why"
            )


def test_test_files_have_unique_names():
    names = [path.name for path in (REPOSITORY / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_no_file_names_a_registry_or_a_place_on_this_machine():
    registries = ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "/opt/py" + "pi"]
    places = ["/wo" + "rk/", "/ro" + "ot/"]
    hosts = re.compile("|".join(map(re.escape, registries)))
    paths = re.compile(rf"(?<![\w.}}/-])(?:{'|'.join(map(re.escape, places))})")
    for path in files_of_the_repository():
        text = path.read_text("utf-8", errors="replace")
        if path.name == "uv.lock":  # the public default is what uv writes; any other host would be a leak
            found = set(re.findall(r"https?://([^/\"]+)", text))
            assert found <= set(registries) | {"files." + registries[1]}, f"uv.lock names {found}"
            assert "file://" not in text, "uv.lock names a local index"
            continue
        for pattern in (hosts, paths):
            match = pattern.search(text)
            assert match is None, f"{path.relative_to(REPOSITORY)} says {match and match.group()}"
