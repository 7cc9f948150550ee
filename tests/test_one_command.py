"""The one command of a checkout: that it starts the server, and says what is missing."""

import os
import signal
import subprocess
import sys

import httpx2
import pytest

import dev
import hatch_build
from tests.built_page import REPOSITORY, built_page

START = "import dev, sys; dev.ensure_environment = lambda: None; sys.argv = ['dev.py', *sys.argv[1:]]; dev.main()"


def test_it_starts_a_server_that_shows_the_page(tmp_path):
    built_page()
    words = ("run", "--no-browser", "--no-example", "--port", "0", "--store", tmp_path / "runs.db")
    process = subprocess.Popen(
        [sys.executable, "-c", START, *map(str, words)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = next(line.strip() for line in process.stdout if line.startswith("http://"))
        assert httpx2.get(f"{url}/readyz", timeout=60).status_code == 200
        answer = httpx2.get(f"{url}/runs/abc", timeout=60)
        assert (answer.status_code, "<base " in answer.text) == (200, True)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0


def test_without_node_a_server_starts_and_a_build_says_what_is_missing(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(hatch_build, "is_fresh", lambda *_: False)
    assert dev.build_page(needed=False) is False
    assert "the page is not built, for Node.js 20.19 or newer is missing" in capsys.readouterr().err
    with pytest.raises(SystemExit, match=r"Node\.js 20\.19 or newer with npm is needed; type: sudo apt-get install"):
        dev.build_page()
    monkeypatch.setattr(sys, "argv", ["dev.py", "biuld"])
    with pytest.raises(SystemExit, match=r"python3 dev\.py build +the page"):
        dev.main()
