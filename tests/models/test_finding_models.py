"""Finding models by name: known providers, one's own, the offline one, and what is said when there is none."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

import stretto.models as face
from stretto.core.errors import DefinitionError
from stretto.models import Keys, MissingExtra, Models, Price, ProviderConfig, UnknownModel
from stretto.models.providers import Kind
from stretto.models.resolve import PROVIDERS, _import
from tests.models.loopback import Loopback
from tests.models.talking import ask, listened, models_of, providers

NO_KEYS = Keys({})


def test_an_unknown_provider_is_named_with_those_that_look_alike() -> None:
    with pytest.raises(UnknownModel) as caught:
        Models(keys=NO_KEYS).get("mistrall:mistral-large")
    assert "there is no provider 'mistrall'" in str(caught.value)
    assert "did you mean 'mistral:mistral-large'" in str(caught.value)


@pytest.mark.parametrize("name", ["claude-sonnet-5", "mistral-large-latest", "nothing-like-it-4711", ":x", "openai:"])
def test_a_name_without_a_provider_is_told_how_names_look(name: str) -> None:
    with pytest.raises(UnknownModel, match="a model is named as 'provider:model'"):
        Models(keys=NO_KEYS).get(name)


def test_a_model_without_its_provider_is_found_with_it() -> None:
    with pytest.raises(UnknownModel) as caught:
        Models(keys=NO_KEYS).get("mistral-large-latest")
    assert any(near.startswith("mistral:") for near in caught.value.near)


def test_a_client_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic_ai.providers.groq", None)
    with pytest.raises(MissingExtra, match=r'pip install "stretto\[groq\]"'):
        Models(keys=Keys({"GROQ_API_KEY": "k"})).get("groq:llama")
    monkeypatch.setitem(sys.modules, "pydantic_ai.providers.deepseek", None)
    with pytest.raises(MissingExtra, match=r'pip install "stretto\[openai\]"'):
        Models(keys=Keys({"DEEPSEEK_API_KEY": "k"})).get("deepseek:chat")


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "offline"])
def test_every_provider_that_is_named_is_one_that_pydantic_ai_knows(provider: str) -> None:
    _import(provider, None)


def test_the_offline_model_needs_nothing() -> None:
    assert Models(keys=NO_KEYS).get("offline:surveyor").id.startswith("offline:")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"name": "a b"}, "1 to 64 letters"),
        ({"name": ""}, "1 to 64 letters"),
        ({"name": "own"}, "needs a base_url"),
        ({"name": "own", "base_url": "ftp://host"}, "http or https"),
        ({"name": "own", "base_url": "https://me:secret@host/v1"}, "must hold no password"),
        ({"name": "own", "base_url": "https://host/v1", "kind": "soap"}, "kind is one of"),
        ({"name": "own", "base_url": "https://host/v1", "max_concurrency": 0}, "max_concurrency"),
        ({"name": "mistral", "headers": {"x": "y"}}, "sends no headers"),
    ],
)
def test_a_provider_that_could_not_be_asked_is_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(DefinitionError, match=words) as caught:
        ProviderConfig(**settings)  # type: ignore[arg-type]
    assert "secret@" not in str(caught.value)


def test_two_providers_of_one_name_are_refused() -> None:
    own = ProviderConfig(name="own", base_url="http://127.0.0.1:1/v1")
    with pytest.raises(DefinitionError, match="described twice"):
        Models([own, own])


def test_a_provider_without_a_kind_speaks_the_protocol_of_its_name() -> None:
    assert ProviderConfig(name="own", base_url="http://h/v1").spoken == "openai"
    assert ProviderConfig(name="anthropic").spoken == "anthropic"
    assert ProviderConfig(name="anthropic").address is None
    assert ProviderConfig(name="ollama").address == "http://localhost:11434/v1"
    assert ProviderConfig(name="ollama", base_url="http://h:1/api/").address == "http://h:1/api"


def test_a_provider_of_ones_own_replaces_a_known_one(server: Loopback) -> None:
    own = ProviderConfig(name="openai", base_url=f"{server.url}/v1")
    assert ask(Models([own], keys=NO_KEYS).get("openai:gpt")).reply.model == "openai:gpt"
    assert server.requests[0]["path"] == "/v1/chat/completions"


def test_a_key_from_the_environment_reaches_a_known_provider(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    ask(Models(keys=Keys({"OPENAI_API_KEY": "sk-from-here"})).get("openai-chat:gpt"))
    assert server.requests[0]["headers"]["authorization"] == "Bearer sk-from-here"


def test_every_kind_of_ones_own_provider_is_asked_its_own_way(server: Loopback) -> None:
    own = [
        ProviderConfig(name="responses", base_url=f"{server.url}/v1", kind="openai-responses"),
        ProviderConfig(name="local", base_url=server.url, kind="ollama"),
    ]
    models = Models(own, keys=NO_KEYS)
    assert ask(models.get("local:llama")).reply.text
    assert ask(models.get("responses:gpt")).error is not None  # the loopback provider does not speak it
    assert [request["path"] for request in server.requests] == ["/v1/chat/completions"]


def test_the_limits_of_a_provider_are_its_own(server: Loopback) -> None:
    models = Models(
        providers(server, max_concurrency=3, prices={"one": Price(input=1, output=2)}), keys=Keys({"LOOP_KEY": "k"})
    )
    model = models.get("chat:one")
    assert model.policy.service is not None
    assert model.policy.service.maximum == 3
    assert ask(model).reply.cost == pytest.approx(34e-6)
    assert Models(attempts=1, keys=NO_KEYS).get("ollama:x").policy.retry.attempts == 1  # type: ignore[union-attr]


def test_connections_can_be_closed_and_opened_again(server: Loopback) -> None:
    async def main() -> None:
        models = models_of(server)
        model = models.get("chat:one")
        async with models:
            assert (await listened(model)).reply.text
        assert (await listened(model)).reply.text
        await models.close()

    asyncio.run(main())
    assert len({request["client"] for request in server.requests}) == 2


def test_one_set_of_models_serves_several_loops(server: Loopback) -> None:
    model = models_of(server).get("chat:one")
    assert [ask(model).reply.text for _ in range(3)] == ["The answer is forty-two."] * 3


def test_nothing_is_left_open_at_the_end_of_a_loop(server: Loopback) -> None:
    code = f"""
