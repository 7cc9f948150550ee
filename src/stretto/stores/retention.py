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
    """What was removed: ids of workflows and of runs, and how many memories."""

    workflows: list[str]
    runs: list[str]
    memories: int


async def forget_old(store: Store, keep_days: float | None) -> Forgotten:
    """Removes memories that have expired, and workflows and runs that nothing happened to for ``keep_days``.

    None keeps workflows and runs for ever. What is queued or runs stays, however old it is; so do the runs of a
    workflow that stays. It is done in many short transactions; what it has not come to, the next call removes.
    """
    gone = Forgotten([], [], await store.archive.purge_memories())
    if keep_days is None:
        return gone
    before = time.time() - keep_days * _DAY
    for workflow_id in await store.records.silent_workflows(before):
        try:
            if (await store.records.workflow(workflow_id)).updated_at >= before:
                continue  # something has happened to it since
            await store.records.delete_workflow(workflow_id)
            gone.workflows.append(workflow_id)
        except (NotKept, RunBusy):
            continue  # somebody was faster, or has just gone on with it
    silent = iter(await store.silent(before))
    while some := list(islice(silent, _AT_ONCE)):
        gone.runs.extend(await store.remove(some))
    return gone
