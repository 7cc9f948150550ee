"""`stretto models`: providers, prices, keys in the keyring, and one tiny question."""

import json
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail
from keyring.errors import PasswordDeleteError

from stretto.cli import models
from stretto.cli.exits import Exit

SECRET = "xyzzy-plugh-7"


class Drawer(KeyringBackend):
    """A keyring that forgets."""

    priority = 1

    def __init__(self):
        super().__init__()
        self.held = {}

    def get_password(self, service, username):
        return self.held.get((service, username))

    def set_password(self, service, username, password):
        self.held[service, username] = password

    def delete_password(self, service, username):
        if (service, username) not in self.held:
            raise PasswordDeleteError(username)
        del self.held[service, username]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "MISTRAL_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def drawer():
    before, new = keyring.get_keyring(), Drawer()
    keyring.set_keyring(new)
    yield new
    keyring.set_keyring(before)


def providers(stretto) -> dict[str, dict]:
    return {row["provider"]: row for row in json.loads(stretto("models", "--json").stdout)}


def test_providers_are_listed_with_the_place_of_their_keys_and_never_with_a_key(stretto, drawer, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    drawer.set_password("stretto", "mistral", SECRET)
    Path("stretto.toml").write_text(
        '[providers.local]\nbase_url = "http://localhost:1/v1"\n[providers.ours]\nkey_name = "OUR_KEY"\n'
        'base_url = "http://localhost:1/v1"'
    )
    rows = providers(stretto)
    assert {name: rows[name]["key"] for name in ("anthropic", "mistral", "openai", "offline", "local", "ours")} == {
        "anthropic": "environment", "mistral": "keyring", "openai": None, "offline": None, "local": None, "ours": None,
    }  # fmt: skip
    assert (rows["ours"]["variable"], rows["local"]["local"], rows["offline"]["models"] > 1) == ("OUR_KEY", True, True)
    result = stretto("models")
    told = {line.split()[0]: " ".join(line.split()[1:]) for line in result.stdout.splitlines()}
    assert told["anthropic"].endswith("in the environment")
    assert told["mistral"].endswith("in the keyring")
    assert told["openai"].endswith("missing set OPENAI_API_KEY, or: stretto models key openai")
    assert told["local"] == "needs none"
    assert list(told)[:7] == ["provider", "anthropic", "local", "mistral", "offline", "ollama", "alibaba"]
    assert told["bedrock"].endswith("signs in its own way")
    assert SECRET not in result.stdout + result.stderr
    assert stretto("models", "list").stdout == result.stdout


def test_models_are_listed_with_context_window_and_prices(stretto):
    Path("stretto.toml").write_text(
        '[providers.local]\nbase_url = "http://localhost:1/v1"\n'
        '[prices."local:tiny"]\ninput = 0.5\noutput = 0.0625\n[prices."openai:gpt-4o"]\ninput = 7\noutput = 8'
    )
    rows = {row["model"]: row for row in json.loads(stretto("models", "list", "openai", "--json").stdout)}
    assert rows["openai:gpt-4o"] == {"model": "openai:gpt-4o", "context_window": 128_000, "input": 7, "output": 8}
    assert rows["openai:gpt-4o-mini"]["input"] > 0
    assert "local:tiny" in stretto("models", "list", "--search", "TINY").stdout
    told = " ".join(stretto("models", "list", "local").stdout.split())
    assert "local:tiny unknown $0.50 $0.0625" in told
    assert "offline:surveyor unknown free free" in " ".join(stretto("models", "list", "offline").stdout.split())


def test_a_provider_without_known_models_says_how_to_ask_for_one(stretto):
    result = stretto("models", "list", "vllm")
    assert (result.exit_code, result.stdout) == (Exit.OK, "")
    assert "no models of vllm are known by name" in result.stderr
    assert "no model 'zzz' is known" in stretto("models", "list", "--search", "zzz").stderr
    result = stretto("models", "list", "opnai")
    assert (result.exit_code, "did you mean 'openai'" in result.stderr) == (Exit.NOT_FOUND, True)
    assert "`stretto models` lists them" in stretto("models", "list", "zzzzzz").stderr


def test_a_key_is_kept_in_the_keyring_and_taken_out_again(stretto, drawer):
    result = stretto("models", "key", "openai", stdin=f"{SECRET}\n")
    assert (result.exit_code, drawer.held) == (Exit.OK, {("stretto", "openai"): SECRET})
    assert SECRET not in result.stdout + result.stderr
    assert providers(stretto)["openai"]["key"] == "keyring"
    assert stretto("models", "key", "openai", "--delete").exit_code == Exit.OK
    assert drawer.held == {}
    result = stretto("models", "key", "openai", "--delete")
    assert (result.exit_code, "holds no key of 'openai'" in result.stderr) == (Exit.NOT_FOUND, True)


def test_a_key_is_typed_without_being_shown(stretto, drawer, monkeypatch):
    monkeypatch.setattr(models.sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr("getpass.getpass", lambda prompt: f" {SECRET} " if "not shown" in prompt else "")
    assert models._asked_key("openai").get_secret_value() == f" {SECRET} "


def test_no_key_no_provider_and_no_keyring_are_told(stretto):
    assert "the key for 'openai' is empty" in stretto("models", "key", "openai", stdin="\n").stderr
    assert stretto("models", "key", "opnai", stdin="x\n").exit_code == Exit.NOT_FOUND
    keyring.set_keyring(fail.Keyring())
    result = stretto("models", "key", "openai", stdin=f"{SECRET}\n")
    assert (result.exit_code, "no keyring that can be used" in result.stderr) == (Exit.USAGE, True)
    assert providers(stretto)["openai"]["key"] is None


def test_a_model_is_tried_with_one_question(stretto):
    result = stretto("models", "test", "offline:surveyor")
    assert result.exit_code == Exit.OK
    assert "offline:surveyor" in result.stdout
    assert "offline:surveyor answered in" in result.stderr
    assert "; free" in result.stderr
    told = json.loads(stretto("models", "test", "offline:surveyor", "--json").stdout)
    assert (told["model"], told["cost"], told["output_tokens"] > 0) == ("offline:surveyor", 0, True)


def test_a_model_that_does_not_answer_is_a_failure_with_its_reason(stretto, unused_port):
    Path("stretto.toml").write_text(f'[providers.local]\nbase_url = "http://127.0.0.1:{unused_port}/v1"')
    result = stretto("models", "test", "local:any")
    assert (result.exit_code, "model 'local:any' cannot be reached" in result.stderr) == (Exit.FAILED, True)
    result = stretto("models", "test", "openai:gpt-4o")
    assert (result.exit_code, "there is no key for 'openai'" in result.stderr) == (Exit.USAGE, True)


@pytest.fixture
def unused_port():
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
