"""list_files, read_file and search_files: what they find, where they stop, and that they never leave the workspace."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stretto import DefinitionError, run_sync
from stretto.testing import StepHarness
from stretto.tools import ToolFailed, ToolRegistry, Touches, Workspace, WrongArguments, file_tools, files, workspace
from stretto.tools.file_walk import Walk, chosen

SECRET = "the secret that lies outside"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    inside = tmp_path / "inside"
    (inside / "src" / "deep").mkdir(parents=True)
    (inside / ".git").mkdir()
    (inside / "README.md").write_text("# Title\n\nhello world\n")
    (inside / "src" / "a.py").write_text("import os\nprint('hello')\n# TODO: more\n")
    (inside / "src" / "deep" / "b.txt").write_text("nothing here")
    (inside / ".git" / "config").write_text("hello from git")
    (inside / "image.png").write_bytes(b"\x89PNG\x00hello")
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "inside-too").mkdir()
    (tmp_path / "inside-too" / "secret.txt").write_text(SECRET)
    return inside


def call(place: Path, name: str, **arguments: Any) -> Any:
    (tool,) = ToolRegistry.builtin(place).find((name,))
    told = run_sync(tool, arguments)
    assert json.loads(json.dumps(told)) == told
    return told


def listed(place: Path, **arguments: Any) -> list[str]:
    return [entry["path"] for entry in call(place, "list_files", **arguments)["entries"]]


def refused(place: Path, name: str, **arguments: Any) -> ToolFailed:
    with pytest.raises(ToolFailed) as caught:
        call(place, name, **arguments)
    assert SECRET not in str(caught.value)
    return caught.value


# -- listing -----------------------------------------------------------------------------------------------------------


def test_a_folder_is_listed_by_name_with_types_and_sizes(place):
    told = call(place, "list_files")
    assert told["entries"] == [
        {"path": ".git", "type": "directory"}, {"path": "README.md", "type": "file", "size": 21},
        {"path": "image.png", "type": "file", "size": 10}, {"path": "src", "type": "directory"},
    ]  # fmt: skip
    assert told["truncated"] is False
    assert listed(place, path="src") == ["src/a.py", "src/deep"]


def test_a_recursive_listing_leaves_out_what_was_fetched_and_says_so(place):
    told = call(place, "list_files", recursive=True)
    assert [entry["path"] for entry in told["entries"]] == [
        ".git", "README.md", "image.png", "src", "src/a.py", "src/deep", "src/deep/b.txt",
    ]  # fmt: skip
    assert told["skipped_folders"] == [".git"]
    assert listed(place, path=".git", recursive=True) == [".git/config"]


def test_a_listing_can_be_narrowed_and_is_cut_when_it_is_long(place):
    assert listed(place, recursive=True, include=["*.py"]) == ["src/a.py"]
    assert listed(place, recursive=True, include=["**/*.md", "src/deep/*"]) == ["README.md", "src/deep/b.txt"]
    told = call(place, "list_files", max_entries=2)
    assert (len(told["entries"]), told["truncated"], told["reason"]) == (2, True, "there are more than 2 entries")


def test_names_that_are_no_text_are_shown_all_the_same(place):
    with open(os.fsencode(place) + b"/\xff.txt", "w") as file:
        file.write("x")
    assert "\ufffd.txt" in listed(place)
    assert call(place, "search_files", pattern="x")["matches"][0]["path"] == "\ufffd.txt"


def test_a_walk_is_bounded_in_number_and_in_time(place, monkeypatch):
    from stretto.tools import file_walk

    monkeypatch.setattr(file_walk, "MOST_VISITED", 2)
    told = call(place, "list_files", recursive=True)
    assert told["reason"] == "more than 2 names were looked at"
    monkeypatch.setattr(file_walk, "MOST_VISITED", 200_000)
    monkeypatch.setattr(file_walk, "MOST_SECONDS", -1.0)
    assert call(place, "list_files", recursive=True)["reason"].startswith("it took longer than")
    assert call(place, "search_files", pattern="hello")["truncated"] is True


def test_a_folder_that_may_not_be_read_is_counted(place, monkeypatch):
    original = os.listdir

    def listdir(where: Any) -> list[str]:
        names = original(where)
        if "b.txt" in names:
            raise PermissionError(13, "Permission denied")
        return names

    monkeypatch.setattr(os, "listdir", listdir)
    told = call(place, "list_files", recursive=True)
    assert told["unreadable"] == 1
    assert "src/a.py" in [entry["path"] for entry in told["entries"]]


# -- reading -----------------------------------------------------------------------------------------------------------


def test_a_file_is_read_whole_or_by_lines(place):
    told = call(place, "read_file", path="src/a.py")
    assert told == {
        "path": "src/a.py", "content": "import os\nprint('hello')\n# TODO: more\n", "encoding": "utf-8", "size": 38,
        "start_line": 1, "lines": 3, "truncated": False, "next_line": None,
    }  # fmt: skip
    assert call(place, "read_file", path="src/a.py", start_line=2, end_line=2)["content"] == "print('hello')\n"
    assert call(place, "read_file", path="src/a.py", start_line=3)["content"] == "# TODO: more\n"
    assert refused(place, "read_file", path="src/a.py", start_line=9).code == "INVALID_INPUT"
    assert refused(place, "read_file", path="src/a.py", start_line=3, end_line=2).code == "INVALID_INPUT"


def test_an_empty_file_is_no_failure(place):
    (place / "empty").touch()
    assert call(place, "read_file", path="empty")["content"] == ""


def test_a_long_file_is_read_in_parts(place):
    lines = [f"line {number} of many\n" for number in range(5_000)]
    (place / "long.txt").write_text("".join(lines))
    told, content, parts = {"next_line": 1}, "", 0
    while told["next_line"]:
        told = call(place, "read_file", path="long.txt", start_line=told["next_line"])
        content, parts = content + told["content"], parts + 1
    assert content == "".join(lines)
    assert parts == 3


def test_a_line_too_long_to_be_shown_is_cut_and_the_next_one_keeps_its_number(place):
    (place / "long.txt").write_text("é" * 1_500_000 + "\nsecond\n")
    told = call(place, "read_file", path="long.txt")
    assert told["content"].startswith("ééé")
    assert "[this line has 3,000,001 bytes and was cut here]" in told["content"]
    assert told["content"].endswith("\nsecond\n")
    assert (told["encoding"], told["lines"]) == ("utf-8", 2)
    assert call(place, "read_file", path="long.txt", start_line=2)["content"] == "second\n"


@pytest.mark.parametrize(
    ("data", "encoding", "text"),
    [
        ("é\nü\n".encode(), "utf-8", "é\nü\n"),
        (b"\xef\xbb\xbf" + "é\n".encode(), "utf-8-sig", "é\n"),
        ("é\nü\n".encode("utf-16"), "utf-16", "é\nü\n"),
        (b"\xfe\xff" + "é\nü\n".encode("utf-16-be"), "utf-16", "é\nü\n"),
        (b"caf\xe9\n", "latin-1", "café\n"),
    ],
)
def test_encodings_are_told(place, data, encoding, text):
    (place / "text").write_bytes(data)
    told = call(place, "read_file", path="text")
    assert (told["encoding"], told["content"]) == (encoding, text)


def test_what_is_no_text_is_told_as_such(place):
    failure = refused(place, "read_file", path="image.png")
    assert failure.code == "BINARY_FILE"
    assert "10 bytes" in str(failure)


def test_reading_is_bounded(place, monkeypatch):
    monkeypatch.setattr(files, "MOST_SCANNED", 10)
    assert refused(place, "read_file", path="src/a.py", start_line=3).code == "LIMIT_REACHED"
    monkeypatch.setattr(files, "LARGEST", 4)
    (place / "wide").write_bytes("wide".encode("utf-16"))
    assert refused(place, "read_file", path="wide").code == "LIMIT_REACHED"


def test_a_file_that_is_not_there_or_is_a_folder_is_told_with_a_hint(place):
    assert refused(place, "read_file", path="nothing.py").code == "NOT_FOUND"
    assert refused(place, "read_file", path="README.md/x").code == "INVALID_INPUT"
    assert "list it with list_files" in str(refused(place, "read_file", path="src"))
    assert "read it with read_file" in str(refused(place, "list_files", path="README.md"))


# -- searching ---------------------------------------------------------------------------------------------------------


def test_a_text_is_found_with_its_line_and_binary_files_and_git_are_left_out(place):
    told = call(place, "search_files", pattern="hello")
    assert told["matches"] == [
        {"path": "README.md", "line": 3, "text": "hello world"},
        {"path": "src/a.py", "line": 2, "text": "print('hello')"},
    ]
    assert (told["files_searched"], told["skipped_binary"], told["skipped_folders"]) == (3, 1, [".git"])


def test_a_text_is_no_expression_and_an_expression_is_one(place):
    assert call(place, "search_files", pattern="h.llo")["matches"] == []
    assert len(call(place, "search_files", pattern="h.llo", regex=True)["matches"]) == 2
    assert len(call(place, "search_files", pattern=r"^#\s+\w+", regex=True)["matches"]) == 2
    assert call(place, "search_files", pattern="HELLO")["matches"] == []
    assert len(call(place, "search_files", pattern="HELLO", ignore_case=True)["matches"]) == 2


def test_a_search_can_be_narrowed_and_is_cut_when_there_is_much(place):
    assert [m["path"] for m in call(place, "search_files", pattern="hello", include=["*.py"])["matches"]] == [
        "src/a.py"
    ]
    assert [m["path"] for m in call(place, "search_files", pattern="hello", path="src")["matches"]] == ["src/a.py"]
    assert [m["line"] for m in call(place, "search_files", pattern="hello", path="src/a.py")["matches"]] == [2]
    told = call(place, "search_files", pattern="hello", max_results=1)
    assert (len(told["matches"]), told["truncated"]) == (1, True)
    (place / "large.txt").write_text("hello\n" * 400_000)
    assert call(place, "search_files", pattern="hello")["skipped_large"] == 1
    (place / "wide.txt").write_text("x" * 1_000 + "needle")
    assert len(call(place, "search_files", pattern="needle")["matches"][0]["text"]) == 301


def test_an_expression_that_would_never_end_is_stopped(place, monkeypatch):
    monkeypatch.setattr(files, "MOST_SECONDS", -3.5)
    (place / "bomb.txt").write_text("a" * 60 + "!\n")
    began = time.perf_counter()
    failure = refused(place, "search_files", pattern="(a+)+$", regex=True, path="bomb.txt")
    assert failure.code == "TIMEOUT"
    assert time.perf_counter() - began < 20


@pytest.mark.parametrize("pattern", ["(a|a)" * 40 + "c", "(a|aa)" * 40 + "c"])
def test_an_expression_of_many_alternatives_is_stopped_too_although_it_repeats_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    (place / "bomb.txt").write_text("a" * 100 + "!")
    monkeypatch.setattr(files, "MOST_SECONDS", -4.0)
    assert refused(place, "search_files", pattern=pattern, regex=True, path="bomb.txt").code == "TIMEOUT"


@pytest.mark.parametrize("pattern", ["(", "[z-a]", "a{99999999999}", "(?P<x>a)(?P<x>b)"])
def test_a_broken_expression_is_told(place, pattern):
    assert refused(place, "search_files", pattern=pattern, regex=True).code == "INVALID_INPUT"


def test_files_that_may_not_be_read_are_counted(place, monkeypatch):
    from stretto.tools import file_walk

    def content(*_: Any) -> None:
        raise ToolFailed("PERMISSION_DENIED", "no")

    monkeypatch.setattr(file_walk, "_content", content)
    assert call(place, "search_files", pattern="hello")["unreadable"] == 4


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("read_file", {}),
        ("read_file", {"path": "a", "start_line": 0}),
        ("list_files", {"max_entries": 0}),
        ("search_files", {"pattern": ""}),
        ("search_files", {"pattern": "a\x00"}),
        ("search_files", {"pattern": "a", "max_results": 1001}),
        ("list_files", {"path": "x" * 4097}),
    ],
)
def test_bad_arguments_are_refused(place, name, arguments):
    with pytest.raises(WrongArguments):
        call(place, name, **arguments)


# -- never outside -----------------------------------------------------------------------------------------------------

OUTSIDE = [
    "..", "../secret.txt", "src/../../secret.txt", "./../secret.txt", "src/deep/../../../secret.txt",
    "../inside-too/secret.txt", "/etc/passwd", "/", "/proc/self/environ", "//etc/passwd", "~/../../etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_that_leads_out_is_refused_by_every_tool(place, path):
    for name, more in (("list_files", {}), ("read_file", {}), ("search_files", {"pattern": "secret"})):
        assert refused(place, name, path=path, **more).code == "PERMISSION_DENIED"
    for tool in file_tools(place):
        with pytest.raises(ToolFailed):
            tool.touches({"path": path, **({"pattern": "x"} if tool.name == "search_files" else {})})


def test_absolute_paths_of_the_workspace_itself_are_taken(place, tmp_path):
    assert call(place, "read_file", path=str(place / "src" / "a.py"))["path"] == "src/a.py"
    (tmp_path / "door").symlink_to(place)
    assert call(tmp_path / "door", "read_file", path=str(tmp_path / "door" / "README.md"))["path"] == "README.md"
    assert refused(place, "read_file", path=str(place) + "-too/secret.txt").code == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    "target",
    ["../secret.txt", "../inside-too/secret.txt", "/etc/passwd", "src/../../secret.txt", "..", "/proc/self/environ"],
)
def test_a_link_that_leads_out_is_refused(place, target):
    (place / "link").symlink_to(target)
    for name in ("read_file", "list_files"):
        assert refused(place, name, path="link").code == "PERMISSION_DENIED"
    assert refused(place, "search_files", path="link", pattern="secret").code == "PERMISSION_DENIED"
    assert {"path": "link", "type": "link"} in call(place, "list_files")["entries"]
    assert call(place, "search_files", pattern="secret")["matches"] == []


def test_a_link_to_a_folder_outside_leads_nowhere(place, tmp_path):
    (place / "door").symlink_to(tmp_path)
    (place / "absolute").symlink_to(tmp_path, target_is_directory=True)
    for path in ("door/secret.txt", "absolute/secret.txt", "door/inside/../secret.txt"):
        assert refused(place, "read_file", path=path).code in ("PERMISSION_DENIED", "NOT_FOUND")
    assert not [path for path in listed(place, recursive=True) if "secret" in path]


def test_links_that_stay_inside_are_followed(place):
    (place / "near").symlink_to("src/a.py")
    (place / "src" / "up").symlink_to("../README.md")
    (place / "whole").symlink_to(place / "src")
    (place / "chain").symlink_to("near")
    (place / "top").symlink_to(place)
    assert call(place, "read_file", path="near")["content"].startswith("import os")
    assert call(place, "read_file", path="src/up")["content"].startswith("# Title")
    assert call(place, "read_file", path="chain")["size"] == 38
    assert listed(place, path="whole") == ["whole/a.py", "whole/deep", "whole/up"]
    assert call(place, "read_file", path="top/src/a.py")["size"] == 38


def test_links_in_a_circle_end(place):
    (place / "a").symlink_to("b")
    (place / "b").symlink_to("a")
    assert "more than 40 links" in str(refused(place, "read_file", path="a"))


def test_devices_pipes_and_sockets_are_refused_at_once(place):
    os.mkfifo(place / "pipe")
    (place / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(place)
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
        began = time.perf_counter()
        for path in ("pipe", "socket", "null"):
            assert refused(place, "read_file", path=path).code == "PERMISSION_DENIED"
        assert refused(place, "list_files", path="pipe").code == "PERMISSION_DENIED"
        assert call(place, "search_files", pattern="hello")["files_searched"] == 3
        assert {"path": "pipe", "type": "other"} in call(place, "list_files")["entries"]
        assert time.perf_counter() - began < 10


def test_a_nul_character_is_refused(place):
    assert refused(place, "read_file", path="README.md\x00.png").code == "INVALID_INPUT"


@pytest.mark.parametrize("swap", ["link", "pipe", "gone", "folder"])
def test_a_file_that_is_swapped_between_look_and_opening_leads_nowhere(place, tmp_path, monkeypatch, swap):
    original = os.open

    def swapped(path: Any, flags: int, *args: Any, **more: Any) -> int:
        if path == "README.md":
            (place / "README.md").unlink()
            if swap == "link":
                (place / "README.md").symlink_to(tmp_path / "secret.txt")
            elif swap == "pipe":
                os.mkfifo(place / "README.md")
            elif swap == "folder":
                (place / "README.md").mkdir()
        return original(path, flags, *args, **more)

    monkeypatch.setattr(workspace.os, "open", swapped)
    codes = {"link": "CONFLICT", "pipe": "PERMISSION_DENIED", "gone": "NOT_FOUND", "folder": "INVALID_INPUT"}
    assert refused(place, "read_file", path="README.md").code == codes[swap]


def test_a_folder_that_is_swapped_for_a_link_leads_nowhere(place, tmp_path, monkeypatch):
    original = os.open

    def swapped(path: Any, flags: int, *args: Any, **more: Any) -> int:
        if path == "src" and not (place / "src").is_symlink():
            (place / "src").rename(tmp_path / "moved")
            (place / "src").symlink_to(tmp_path)
        return original(path, flags, *args, **more)

    monkeypatch.setattr(workspace.os, "open", swapped)
    assert refused(place, "read_file", path="src/secret.txt").code == "CONFLICT"


def test_what_is_swapped_all_the_time_never_leads_out(place, tmp_path):
    """Races for real: one thread swaps a file and a folder for links that lead out, the other reads."""
    (place / "file").write_text("inside")
    (place / "folder").mkdir()
    (place / "folder" / "secret.txt").write_text("inside")
    (tmp_path / "bad_file").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "bad_folder").symlink_to(tmp_path)
    inside, stop, seen = Workspace(place), threading.Event(), set()

    def swap() -> None:
        while not stop.is_set():
            for name in ("file", "folder"):
                (place / name).rename(tmp_path / f"good_{name}")
                (tmp_path / f"bad_{name}").rename(place / name)
                (place / name).rename(tmp_path / f"bad_{name}")
                (tmp_path / f"good_{name}").rename(place / name)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _ in range(2_000):
            for path in ("file", "folder/secret.txt"):
                try:
                    with inside.opened(path, "file") as descriptor:
                        seen.add(os.read(descriptor, 100).decode())
                except ToolFailed as failure:
                    seen.add(failure.code)
    finally:
        stop.set()
        swapper.join()
    assert seen <= {"inside", "PERMISSION_DENIED", "NOT_FOUND", "CONFLICT"}
    assert "inside" in seen


def test_where_files_cannot_be_opened_from_a_folder_there_is_no_workspace(place, monkeypatch):
    monkeypatch.setattr(workspace, "_CAN", False)
    with pytest.raises(DefinitionError, match="no workspace is safe here"):
        Workspace(place)


def test_no_descriptor_is_left_open(place):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        call(place, "list_files", recursive=True)
        call(place, "read_file", path="src/a.py")
        refused(place, "read_file", path="../secret.txt")
        refused(place, "read_file", path="src/nothing")
    assert len(os.listdir("/proc/self/fd")) <= before + 2


NAMES = st.sampled_from(
    ["..", ".", "src", "deep", "a.py", "door", "up", "link", "secret.txt", "inside", "inside-too", "", "README.md", "~"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(names=st.lists(NAMES, min_size=1, max_size=8), absolute=st.booleans())
def test_no_path_at_all_reads_what_lies_outside(place, tmp_path, names, absolute):
    if not (place / "door").is_symlink():
        (place / "door").symlink_to("..")
        (place / "src" / "up").symlink_to("../..")
        (place / "link").symlink_to(tmp_path / "secret.txt")
        (place / "src" / "deep" / "door").symlink_to("../../src")
    path = "/".join(names)
    inside = Workspace(place)
    try:
        with inside.opened(f"{place}/{path}" if absolute else path, "file") as descriptor:
            content = os.read(descriptor, 1_000).decode("utf-8", "replace")
    except ToolFailed:
        return
    assert SECRET not in content


@settings(max_examples=200, deadline=None)
@given(path=st.text(max_size=30))
def test_any_text_is_a_path_inside_or_is_refused(tmp_path_factory, path):
    inside = Workspace(tmp_path_factory.getbasetemp())
    try:
        plain = inside.relative(path)
    except ToolFailed:
        return
    assert not plain.startswith(("/", "../"))
    assert plain != ".."


# -- what they are -----------------------------------------------------------------------------------------------------


def test_what_a_call_touches(place):
    by_name = {tool.name: tool for tool in file_tools(place)}
    assert by_name["read_file"].touches({"path": "./src//a.py"}) == Touches(reads=("file:src/a.py",))
    assert by_name["list_files"].touches({"path": "src/"}) == Touches(reads=("file:src", "file:src/*"))
    assert by_name["list_files"].touches({}) == Touches(reads=("*",))
    assert by_name["search_files"].touches({"pattern": "x", "path": "src"}).reads == ("file:src", "file:src/*")


def test_a_workspace_must_be_a_folder_that_is_there(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "nothing", "a\x00b"):
        with pytest.raises(DefinitionError, match="the workspace"):
            Workspace(path)


def test_a_workspace_that_goes_away_is_told(place, tmp_path):
    tools = {tool.name: tool for tool in file_tools(Workspace(place))}
    place.rename(tmp_path / "elsewhere")
    with pytest.raises(ToolFailed, match="the workspace is gone"):
        run_sync(tools["list_files"], {})


def test_without_a_workspace_there_are_no_file_tools(place):
    assert ToolRegistry.builtin().names == (
        "MemoryTool", "TodoTool", "CalculatorTool", "UserQuestionTool", "InternalReportTool",
    )  # fmt: skip
    assert ToolRegistry.builtin(place).names[-3:] == ("list_files", "read_file", "search_files")


def test_patterns_choose_by_name_or_by_path():
    assert chosen(())("anything")
    assert chosen(("*.py",))("src/a.py")
    assert chosen(("./src/*.py",))("src/a.py")
    assert chosen(("**/*.py",))("a.py")
    assert chosen(("**/deep/*",))("deep/b")
    assert not chosen(("*.py", "docs/*"))("src/a.txt")


async def nothing(_: Any) -> None: ...


def test_a_file_that_goes_away_while_it_is_listed_is_no_failure(place, monkeypatch):
    original = os.stat

    def stat(path: Any, **more: Any) -> Any:
        if path == "a.py":
            raise FileNotFoundError(2, "gone")
        return original(path, **more)

    monkeypatch.setattr(os, "stat", stat)
    walk = Walk(Workspace(place))
    assert ("src/a.py", "other") in [(found.path, found.type) for found in walk.entries("src", recursive=False)]


def test_reading_does_not_block_the_loop_and_is_a_step_of_the_run(place):
    harness = StepHarness()
    (tool,) = ToolRegistry.builtin(place).find(("read_file",))

    async def read() -> Any:
        return await harness.execute(tool, {"path": "README.md"})

    async def main(_: Any) -> Any:
        return await read()

    assert run_sync(main, None)["lines"] == 3
    assert harness.paths == ["read_file"]
