"""What is exported and imported: the package, how conflicts are settled, what is still needed, and what came of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from stretto.configuring.kept_settings import Choice
from stretto.server.agent_descriptions import AgentRequest
from stretto.server.dependencies import Line, Text
from stretto.server.mcp_descriptions import McpHttpRequest, McpProgramRequest, McpServerRequest
from stretto.server.model_descriptions import NewModelRequest, NewProviderRequest
from stretto.server.prompt_library import PromptRequest

LARGEST = 10 * 2**20
"""How large a package may be (bytes)."""
MOST = 1_000
"""How many things of one kind a package holds."""

Kind = Literal["providers", "models", "mcp_servers", "prompts", "agents", "settings"]
KINDS: tuple[Kind, ...] = ("providers", "models", "mcp_servers", "prompts", "agents", "settings")
"""What can be exported, in the order in which it is imported: agents name what stands before them."""
Policy = Literal["skip", "overwrite", "rename"]
Action = Literal["create", "overwrite", "rename", "skip"]
ItemName = Annotated[str, Field(min_length=1, max_length=256)]


class Manifest(BaseModel):
    """What a package holds, and where it comes from; nothing of it is needed on the way back."""

    model_config = ConfigDict(extra="ignore")

    app: Line = Field("stretto", max_length=64)
    app_version: Line = Field("", max_length=64)
    exported_at: AwareDatetime | None = None
    counts: dict[Kind, int] = Field(default_factory=dict[Kind, int])
    left_out: list[Annotated[Text, Field(max_length=2_000)]] = Field(default_factory=list[str], max_length=MOST)


class Package(BaseModel):
    """Things that were described here, by their names and without their ids.

    A secret of an MCP server is null: it is asked for on the way back. Keys of providers are never in it.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal["1.0"]
    manifest: Manifest = Field(default_factory=lambda: Manifest.model_validate({}))
    providers: list[NewProviderRequest] = Field(default_factory=list[NewProviderRequest], max_length=MOST)
    models: list[NewModelRequest] = Field(default_factory=list[NewModelRequest], max_length=MOST)
    mcp_servers: list[McpServerRequest] = Field(
        default_factory=list[McpProgramRequest | McpHttpRequest], max_length=MOST
    )
    prompts: list[PromptRequest] = Field(default_factory=list[PromptRequest], max_length=MOST)
    agents: list[AgentRequest] = Field(default_factory=list[AgentRequest], max_length=MOST)
    settings: Choice | None = None

    def names(self, kind: Kind) -> list[str]:
        """Returns the names of the things of a kind."""
        if kind == "settings":
            return [] if self.settings is None else ["settings"]
        if kind == "models":
            return [model.id for model in self.models]
        if kind == "providers":
            return [provider.name for provider in self.providers]
        if kind == "mcp_servers":
            return [server.name for server in self.mcp_servers]
        return [each.name for each in (self.prompts if kind == "prompts" else self.agents)]


class ExportRequest(BaseModel):
    """What to export: all kinds, or these; ``names`` bounds a kind to some of its things."""

    model_config = ConfigDict(extra="forbid")

    kinds: list[Kind] = Field(default_factory=lambda: list(KINDS), max_length=len(KINDS))
    names: dict[Kind, Annotated[list[ItemName], Field(max_length=MOST)]] = Field(
        default_factory=dict[Kind, list[str]], max_length=len(KINDS)
    )


class ImportRequest(BaseModel):
    """A package, and what becomes of things whose name is taken.

    ``conflicts`` holds for all but those that ``choices`` names, as ``{"agents/Writer": "rename"}``. ``values`` are
    what the preview says is needed, by its ids. Providers, models and settings cannot be renamed: they are skipped.
    """

    model_config = ConfigDict(extra="forbid")

    package: Package
    conflicts: Policy = "skip"
    choices: dict[ItemName, Policy] = Field(default_factory=dict[str, Policy], max_length=MOST)
    values: dict[Annotated[str, Field(max_length=512)], Annotated[Text, Field(min_length=1, max_length=4096)]] = Field(
        default_factory=dict[str, str], max_length=MOST
    )


class Need(BaseModel):
    """Something that has to be given in ``values`` under this id: a secret, or what a variable would stand for."""

    id: str
    kind: Literal["secret", "variable"]
    field: str


class PlannedItem(BaseModel):
    """What would become of one thing; ``name`` is the package's, ``new_name`` that under which it will be here."""

    kind: Kind
    name: str
    exists: bool
    action: Action
    new_name: str
    needs: list[Need] = Field(default_factory=list[Need])
    problem: str = ""


class Preview(BaseModel):
    """What an import would do; it is carried out only when it is ``ready``: without problems, and nothing needed."""

    items: list[PlannedItem]
    ready: bool


class ImportedItem(BaseModel):
    """What became of one thing; ``detail`` says why it failed."""

    kind: Kind
    name: str
    new_name: str
    outcome: Literal["created", "overwritten", "renamed", "skipped", "failed"]
    detail: str = ""


class Imported(BaseModel):
    """What an import did, thing by thing, and how many things came to which end."""

    items: list[ImportedItem]
    counts: dict[str, int]
