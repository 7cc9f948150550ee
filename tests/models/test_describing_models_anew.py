"""Models are described anew while they are in use; and a provider is asked which models it has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stretto.core.errors import DefinitionError
from stretto.core.ledger import Usage
from stretto.models import Keys, MissingKey, Models, Price, ProviderConfig, UnknownModel
from stretto.models.facts import ModelFacts
from stretto.models.listing import CannotList, ProviderFailed, models_at
from tests.models.loopback import KEY, Loopback
from tests.models.talking import FACES, QUESTION, listened, models_of, providers

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_what_is_described_anew_holds_for_models_that_are_got_then(server: Loopback) -> None:
    environment = {"LOOP_KEY": KEY}
    async with Models(providers(server), keys=Keys(environment)) as models:
        before = models.get("chat:m")
        assert (await listened(before)).outcome.value.cost is None
        models.describe(
            [ProviderConfig(name="chat", base_url=f"{server.url}/v1", key_name="LOOP_KEY", headers={"x-new": "yes"})],
            prices={"chat:m": Price(input=1e6, output=0)},
        )
        server.behave()
        assert (await listened(models.get("chat:m"))).outcome.value.cost == 20.0
        assert (await listened(before)).outcome.value.cost is None
        environment["LOOP_KEY"] = "sk-another-key-0123456789"
        await listened(models.get("chat:m"))
        seen = [(call["headers"].get("x-new"), call["headers"]["authorization"]) for call in server.requests]
        first, other = f"Bearer {KEY}", "Bearer sk-another-key-0123456789"
        assert seen == [("yes", first), (None, first), ("yes", other)]


def test_a_description_that_cannot_be_changes_nothing() -> None:
    own = ProviderConfig(name="own", base_url="http://127.0.0.1:1/v1")
    models = Models([own], prices={"own:x": Price(input=1, output=1)})
    for again, prices in (([own, own], {}), ([], {"bare": Price(input=1, output=1)})):
        with pytest.raises(DefinitionError):
            models.describe(again, prices=prices)
    assert models.providers == {"own": own}
    assert models.prices.cost("own:x", Usage(input_tokens=1_000_000)) == 1.0


async def test_what_is_known_of_a_model_fills_what_a_call_leaves_open(server: Loopback) -> None:
    async with models_of(server) as models:
        models.describe(
            models.providers.values(),
            facts={"claude:m": ModelFacts(context_window=5000, max_output=777, temperature=0.25, reasons=False)},
        )
        model = models.get("claude:m")
        assert (model.context_window, model.max_output) == (5000, 777)
        await listened(model, replace(QUESTION, thinking=True))
        await listened(model, replace(QUESTION, temperature=0.5))
        first, second = (call["body"] for call in server.requests)
        assert (first["temperature"], second["temperature"]) == (0.25, 0.5)
        assert "thinking" not in first
        assert models.get("claude:other").context_window is None


def test_facts_are_numbers_of_tokens() -> None:
    with pytest.raises(DefinitionError, match="context_window must be a whole number"):
        ModelFacts(context_window=0)


def test_a_provider_that_is_switched_off_is_not_asked() -> None:
    models = Models()
    models.describe(switched_off=["groq"])
    with pytest.raises(UnknownModel, match="the provider 'groq' is switched off"):
        models.get("groq:x")
    with pytest.raises(UnknownModel, match="switched off"):
        models.check("groq:x")


def test_a_model_is_checked_without_its_key() -> None:
    models = Models(keys=Keys({}))
    models.check("openai:whatever")
    models.check("offline:reader")
    for wrong in ("offline:poet", "nobody:x", "x"):
        with pytest.raises(DefinitionError):
            models.check(wrong)


@pytest.mark.parametrize("address", ["http://[::1", "http://host:99999/v1", "http://host:0/v1", "http://:80"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(DefinitionError, match="base_url must be an http or https address"):
        ProviderConfig(name="own", base_url=address)


@pytest.mark.parametrize("face", FACES)
async def test_a_provider_says_which_models_it_has(server: Loopback, face: str) -> None:
    async with models_of(server) as models:
        assert await models.known_there(face) == ("model-a", "model-b")


@pytest.mark.parametrize("face", FACES)
async def test_a_key_that_is_refused_is_told_without_showing_it(server: Loopback, face: str) -> None:
    async with models_of(server, key="sk-wrong-0123456789") as models:
        with pytest.raises(ProviderFailed, match="rejects the key") as caught:
            await models.known_there(face)
    assert caught.value.status_code == 401
    assert "sk-wrong-0123456789" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "words"),
    [(429, "asked too often"), (503, "overloaded"), (500, "failed on its server"), (404, "rejects the request")],
)
async def test_a_provider_that_refuses_says_so(server: Loopback, status: int, words: str) -> None:
    server.behave(statuses=[status])
    async with models_of(server) as models:
        with pytest.raises(ProviderFailed, match=words) as caught:
            await models.known_there("chat")
    assert caught.value.status_code == status
    assert KEY not in str(caught.value)


async def test_a_provider_that_is_not_there_or_slow_is_told(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    server.behave(delay=5)
    monkeypatch.setattr("stretto.models.listing.PATIENCE", 0.2)
    async with models_of(server) as models:
        with pytest.raises(ProviderFailed, match="did not answer in time"):
            await models.known_there("chat")
        models.describe([ProviderConfig(name="own", base_url="http://127.0.0.1:9/v1")])
        monkeypatch.setattr("stretto.models.listing.PATIENCE", 10)
        with pytest.raises(ProviderFailed, match="cannot be reached"):
            await models.known_there("own")


async def test_some_providers_cannot_be_asked_for_a_list() -> None:
    async with Models(keys=Keys({})) as models:
        assert await models.known_there("offline") == ("reader", "surveyor")
        with pytest.raises(MissingKey):
            await models.known_there("openai")
        with pytest.raises(UnknownModel):
            await models.known_there("nobody")


async def test_a_client_without_a_list_says_to_name_a_model() -> None:
    async def bare() -> object:
        return object()

    with pytest.raises(CannotList, match="name a model, and it is asked"):
        await models_at("cohere", bare, {}, [])
