"""The survey measures whatever tree it is given: empty, odd, broken, without git, or large."""

import os
import subprocess

import pytest

from examples.survey import measures, workflow
from stretto import run_sync


def survey(root, tmp_path):
    out = tmp_path / "reports" / "report.md"
    data = run_sync(workflow, {"root": str(root), "out": str(out)})
    return data, out.read_text()


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    return root


def test_an_empty_tree_has_a_report(tree, tmp_path):
    data, page = survey(tree, tmp_path)
    assert data["report"]["files"] == "0 files, 0 lines, 0.0 MB"
    assert "# Survey of tree" in page


def test_python_is_measured_by_its_syntax(tree, tmp_path):
    (tree / "pkg").mkdir()
    (tree / "pkg" / "a.py").write_text(
        '"""Doc.\n\nMore.\n"""\nimport os, requests\nfrom pkg.b import x\n\n\nclass A:\n'
        '    def f(self):\n        """Says."""\n'
        "        return 1  # TODO: more\n\n\n# a comment\nasync def g():\n    pass\n"
    )
    (tree / "pkg" / "b.py").write_text("x = 1\n")
    (tree / "c.py").write_text("from pkg import a\n")
    data, page = survey(tree, tmp_path)
    assert data["symbols"]["functions"] == 2
    assert data["symbols"]["classes"] == 1
    assert data["symbols"]["documented"] == 1
    assert data["imports"]["modules"] == {"os": 1, "requests": 1, "pkg": 2}
    assert data["report"]["imports"] == "requests (1)"
    assert data["comments"]["comments"] == 5
    assert data["notes"]["counts"] == {"TODO": 1}
    assert "| pkg → pkg.b | 1 |" in page
    assert "pkg/a.py:12 TODO: more" in page


def test_other_languages_are_measured_by_how_they_look(tree, tmp_path):
    (tree / "a.js").write_text("import x from 'left-pad'\nexport function f() {}\nclass C {}\n// note\n")
    (tree / "b.rs").write_text("use std::io;\npub fn main() {}\nstruct S;\n")
    data, _ = survey(tree, tmp_path)
    assert (data["symbols"]["functions"], data["symbols"]["classes"]) == (2, 2)
    assert set(data["imports"]["modules"]) == {"left-pad", "std::io"}


def test_odd_files_do_not_stop_it(tree, tmp_path):
    (tree / "binary.py").write_bytes(b"\x00\x01\x02" * 100)
    (tree / "latin.py").write_bytes("# café\nx = 'é'\n".encode("latin-1"))
    (tree / "broken.py").write_text("def f(:\n")
    (tree / "deep.py").write_text("(" * 5000 + ")" * 5000)
    (tree / "empty.py").write_text("")
    (tree / "warns.py").write_text("x = '\\d'\n")
    os.mkfifo(tree / "pipe.py")
    (tree / "loop").symlink_to(tree)
    (tree / "dangling.py").symlink_to(tree / "nowhere")
    (tree / os.fsdecode(b"caf\xe9.py")).write_text("y = 1\n")
    data, page = survey(tree, tmp_path)
    assert data["files"]["files"] == 8
    assert data["symbols"]["unparsable"] >= 2
    assert "# Survey of tree" in page


def test_what_cannot_be_read_is_counted(tree, monkeypatch):
    (tree / "secret.py").write_text("x = 1\n")

    def refuse(path, *args, **kept):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)
    assert measures.measure_files([str(tree / "secret.py")])["unreadable"] == 1
    monkeypatch.setattr(measures.Path, "read_bytes", refuse)
    assert measures.read(str(tree / "secret.py")) == ""


def test_a_tree_that_is_no_directory_is_told(tmp_path):
    with pytest.raises(NotADirectoryError, match="give the path of a source tree"):
        survey(tmp_path / "nothing", tmp_path)


def test_a_tree_without_history_is_told_and_no_failure(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    data, page = survey(tree, tmp_path)
    assert "not a git repository" in data["report"]["history"]
    assert "not a git repository" in page
    monkeypatch.setenv("PATH", str(tmp_path))
    assert survey(tree, tmp_path)[0]["report"]["history"] == "git is not installed"


def test_history_is_measured_where_there_is_some(tree, tmp_path):
    def git(*words):
        who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
        subprocess.run(["git", "-C", str(tree), *who, *words], check=True, capture_output=True)

    git("init", "-q")
    assert "does not have any commits" in survey(tree, tmp_path)[0]["report"]["history"]
    (tree / "a.py").write_text("x = 1\ny = 2\n")
    git("add", ".")
    git("commit", "-qm", "begin")
    data, page = survey(tree, tmp_path)
    assert data["report"]["history"].startswith("1 commits by 1 person since ")
    assert data["churn"] == {"a.py": 2}
    assert "| Ann | 1 |" in page


def test_twenty_thousand_files_are_taken_in_batches(tree):
    for folder in range(200):
        (tree / f"d{folder}").mkdir()
        for file in range(100):
            (tree / f"d{folder}" / f"{file}.txt").touch()
    batches = measures.find_files(str(tree))
    assert sum(map(len, batches)) == 20_000
    assert len(batches) == 313
