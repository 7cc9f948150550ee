"""Agents that are described in files: ``agents/*.toml`` in the working directory, and those given on the line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from stretto.agents.config import AgentConfig
from stretto.agents.demonstration import Demonstration, demonstration
from stretto.agents.registry import DOCUMENTS, BrokenAgent, described_by
from stretto.configuring.config_files import read_table
from stretto.configuring.settings import Settings, named, refusal
from stretto.core.archive import Archive
from stretto.core.errors import DefinitionError

FOLDER = "agents"
KINDS = (".toml", ".json")

Origin = Literal["demonstration", "stored", "file", "settings"]
"""Where an agent is described; of two with one id, the later of these counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAgent:
    """An agent that is described somewhere; ``where`` names the file, if it is one."""

    config: AgentConfig
    origin: Origin
    where: str = ""


class NoAgentFile(DefinitionError):
    """A file that should describe an agent is not there."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"there is no file {str(path)!r}")
        self.path = path


def read_agent(path: Path) -> AgentConfig:
    """Reads a description of an agent; its id and its name are the file's where it says none.

    Raises ``NoAgentFile``, and ``SettingRefused`` with the key that is wrong.
    """
    if not path.is_file():
        raise NoAgentFile(path)
    described = read_table(path, str(path))
    try:
        return AgentConfig.model_validate(named(path.stem, described))
    except ValidationError as error:
        raise refusal(error, [(str(path), described)], AgentConfig) from None


async def known_agents(
    settings: Settings, archive: Archive, here: Sequence[KnownAgent] | None = None
) -> tuple[list[KnownAgent], list[BrokenAgent]]:
    """Returns all agents by their names, each once, and the stored ones that cannot be read.

    ``here`` are those of files and settings where they were read before.
    """
    broken: list[BrokenAgent] = []
    demonstrated = demonstration_of(settings).agents
    found = {config.id: KnownAgent(config=config, origin="demonstration") for config in demonstrated}
    for document in await archive.documents(DOCUMENTS):
        try:
            found[document.id] = KnownAgent(config=described_by(document), origin="stored")
        except BrokenAgent as error:
            broken.append(error)
    found |= {agent.config.id: agent for agent in (described_here(settings) if here is None else here)}
    broken = [one for one in broken if found.get(one.id) is None or found[one.id].origin == "demonstration"]
    ordered = sorted(found.values(), key=lambda agent: (agent.config.name, agent.config.id))
    return [_with_model(agent, settings.model) for agent in ordered], broken


def described_here(settings: Settings) -> Sequence[KnownAgent]:
    """Returns the agents of the folder ``agents`` and those of the settings, which count more."""
    paths = (path for path in sorted(Path(FOLDER).glob("*")) if path.suffix in KINDS)
    here = [KnownAgent(config=read_agent(path), origin="file", where=str(path)) for path in paths]
    return [*here, *(KnownAgent(config=config, origin="settings") for config in settings.agents.values())]


def demonstration_of(settings: Settings) -> Demonstration:
    """Returns the agents that come along, for the workspace and the model of the settings."""
    return demonstration(settings.workspace or Path.cwd(), model=settings.model)


def _with_model(agent: KnownAgent, model: str | None) -> KnownAgent:
    """Gives an agent that names no model the one of the settings."""
    config = agent.config
    if model is None or "model" in config.llm.model_fields_set:
        return agent
    choice = config.llm.model_copy(update={"model": model})
    return KnownAgent(config=config.model_copy(update={"llm": choice}), origin=agent.origin, where=agent.where)
