"""The database copied and put back from the command line."""

import json

from stretto.cli.exits import Exit


def test_a_copy_brings_back_what_was_removed_and_what_was_there_is_kept(stretto, flow, database, tmp_path):
    assert stretto("run", flow, "--input", "[1, 2]", "--run-id", "first", "--quiet").exit_code == 0
    copied = stretto("backup", tmp_path / "copy.db")
    assert copied.exit_code == 0, copied.stderr
    assert "bytes written to" in copied.stderr
    assert stretto("runs", "delete", "first").exit_code == 0
    again = stretto("backup", tmp_path / "copy.db")
    assert again.exit_code != 0
    assert "copy.db is there already; choose another name, or add --force" in " ".join(again.stderr.split())
    refused = stretto("restore", tmp_path / "copy.db")
    assert refused.exit_code == Exit.STORE
    assert "holds runs already; add --force" in " ".join(refused.stderr.split())
    restored = stretto("restore", tmp_path / "copy.db", "--force")
    assert restored.exit_code == 0, restored.stderr
    assert "restored: 1 run, 0 workflows" in restored.stderr
    assert "what was there before is in" in restored.stderr
    assert [run["id"] for run in json.loads(stretto("runs", "--json").stdout)] == ["first"]
    assert stretto("backup", tmp_path / "copy.db", "--force").exit_code == 0


def test_a_copy_is_put_into_a_new_database_without_force(stretto, database, tmp_path):
    assert stretto("backup", tmp_path / "copy.db").exit_code == 0
    restored = stretto("restore", tmp_path / "copy.db", "--store", tmp_path / "new.db")
    assert restored.exit_code == 0, restored.stderr
    assert "restored: 0 runs, 0 workflows" in restored.stderr
    assert "before" not in restored.stderr


def test_a_store_in_memory_has_nothing_to_copy(stretto, tmp_path):
    refused = stretto("backup", tmp_path / "copy.db", "--store", "memory")
    assert refused.exit_code == Exit.USAGE
    assert "name a path" in refused.stderr
