"""Forgets what nothing has happened to for long."""

from __future__ import annotations

import time
from itertools import islice
from typing import NamedTuple

from stretto.core.archive import NotKept
from stretto.core.errors import RunBusy
from stretto.stores.store import Store

_AT_ONCE = 50  # runs in one transaction: others write in between
_DAY = 86_400.0


class Forgotten(NamedTuple):
    """How much was removed."""

    workflows: int
    runs: int
    memories: int


async def forget_old(store: Store, keep_days: float | None) -> Forgotten:
    """Removes memories that have expired, and workflows and runs that nothing happened to for ``keep_days``.

    None keeps workflows and runs for ever. What is queued or runs stays, however old it is; so do the runs of a
    workflow that stays. It is done in many short transactions; what it has not come to, the next call removes.
    """
    memories = await store.archive.purge_memories()
    if keep_days is None:
        return Forgotten(0, 0, memories)
    before = time.time() - keep_days * _DAY
    workflows = 0
    for workflow_id in await store.records.silent_workflows(before):
        try:
            await store.records.delete_workflow(workflow_id)
            workflows += 1
        except (NotKept, RunBusy):
            continue  # somebody was faster, or has just gone on with it
    runs = 0
    silent = iter(await store.silent(before))
    while some := list(islice(silent, _AT_ONCE)):
        runs += len(await store.remove(some))
    return Forgotten(workflows, runs, memories)
