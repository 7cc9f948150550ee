"""The command that serves: what it refuses, what it prints, and what it takes."""

import json
import signal
import socket
import sys

import httpx2
import pytest

from stretto.cli import serving
from stretto.cli.exits import Exit
from stretto.configuring.settings import Settings

QUIET = ("--no-browser", "--no-example", "--port", "0")
TOKEN = "a-token-of-some-length"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_other_machines_are_not_served_without_a_token(stretto):
    told = stretto("serve", "--host", "0.0.0.0", *QUIET)
    assert told.exit_code == Exit.USAGE
    assert "there is no token; give one with --token-file" in told.stderr


def test_a_token_file_that_holds_none_is_refused(stretto, tmp_path):
    (tmp_path / "empty").write_text("")
    for file in ("empty", "missing"):
        told = stretto("serve", "--token-file", file, *QUIET)
        assert told.exit_code == Exit.USAGE
        assert f"the token file {file}" in told.stderr


def test_what_is_no_workflow_is_refused_and_no_name_is_served_twice(stretto, flow):
    assert stretto("serve", "missing.py", *QUIET).exit_code == Exit.NOT_FOUND
    told = stretto("serve", f"{flow}:double", f"{flow}:double", *QUIET)
    assert told.exit_code == Exit.USAGE
    assert "two workflows are called 'double'" in told.stderr


def test_a_port_that_is_taken_is_told_in_words(stretto):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = stretto("serve", "--no-browser", "--no-example", "--port", taken.getsockname()[1])
    assert told.exit_code == Exit.USAGE
    assert "choose another one with --port" in told.stderr


def test_its_settings_come_from_the_file_and_the_line_counts_more(stretto, flow, tmp_path, monkeypatch):
    (tmp_path / "stretto.toml").write_text('[server]\nhost = "127.0.0.2"\nport = 98\n')
    monkeypatch.setenv("STRETTO_SERVER__TOKEN", TOKEN)
    served = []

    async def serve(settings, store, steps, *, stop, ready, demonstrate):
        served.append((settings.server, list(steps), demonstrate, store.place))
        ready("http://127.0.0.2:99", "http://127.0.0.2:99/runs/x")

    monkeypatch.setattr("stretto.server.serving.serve", serve)
    told = stretto("serve", "--port", "99", "--no-example", "--store", "here.db", f"{flow}:double")
    assert (told.exit_code, told.stdout) == (Exit.OK, "http://127.0.0.2:99\n"), told.stderr
    ((server, steps, demonstrate, place),) = served
    assert (server.host, server.port, server.token.get_secret_value()) == ("127.0.0.2", 99, TOKEN)
    assert (steps, demonstrate, place) == (["double"], False, "here.db")


def test_what_must_not_be_logged_is_gathered():
    settings = Settings.model_validate(
        {"server": {"token": TOKEN}, "providers": {"mine": {"base_url": "http://x", "headers": {"x-key": "hidden"}}}}
    )
    assert serving.secrets_of(settings) == ["hidden", TOKEN]
    assert serving.secrets_of(Settings()) == []


def test_a_page_is_opened_where_there_are_a_terminal_and_windows(monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert serving.open_page("http://127.0.0.1:1") is None
    monkeypatch.setenv("DISPLAY", ":0")
    assert serving.open_page("http://127.0.0.1:1") is None
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    serving.open_page("http://127.0.0.1:1").join()
    assert opened == ["http://127.0.0.1:1"]


def test_ctrl_c_ends_it_in_order(spawn, flow, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    process = spawn("serve", f"{flow}:double", "--token-file", "token", "--log", "json", *QUIET)
    url = process.stdout.readline().strip()
    assert httpx2.get(f"{url}/api/workflows", timeout=60).status_code == 401
    answer = httpx2.get(f"{url}/api/workflows", headers={"authorization": f"Bearer {TOKEN}"}, timeout=60)
    assert answer.json()["total"] == 0
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == Exit.OK, err
    assert out == ""
    assert f"Stretto serves at {url}" in err
    lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert lines[-1]["message"] == "stopped"
    assert TOKEN not in err
