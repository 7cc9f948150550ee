"""Talking with agents in the terminal: one message or many, kept, gone on with, stopped, and answered by a pipe."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from stretto.cli.conversing import role_of
from stretto.cli.exits import Exit
from stretto.models.messages import ToolCall, ToolResult, assistant_message, results_message, user_message
from stretto.runtime.loop import drive
from stretto.stores.sql import SqlStore
from tests.models.loopback import Loopback


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def kept(database: Path):
    async def read():
        async with SqlStore(str(database)) as store:
            archive = store.archive
            return [(each, await archive.messages(each.id)) for each in await archive.conversations()]

    return drive(read())


def test_one_message_is_answered_on_stdout_and_its_figures_told_on_stderr(stretto, here):
    done = stretto("chat", "What is 2 to the power of 10?")
    assert done.exit_code == 0, done.output
    assert "1024" in done.stdout
    assert "Written by rules" in done.stdout
    assert "✓ CalculatorTool" in done.stderr
    assert "offline:surveyor · 2 answers · 1 call" in done.stderr
    assert "CalculatorTool" not in done.stdout


def test_a_message_can_come_by_a_pipe_and_the_answer_go_as_json(stretto, here, database):
    done = stretto("chat", "--json", stdin="What is 3*4?\n")
    told = json.loads(done.stdout)
    assert told["output"]["status"] == "success"
    assert "12" in told["output"]["response"]
    assert told["metrics"]["tokens_input"] > 0
    ((conversation, messages),) = kept(database)
    assert told["conversation"] == conversation.id
    assert [message.role for message in messages] == ["user", "assistant", "tool", "assistant"]
    assert {message.run_id for message in messages} == {told["run_id"]}


def test_a_conversation_goes_on_with_what_was_said_before(stretto, here, database):
    stretto("chat", "What is 3*4?")
    done = stretto("chat", "--resume", "last", "What is 5*6?")
    assert "30" in done.stdout
    ((conversation, messages),) = kept(database)
    assert conversation.title == "What is 3*4?"
    assert [message.seq for message in messages] == list(range(8))
    listed = stretto("chat", "--list")
    assert conversation.id in listed.stdout
    assert "8 messages" in listed.stdout
    assert json.loads(stretto("chat", "--list", "--json").stdout)[0]["title"] == "What is 3*4?"
    again = stretto("chat", "--resume", conversation.id[:5], "hello")
    assert again.exit_code == 0
    assert len(kept(database)) == 1


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--agent", "surveyer", "hello"], Exit.USAGE, "surveyor"),
        (["--model", "offlin:x", "hello"], Exit.USAGE, "offline"),
        (["--model", "nonsense", "hello"], Exit.USAGE, "provider:model"),
        (["--resume", "last", "hello"], Exit.USAGE, "there is no conversation to go on with"),
        (["--resume", "abc", "hello"], Exit.STORE, "there is no conversation 'abc'"),
        (["  "], Exit.USAGE, "the message is empty"),
        (["x" * 100_001], Exit.USAGE, "has 100,001 characters"),
    ],
)
def test_what_cannot_be_is_told_with_the_way_out(stretto, here, words, code, told):
    done = stretto("chat", *words)
    assert done.exit_code == code, done.output
    assert told in done.stderr


def test_without_conversations_the_list_says_how_to_begin_one(stretto, here):
    assert "begin one: stretto chat" in stretto("chat", "--list").stderr


def test_a_missing_key_is_told_before_anything_is_kept(stretto, here, database, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    done = stretto("chat", "--model", "openai:gpt-5", "hello")
    assert done.exit_code == Exit.USAGE
    assert "OPENAI_API_KEY" in done.stderr
    assert kept(database) == []


def test_a_real_provider_answers_word_by_word_and_its_failure_fails_the_command(stretto, here, database, monkeypatch):
    with Loopback() as provider:
        (here / "stretto.toml").write_text(f'[providers.own]\nbase_url = "{provider.url}/v1"\nkey_name = "OWN_KEY"\n')
        monkeypatch.setenv("OWN_KEY", "sk-own-secret-value")
        provider.behave(text="Rome and Oslo.")
        done = stretto("chat", "--model", "own:model", "Which towns?")
        assert done.exit_code == 0, done.output
        assert done.stdout == "Rome and Oslo.\n"
        assert "cost unknown" in done.stderr
        provider.behave(statuses=[401], echo_key=True)
        failed = stretto("chat", "--model", "own:model", "--resume", "last", "And now?")
    assert failed.exit_code == Exit.FAILED
    assert "sk-own-secret-value" not in failed.output
    ((_, messages),) = kept(database)
    assert [message.role for message in messages] == ["user", "assistant", "user", "assistant"]
    assert "[no further answer: failed]" in messages[-1].body["parts"][0]["content"]


def test_a_chat_in_a_terminal_reads_lines_takes_commands_and_says_how_to_go_on(terminal, here):
    chat = terminal("chat")
    chat.until("/help tells more")
    chat.until("›")
    chat.type("What is 6*7?\r")
    chat.until("= 42")
    chat.until("stretto gantt")
    chat.type("/cost\r")
    chat.until("1 message · ")
    chat.type("/modle\r")
    chat.until("did you mean /model?")
    chat.type("/model offlin:x\r")
    chat.until("offline")
    chat.type("/agent quality-reader\r")
    chat.until("quality reader · ")
    chat.type("/new\r")
    chat.until("a new conversation")
    chat.type("/help\r")
    chat.until("begin another conversation")
    chat.type("hello\r")
    chat.until("Hello")
    chat.until("stretto gantt")
    chat.type("/quit\r")
    chat.until("go on with: stretto chat --resume")
    assert chat.end() == 0


def test_an_interrupt_stops_the_answer_and_keeps_what_was_said(spawn, here, database, monkeypatch):
    with Loopback() as provider:
        (here.parent / "stretto.toml").write_text(f'[providers.own]\nbase_url = "{provider.url}/v1"\n')
        monkeypatch.setenv("OWN_API_KEY", "sk-own-secret-value")
        provider.behave(text="one two three four " * 50, speed=5.0)
        process = spawn("chat", "--model", "own:model", "Count")
        assert process.stdout is not None
        assert process.stdout.read(3) == "one"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED, err
    assert "stopping in order" in err
    ((_, messages),) = kept(database)
    assert messages[-1].body["parts"][0]["content"].startswith("one")
    assert "[no further answer: cancelled]" in messages[-1].body["parts"][0]["content"]


def test_a_message_whose_process_was_killed_is_gone_on_with(spawn, stretto, here, database, monkeypatch):
    with Loopback() as provider:
        for folder in (here, here.parent):
            (folder / "stretto.toml").write_text(f'[providers.own]\nbase_url = "{provider.url}/v1"\n')
        monkeypatch.setenv("OWN_API_KEY", "sk-own-secret-value")
        provider.behave(text="one two three four " * 50, speed=5.0)
        process = spawn("chat", "--model", "own:model", "Count")
        assert process.stdout is not None
        process.stdout.read(3)
        time.sleep(0.2)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        ((_, messages),) = kept(database)
        assert [message.role for message in messages] == ["user"]
        provider.behave(text="now whole")
        done = stretto("chat", "--model", "own:model", "--resume", "last", "Again")
    assert done.exit_code == 0, done.output
    assert "going on with the message that was interrupted" in done.stderr
    assert "now whole" in done.stdout
    ((_, messages),) = kept(database)
    assert [message.role for message in messages] == ["user", "assistant", "user", "assistant"]


def test_messages_are_told_apart_by_who_says_them():
    call = ToolCall("c", "t", "{}")
    said = [user_message("x"), assistant_message("y"), results_message([ToolResult(call, "z")])]
    assert [role_of(message) for message in said] == ["user", "assistant", "tool"]
