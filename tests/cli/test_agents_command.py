"""`stretto agents`: list, show, add, remove and export, wherever agents are described."""

import json
from pathlib import Path

import pytest

from stretto.cli.exits import Exit

CODER = """
name = "Coder"
description = "Writes code."
system_prompt = "You write code.\\nNothing else."
tools = ["CalculatorTool"]

[llm]
temperature = 0.2
max_tokens = 1000
fallbacks = ["offline:reader"]
"""
COMING_ALONG = {"surveyor", "structure-reader", "dependencies-reader", "quality-reader"}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write(path: str, text: str) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, "utf-8")
    return path


def listed(stretto) -> dict[str, dict]:
    return {row["id"]: row for row in json.loads(stretto("agents", "--json").stdout)}


def test_the_agents_of_the_demonstration_come_along(stretto):
    rows = listed(stretto)
    assert set(rows) == COMING_ALONG
    assert rows["surveyor"]["from"] == "demonstration"
    assert stretto("agents").stdout == stretto("agents", "list").stdout
    assert "Surveys a repository" in stretto("agents").stdout


def test_an_agent_is_added_shown_exported_and_removed(stretto):
    result = stretto("agents", "add", write("coder.toml", CODER))
    assert (result.exit_code, result.stdout) == (Exit.OK, "")
    assert "added coder" in result.stderr
    assert listed(stretto)["coder"]["from"] == "stored"
    for name in ("coder", "Coder"):
        shown = stretto("agents", "show", name).stdout
        told = " ".join(shown.split())
        assert "agent coder name Coder from stored" in told
        assert "temperature 0.2 max tokens 1,000 tools CalculatorTool" in told
        assert "fallbacks offline:reader" in told
        assert "You write code.\nNothing else." in "\n".join(line.rstrip() for line in shown.splitlines())
    exported = stretto("agents", "export", "coder").stdout
    assert json.loads(stretto("agents", "show", "coder", "--json").stdout) == json.loads(exported)
    assert stretto("agents", "remove", "coder").stderr == "removed coder\n"
    assert set(listed(stretto)) == COMING_ALONG
    assert stretto("agents", "add", write("again.json", exported)).exit_code == Exit.OK
    assert stretto("agents", "export", "coder").stdout == exported


def test_an_agent_is_put_in_the_place_of_another_only_when_that_is_said(stretto):
    stretto("agents", "add", write("coder.toml", CODER))
    result = stretto("agents", "add", "coder.toml")
    assert (result.exit_code, "agent 'coder' is there already" in result.stderr) == (Exit.STORE, True)
    write("coder.toml", CODER.replace("0.2", "0.7"))
    assert stretto("agents", "add", "coder.toml", "--replace").exit_code == Exit.OK
    assert json.loads(stretto("agents", "export", "coder").stdout)["llm"]["temperature"] == 0.7


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ('tols = ["x"]', Exit.USAGE, "a.toml: tols: there is no such setting; did you mean 'tools'?"),
        ("[llm]\ntemperature = 3", Exit.USAGE, "a.toml: llm.temperature: must be less than or equal to 2; it is 3"),
        ('tools = ["CalculatrTool"]', Exit.USAGE, "there is no tool 'CalculatrTool'; did you mean 'CalculatorTool'?"),
        ('lifecycle = "temporary"', Exit.USAGE, "a temporary agent is not kept"),
        ('api_key = "x"', Exit.USAGE, "a secret does not belong into a file"),
        ("name = ", Exit.USAGE, "a.toml: this is no TOML"),
    ],
)
def test_a_file_that_describes_no_agent_is_refused(stretto, text, code, told):
    result = stretto("agents", "add", write("a.toml", text))
    assert result.exit_code == code
    assert told in " ".join(result.stderr.split())
    assert set(listed(stretto)) == COMING_ALONG


def test_json_that_is_none_is_refused(stretto):
    assert "a.json: this is no JSON:" in stretto("agents", "add", write("a.json", "{")).stderr
    assert "a.json: this is no JSON object" in stretto("agents", "add", write("a.json", "[]")).stderr


def test_what_is_not_there_is_told_with_what_is_near(stretto):
    for words in (("show", "surveyr"), ("export", "surveyr")):
        result = stretto("agents", *words)
        assert (result.exit_code, "did you mean 'surveyor'?" in result.stderr) == (Exit.NOT_FOUND, True)
    assert stretto("agents", "add", "missing.toml").exit_code == Exit.NOT_FOUND
    result = stretto("agents", "remove", "nobody")
    assert (result.exit_code, result.stderr) == (Exit.NOT_FOUND, "stretto: there is no agent 'nobody'\n")


def test_only_what_is_stored_is_removed(stretto):
    write("agents/coder.toml", CODER)
    write("stretto.toml", '[agents.writer]\ndescription = "Writes."')
    for id, where in (("surveyor", "comes along"), ("coder", "described in agents/coder.toml"), ("writer", "[agents]")):
        result = stretto("agents", "remove", id)
        assert (result.exit_code, where in " ".join(result.stderr.split())) == (Exit.NOT_FOUND, True)


def test_settings_count_more_than_files_and_those_more_than_the_store(stretto):
    stretto("agents", "add", write("coder.toml", CODER))
    write("agents/coder.toml", 'description = "of the folder"')
    write("agents/notes.txt", "no agent")
    row = listed(stretto)["coder"]
    assert (row["from"], row["where"], row["description"]) == ("file", "agents/coder.toml", "of the folder")
    write("stretto.toml", '[agents.coder]\ndescription = "of the settings"')
    assert listed(stretto)["coder"]["description"] == "of the settings"
    assert "settings" in stretto("agents").stdout


def test_the_model_of_the_settings_is_asked_by_agents_that_name_none(stretto):
    write("stretto.toml", 'model = "offline:reader"\nagent = "coder"\n[agents.writer.llm]\nmodel = "offline:surveyor"')
    stretto("agents", "add", write("coder.toml", CODER))
    rows = listed(stretto)
    assert (rows["coder"]["model"], rows["writer"]["model"]) == ("offline:reader", "offline:surveyor")
    assert "coder (default)" in stretto("agents").stdout


def test_a_stored_agent_that_cannot_be_read_is_listed_with_the_reason(stretto, database):
    import anyio

    from stretto.core.archive import Document
    from stretto.stores.sql import SqlStore

    async def keep() -> None:
        async with SqlStore(database) as store:
            await store.archive.put_document(Document(kind="agent", id="old", name="Old", body={"colour": "red"}))

    anyio.run(keep)
    assert listed(stretto)["old"]["problems"] == ["colour: Extra inputs are not permitted"]
    assert "colour: Extra" in stretto("agents").stdout
    result = stretto("agents", "show", "old")
    assert (result.exit_code, "cannot be used" in result.stderr) == (Exit.USAGE, True)
    assert stretto("agents", "remove", "old").exit_code == Exit.OK
