"""Providers as things of the house: known ones, those of the settings, those described over HTTP; and their keys."""

from __future__ import annotations

import re
import time

import anyio
from anyio.to_thread import run_sync

from stretto.configuring.kept_models import PROVIDERS, KeptProvider, read_provider
from stretto.configuring.kept_servers import is_secret, may_start_programs
from stretto.core.archive import Document, NotKept
from stretto.core.errors import DefinitionError, StrettoError
from stretto.models.keys import VARIABLES, Place, delete_key, set_key, variables
from stretto.models.messages import user_message
from stretto.models.model import ModelCall
from stretto.models.offline import RULES
from stretto.models.pricing import LOCAL, known_models, near
from stretto.models.resolve import OFFLINE
from stretto.models.resolve import PROVIDERS as KNOWN
from stretto.runtime.run import run
from stretto.server.described_agents import contradicting, kept_document
from stretto.server.house import House
from stretto.server.model_descriptions import (
    KeyRequest,
    NewProviderRequest,
    ProviderCheck,
    ProviderDetails,
    ProviderTestRequest,
)
from stretto.server.problems import Problem

QUESTION = "Answer with the single word: ready"
"""What a model is asked when a provider is tried."""
PATIENCE = 30.0
"""How long an answer may take when a provider is tried (seconds)."""
MOST_SHOWN = 1000
_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


async def all_providers(house: House, text: str = "") -> list[ProviderDetails]:
    """Returns the providers by name: those that can be asked first; ``text`` is a part of a name."""
    documents = {document.id: document for document in await house.store.archive.documents(PROVIDERS)}
    names = sorted({*house.room.models.names, *documents})

    def look() -> list[ProviderDetails]:
        return [_details(house, name, documents.get(name)) for name in names]

    wanted = text.casefold()
    found = [each for each in await run_sync(look) if wanted in f"{each.name} {each.display_name}".casefold()]
    return sorted(found, key=lambda each: (each.key is None and not each.local, each.name))


async def one_provider(house: House, name: str) -> ProviderDetails:
    """Returns a provider; raises ``NotKept``."""
    document = await _document(house, name)
    if document is None:
        _check_known(house, name)
    return await run_sync(_details, house, name, document)


async def create_provider(house: House, request: NewProviderRequest) -> ProviderDetails:
    """Describes a provider that is new, or a known one anew.

    Raises ``Problem`` for a name that is taken, for one that could not be asked, and where a key would get elsewhere.
    """
    said = KeptProvider.model_validate(request.model_dump(exclude={"name"}, exclude_unset=True))
    async with house.room.changing:
        _check_own(house, request.name)
        if await _document(house, request.name) is not None:
            raise Problem(409, "taken", f"the provider {request.name!r} is described already; change it (PUT)")
        now = time.time()
        await _keep(house, Document(kind=PROVIDERS, id=request.name, name=request.name, body={}, created_at=now), said)
    return await one_provider(house, request.name)


async def replace_provider(house: House, name: str, said: KeptProvider) -> ProviderDetails:
    """Describes a provider anew; what runs goes on with what it began with. Raises as ``create_provider`` does."""
    async with house.room.changing:
        _check_own(house, name)
        document = await _document(house, name)
        if document is None:
            _check_known(house, name)
            document = Document(kind=PROVIDERS, id=name, name=name, body={}, created_at=time.time())
        await _keep(house, document, said)
    return await one_provider(house, name)


async def delete_provider(house: House, name: str) -> None:
    """Removes what is kept of a provider, and its key; a known one is what it was. Raises ``Problem`` for others."""
    async with house.room.changing:
        _check_own(house, name)
        document = await _document(house, name)
        if document is None:
            _check_known(house, name)
            raise Problem(409, "read_only", f"the provider {name!r} comes along; switch it off (enabled) instead")
        asking = _asking(house, name) if name not in KNOWN else []
        if asking:
            told = ", ".join(map(repr, asking[:5]))
            raise Problem(409, "in_use", f"the agents {told} ask models of {name!r}; have them ask others first")
        await house.store.archive.delete_document(PROVIDERS, name)
        if house.room.models.providers.get(name) is not None:
            await run_sync(_forget_key, name)
        await house.room.renew()


async def keep_key(house: House, name: str, request: KeyRequest) -> None:
    """Puts a provider's key into the system's keyring; the next request of a model bears it. Raises ``NotKept``."""
    _check_known(house, name)
    async with house.room.changing:
        with contradicting("no_keyring"):
            await run_sync(set_key, name, request.key)
        await house.room.renew()


async def remove_key(house: House, name: str) -> None:
    """Takes a provider's key out of the system's keyring; raises ``NotKept`` when it holds none."""
    _check_known(house, name)
    async with house.room.changing:
        with contradicting("no_keyring"):
            found = await run_sync(delete_key, name)
        if not found:
            raise NotKept("key in the keyring of the provider", name)
        await house.room.renew()


async def try_provider(house: House, name: str, request: ProviderTestRequest) -> ProviderCheck:
    """Finds out whether a provider can be asked, and how long it takes; a failure is told, not raised."""
    _check_known(house, name)
    models = house.room.models
    began = time.perf_counter()
    try:
        if request.model is None:
            found = await models.known_there(name)
            return ProviderCheck(name=name, ok=True, latency_ms=_since(began), models=list(found[:MOST_SHOWN]))
        with anyio.fail_after(PATIENCE):
            call = ModelCall(messages=(user_message(QUESTION),), max_tokens=256)
            reply = await run(models.get(f"{name}:{request.model}"), call)
        return ProviderCheck(name=name, ok=True, latency_ms=_since(began), answer=reply.text.strip()[:MOST_SHOWN])
    except TimeoutError:
        words = f"model {name}:{request.model} did not answer within {PATIENCE:.0f} s"
        return ProviderCheck(name=name, ok=False, error=words)
    except StrettoError as error:
        return ProviderCheck(name=name, ok=False, error=str(error))


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)


