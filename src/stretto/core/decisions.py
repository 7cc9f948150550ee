"""What people were asked in a run and what they said, folded from its log: a restart changes nothing about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Self

from stretto.core.events import TERMINAL, Answered, Asked, Event, Path, StepAbandoned
from stretto.core.step import Answer


def _nobody(_request_id: str, _answer: Answer) -> bool:
    return False


class Decisions:
    """The questions of a run by their ids, and the answers to them.

    A step obtains those of its run with ``context.resource(Decisions)``. ``asked`` holds each question as it was asked
    last (``asked_at`` tells when it was first); one whose step has ended without an answer is withdrawn.
    """

    def __init__(self, settle: Callable[[str, Answer], bool] = _nobody) -> None:
        self.asked: dict[str, Asked] = {}
        self.answers: dict[str, Answer] = {}
        self.settle = settle
        self._open: dict[Path, list[str]] = {}

    @classmethod
    def of(cls, events: Iterable[Event]) -> Self:
        """Folds a log."""
        made = cls()
        for event in events:
            made.record(event)
        return made

    def record(self, event: Event) -> None:
        """Takes what the log says; most events say nothing about people."""
        if isinstance(event, Asked):
            self.asked[event.request_id] = event
            ids = self._open.setdefault(event.path, [])
            if event.request_id not in ids:
                ids.append(event.request_id)
        elif isinstance(event, Answered):
            self.answers[event.request_id] = Answer(
                choice=event.choice, value=event.value, reason=event.reason, by=event.by, at=event.answered_at
            )
            self._forget(event.path, event.request_id)
        elif event.path in self._open and (event.kind in TERMINAL or isinstance(event, StepAbandoned)):
            for request_id in self._open.pop(event.path):
                self.asked.pop(request_id, None)

    def renamed(self, rename: Callable[[str], str]) -> Decisions:
        """Returns the same for a run whose steps have other paths now."""
        made = Decisions(self.settle)
        for asked in self.asked.values():
            made.record(replace(asked, path=rename(asked.path), request_id=rename(asked.request_id)))
        for request_id, answer in self.answers.items():
            made.answers[rename(request_id)] = answer
        return made

    def withdraw(self, asked: Asked) -> None:
        """Forgets a question whose step no longer waits for its answer."""
        self.asked.pop(asked.request_id, None)
        self._forget(asked.path, asked.request_id)

    def _forget(self, path: Path, request_id: str) -> None:
        ids = self._open.get(path, [])
        if request_id in ids:
            ids.remove(request_id)
        if not ids:
            self._open.pop(path, None)

    @property
    def open(self) -> list[Asked]:
        """The questions that wait for an answer, in the order in which they were asked."""
        return [asked for request_id, asked in self.asked.items() if request_id not in self.answers]

    def answered(self) -> Iterator[tuple[Asked, Answer]]:
        """Yields the questions that have an answer with it, in the order in which they were asked."""
        for request_id, asked in self.asked.items():
            if request_id in self.answers:
                yield asked, self.answers[request_id]

    def answer(self, request_id: str, answer: Answer) -> bool:
        """Answers a question that is open in this run now; returns False when nobody waits for it (any more).

        Raises ``DefinitionError`` for a choice that the question does not offer.
        """
        return self.settle(request_id, answer)
