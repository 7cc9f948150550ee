"""What the terminal and the server ask of a store: a journal with summaries, search, retention and a mailbox."""

from __future__ import annotations

import json
import time
from abc import abstractmethod
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from types import TracebackType
from typing import Any, Self

from stretto.core.archive import Archive
from stretto.core.codec import NotStorable, decode, from_plain, to_plain
from stretto.core.errors import DefinitionError, RunBusy, RunNotFound, StoreError, listed
from stretto.core.events import Event
from stretto.core.journal import Journal, Line
from stretto.core.records import Records
from stretto.core.step import Answer
from stretto.stores.summary import OPEN, RunSummary, Status, StepCounts

__all__ = ["RunSummary", "Status", "StepCounts", "Store"]

PEOPLE = frozenset({"asked", "answered"})
"""The kinds of lines that tell what people were asked and what they said."""
KEPT_DURATIONS = 1000
"""How many durations of a step's name are kept."""


class Store(Journal):
    """Keeps runs, shows them, and carries messages to the processes that run them."""

    @property
    @abstractmethod
    def archive(self) -> Archive:
        """What is kept beside the runs: memories, tasks, conversations and documents."""

    @property
    @abstractmethod
    def records(self) -> Records:
        """What a server keeps of workflows beside the runs."""

    @abstractmethod
    async def runs(
        self,
        limit: int | None = 50,
        offset: int = 0,
        *,
        status: Status | None = None,
        name: str | None = None,
        text: str | None = None,
        since: float | None = None,
    ) -> list[RunSummary]:
        """Returns runs, newest first; ``limit=None`` returns all.

        ``name`` is the whole name, ``text`` a part of id, name, error or labels in upper or lower case, ``since`` the
        earliest start (seconds since the Unix epoch).
        """

    @abstractmethod
    async def count_runs(
        self, *, status: Status | None = None, name: str | None = None, text: str | None = None,
        since: float | None = None,
    ) -> int:  # fmt: skip
        """Returns how many runs ``runs`` would find without a limit."""

    @abstractmethod
    async def summary(self, run_id: str) -> RunSummary:
        """Returns how a run stands; raises ``RunNotFound``."""

    @abstractmethod
    async def lines(
        self, run_id: str, since: int = 0, *, full: bool = True, kinds: Collection[str] | None = None,
        limit: int | None = None,
    ) -> list[Line]:  # fmt: skip
        """Returns lines as ``read`` does, or the first ``limit`` of them, or those of some ``kinds`` only.

        ``full=False`` leaves large values where they are kept.
        """

    @abstractmethod
    async def ids(self, beginning: str, limit: int = 5) -> list[str]:
        """Returns ids of runs that begin so, newest first."""

    @abstractmethod
    async def remove(self, run_ids: Collection[str]) -> list[str]:
        """Removes runs with all that is theirs in one transaction, and returns which; those that are live stay."""

    @abstractmethod
    async def silent(self, before: float) -> list[str]:
        """Returns the ids of runs that are no workflow's, and live no more, and told nothing since then.

        ``before`` is in seconds since the Unix epoch; the oldest run comes first.
        """

    @abstractmethod
    async def request_cancel(self, run_id: str) -> None:
        """Asks the process that runs a run to cancel it; raises ``StoreError`` when none does."""

    @abstractmethod
    async def cancel_requested(self, run_id: str) -> bool: ...

    @abstractmethod
    async def answers(self, run_id: str) -> dict[str, Answer]: ...

    @abstractmethod
    async def pass_over(self, run_id: str, request_id: str) -> None: ...

    @abstractmethod
    async def _post(self, run_id: str, request_id: str, answer: str) -> None:
        """Keeps an answer, as ``answer_text`` writes it; raises ``StoreError`` when there is one."""

    @abstractmethod
    async def close(self) -> None:
        """Gives back what the store holds, claims included; it cannot be used afterwards."""

    async def __aenter__(self) -> Self:
        """Returns the store, which closes when the block ends."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def read(self, run_id: str, since: int = 0) -> list[Line]:
        return await self.lines(run_id, since)

    async def events(self, run_id: str, since: int = 0, *, full: bool = True) -> list[Event]:
        """Returns the events from a place on; raises ``RunNotFound``.

        With ``full=False`` a value of more than 64 k characters of JSON is not fetched: a ``LargeValue`` with its size
        and its beginning stands for it (for an input, a preview anyway: ``{"$large": [digest, size, beginning]}``).
        """
        return [decode(line.kind, line.path, line.at, line.data) for line in await self.lines(run_id, since, full=full)]

    async def find(self, beginning: str) -> str:
        """Returns the id of the one run whose id begins so; raises ``RunNotFound``, which names what is near."""
        found = await self.ids(beginning)
        if beginning in found or (len(found) == 1 and beginning):
            return beginning if beginning in found else found[0]
        if beginning and not found:
            found = get_close_matches(beginning, [run.id for run in await self.runs(200)], 3)
        raise RunNotFound(beginning, found)

    async def prune(
        self,
        *,
        older_than: float | None = None,
        keep: int | None = None,
        statuses: Collection[Status] | None = None,
        dry_run: bool = False,
    ) -> list[str]:
        """Removes runs that are over, and returns their ids, newest first.

        A run goes when it has one of ``statuses``, ended (or fell silent) more than ``older_than`` seconds ago, and is
        not among the ``keep`` newest of those statuses; what is None does not count, and live runs always stay. Raises
        ``DefinitionError`` when nothing is said at all. ``dry_run`` only tells.
        """
        if older_than is None and keep is None and statuses is None:
            raise DefinitionError("prune needs older_than, keep or statuses; to remove one run, delete it by its id")
        if (older_than or 0) < 0 or (keep or 0) < 0:
            raise DefinitionError(f"prune cannot take older_than={older_than}, keep={keep}: neither may be negative")
        over = [run for run in await self.runs(None) if run.status not in OPEN]
        if statuses is not None:
            over = [run for run in over if run.status in statuses]
        over = over[keep or 0 :]
        if older_than is not None:
            oldest = time.time() - older_than
            over = [run for run in over if run.started_at + run.duration < oldest]
        ids = [run.id for run in over]
        if dry_run or not ids:
            return ids
        removed = set(await self.remove(ids))
        return [run_id for run_id in ids if run_id in removed]

    async def delete(self, run_id: str) -> None:
        """Removes a run; raises ``RunNotFound``, and ``RunBusy`` while its process lives."""
        owner = (await self.summary(run_id)).owner
        if not await self.remove([run_id]):
            raise RunBusy(run_id, owner or "another process")

    async def post_answer(
        self, run_id: str, request_id: str, choice: str, value: Any = None, reason: str = "", by: str = ""
    ) -> None:
        """Answers a question of a run that is not over, for its process (the next one, if it is gone) to find.

        Raises ``RunNotFound``, and ``StoreError`` when the run has ended, when the question has its answer or its time
        is up, when it does not offer the choice, or when the value has no stored form. A question that was not asked
        yet may be answered beforehand.
        """
        now = time.time()
        answer = Answer(choice=choice, value=value, reason=reason, by=by, at=now)
        text = answer_text(answer)
        if (await self.summary(run_id)).steps.started:
            check_offered(run_id, request_id, answer, await self.lines(run_id, full=False, kinds=PEOPLE))
        await self._post(run_id, request_id, text)


def answer_text(answer: Answer) -> str:
    """Returns an answer as JSON text; raises ``StoreError`` when its value has no stored form."""
    try:
        held = to_plain(answer.value)
    except NotStorable as error:
        raise StoreError(f"the answer's value is {error.kind}, which cannot be stored: {error}") from None
    return json.dumps(
        {"choice": answer.choice, "value": held, "reason": answer.reason, "by": answer.by, "at": answer.at}
    )


def answer_of(text: str) -> Answer:
    """Returns the answer that ``answer_text`` was given."""
    held = json.loads(text)
    return Answer(
        choice=held["choice"], value=from_plain(held["value"]), reason=held["reason"], by=held["by"],
        at=held.get("at", 0.0),
    )  # fmt: skip


def not_claimed(run_id: str) -> StoreError:
    """Returns the error of one who writes without the right to."""
    return StoreError(f"run {run_id!r} was not claimed by this store; claim it before its lines are appended")


def no_reader(run_id: str, status: Status) -> StoreError:
    """Returns the error of a request to cancel what does not run."""
    way_out = "; `stretto resume` would go on with it" if status == "interrupted" else ""
    return StoreError(f"run {run_id!r} cannot be cancelled: it is {status}{way_out}")


def check_offered(run_id: str, request_id: str, answer: Answer, lines: Sequence[Line]) -> None:
    """Raises ``StoreError`` when the log says that a question does not take this answer."""
    question = f"question {request_id!r} of run {run_id!r}"
    asked: dict[str, Any] | None = None
    for line in lines:
        if (held := json.loads(line.data))["request_id"] == request_id:
            if line.kind == "answered":
                who = held["by"] or "somebody"
                raise StoreError(f"{question} has been answered already: {held['choice']!r} by {who}")
            asked = held
    if asked is None:
        return
    if asked["choices"] and answer.choice not in asked["choices"]:
        raise StoreError(f"{question} does not take {answer.choice!r}; choose one of {listed(asked['choices'])}")
    timeout, began = asked.get("timeout"), asked.get("asked_at")
    if timeout and began and answer.at > began + timeout:
        raise StoreError(
            f"{question} was to be answered within {timeout:g} s, which were over {answer.at - began - timeout:.0f} s "
            f"ago: {asked.get('default')!r} stands"
        )


def check_answerable(run_id: str, request_id: str, status: Status, given: bool) -> None:
    """Raises ``StoreError`` when a question cannot be answered any more."""
    if status not in (*OPEN, "interrupted"):
        raise StoreError(f"run {run_id!r} has ended ({status}); its questions can no longer be answered")
    if given:
        raise StoreError(f"question {request_id!r} of run {run_id!r} has been answered already")
