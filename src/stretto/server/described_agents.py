"""Agents as things of the house: those of files and settings, those that come along, those described over HTTP."""

from __future__ import annotations

import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager

from stretto.agents.config import AgentConfig
from stretto.agents.delegation import DELEGATION_TOOLS, DelegateTaskTool, ParallelTasksTool, SpawnAgentTool
from stretto.agents.registry import DOCUMENTS, AgentTaken, BrokenAgent, UnknownAgent, described_by
from stretto.configuring.agent_files import KnownAgent, Origin
from stretto.configuring.agent_room import AgentRoom
from stretto.core.archive import Archive, Document, NotKept
from stretto.core.errors import DefinitionError
from stretto.server.agent_descriptions import (
    AgentDetails,
    AgentRequest,
    AgentSummary,
    CopyRequest,
    NewAgentRequest,
    OfferedTool,
    details_of,
    summary_of,
)
from stretto.server.house import House
from stretto.server.problems import Problem
from stretto.tools.mcp.trouble import UnknownServer


@contextmanager
def contradicting(code: str = "conflict") -> Generator[None]:
    """Tells what cannot be as a contradiction (409): the request is well formed, and does not fit what there is."""
    try:
        yield
    except DefinitionError as error:
        raise Problem(409, code, str(error)) from None


async def kept_document(archive: Archive, kind: str, what: str, id: str) -> Document:
    """Returns a document by its id alone; raises ``NotKept``."""
    try:
        found = await archive.document(kind, id)
    except NotKept:
        raise NotKept(what, id) from None
    if found.id != id:
        raise NotKept(what, id)
    return found


def all_agents(house: House, text: str = "", origin: Origin | None = None) -> list[AgentSummary]:
    """Returns the agents by name, also those that cannot be used; ``text`` is a part of name, id or description."""
    room = house.room
    found = [summary_of(known, _problems(room, known)) for known in room.agents]
    found += [_broken(room, one) for one in room.broken]
    wanted = text.casefold()
    kept = (
        each for each in found
        if (origin is None or each.origin == origin)
        and any(wanted in part.casefold() for part in (each.name, each.id, each.description))
    )  # fmt: skip
    return sorted(kept, key=lambda each: (each.name, each.id))


async def one_agent(house: House, id: str) -> AgentDetails:
    """Returns an agent with everything that is said of it.

    Raises ``UnknownAgent``, and ``Problem`` for one whose description cannot be read.
    """
    room = house.room
    known = _known(room, id)
    try:
        document = await kept_document(house.store.archive, DOCUMENTS, "agent", id)
    except NotKept:
        document = None
    if document is None or known.origin != "stored":
        return details_of(known, _problems(room, known), known.config.llm.model, None, None)
    said = described_by(document).llm
    model = said.model if "model" in said.model_fields_set else None
    return details_of(known, _problems(room, known), model, document.created_at, document.updated_at)


async def create_agent(house: House, request: NewAgentRequest) -> AgentDetails:
    """Describes a new agent, which can be used from now on.

    Raises ``Problem`` for an id or a name that is taken, and for tools, servers and models that there are not.
    """
    async with house.room.changing:
        id = request.id or uuid.uuid4().hex
        with contradicting("taken"):
            if any(id == each.id for each in all_agents(house)):
                raise AgentTaken("id", id, id)
        now = time.time()
        await _keep(house, Document(kind=DOCUMENTS, id=id, name="", body={}, created_at=now), request, new=True)
    return await one_agent(house, id)


async def replace_agent(house: House, id: str, request: AgentRequest) -> AgentDetails:
    """Describes an agent anew; one that comes along gets a description of the user's own in its place.

    What runs goes on as it began. Raises ``UnknownAgent``, and ``Problem`` as ``create_agent`` does.
    """
    async with house.room.changing:
        _check_changeable(house.room, id)
        try:
            document = await kept_document(house.store.archive, DOCUMENTS, "agent", id)
        except NotKept:
            document = Document(kind=DOCUMENTS, id=id, name="", body={}, created_at=time.time())
        await _keep(house, document, request)
    return await one_agent(house, id)


async def copy_agent(house: House, id: str, request: CopyRequest) -> AgentDetails:
    """Describes a new agent that differs from another by its name alone; raises what ``create_agent`` raises."""
    async with house.room.changing:
        told = await one_agent(house, id)
        names = {each.name for each in all_agents(house)}
        name = request.name or free_name(told.name, names, 64)
        wanted = AgentRequest.model_validate(
            {**told.model_dump(include=set(AgentRequest.model_fields), exclude={"name"}), "name": name}
        )
        made, now = uuid.uuid4().hex, time.time()
        await _keep(house, Document(kind=DOCUMENTS, id=made, name="", body={}, created_at=now), wanted, new=True)
    return await one_agent(house, made)


