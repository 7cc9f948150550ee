"""The commands on workflows, as a program calls them: HTTP and every other protocol translate to these."""

from __future__ import annotations

import re
import time
import uuid
from contextlib import suppress

import anyio
from pydantic import TypeAdapter

from stretto.agents.result import WorkflowResult
from stretto.agents.workflow_rows import Workflow, WorkflowFullState
from stretto.configuring.agent_room import AgentRoom
from stretto.core.archive import NotKept
from stretto.core.errors import DefinitionError, ExecutionError, StoreError
from stretto.core.records import ExecutionRow, WorkflowRow, WorkflowState
from stretto.server.executions import Executions
from stretto.server.full_state import full_state, state_json, workflow_of
from stretto.server.hub import Hub
from stretto.server.problems import ExecutionStopped
from stretto.stores.store import Store

NAME, MESSAGE, LOCALE = 256, 100_000, 64
"""How long a workflow's name, a message and a locale may be (characters)."""
STATE_TIMEOUT = 60.0
"""How long reading everything that is known of a workflow may take (seconds)."""
_AGENT = re.compile(r"[\w-]{1,128}")
_LOCALE = re.compile(rf"[A-Za-z][A-Za-z0-9 _-]{{0,{LOCALE - 1}}}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_RESULT = TypeAdapter(WorkflowResult)


class InvalidField(DefinitionError):
    """A field of a command that breaks a rule; its value is not told, only how long it is (characters)."""

    def __init__(self, field: str, rule: str, length: int) -> None:
        super().__init__(f"{field} {rule}; it has {length:,} characters")
        self.field, self.rule, self.length = field, rule, length


class ExecutionFailed(ExecutionError):
    """An execution ended with an error, which this tells."""

    def __init__(self, row: ExecutionRow) -> None:
        super().__init__(f"the execution {row.run_id!r} failed: {row.error or 'it told no reason'}")
        self.row = row


class ExecutionCancelled(ExecutionStopped):
    """An execution was cancelled before it had a result; what was done is kept."""

    def __init__(self, row: ExecutionRow) -> None:
        super().__init__(f"the execution {row.run_id!r} was cancelled; what it did is in its workflow's state")
        self.row = row


class NotOver(StoreError):
    """An execution has no result yet."""

    def __init__(self, row: ExecutionRow) -> None:
        super().__init__(f"the execution {row.run_id!r} is {row.status} and has no result yet; wait for its end")
        self.row = row


class ExecutionTimeout(ExecutionError, TimeoutError):
    """An execution did not come to its result in time, and was cancelled."""

    def __init__(self, run_id: str, seconds: float) -> None:
        super().__init__(
            f"the execution {run_id!r} took longer than {seconds:g} s and was cancelled; "
            "execute it as a stream, or set server.execution_timeout"
        )
        self.run_id, self.seconds = run_id, seconds


class StateTimeout(ExecutionError, TimeoutError):
    """Everything that is known of a workflow could not be read in time."""

    def __init__(self, workflow_id: str) -> None:
        super().__init__(
            f"the state of workflow {workflow_id!r} could not be read within {STATE_TIMEOUT:g} s; "
            "ask for a part of it with limit=100"
        )
        self.workflow_id = workflow_id


class WorkflowService:
    """Creates, executes, cancels, loads, renames and deletes workflows."""

    def __init__(self, *, store: Store, room: AgentRoom, executions: Executions, hub: Hub) -> None:
        self._store, self._records, self._room = store, store.records, room
        self._executions, self._hub = executions, hub

    async def create_workflow(self, name: str, agent_id: str, *, id: str | None = None) -> str:
        """Creates a workflow and returns its id; raises ``InvalidField``, and ``UnknownAgent`` for such an agent.

        With an ``id``, a UUID, that is its id; raises ``StoreError`` when another has it.
        """
        name, agent_id = checked_name(name), checked_agent(agent_id)
        self._room.registry.config(agent_id)
        now = time.time()
        chosen = str(uuid.uuid4()) if id is None else checked_id(id)
        row = WorkflowRow(id=chosen, name=name, agent_id=agent_id, created_at=now, updated_at=now)
        await self._records.add_workflow(row)
        self._tell(row.id, "created")
        return row.id

    async def execute_workflow(
        self, workflow_id: str, message: str, agent_id: str | None = None, locale: str = ""
    ) -> WorkflowResult:
        """Executes a message and returns its result; see ``execute_workflow_streaming``.

        Raises ``ExecutionFailed``, ``ExecutionCancelled`` or ``ExecutionTimeout`` when it did not come to one.
        """
        asked = await self.execute_workflow_streaming(workflow_id, message, agent_id, locale)
        limit = self._room.settings.server.execution_timeout
        with anyio.move_on_after(limit):
            return result_of(await self._executions.wait(asked.run_id))
        if not await self._executions.cancel_run(asked.run_id, f"it took longer than {limit:g} s"):
            row = await self._records.execution(asked.run_id)
            if row.status != "queued":  # it ended in the last moment
                return result_of(row)
            await self._executions.withdraw(asked.run_id)
        raise ExecutionTimeout(asked.run_id, limit)

    async def execute_workflow_streaming(
        self, workflow_id: str, message: str, agent_id: str | None = None, locale: str = ""
    ) -> ExecutionRow:
        """Queues a message of a workflow, by default for its own agent, and returns its execution at once.

        The execution is on disk when this returns; what it does is told by the stream. Raises ``InvalidField``,
        ``NotKept`` for an unknown workflow, and ``UnknownAgent``.
        """
        message, locale = checked_message(message), checked_locale(locale)
        row = await self._records.workflow(checked_id(workflow_id))
        agent = checked_agent(row.agent_id if agent_id is None else agent_id)
        if agent_id is not None:
            self._room.registry.config(agent)
        return await self._executions.ask(row.id, message, agent, locale)

    async def load_execution_result(self, workflow_id: str, run_id: str) -> WorkflowResult:
        """Returns the result of an execution that is over; raises ``NotKept``, and ``NotOver`` when it is not.

        Raises ``ExecutionFailed`` or ``ExecutionCancelled`` when it did not come to one.
        """
        row = await self._records.execution(run_id)
        if row.workflow_id != checked_id(workflow_id):
            raise NotKept("execution", run_id)
        if row.ended_at is None:
            raise NotOver(row)
        return result_of(row)

    async def edit_queued_message(self, run_id: str, message: str) -> ExecutionRow:
        """Changes the words of a message that is queued; raises ``InvalidField``, ``NotKept`` and ``StoreError``."""
        return await self._executions.edit(run_id, checked_message(message))

    async def cancel_workflow_streaming(self, workflow_id: str) -> bool:
        """Cancels what runs of a workflow, all the way down; returns False when nothing does. Raises ``NotKept``.

        It has ended when this returns. What is queued behind it stays queued, and is the next to run.
        """
        row = await self._records.workflow(checked_id(workflow_id))
        return await self._executions.cancel(row.id)

    async def load_workflows(
        self, *, text: str | None = None, status: WorkflowState | None = None, limit: int = 50, offset: int = 0
    ) -> tuple[list[Workflow], int]:
        """Returns workflows, last changed first, and how many there are."""
        rows, total = await self._records.workflows(text=text, status=status, limit=limit, offset=offset)
        return [workflow_of(row) for row in rows], total

    async def load_workflow(self, workflow_id: str) -> Workflow:
        """Returns a workflow; raises ``NotKept``."""
        return workflow_of(await self._records.workflow(checked_id(workflow_id)))

    async def delete_workflow(self, workflow_id: str) -> None:
        """Removes a workflow with all that is its own; what runs of it is cancelled first. Raises ``NotKept``."""
        row = await self._records.workflow(checked_id(workflow_id))
        async with self._executions.held(row.id):
            for queued in await self._records.executions(workflow_id=row.id, statuses=["queued"]):
                with suppress(NotKept):  # somebody was faster
                    await self._executions.withdraw(queued.run_id)
            await self._executions.cancel(row.id, "its workflow is deleted")
            await self._records.delete_workflow(row.id)
        self._hub.forget(row.id)
        self._tell(row.id, "deleted")

    async def load_workflow_full_state(self, workflow_id: str) -> WorkflowFullState:
        """Returns everything that is known of a workflow; raises ``NotKept``, and ``StateTimeout`` after 60 s."""
        with anyio.move_on_after(STATE_TIMEOUT):
            return await full_state(self._store, checked_id(workflow_id))
        raise StateTimeout(workflow_id)

    async def state_json(self, workflow_id: str, limit: int | None = None) -> bytes:
        """Returns the same as JSON text, of each kind the last ``limit``."""
        with anyio.move_on_after(STATE_TIMEOUT):
            return await state_json(self._store, checked_id(workflow_id), limit=limit)
        raise StateTimeout(workflow_id)

    async def rename_workflow(self, workflow_id: str, name: str) -> Workflow:
        """Gives a workflow another name; raises ``InvalidField`` and ``NotKept``."""
        name = checked_name(name)
        row = await self._records.change_workflow(checked_id(workflow_id), name=name, updated_at=time.time())
        self._tell(row.id, "renamed")
        return workflow_of(row)

    def _tell(self, workflow_id: str, status: str) -> None:
        self._hub.announce("workflow_update", {"workflow_id": workflow_id, "status": status})


def result_of(row: ExecutionRow) -> WorkflowResult:
    """Returns the result of an execution that is over; raises ``ExecutionCancelled`` and ``ExecutionFailed``."""
    if row.status == "completed" and row.result is not None:
        return _RESULT.validate_python(row.result)
    raise ExecutionCancelled(row) if row.status == "cancelled" else ExecutionFailed(row)


def checked_name(name: str) -> str:
    """Returns a workflow's name without spaces around it; raises ``InvalidField``."""
    name = name.strip()
    if not 1 <= len(name) <= NAME:
        raise InvalidField("name", f"must have 1 to {NAME} characters besides spaces around it", len(name))
    if _CONTROL.search(name):
        raise InvalidField("name", "must not contain control characters", len(name))
    return _storable("name", name)


def checked_agent(agent_id: str) -> str:
    """Returns the id of an agent; raises ``InvalidField``."""
    if not _AGENT.fullmatch(agent_id):
        raise InvalidField("agent_id", "must be 1 to 128 letters, digits, '_' or '-'", len(agent_id))
    return agent_id


def checked_message(message: str) -> str:
    """Returns a message as it is; raises ``InvalidField``."""
    if not message.strip() or len(message) > MESSAGE:
        raise InvalidField("message", f"must have 1 to {MESSAGE:,} characters, and not spaces alone", len(message))
    return _storable("message", message)


def checked_locale(locale: str) -> str:
    """Returns the language of an answer, nothing for that of the settings; raises ``InvalidField``."""
    if locale and not _LOCALE.fullmatch(locale):
        rule = (
            f"must be a language's code or its English name, of at most {LOCALE} letters, digits, spaces, '_' and '-'"
        )
        raise InvalidField("locale", rule, len(locale))
    return locale


def checked_id(workflow_id: str) -> str:
    """Returns a workflow's id in lower case; raises ``InvalidField`` for what is no UUID."""
    try:
        return str(uuid.UUID(workflow_id))
    except ValueError:
        raise InvalidField("workflow_id", "must be a UUID", len(workflow_id)) from None


def _storable(field: str, text: str) -> str:
    if "\x00" in text:
        raise InvalidField(field, "must not contain NUL characters", len(text))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidField(field, "must be Unicode, without halves of pairs", len(text)) from None
    return text
