"""A stage for one step: the real runtime around it, and everything that it asks for scripted by the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeGuard, Unpack

from stretto.core.checks import UnexpectedCall, UnexpectedQuestion, UnusedAnswer, UnusedOutput
from stretto.core.errors import DefinitionError
from stretto.core.events import Asked, Event, Path, Said, StepStarted
from stretto.core.function import as_step
from stretto.core.outcome import NotStarted, Outcome
from stretto.core.step import Answer, Context, Step, Stepish
from stretto.runtime.run import Run, RunSettings, start
from stretto.runtime.shared import Shared
from stretto.testing.interception import Intercepted, Proceed, Rule, matches

Reply = str | Answer | None
"""What a scripted human says: the word chosen, a whole answer, or None for one who is silent until time is up."""


class StepHarness:
    """Runs steps for a test and records what they do.

    ``outputs`` stand in for children, by name, path or pattern (as in ``Fault.at``): a list gives one output per call,
    a function is called with the input, an exception is raised, anything else is returned every time. ``answers`` stand
    in for the human: a mapping from a part of the question, or a list in the order of the questions. Everything else is
    a real run's: limits, timeouts, retries, cancellation, events. Further settings are those of ``run``.

    What was prepared and never used raises ``UnusedOutput`` or ``UnusedAnswer`` when the step has succeeded; a question
    without an answer raises ``UnexpectedQuestion``.

    >>> from stretto import step
    >>> from stretto.testing import run_virtual
    >>> @step
    ... async def search(word):
    ...     raise OSError("no network in tests")
    >>> @step
    ... async def lead(word, context):
    ...     return sorted(await context.run(search, word))
    >>> harness = StepHarness(outputs={"search": lambda word: [f"{word} 2", f"{word} 1"]})
    >>> run_virtual(harness.execute(lead, "cat")), harness.paths
    (['cat 1', 'cat 2'], ['lead', 'lead/search'])
    """

    def __init__(
        self,
        *,
        answers: Mapping[str, Reply] | Sequence[Reply] = (),
        outputs: Mapping[str, Any] | None = None,
        **settings: Unpack[RunSettings],
    ) -> None:
        if isinstance(answers, str):
            raise DefinitionError(f"answers must be a mapping or a list, not the text {answers!r}")
        self.answers, self.outputs, self.settings = answers, dict(outputs or {}), settings
        self.run: Run[Any] | None = None

    async def execute(self, step: Step[Any, Any] | Stepish, input: Any = None) -> Any:
        """Runs a step and returns its output, or raises what it ended with; the record is then that of this run."""
        script, human = _Script(self.outputs), _Human(self.answers)
        settings: RunSettings = {"shared": Shared(), **self.settings}
        whole = as_step(step)
        opening: AbstractAsyncContextManager[Run[Any]] = start(
            Intercepted(whole, script) if self.outputs else whole, input, **settings
        )
        async with opening as running:
            self.run = running
            async for event in running.events():
                if isinstance(event, Asked):
                    human.reply(running, event)
        output: Any = running.outcome.unwrap()
        if unused := script.unused:
            raise UnusedOutput(unused, self.paths)
        if unused := human.unused:
            raise UnusedAnswer(unused, [asked.question for asked in self.questions])
        return output

    @property
    def outcome(self) -> Outcome[Any]:
        """How the last run ended."""
        return NotStarted() if self.run is None else self.run.outcome

    @property
    def events(self) -> list[Event]:
        """Everything that the last run said, in order."""
        return [] if self.run is None else list(self.run.log)

    @property
    def paths(self) -> list[Path]:
        """The steps of the last run in the order in which they started."""
        return [event.path for event in self.events if isinstance(event, StepStarted)]

    @property
    def said(self) -> list[str]:
        """The texts that steps of the last run emitted with ``Said``."""
        return [event.text for event in self.events if isinstance(event, Said)]

    @property
    def questions(self) -> list[Asked]:
        """The questions of the last run."""
        return [event for event in self.events if isinstance(event, Asked)]


class _Script(Rule):
    """Outputs that stand in for steps."""

    def __init__(self, outputs: Mapping[str, Any]) -> None:
        self._outputs = outputs
        self._calls = dict.fromkeys(outputs, 0)

    @property
    def unused(self) -> list[str]:
        """The places of outputs that no step returned, or of which some are left."""
        return [at for at, calls in self._calls.items() if calls < _wanted(self._outputs[at])]

    async def meet(self, input: Any, context: Context, proceed: Proceed) -> Any:
        """Returns what was prepared for this path, or runs the step where nothing was."""
        at = next((pattern for pattern in self._outputs if matches(pattern, context.path)), None)
        if at is None:
            return await proceed()
        prepared, calls = self._outputs[at], self._calls[at]
        self._calls[at] += 1
        if _is_list(prepared):
            if calls >= len(prepared):
                raise UnexpectedCall(context.path, len(prepared))
            prepared = prepared[calls]
        elif callable(prepared):
            prepared = prepared(input)
        output: Any = prepared
        if isinstance(output, BaseException):
            raise output
        return output


def _wanted(prepared: Any) -> int:
    """Returns how often an output should be used."""
    return len(prepared) if _is_list(prepared) else 1


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


class _Human:
    """Answers that stand in for a human."""

    def __init__(self, answers: Mapping[str, Reply] | Sequence[Reply]) -> None:
        self._by_part = dict(answers) if isinstance(answers, Mapping) else {}
        self._in_turn = [] if isinstance(answers, Mapping) else list(answers)
        self._used: set[str] = set()

    @property
    def unused(self) -> list[str]:
        """What was never asked for: parts of questions, or the replies that are left."""
        return [part for part in self._by_part if part not in self._used] + [str(left) for left in self._in_turn]

    def reply(self, running: Run[Any], asked: Asked) -> None:
        """Answers a question; raises ``UnexpectedQuestion`` when nothing was prepared for it."""
        found = next((part for part in self._by_part if part.casefold() in asked.question.casefold()), None)
        if found is not None:
            self._used.add(found)
            said = self._by_part[found]
        elif self._in_turn:
            said = self._in_turn.pop(0)
        else:
            raise UnexpectedQuestion(asked.path, asked.question, self._by_part)
        if said is not None:
            answer = said if isinstance(said, Answer) else Answer(choice=said, by="test")
            running.answer(
                asked.request_id, answer.choice, value=answer.value, reason=answer.reason, by=answer.by or "test"
            )