async def delete_agent(house: House, id: str) -> None:
    """Removes an agent; one that came along, and that had another description, is what it was.

    Raises ``UnknownAgent``, and ``Problem`` for one that is described elsewhere, or that has something to do.
    """
    async with house.room.changing:
        _check_changeable(house.room, id)
        try:
            await kept_document(house.store.archive, DOCUMENTS, "agent", id)
        except NotKept:
            words = f"the agent {id!r} comes along with Stretto and cannot be deleted; describe another in its place"
            raise Problem(409, "read_only", words) from None
        if house.room.choice.agent == id:
            words = f"the agent {id!r} is the one that the settings name; name another there first"
            raise Problem(409, "in_use", words)
        rows = await house.store.records.executions(statuses=("queued", "running"))
        busy = {row.workflow_id for row in rows if row.agent_id == id}
        if busy:
            words = f"the agent {id!r} has something to do in {len(busy)} workflows; cancel it there, or wait"
            raise Problem(409, "in_use", words)
        await house.store.archive.delete_document(DOCUMENTS, id)
        await house.room.renew()


def offered_tools(house: House) -> list[OfferedTool]:
    """Returns the tools that agents may name, by name; those of MCP servers are named by their servers."""
    local = [(tool.name, tool.description, False) for tool in house.room.tools]
    starting = [
        (tool.__name__, tool.description, True) for tool in (SpawnAgentTool, DelegateTaskTool, ParallelTasksTool)
    ]
    users = {known.config.id: known.config.tools for known in house.room.agents}
    told = [
        OfferedTool(
            name=name, description=text, sub_agents=starts, used_by=sorted(id for id in users if name in users[id])
        )
        for name, text, starts in (*local, *starting)
    ]
    return sorted(told, key=lambda tool: tool.name)


def free_name(name: str, taken: set[str], longest: int) -> str:
    """Returns a name with the first number behind it that makes it one that is not taken."""
    number = 2
    while (made := f"{name[: longest - len(str(number)) - 1]} {number}") in taken:
        number += 1
    return made


async def _keep(house: House, document: Document, request: AgentRequest, *, new: bool = False) -> None:
    body = request.body()
    with contradicting("unknown_reference"):
        config = described_by(Document(kind=DOCUMENTS, id=document.id, name=request.name, body=body))
        _check_references(house.room, config)
    with contradicting("taken"):
        for known in house.room.agents:
            if request.name == known.config.name and known.config.id != document.id:
                raise AgentTaken("name", request.name, known.config.id)
    kept = Document(
        kind=DOCUMENTS, id=document.id, name=request.name, body=body, created_at=document.created_at,
        updated_at=time.time(),
    )  # fmt: skip
    await house.store.archive.put_document(kept, replace=not new)
    await house.room.renew()


def _check_references(room: AgentRoom, config: AgentConfig) -> None:
    """Raises ``DefinitionError`` for a tool, a server or a model that there is not."""
    room.tools.find(name for name in config.tools if name not in DELEGATION_TOOLS)
    for server in config.mcp_servers:
        if server not in room.servers.names:
            raise UnknownServer(server, room.servers.names)
    for model in (config.llm.model, *config.llm.fallbacks):
        room.models.check(model)


def _known(room: AgentRoom, id: str) -> KnownAgent:
    """Returns an agent; raises ``UnknownAgent``, and ``Problem`` for one whose description cannot be read."""
    found = next((known for known in room.agents if known.config.id == id), None) or room.unusable.get(id)
    if found is not None:
        return found
    for broken in room.broken:
        if broken.id == id:
            raise Problem(409, "broken_agent", str(broken))
    raise UnknownAgent(id, [known.config.id for known in room.agents])


def _check_changeable(room: AgentRoom, id: str) -> None:
    if any(broken.id == id for broken in room.broken) and id not in room.unusable:
        return
    known = _known(room, id)
    if known.origin in ("file", "settings"):
        where = known.where or "the settings ([agents])"
        words = f"the agent {id!r} is described in {where}; change it there, and start the server again"
        raise Problem(409, "read_only", words)


def _problems(room: AgentRoom, known: KnownAgent) -> list[str]:
    """Returns why an agent could not work now, as far as that is known before it does."""
    found = [problem for broken in room.broken if broken.id == known.config.id for problem in broken.problems]
    config = known.config
    lacking = [name for name in config.mcp_servers if name not in room.servers.names]
    found += [str(UnknownServer(name, room.servers.names)) for name in lacking]
    for model in (config.llm.model, *config.llm.fallbacks):
        try:
            room.models.check(model)
        except DefinitionError as error:
            found.append(str(error))
    return found


def _broken(room: AgentRoom, broken: BrokenAgent) -> AgentSummary:
    known = room.unusable.get(broken.id)
    if known is not None:
        return summary_of(known, list(broken.problems))
    return AgentSummary(
        id=broken.id, name=broken.name, description="", lifecycle="permanent", provider="", model="", tools_count=0,
        mcp_servers_count=0, origin="stored", where="", changeable=True, problems=list(broken.problems),
    )  # fmt: skip
