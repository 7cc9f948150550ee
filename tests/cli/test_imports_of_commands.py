"""What starting a command costs: which of the packages that take long to import each of them imports."""

import subprocess
import sys

import pytest

HEAVY = frozenset(
    {
        "alembic", "genai_prices", "griffe", "httpx", "httpx2", "jsonschema", "keyring", "mcp", "mcp_types", "openai",
        "prompt_toolkit", "psutil", "pydantic_ai", "pydantic_settings", "sqlalchemy",
    }
)  # fmt: skip
"""Each takes from 30 ms to 2 s of processor time."""
RUN = """
import atexit, sys
from stretto.cli.app import main
atexit.register(lambda: print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr))
main()
"""


def imported(*words):
    """Returns which of the heavy packages are imported when a command has ended well."""
    done = subprocess.run([sys.executable, "-c", RUN, *words], capture_output=True, text=True, input="", check=False)
    assert done.returncode == 0, done.stderr
    return HEAVY & set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("words", ["--help", "chat --help", "mcp --help", "serve --help"])
def test_telling_what_a_command_does_imports_none(words):
    assert imported(*words.split()) == set()


def test_looking_at_runs_imports_the_database_alone():
    assert imported("runs") == {"sqlalchemy"}


@pytest.mark.parametrize("message", ["hello", "What is 2 to the power of 10?"])
def test_talking_with_the_offline_model_imports_no_provider_and_no_mcp(message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert imported("chat", message) == {"sqlalchemy", "pydantic_settings"}


def test_listing_agents_imports_no_model():
    assert imported("agents") == {"sqlalchemy", "pydantic_settings"}


def test_listing_providers_imports_prices_and_the_keyring_and_asks_no_provider():
    assert imported("models") == {"genai_prices", "httpx2", "keyring", "pydantic_settings"}


def test_naming_mcp_servers_imports_no_sdk(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert imported("mcp", "list") == {"pydantic_settings"}
