"""Takes what other processes leave in the store for a run: answers to its questions, and the wish to cancel it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from stretto.core.errors import DefinitionError
from stretto.core.events import Said
from stretto.core.journal import Journal
from stretto.core.step import Answer
from stretto.runtime.state import Question, RunState

POLL = 0.5
"""How often the mailbox is looked into (seconds)."""
SHARE = 20.0
"""A look that took t seconds is followed by ``SHARE`` × t at least, so that many runs do not drown a store."""
EACH = 0.01
"""How much longer each is left alone for every one that is watched (seconds): together they cost a hundred looks a
second at the most."""
LONGEST = 5.0
"""How long it is left alone at the most (seconds)."""


class Mailbox:
    """One run's mailbox; ``cancel`` is called when somebody wants the run to stop.

    ``watched`` counts those of this process that are looked into now.
    """

    watched: ClassVar[int] = 0

    def __init__(self, store: Journal, run_id: str, state: RunState, cancel: Callable[[str], None]) -> None:
        self._store, self._run_id, self._state, self._cancel = store, run_id, state, cancel
        self._closed, self._ahead = asyncio.Event(), False
        self._told: set[str] = set()
        state.look = self.look

    def close(self) -> None:
        """Says that the run needs no mail any more: ``watch`` ends after the look that is under way."""
        self._closed.set()

    async def watch(self) -> None:
        """Looks into the mailbox again and again until it is closed; the first time after ``POLL`` seconds."""
        Mailbox.watched += 1
        try:
            await self._watch()
        finally:
            Mailbox.watched -= 1

    async def _watch(self) -> None:
        pause = POLL
        while not await self._closed_within(pause):
            ahead = self._ahead
            began = time.monotonic()
            await self.look()
            if await self._wants_to_cancel():
                self._cancel("cancelled from another process")
            took = time.monotonic() - began
            pause = pause * 2 if ahead else min(LONGEST, max(POLL, SHARE * took, EACH * Mailbox.watched))

    async def look(self) -> None:
        """Hands the answers that lie in the mailbox to the questions that are open."""
        if not self._state.questions:
            return
        try:
            posted = await self._store.answers(self._run_id)
        except Exception as error:  # noqa: BLE001  # whatever a store raises, the run goes on and says so
            self._warn("", f"the run's mailbox cannot be read: {error}")
            return
        for request_id, question in list(self._state.questions.items()):
            if (answer := posted.get(request_id)) is not None and not question.future.done():
                await self._take(request_id, question, answer)

    async def _take(self, request_id: str, question: Question, answer: Answer) -> None:
        if answer.at > question.until:
            moment = datetime.fromtimestamp(question.until).astimezone().isoformat(" ", "seconds")
            why = f"it came after the time for {request_id!r} was up, at {moment}"
        else:
            try:
                self._state.answer(request_id, answer)
            except DefinitionError as error:
                why = str(error)
            else:
                return
        self._warn(request_id.rpartition("?")[0], f"an answer by {answer.by or 'nobody named'} was passed over: {why}")
        try:
            await self._store.pass_over(self._run_id, request_id)
        except Exception as error:  # noqa: BLE001  # as above; it is passed over again when next it is looked at
            self._warn("", f"the run's mailbox cannot be read: {error}")

    async def _wants_to_cancel(self) -> bool:
        try:
            return await self._store.cancel_requested(self._run_id)
        except Exception as error:  # noqa: BLE001  # as above
            self._warn("", f"the run's mailbox cannot be read: {error}")
            return False

    def _warn(self, path: str, text: str) -> None:
        """Says something once."""
        if text not in self._told:
            self._told.add(text)
            self._state.emit(Said(path, self._state.now(), text, "warning"))

    async def _closed_within(self, seconds: float) -> bool:
        """Waits; notes whether the loop's time ran ahead of the real one, as a test's clock does.

        Where it does, nobody outside has had the time to say anything: looking more and more rarely lets such a clock
        jump, and notice that nothing else is left to happen.
        """
        loop = asyncio.get_running_loop()
        began, really = loop.time(), time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                return await self._closed.wait()
        except TimeoutError:
            self._ahead = loop.time() - began > 2 * (time.monotonic() - really)
            return False
