"""The survey by agents as people do it: in a terminal, with the real filesystem server, and a human who decides."""

import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from stretto.cli.exits import Exit
from tests.models.workspaces import repository
from tests.tools.mcp_real_for_tests import MODULES, real

SURVEY = ("chat", "--agent", "surveyor", "Survey this repository")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    real("filesystem")
    monkeypatch.setenv("PATH", os.pathsep.join([str(MODULES / ".bin"), os.environ["PATH"]]))
    monkeypatch.chdir(tmp_path)
    return repository(tmp_path)


def asked(database: Path) -> None:
    """Waits until a question stands in the log on disk."""
    deadline = time.monotonic() + 60
    with closing(sqlite3.connect(database)) as look:
        while not look.execute("SELECT count(*) FROM event WHERE kind = 'asked'").fetchone()[0]:
            assert time.monotonic() < deadline, "nothing was asked"
            time.sleep(0.05)


def test_the_one_write_is_asked_about_in_place_and_made_when_it_is_approved(terminal, here):
    chat = terminal(*SURVEY)
    chat.until("approval")
    chat.until("write_file")
    assert not (here / "SURVEY.md").exists()
    chat.type("a\n")
    assert chat.end() == Exit.OK, chat.plain
    told = chat.plain
    assert (here / "SURVEY.md").read_text("utf-8").startswith("# Survey")
    for part in ("## Structure", "## Dependencies", "## Quality"):
        assert part in told
    for reader in ("structure reader", "dependencies reader", "quality reader"):
        assert reader in told
    assert "3 sub-agents" in told
    assert "$0.00" in told


def test_it_is_approved_from_another_terminal(spawn, stretto, here, database):
    process = spawn(*SURVEY)
    asked(database)
    waiting = json.loads(stretto("approvals", "--json").stdout)
    assert len(waiting) == 1
    assert stretto("approve", "last", "--by", "ann").exit_code == Exit.OK
    out, err = process.communicate(timeout=60)
    assert process.returncode == Exit.OK, err
    assert (here / "SURVEY.md").is_file()
    assert "## Structure" in out
