"""The conversation of a workflow: what its agent is shown of it, and what an execution adds to it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from stretto.agents.report import Report
from stretto.core.archive import Archive, Conversation, NotKept, StoredMessage
from stretto.core.errors import RunNotFound
from stretto.core.events import RunEnded
from stretto.core.records import ExecutionRow, WorkflowRow
from stretto.models.messages import Message, assistant_message, role_of, user_message
from stretto.stores.store import Store


async def begin_conversation(archive: Archive, row: WorkflowRow) -> None:
    """Begins the conversation of a workflow that has none."""
    try:
        await archive.conversation(row.id)
    except NotKept:
        told = Conversation(
            id=row.id, title=row.name, agent_id=row.agent_id, created_at=row.created_at, updated_at=row.created_at
        )
        await archive.begin_conversation(told)


async def keep_question(store: Store, row: ExecutionRow) -> tuple[Message, ...]:
    """Adds what an execution asks to its workflow's conversation, unless it stands there; returns what came before.

    A repetition is shown what the execution that it repeats was shown, also when that is a repetition itself.
    """
    archive = store.archive
    await begin_conversation(archive, await store.records.workflow(row.workflow_id))
    held = await archive.messages(row.workflow_id)
    if held and held[-1].role == "user" and held[-1].run_id != row.run_id:
        await _make_up(store, held[-1].run_id)
        held = await archive.messages(row.workflow_id)
    places = {message.run_id: message.seq for message in reversed(held)}
    if row.run_id not in places:
        await _add(archive, row, [user_message(row.message)], len(held))
    first = places.get(await _repeated(store, row), places.get(row.run_id, len(held)))
    return tuple(dict(message.body) for message in held[:first])


async def _repeated(store: Store, row: ExecutionRow) -> str:
    """Returns the first of the executions that an execution repeats, or itself."""
    while row.rerun is not None:
        try:
            row = await store.records.execution(str(row.rerun["run_id"]))
        except NotKept:
            break
    return row.run_id


async def _make_up(store: Store, run_id: str) -> None:
    """Adds the answer of an execution that had ended when its server died, but not been answered for here."""
    try:
        row = await store.records.execution(run_id)
        ended = (await store.events(run_id))[-1]
    except (NotKept, RunNotFound):
        return
    if row.status in ("completed", "error", "cancelled") and isinstance(ended, RunEnded):
        await keep_answer(store, row, ended)


async def keep_answer(store: Store, row: ExecutionRow, ended: RunEnded) -> None:
    """Adds what an execution answered, as far as it got, unless it stands there."""
    archive = store.archive
    held = await archive.messages(row.workflow_id)
    own = [message for message in held if message.run_id == row.run_id]
    if any(message.role != "user" for message in own):
        return
    if isinstance(ended.output, Report) and ended.status == "completed":
        said: Sequence[Message] = ended.output.messages[1:]
    else:
        rows = await store.records.rows("message", row.workflow_id)
        written = [
            str(each["content"]) for each in rows if each["run_id"] == row.run_id and each["role"] == "assistant"
        ]
        how = f"[no further answer: {ended.status.replace('_', ' ')}]"
        said = [assistant_message("\n\n".join([*(text.rstrip() for text in written if text.strip()), how]))]
    await _add(archive, row, said, len(held))


async def _add(archive: Archive, row: ExecutionRow, said: Sequence[Message], first: int) -> None:
    now = time.time()
    stored = [
        StoredMessage(seq=first + place, role=role_of(message), body=message, at=now, run_id=row.run_id)
        for place, message in enumerate(said)
    ]
    await archive.add_messages(row.workflow_id, stored)