import asyncio
from stretto import run_sync, run
from stretto.models import Keys, ModelCall, Models, ProviderConfig, user_message
model = Models([ProviderConfig(name="own", base_url="{server.url}/v1")], keys=Keys({{}})).get("own:one")
call = ModelCall(messages=(user_message("hello"),))
print(run_sync(model, call).text)
print(asyncio.run(run(model, call)).text)
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("The answer is forty-two.\n" * 2, "", 0)


def test_the_face_of_the_room_hands_on_what_it_names() -> None:
    assert sorted(face.__all__) == face.__all__
    for name in face.__all__:
        assert getattr(face, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        face.Nothing  # noqa: B018


def test_the_room_can_be_entered_without_a_client() -> None:
    code = (
        "import sys, stretto.models as m; m.Models(); print([n for n in sys.modules if n in ('openai', 'pydantic_ai')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("kind", ["openai", "ollama", "anthropic"])
def test_what_the_environment_holds_for_known_providers_never_goes_to_ones_own(
    server: Loopback, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    for owner in ("OPENAI", "ANTHROPIC"):
        monkeypatch.setenv(f"{owner}_CUSTOM_HEADERS", "x-gateway: of-the-house\nauthorization: Bearer of-the-house")
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.setenv(name, "of-the-house")
    url = f"{server.url}/v1" if kind == "openai" else server.url
    ask(Models([ProviderConfig(name="own", base_url=url, kind=kind)], keys=NO_KEYS).get("own:model"))
    assert server.requests
    assert not [request for request in server.requests if "of-the-house" in str(request["headers"])]
