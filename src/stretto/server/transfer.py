"""Things of the house as packages: exported without secrets, planned, and imported by a policy for taken names."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping
from importlib.metadata import version
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from stretto.agents.registry import DOCUMENTS
from stretto.configuring.kept_models import MODELS, PROVIDERS, KeptModel, KeptProvider
from stretto.configuring.kept_servers import PLACES, SERVERS, kept_in, may_start_programs, variables_of
from stretto.configuring.kept_settings import Choice
from stretto.core.archive import Document, NotKept
from stretto.core.errors import StrettoError
from stretto.server.agent_descriptions import AgentRequest, NewAgentRequest
from stretto.server.described_agents import create_agent, free_name, replace_agent
from stretto.server.described_models import create_model, replace_model
from stretto.server.described_providers import create_provider, replace_provider
from stretto.server.house import House
from stretto.server.mcp_descriptions import McpHttpRequest, McpProgramRequest, server_request, shown_body
from stretto.server.mcp_servers import create_server, refused_without_token, replace_server
from stretto.server.memory_forms import moment
from stretto.server.model_descriptions import NewModelRequest, NewProviderRequest
from stretto.server.problems import Problem
from stretto.server.prompt_library import PROMPTS, PromptRequest, create_prompt, replace_prompt
from stretto.server.running_settings import change_settings
from stretto.server.transfer_forms import (
    KINDS,
    ExportRequest,
    Imported,
    ImportedItem,
    ImportRequest,
    Kind,
    Manifest,
    Need,
    Package,
    PlannedItem,
    Preview,
)

T = TypeVar("T", bound=BaseModel)
_DOCUMENTS: Mapping[Kind, str] = {
    "providers": PROVIDERS, "models": MODELS, "mcp_servers": SERVERS, "prompts": PROMPTS, "agents": DOCUMENTS,
}  # fmt: skip
_OUTCOMES = {"create": "created", "overwrite": "overwritten", "rename": "renamed", "skip": "skipped"}
_LONGEST: Mapping[Kind, int] = {"mcp_servers": 64, "agents": 64, "prompts": 128}
"""The kinds that can be renamed, and how long their names can be."""


async def export_things(house: House, asked: ExportRequest) -> Package:
    """Returns what was described here; secrets are left out. Raises ``NotKept`` for a name that there is not.

    What is kept and cannot be read is left out, and the manifest says so.
    """
    left_out: list[str] = []
    made = Package(schema_version="1.0")

    async def read(kind: Kind, of: Callable[[Document], T]) -> list[T]:
        if kind not in asked.kinds:
            return []
        held = {each.name: each for each in await house.store.archive.documents(_DOCUMENTS[kind])}
        wanted = asked.names.get(kind, list(held))
        if unknown := [name for name in wanted if name not in held]:
            raise NotKept(f"thing among the {kind} that were described here called", unknown[0])
        found: list[T] = []
        for name in wanted:
            try:
                found.append(of(held[name]))
            except ValidationError:
                left_out.append(f"{kind}/{name}: what is kept of it cannot be read")
        return found

    made.providers = await read("providers", lambda each: _read(NewProviderRequest, each.body, name=each.id))
    made.models = await read("models", lambda each: _read(NewModelRequest, each.body, id=each.id))
    made.mcp_servers = await read(
        "mcp_servers", lambda each: server_request({**shown_body(each.body), "name": each.name})
    )
    made.prompts = await read("prompts", lambda each: _read(PromptRequest, each.body, name=each.name))
    made.agents = await read("agents", _agent)
    chosen = house.room.choice.model_dump(exclude_none=True)
    if "settings" in asked.kinds and chosen:
        made.settings = Choice.model_validate(chosen)
    made.manifest = Manifest(
        app="stretto", app_version=version("stretto"), exported_at=moment(time.time()), left_out=left_out,
        counts={kind: len(made.names(kind)) for kind in KINDS},
    )  # fmt: skip
    return made


async def preview(house: House, asked: ImportRequest) -> Preview:
    """Returns what an import would do, and what it still needs; nothing is written."""
    items = [item for item, _ in await _plan(house, asked)]
    return Preview(items=items, ready=all(not item.problem and not item.needs for item in items))


async def import_things(house: House, asked: ImportRequest) -> Imported:
    """Carries out an import; raises ``Problem`` when something is needed or cannot be: then nothing is written.

    One thing that fails for another reason does not keep the others; what became of each is told.
    """
    plan = await _plan(house, asked)
    wrong = [f"{item.kind}/{item.name}: {item.problem}" for item, _ in plan if item.problem]
    wrong += [f"{item.kind}/{item.name} needs {need.id}" for item, _ in plan for need in item.needs]
    if wrong:
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise Problem(409, "not_ready", f"nothing was imported: {'; '.join(wrong[:5])}{more}; ask for a preview")
    made: list[ImportedItem] = []
    for item, carry_out in plan:
        told = ImportedItem.model_validate(
            {"kind": item.kind, "name": item.name, "new_name": item.new_name, "outcome": _OUTCOMES[item.action]}
        )
        try:
            await carry_out()
        except StrettoError as error:
            told = told.model_copy(update={"outcome": "failed", "detail": str(error)})
        made.append(told)
    return Imported(items=made, counts=dict(Counter(item.outcome for item in made)))


Work = Callable[[], Coroutine[Any, Any, object]]


async def _plan(house: House, asked: ImportRequest) -> list[tuple[PlannedItem, Work]]:
    """Returns what becomes of each thing, and what does it."""
    known = {f"{kind}/{name}" for kind in KINDS for name in asked.package.names(kind)}
    if foreign := sorted(asked.choices.keys() - known):
        raise Problem(409, "unknown_choice", f"choices: there is no {foreign[0]!r} in the package; it is kind/name")
    for kind in KINDS:
        if twice := [name for name, count in Counter(asked.package.names(kind)).items() if count > 1]:
            raise Problem(409, "twice", f"the package holds {twice[0]!r} twice among its {kind}; leave one out")
    planned: list[tuple[PlannedItem, Work]] = []
    servers: dict[str, str] = {}
    for kind in KINDS:
        there, fixed = await _names(house, kind)
        taken = {*there, *fixed, *asked.package.names(kind)}
        for place, name in enumerate(asked.package.names(kind)):
            item = _item(kind, name, asked, there, fixed, taken)
            taken.add(item.new_name)
            if kind == "mcp_servers":
                servers[name] = item.new_name
            work = _nothing if item.action == "skip" else await _work(house, item, asked, place, there, servers)
            planned.append((item, work))
    return planned


def _item(
    kind: Kind, name: str, asked: ImportRequest, there: Mapping[str, str], fixed: Collection[str], taken: set[str]
) -> PlannedItem:
    exists = name in there or name in fixed
    policy = asked.choices.get(f"{kind}/{name}", asked.conflicts)
    if not exists:
        return PlannedItem(kind=kind, name=name, exists=False, action="create", new_name=name)
    if policy == "rename" and kind not in _LONGEST:
        policy = "skip"
    new = name if policy != "rename" else _free(kind, name, taken)
    item = PlannedItem(kind=kind, name=name, exists=True, action=policy, new_name=new)
    if policy == "overwrite" and name in fixed:
        item.problem = "it is described in a file or comes along, and cannot be overwritten; skip it" + (
            ", or rename it" if kind in _LONGEST else ""
        )
    return item


def _free(kind: Kind, name: str, taken: set[str]) -> str:
    made = free_name(name, taken, _LONGEST[kind])
    if kind != "mcp_servers":
        return made
    number = 2
    while (made := f"{name[: 63 - len(str(number))]}_{number}") in taken:
        number += 1
    return made


async def _names(house: House, kind: Kind) -> tuple[dict[str, str], set[str]]:
    """Returns the names of what can be overwritten, with the ids, and the names of what cannot."""
    room = house.room
    if kind == "settings":
        chosen = room.choice.model_dump(exclude_none=True)
        return ({"settings": "settings"} if chosen else {}), set()
    there = {each.name: each.id for each in await house.store.archive.documents(_DOCUMENTS[kind])}
    if kind == "agents":
        there |= {each.config.name: each.config.id for each in room.agents if each.origin == "demonstration"}
        return there, {each.config.name for each in room.agents if each.origin in ("file", "settings")}
    if kind == "mcp_servers":
        return there, set(room.configured.servers)
    return there, {"offline", *room.given.providers} if kind == "providers" else set()


async def _work(
    house: House, item: PlannedItem, asked: ImportRequest, place: int, there: Mapping[str, str],
    servers: Mapping[str, str],
) -> Work:  # fmt: skip
    """Returns what imports one thing; what it lacks is noted in ``item``."""
    package, over, id = asked.package, item.action == "overwrite", there.get(item.name, "")
    match item.kind:
        case "providers":
            provider = package.providers[place]
            item.problem = item.problem or _unset(house, provider.headers)
            said = KeptProvider.model_validate(provider.model_dump(exclude={"name"}, exclude_unset=True))
            return lambda: replace_provider(house, item.name, said) if over else create_provider(house, provider)
        case "models":
            model = package.models[place]
            kept = KeptModel.model_validate(model.model_dump(exclude={"id"}, exclude_unset=True))
            return lambda: replace_model(house, item.name, kept) if over else create_model(house, model)
        case "mcp_servers":
            server = await _server(house, item, package.mcp_servers[place], asked.values)
            return lambda: replace_server(house, item.name, server) if over else create_server(house, server)
        case "prompts":
            prompt = package.prompts[place].model_copy(update={"name": item.new_name})
            return lambda: replace_prompt(house, id, prompt) if over else create_prompt(house, prompt)
        case "agents":
            agent = package.agents[place]
            named = [servers.get(name, name) for name in agent.mcp_servers]
            agent = agent.model_copy(update={"name": item.new_name, "mcp_servers": named})
            new = NewAgentRequest.model_validate(agent.model_dump(exclude_unset=True))
            return lambda: replace_agent(house, id, agent) if over else create_agent(house, new)
        case "settings":
            chosen = package.settings or Choice()
            return lambda: change_settings(house, chosen)


async def _nothing() -> None:
    """Imports a thing that is skipped."""


async def _server(
    house: House, item: PlannedItem, request: McpProgramRequest | McpHttpRequest, values: Mapping[str, str]
) -> McpProgramRequest | McpHttpRequest:
    """Returns a server with the values that were given; what is missing is noted in ``item``."""
    said: dict[str, Any] = request.model_dump(exclude_unset=True) | {"name": item.new_name}
    kept = await _kept_secrets(house, item.name) if item.action == "overwrite" else set[tuple[str, str]]()
    base = f"mcp_servers/{item.name}"
    for place in PLACES:
        for name, value in said.get(place, {}).items():
            if value is None and (place, name) not in kept:
                id = f"{base}/{place}.{name}"
                if id in values:
                    said[place][name] = values[id]
                else:
                    item.needs.append(Need(id=id, kind="secret", field=f"{place}.{name}"))
    for variable in variables_of(said):
        id = f"{base}/variable.{variable}"
        if id in values:
            said = _filled(said, variable, values[id])
        elif not may_start_programs(house.settings.server) or variable not in os.environ:
            item.needs.append(Need(id=id, kind="variable", field=variable))
    item.problem = item.problem or refused_without_token(house, item.name, said)
    try:
        return server_request(said)
    except ValidationError as error:
        item.problem = item.problem or str(error.errors()[0]["msg"])
        return request


def _filled(value: Any, variable: str, given: str) -> Any:
    """Returns a description in whose texts a value stands for a variable."""
    if isinstance(value, str):
        return re.sub(rf"\$\{{{variable}\}}", lambda _: given, value)
    if isinstance(value, dict):
        held: dict[str, Any] = {**value}
        return {name: _filled(each, variable, given) for name, each in held.items()}
    if isinstance(value, list):
        items: list[Any] = [*value]
        return [_filled(each, variable, given) for each in items]
    return value


async def _kept_secrets(house: House, name: str) -> set[tuple[str, str]]:
    try:
        document = await house.store.archive.document(SERVERS, name)
    except NotKept:  # somebody deleted it meanwhile
        return set()
    return {(place, each) for place, each, _ in kept_in(document.body)}


def _unset(house: House, headers: Mapping[str, str]) -> str:
    """Returns why headers cannot refer to variables as they do; without a token nobody learns which are set."""
    named = variables_of({"headers": headers}, defaults=True)
    if named and not may_start_programs(house.settings.server):
        return f"its headers refer to the environment variable {named[0]}: that takes a server with a token"
    lacking = [variable for variable in variables_of({"headers": headers}) if variable not in os.environ]
    if not lacking:
        return ""
    return f"its headers refer to the environment variable {lacking[0]}, which is not set; set it, and start again"


def _read(form: type[T], body: Mapping[str, Any], **named: str) -> T:
    return form.model_validate({**body, **named})


def _agent(document: Document) -> AgentRequest:
    said = {name: value for name, value in document.body.items() if name in AgentRequest.model_fields}
    return AgentRequest.model_validate({**said, "name": document.name})
