"""What a server begins with where nothing was ever served: a finished survey of the examples, made without any key."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import anyio

from stretto.agents.validation import ApprovalRule, ApprovalSettings
from stretto.configuring.agent_room import DEFAULT_AGENT
from stretto.configuring.examples import examples_folder
from stretto.configuring.settings import Settings
from stretto.core.archive import Document, NotKept
from stretto.server.house import House, open_house
from stretto.stores.store import Store

KIND, MARK = "server", "first-start"
NAME = "Survey of the examples"
MESSAGE = "Survey this repository: its structure, its dependencies and its quality."
LONGEST = 60.0
"""How long the survey may take (seconds)."""
EXAMPLES = examples_folder(Path(__file__).resolve().parents[1])
_RULES = (
    ApprovalRule(then="allow", tool="ParallelTasksTool", reason="the readers of a survey change nothing"),
    ApprovalRule(then="deny", tool="*write*", reason="nothing is written on the first start"),
)
log = logging.getLogger("stretto.server")


async def first_start(settings: Settings, store: Store) -> str | None:
    """Has the demonstration's agents survey the examples, once in the life of a database; returns the run that did it.

    Nobody is asked and nothing is written: the agents ask the offline models, whatever the settings say.
    """
    if not await _is_first(store):
        return None
    now = time.time()
    await store.archive.put_document(Document(kind=KIND, id=MARK, name=MARK, body={}, created_at=now, updated_at=now))
    if not await anyio.Path(EXAMPLES).is_dir():
        return None
    changes = {"workspace": EXAMPLES, "model": None, "mcp_servers": None, "budget": None, "locale": None}
    approvals = ApprovalSettings.model_validate({"rules": _RULES})
    async with open_house(settings.model_copy(update={**changes, "approvals": approvals}), store) as house:
        if not _is_offline(house):
            return None
        id = await house.service.create_workflow(NAME, DEFAULT_AGENT)
        with anyio.move_on_after(LONGEST):
            asked = await house.service.execute_workflow_streaming(id, MESSAGE, locale="en")
            done = await house.executions.wait(asked.run_id)
            log.info("the first start's survey of %s: %s", EXAMPLES.name, done.status)
            return asked.run_id
    return None  # it took too long; the next start goes on with it


async def _is_first(store: Store) -> bool:
    try:
        await store.archive.document(KIND, MARK)
    except NotKept:
        _, total = await store.records.workflows(limit=1)
        return total == 0
    return False


def _is_offline(house: House) -> bool:
    """Says whether all agents of the survey ask models that cost nothing: files may describe them otherwise."""
    ids = (DEFAULT_AGENT, "structure-reader", "dependencies-reader", "quality-reader")
    found = [known.config for known in house.room.agents if known.config.id in ids]
    models = [model for config in found for model in (config.llm.model, *config.llm.fallbacks)]
    return len(found) == len(ids) and all(model.startswith("offline:") for model in models)
