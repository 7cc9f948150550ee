"""Keys: where they are looked for, and that none of them is ever seen in a log, an error or a text."""

from __future__ import annotations

import json
from pathlib import Path

import keyring
import pydantic_ai.providers
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError
from pydantic import SecretStr

from stretto.core.codec import encode
from stretto.core.errors import DefinitionError
from stretto.models import Keys, MissingKey, Models, NoKeyring, ProviderConfig
from stretto.models.errors import masked
from stretto.models.keys import VARIABLES, delete_key, set_key, variables
from tests.models.loopback import Loopback
from tests.models.talking import FACES, ask, hasty, models_of

SECRET = "sk-very-secret-4711"


class Drawer(KeyringBackend):
    """A keyring in memory."""

    priority = 1.0  # type: ignore[assignment]  # a property of the class there

    def __init__(self, locked: bool = False) -> None:
        self.held: dict[tuple[str, str], str] = {}
        self.locked = locked

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringLocked("locked")
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.locked:
            raise KeyringLocked("locked")
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.locked:
            raise KeyringLocked("locked")
        if (service, username) not in self.held:
            raise PasswordDeleteError("none")
        del self.held[service, username]


@pytest.fixture
def drawer(monkeypatch: pytest.MonkeyPatch) -> Drawer:
    made = Drawer()
    monkeypatch.setattr(keyring, "get_keyring", lambda: made)
    monkeypatch.setattr("keyring.core._keyring_backend", made)
    return made


def test_the_environment_comes_before_the_keyring(drawer: Drawer) -> None:
    keys = Keys({"OPENAI_API_KEY": "from-outside"})
    assert Keys({}).get("openai") is None
    assert Keys({}).where("openai") is None
    set_key("openai", SecretStr("from-the-ring"))
    kept = Keys({}).get("openai")
    assert kept is not None
    assert kept.get_secret_value() == "from-the-ring"
    assert Keys({}).where("openai") == "keyring"
    found = keys.get("openai")
    assert found is not None
    assert found.get_secret_value() == "from-outside"
    assert keys.where("openai") == "environment"
    assert "from" not in repr(found)


def test_a_key_is_kept_replaced_and_taken_away(drawer: Drawer) -> None:
    assert not delete_key("openai")
    set_key("openai", SecretStr(" one "))
    set_key("openai", SecretStr("two"))
    assert drawer.held == {("stretto", "openai"): "two"}
    assert delete_key("openai")
    assert drawer.held == {}
    with pytest.raises(DefinitionError, match="the key for 'openai' is empty"):
        set_key("openai", SecretStr("  "))


def test_a_system_without_a_keyring_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyring.core._keyring_backend", Drawer(locked=True))
    assert Keys({}).get("openai") is None
    for use in (lambda: set_key("openai", SecretStr("x")), lambda: delete_key("openai")):
        with pytest.raises(NoKeyring, match="set the key in the environment instead"):
            use()


def test_a_missing_key_is_named_with_both_ways_to_give_it(drawer: Drawer) -> None:
    with pytest.raises(MissingKey) as caught:
        Models(keys=Keys({})).get("mistral:mistral-large-latest")
    assert "set MISTRAL_API_KEY in the environment" in str(caught.value)
    assert "`stretto models key mistral`" in str(caught.value)
    own = ProviderConfig(name="own", base_url="http://127.0.0.1:1/v1", key_name="OWN_KEY")
    with pytest.raises(MissingKey, match="OWN_KEY"):
        Models([own], keys=Keys({})).get("own:model")
    assert variables("some-one") == ("SOME_ONE_API_KEY",)


@pytest.mark.parametrize("provider", VARIABLES)
def test_the_variables_are_those_that_the_providers_read(provider: str) -> None:
    folder = Path(pydantic_ai.providers.__file__).parent
    places = [folder / f"{name}.py" for name in (provider.replace("-", "_"), provider.partition("-")[0])]
    source = next(place for place in places if place.exists()).read_text("utf-8")
    for name in VARIABLES[provider]:
        assert name in source


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("statuses", [[], [401], [400] * 5, [500] * 5, [429] * 5])
def test_a_key_is_in_no_event_no_error_and_no_answer(face: str, statuses: list[int], server: Loopback) -> None:
    server.behave(statuses=statuses, echo_key=True, retry_after=0)
    model = hasty(models_of(server, key=SECRET).get(f"{face}:one"))
    heard = ask(model)
    sent = server.requests[0]["headers"]
    assert SECRET in (sent.get("authorization", "") + sent.get("x-api-key", ""))
    told = json.dumps([repr(event) for event in heard.log]) + repr(heard.outcome) + str(heard.error) + repr(model)
    told += "".join(str(encode(event)) for event in heard.log)
    assert SECRET not in told
    assert "very-secret" not in told
    if statuses:
        assert "***" in str(heard.error)


def test_the_secrets_of_ones_own_headers_are_masked_too(server: Loopback) -> None:
    config = ProviderConfig(name="own", base_url=f"{server.url}/v1", headers={"authorization": f"Bearer {SECRET}"})
    server.behave(statuses=[400], echo_key=True)
    assert "very-secret" not in str(ask(Models([config], keys=Keys({})).get("own:one")).error)


def test_what_looks_like_a_key_is_masked_without_being_known() -> None:
    assert masked("use sk-proj-abcdefgh1234 or Bearer abcdef.ghi") == "use *** or Bearer ***"
    assert masked("the task-list of key people") == "the task-list of key people"
    assert masked("no 4711 here", ["4711", ""]) == "no *** here"


def test_a_key_that_no_request_could_carry_is_refused_without_being_shown() -> None:
    for wrong in ("sk-very-sécret", "sk-very\x07secret"):
        with pytest.raises(
            DefinitionError, match="the variable OPENAI_API_KEY holds characters that no key has"
        ) as told:
            Keys({"OPENAI_API_KEY": wrong}).get("openai")
        assert "very" not in str(told.value)
        with pytest.raises(DefinitionError, match="no key has"):
            set_key("openai", SecretStr(wrong))


def test_whatever_a_keyring_raises_its_words_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("cannot keep sk-very-secret")

    for name in ("get_password", "set_password", "delete_password"):
        monkeypatch.setattr(f"keyring.{name}", broken)
    assert Keys({}).get("openai") is None
    for change in (lambda: set_key("openai", SecretStr("sk-very-secret")), lambda: delete_key("openai")):
        with pytest.raises(NoKeyring, match="RuntimeError") as told:
            change()
        assert "sk-very-secret" not in str(told.value)
