"""The settings that can be changed while a server runs: kept in an archive, behind what files and options say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from stretto.agents.config import AgentId
from stretto.agents.validation import ApprovalRule, ApprovalSettings
from stretto.configuring.settings import ENVIRONMENT, OPTIONS, BudgetTable, ModelId, ServerTable, Settings
from stretto.core.archive import Archive, Document, NotKept
from stretto.core.errors import DefinitionError

SETTINGS = "setting"
"""The kind of document that holds settings in an archive, and the id of the only one there is."""
MOST_RULES, LONGEST_PATTERN = 200, 512

Locale = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Origin = Literal["default", "kept", "options", "environment", "file"]
"""Where the value of a setting comes from; of two, the later of these counts, except that the environment counts more
than a file, and options more than both."""


class _Chosen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ApprovalChoice(_Chosen):
    """Which calls a human is asked about: the fields of ``ApprovalSettings``; what is None is not chosen."""

    mode: Literal["auto", "manual", "selective"] | None = None
    tools: bool | None = None
    sub_agents: bool | None = None
    mcp: bool | None = None
    file_ops: bool | None = None
    db_ops: bool | None = None
    auto_approve_low: bool | None = None
    always_confirm_high: bool | None = None
    timeout: float | None = Field(None, ge=30, le=300)
    on_timeout: Literal["reject", "approve", "escalate"] | None = None
    escalation_timeout: float | None = Field(None, ge=30, le=86_400)
    rules: tuple[ApprovalRule, ...] | None = Field(None, max_length=MOST_RULES)

    @field_validator("rules")
    @classmethod
    def _bound(cls, rules: tuple[ApprovalRule, ...] | None) -> tuple[ApprovalRule, ...] | None:
        for rule in rules or ():
            for name, text in (("tool", rule.tool), ("server", rule.server), ("agent", rule.agent)):
                if len(text) > LONGEST_PATTERN or "\x00" in text:
                    raise ValueError(f"a rule's {name} has at most {LONGEST_PATTERN} characters, and no NUL")
            if len(rule.reason) > 1000 or "\x00" in rule.reason:
                raise ValueError("a rule's reason has at most 1,000 characters, and no NUL")
        return rules


class ServerChoice(_Chosen):
    """The fields of ``ServerTable`` that can change while it serves; what is None is not chosen."""

    max_concurrent_workflows: int | None = Field(None, ge=1, le=10_000)
    execution_timeout: float | None = Field(None, gt=0, le=86_400)
    keep_days: float | None = Field(None, gt=0, le=1_000_000)


class BudgetChoice(_Chosen):
    """The most that a run may spend: tokens in and out together, US dollars; what is None is not chosen."""

    tokens: int | None = Field(None, ge=1, le=10**15)
    cost: float | None = Field(None, gt=0, le=10**9)


class Choice(_Chosen):
    """Settings that somebody has chosen while a server ran; what is None is not chosen."""

    model: ModelId | None = None
    agent: AgentId | None = None
    locale: Locale | None = None
    embedder: ModelId | None = None
    budget: BudgetChoice | None = None
    approvals: ApprovalChoice | None = None
    server: ServerChoice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a setting's value comes from; ``where`` names the file, where it is one."""

    key: str
    origin: Origin
    where: str = ""

    @property
    def changeable(self) -> bool:
        """Says whether it can be changed while the server runs."""
        return self.origin in ("default", "kept") and self.key in CHANGEABLE

    @property
    def place(self) -> str:
        """The place in words."""
        return {"options": OPTIONS, "environment": ENVIRONMENT}.get(self.origin, self.where or self.origin)


def leaves(table: type[BaseModel], before: str = "") -> Iterator[str]:
    """Returns the dotted names of all settings of a table, those of tables within it among them."""
    for name in table.model_fields:
        inner = _TABLES.get(f"{before}{name}")
        if inner is not None:
            yield from leaves(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}"