async def _document(house: House, name: str) -> Document | None:
    try:
        return await kept_document(house.store.archive, PROVIDERS, "provider", name)
    except NotKept:
        return None


def _check_known(house: House, name: str) -> None:
    names = house.room.models.names
    if name not in names and f"provider {name}" not in house.room.problems:
        raise NotKept("provider", name, near(name, names))


def _check_own(house: House, name: str) -> None:
    if name in house.room.given.providers:
        words = f"the provider {name!r} is described in the settings ([providers]); change it there, and start anew"
        raise Problem(409, "read_only", words)
    if name == OFFLINE:
        raise Problem(409, "read_only", "the provider 'offline' is part of Stretto; describe another one")


async def _keep(house: House, document: Document, said: KeptProvider) -> None:
    name = document.id
    _check_secrets(name, said)
    try:
        before = read_provider(document)
    except DefinitionError:
        before = KeptProvider.model_validate({})
    open_to_all = not may_start_programs(house.room.settings.server)
    if open_to_all:
        _check_references(name, before, said)  # before they are looked up: nobody learns which of them are set
    with contradicting():
        config = said.config(name)
    if name not in KNOWN and config is None:
        raise Problem(409, "conflict", f"provider {name!r} is none of the known ones: it needs a base_url")
    if open_to_all and (before.base_url, before.kind) != (said.base_url, said.kind):
        _check_key_stays(name, await run_sync(_key_place, house, name, said.key_name))
    body = said.model_dump(mode="json", exclude_defaults=True)
    kept = Document(
        kind=PROVIDERS, id=name, name=name, body=body, created_at=document.created_at, updated_at=time.time()
    )
    await house.store.archive.put_document(kept)
    await house.room.renew()


def _check_secrets(name: str, said: KeptProvider) -> None:
    """Raises ``Problem`` for a header that holds a secret in clear: it would lie in the database."""
    for header, value in said.headers.items():
        if is_secret(header, value):
            words = f"provider {name!r}: the header {header} holds a secret; write it as ${{VARIABLE}}, and set that"
            raise Problem(409, "secret_in_clear", f"{words} variable where the server is started")


def _check_references(name: str, before: KeptProvider, said: KeptProvider) -> None:
    """Raises ``Problem`` when a request without a token names variables of the environment.

    Whoever reaches the server could have them sent to an address of his own.
    """
    named = said.key_name if said.key_name != before.key_name else None
    in_headers = any(
        _REFERENCE.search(value) and before.headers.get(header) != value for header, value in said.headers.items()
    )
    moved = said.base_url != before.base_url and any(map(_REFERENCE.search, said.headers.values()))
    if named or in_headers or moved:
        raise Problem(
            403, "needs_token",
            f"provider {name!r}: variables of the environment (key_name, ${{NAME}} in headers) are named over HTTP "
            "only where the server has a token (server.token); keep the key in the keyring, or use stretto.toml",
        )  # fmt: skip


def _key_place(house: House, name: str, key_name: str | None) -> Place | None:
    return house.room.models.keys.where(name, (key_name,) if key_name else ())


def _check_key_stays(name: str, place: Place | None) -> None:
    """Raises ``Problem`` when a key that is there would be sent to another address than the one it was given for."""
    if place == "keyring":
        words = f"a key is kept for {name!r}: take it away first (DELETE /api/providers/{name}/key), and give it anew"
        raise Problem(409, "key_kept", f"{words} for the new address")
    if place == "environment":
        words = f"the environment holds a key for {name!r}, which would be sent to the new address"
        raise Problem(403, "needs_token", f"{words}: that takes a server with a token; choose another name")


def _asking(house: House, name: str) -> list[str]:
    """Returns the agents that name models of a provider."""
    begin = f"{name}:"
    return [
        known.config.id for known in house.room.agents
        if any(id.startswith(begin) for id in (known.config.llm.model, *known.config.llm.fallbacks))
    ]  # fmt: skip


def _forget_key(name: str) -> None:
    try:
        delete_key(name)
    except DefinitionError:
        return  # where there is no keyring, there is no key in it


def _details(house: House, name: str, document: Document | None) -> ProviderDetails:
    models, given = house.room.models, house.room.given.providers
    said, problem = KeptProvider.model_validate({}), house.room.problems.get(f"provider {name}", "")
    if document is not None and name not in given:
        try:
            said = read_provider(document)
        except DefinitionError as error:
            problem = str(error)
    config = models.providers.get(name)
    own = (config.key_name,) if config is not None and config.key_name else ()
    needs = bool(own) or (name in VARIABLES and (config is None or not config.base_url))
    kept = document if name not in given else None
    return ProviderDetails(
        name=name,
        display_name=said.display_name,
        origin="settings" if name in given else "known" if document is None else "kept",
        enabled=name not in models.switched_off,
        kind=None if config is None else config.spoken,
        base_url=said.base_url or ("" if config is None else config.base_url),
        key=models.keys.where(name, own) if name != OFFLINE else None,
        key_name=said.key_name or (config.key_name if config is not None else None),
        key_variable=(own or variables(name))[0] if needs else None,
        local=name in LOCAL or (config is not None and not needs),
        headers=dict(said.headers) if kept is not None else dict.fromkeys(config.headers if config else (), "***"),
        max_concurrency=None if config is None else config.max_concurrency,
        models=len(RULES) if name == OFFLINE else len(known_models(name)),
        changeable=name not in given and name != OFFLINE,
        problem=problem,
        created_at=None if kept is None else kept.created_at,
        updated_at=None if kept is None else kept.updated_at,
    )
