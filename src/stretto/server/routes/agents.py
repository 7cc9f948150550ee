"""The operations on agents."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from stretto.configuring.agent_files import Origin
from stretto.server import described_agents as work
from stretto.server.agent_descriptions import (
    AgentDetails,
    AgentRequest,
    AgentSummary,
    CopyRequest,
    NewAgentRequest,
    OfferedTool,
)
from stretto.server.dependencies import Here, Limit, Offset, Page, Text
from stretto.server.problems import answers

router = APIRouter(prefix="/api", tags=["Agents"])

AgentId = Annotated[str, Path(min_length=1, max_length=128, pattern=r"^[\w-]+$", description="An agent's id.")]
Search = Annotated[Text, Query(max_length=256, description="A part of what is looked for, in any case.")]
_TAKEN = "The id or the name is taken, or a tool, a server or a model is named that there is not."


@router.get("/agents", operation_id="list_agents", summary="List the agents")
async def list_agents(
    house: Here,
    text: Search = "",
    origin: Annotated[Origin | None, Query(description="Where they are described.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[AgentSummary]:
    """Returns the agents by name, also those that cannot be used, with what is wrong with them."""
    found = work.all_agents(house, text, origin)
    return Page(items=found[offset : offset + limit], total=len(found), limit=limit, offset=offset)


@router.post(
    "/agents", operation_id="create_agent", summary="Describe a new agent", status_code=201,
    responses=answers(_409=_TAKEN),
)  # fmt: skip
async def create_agent(house: Here, request: NewAgentRequest) -> AgentDetails:
    """Keeps the description of an agent, which can be used at once."""
    return await work.create_agent(house, request)


@router.get("/agents/{agent_id}", operation_id="get_agent", summary="Show an agent", responses=answers(404, 409))
async def get_agent(house: Here, agent_id: AgentId) -> AgentDetails:
    """Returns everything that is said of an agent; 409 for one whose description cannot be read any more."""
    return await work.one_agent(house, agent_id)


@router.put(
    "/agents/{agent_id}", operation_id="update_agent", summary="Describe an agent anew",
    responses=answers(404, _409=f"{_TAKEN} Or the agent is described in a file."),
)  # fmt: skip
async def update_agent(house: Here, agent_id: AgentId, request: AgentRequest) -> AgentDetails:
    """Holds for the next execution; what runs goes on as it began."""
    return await work.replace_agent(house, agent_id, request)


@router.delete(
    "/agents/{agent_id}", operation_id="delete_agent", summary="Delete an agent", status_code=204,
    responses=answers(404, _409="The agent is described in a file or comes along, or it has something to do."),
)  # fmt: skip
async def delete_agent(house: Here, agent_id: AgentId) -> None:
    """Removes an agent for which nothing runs or is queued; what it did before stays."""
    await work.delete_agent(house, agent_id)


@router.post(
    "/agents/{agent_id}/duplicate", operation_id="duplicate_agent", summary="Copy an agent", status_code=201,
    responses=answers(404, _409=_TAKEN),
)  # fmt: skip
async def duplicate_agent(house: Here, agent_id: AgentId, request: CopyRequest) -> AgentDetails:
    """Describes a new agent that differs by its name alone; also of agents that cannot be changed here."""
    return await work.copy_agent(house, agent_id, request)


@router.get("/tools", operation_id="list_tools", summary="List the tools that agents may name")
async def list_tools(house: Here) -> list[OfferedTool]:
    """Returns the tools of this server by name; those of MCP servers come with the servers that an agent names."""
    return work.offered_tools(house)