_TABLES: dict[str, type[BaseModel]] = {"budget": BudgetTable, "approvals": ApprovalSettings, "server": ServerTable}
CHANGEABLE: tuple[str, ...] = (
    "model", "agent", "locale", "embedder", *(f"budget.{name}" for name in BudgetChoice.model_fields),
    *(f"approvals.{name}" for name in ApprovalChoice.model_fields),
    *(f"server.{name}" for name in ServerChoice.model_fields),
)  # fmt: skip
"""The settings that can be changed while a server runs."""


async def read_choice(archive: Archive) -> tuple[Choice, str]:
    """Returns what is kept of settings, and what is wrong with it: then nothing of it counts."""
    try:
        held = await archive.document(SETTINGS, SETTINGS)
    except NotKept:
        return Choice(), ""
    try:
        return Choice.model_validate(held.body), ""
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        return Choice(), f"the settings that were kept do not count: {place}: {first['msg']}; choose them anew"


async def keep_choice(archive: Archive, choice: Choice, now: float) -> None:
    """Keeps what was chosen in the place of what was kept."""
    body = choice.model_dump(mode="json", exclude_none=True)
    await archive.put_document(Document(kind=SETTINGS, id=SETTINGS, name=SETTINGS, body=body, updated_at=now))


def changed(choice: Choice, changes: Choice) -> Choice:
    """Returns a choice with these changes: what they set to None is not chosen any more, the rest stays."""
    return Choice.model_validate(_laid_over(choice, changes))


def _laid_over(held: BaseModel, new: BaseModel) -> dict[str, Any]:
    made: dict[str, Any] = {name: getattr(held, name) for name in held.model_fields_set}
    for name in new.model_fields_set:
        value, before = getattr(new, name), getattr(held, name)
        if isinstance(value, _Chosen) and isinstance(before, _Chosen):
            made[name] = _laid_over(before, value)
        else:
            made[name] = value.model_dump() if isinstance(value, BaseModel) else value
    return {name: value.model_dump() if isinstance(value, BaseModel) else value for name, value in made.items()}


def in_force(given: Settings, choice: Choice) -> Settings:
    """Returns the settings with what was chosen where nothing is given.

    Raises ``DefinitionError`` when what was chosen contradicts what is given.
    """
    told = choice.model_dump(exclude_none=True)
    made: dict[str, Any] = {}
    for name, value in told.items():
        table = _TABLES.get(name)
        if table is None:
            if name not in given.model_fields_set:
                made[name] = value
            continue
        before: BaseModel | None = getattr(given, name)
        fixed = {} if before is None else {key: getattr(before, key) for key in before.model_fields_set}
        try:
            made[name] = table.model_validate({**value, **fixed})
        except ValidationError as error:
            words = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
            raise DefinitionError(f"{name}: {words}") from None
    return given.model_copy(update=made)


def sources(given: Settings, choice: Choice, said: Callable[[Sequence[str]], str | None]) -> dict[str, Source]:
    """Returns of every setting where its value comes from, by dotted names; ``said`` is what ``where_said`` returns."""
    kept = choice.model_dump(exclude_none=True)
    found: dict[str, Source] = {}
    for key in leaves(Settings):
        if _is_set(given, key):
            where = said(key.split(".")) or OPTIONS
            origin: Origin = "options" if where == OPTIONS else "environment" if where == ENVIRONMENT else "file"
            found[key] = Source(key=key, origin=origin, where=where if origin == "file" else "")
        else:
            found[key] = Source(key=key, origin="kept" if _stands(kept, key) else "default")
    return found


def _is_set(table: BaseModel, key: str) -> bool:
    name, _, rest = key.partition(".")
    if name not in table.model_fields_set:
        return False
    inner = getattr(table, name)
    return not rest or (isinstance(inner, BaseModel) and _is_set(inner, rest))


def _stands(held: Mapping[str, Any], key: str) -> bool:
    name, _, rest = key.partition(".")
    return name in held and (not rest or _stands(held[name], rest))
