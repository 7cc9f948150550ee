"""What models say in the answers of one run, folded from its log into rows of messages and thinking steps."""

from __future__ import annotations

from dataclasses import dataclass, field

from stretto.agents.following import milliseconds
from stretto.agents.report import Report
from stretto.agents.run_frame import RunFrame
from stretto.agents.workflow_rows import Message, ThinkingStep
from stretto.core import events as core
from stretto.core.events import Event, Path
from stretto.core.ledger import Ledger
from stretto.models.model import Reply

BEHIND = 1e-3
"""How long after its task an answer counts as created (seconds), so that it stands behind it."""


@dataclass(slots=True)
class Answer:
    """One answer of a model: what it has thought and written so far, and when it thought (seconds into the run).

    ``number`` is that of its thinking step, 0 while there is none; ``told`` says that a row of it was handed out.
    """

    agent: Path
    path: Path
    began: float
    written: list[str] = field(default_factory=list[str])
    reasoned: list[str] = field(default_factory=list[str])
    thought_from: float | None = None
    thought_until: float = 0.0
    thinking: bool = False
    reasoning_tokens: int = 0
    output_tokens: int = 0
    number: int = 0
    told: bool = False

    def heard(self, event: core.ModelDelta) -> None:
        """Takes the next piece."""
        reasoning = event.part == "reasoning"
        if reasoning:
            self.reasoned.append(event.text)
            self.thinking = True
            if self.thought_from is None:
                self.thought_from = event.at
        elif event.part == "text":
            self.written.append(event.text)
        self.thought(event.at, reasoning)

    def thought(self, at: float, still: bool = False) -> None:
        """Notes that the model thought until now, and whether it still does."""
        if self.thinking:
            self.thought_until, self.thinking = at, still

    def begin_anew(self) -> None:
        """Forgets what was said: it broke off, or who said it begins again."""
        self.written.clear()
        self.reasoned.clear()
        self.thought_from, self.thinking, self.reasoning_tokens, self.output_tokens = None, False, 0, 0

    @property
    def duration_ms(self) -> int | None:
        """How long the model thought, None where nobody heard it think."""
        return None if self.thought_from is None else milliseconds(self.thought_until - self.thought_from)


def joined(pieces: list[str]) -> str:
    """Returns the pieces as one text, and keeps them so: the next look joins the new ones only."""
    if len(pieces) > 1:
        pieces[:] = ["".join(pieces)]
    return pieces[0] if pieces else ""


@dataclass(slots=True)
class Working:
    """A primary agent: what it was asked, from when to when it worked (seconds into the run), and its report.

    ``content`` is what it had said when it ended, ``tokens`` are those of its last answer; ``told`` says that a row of
    it was handed out.
    """

    task: str
    began: float
    ended: float | None = None
    report: Report | None = None
    content: str = ""
    tokens: int | None = None
    told: bool = False


class AnswerFold:
    """Folds what primary agents are asked and answer, and what any agent's model thinks.

    ``message`` is what the user asked, as it was written: without it the log says it, a long one cut until it is
    answered. What has changed is looked at when rows are made: a piece of an answer costs next to nothing.
    """

    def __init__(self, frame: RunFrame, ledger: Ledger, message: str | None) -> None:
        self.working: dict[Path, Working] = {}
        self.answers: dict[Path, Answer] = {}
        self.context_tokens = 0
        self._frame, self._ledger, self._message = frame, ledger, message
        self._followed = frame.followed
        self._turns: dict[Path, set[Path]] = {}
        self._thoughts = 0
        self._asked: dict[Path, None] = {}
        self._spoken: dict[Path, None] = {}
        self._thought: dict[Path, Answer] = {}

    # -- what happens --------------------------------------------------------------------------------------------------

    def run_began(self) -> None:
        """Takes what the user asked, where that is known."""
        if self._message is not None:
            self._asked[""] = None

    def join(self, event: core.AgentStarted) -> None:
        """Takes a primary agent in; one that begins anew is the same one."""
        made, known = Working(event.task, event.at), self.working.get(event.path)
        if known is not None:
            made.began, made.told = known.began, known.told
        self.working[event.path] = made
        self._ask(event.path)

    def _ask(self, path: Path) -> None:
        if self._message is None:
            self._asked[path] = None

    def turns(self, agent: Path) -> int:
        """Returns how many answers an agent's model has given or begun."""
        return len(self._turns.get(agent, ()))

    def began(self, agent: Path, path: Path, at: float) -> None:
        """Takes the beginning of an answer, the first or another one at its place."""
        self._turns.setdefault(agent, set()).add(path)
        made, known = Answer(agent, path, at), self.answers.get(path)
        self.answers[path] = made
        if known is not None:
            made.number, made.told = known.number, known.told
            self._void(made)

    def begin_anew(self, path: Path) -> None:
        """Takes that an answer, or an agent with all its answers, is tried again."""
        found = [answer for answer in self.answers.values() if path in (answer.path, answer.agent)]
        for answer in found:
            answer.begin_anew()
            self._void(answer)

    def _void(self, answer: Answer) -> None:
        """Has the rows made anew in which an answer stands."""
        if answer.number:
            self._thought[answer.path] = answer
        self._speaks(answer)

    def heard(self, event: core.ModelDelta) -> None:
        """Takes a piece of an answer."""
        answer = self.answers.get(self._followed.answer(event.path) or "")
        if answer is None:
            return
        if answer.thinking:
            self._thought[answer.path] = answer
        answer.heard(event)
        if event.part == "text":
            self._speaks(answer)
        elif event.part == "reasoning":
            self._thinks(answer, event.text)

    def _speaks(self, answer: Answer) -> None:
        if answer.agent in self.working:
            self._spoken[answer.agent] = None

    def _thinks(self, answer: Answer, text: str) -> None:
        if not answer.number and text.strip():
            self._thoughts += 1
            answer.number = self._thoughts
        if answer.number:
            self._thought[answer.path] = answer

    def spent(self, primary: Path) -> None:
        """Takes that something below a primary agent took tokens."""
        self._spoken[primary] = None

    def used(self, event: core.ModelUsed) -> None:
        """Takes what an answer took."""
        answer = self.answers.get(self._followed.answer(event.path) or "")
        if answer is not None:
            answer.reasoning_tokens, answer.output_tokens = event.reasoning_tokens, event.output_tokens
            self._void(answer)
            if answer.agent in self.working:
                self.context_tokens = event.input_tokens

    def replied(self, event: Event, answer: Answer, output: object) -> None:
        """Takes the end of an answer."""
        answer.thought(event.at)
        if isinstance(output, Reply):
            answer.written, answer.reasoned = [output.text], [output.reasoning]
            self._thinks(answer, output.reasoning)
        else:
            self._turns[answer.agent].discard(event.path)
        self._void(answer)

    def ended(self, event: Event, working: Working, report: Report | None) -> None:
        """Takes the end of a primary agent."""
        path = event.path
        working.content, working.tokens = self._written(path), self._last_tokens(path)
        working.ended, working.report = event.at, report
        self._spoken[path] = None
        self._ask(path)

    # -- what it comes to ----------------------------------------------------------------------------------------------

    @property
    def has_changed(self) -> bool:
        """Says whether there are rows to make."""
        return bool(self._spoken or self._thought or self._asked)

    def messages(self, now: float) -> tuple[list[Message], list[str]]:
        """Makes the messages that are new or have changed, and returns the ids of those that no longer count."""
        made, gone = [self._task(path) for path in self._asked], list[str]()
        for path in self._spoken:
            working = self.working[path]
            if (row := self._answer(path, working, now)) is not None:
                made.append(row)
            elif working.told:
                gone.append(self._frame.answer_id(path))
            working.told = row is not None
        self._asked.clear()
        self._spoken.clear()
        return made, gone

    def thoughts(self) -> tuple[list[ThinkingStep], list[str]]:
        """Makes the thinking steps that are new or have changed, and returns the ids of those that do not count."""
        made, gone = list[ThinkingStep](), list[str]()
        for answer in sorted(self._thought.values(), key=lambda answer: answer.number):
            if answer.number and joined(answer.reasoned).strip():
                made.append(self._thinking_step(answer))
                answer.told = True
            elif answer.told:
                gone.append(self._frame.row_id(answer.path))
                answer.told = False
        self._thought.clear()
        return made, gone

    def forget(self, agent: Path) -> None:
        """Lets go of what an agent said whose work is over, after the rows that tell it were made."""
        for path in [path for path, answer in self.answers.items() if answer.agent == agent]:
            del self.answers[path]

    def _task(self, path: Path) -> Message:
        """Returns what the user asked: of the whole run, or where nobody says that, of one primary agent."""
        frame = self._frame
        if self._message is not None:
            id, content, at = f"{frame.run_id}:task", self._message, 0.0
        else:
            working = self.working[path]
            id, at = f"{frame.row_id(path)}:task", working.began
            content = working.task if working.report is None else working.report.task
        return Message(
            id=id, workflow_id=frame.workflow_id, run_id=frame.run_id, role="user", content=content,
            timestamp=frame.time(at), created_at=frame.time(at),
        )  # fmt: skip

    def _written(self, agent: Path) -> str:
        texts = (joined(answer.written) for answer in self.answers.values() if answer.agent == agent)
        return "\n\n".join(text for text in texts if text.strip())

    def _last_tokens(self, agent: Path) -> int | None:
        answers = [answer.output_tokens for answer in self.answers.values() if answer.agent == agent]
        return answers[-1] if answers else None

    def _answer(self, path: Path, working: Working, now: float) -> Message | None:
        """Returns the answer of a primary agent, None while there is nothing of it."""
        frame, over, report = self._frame, working.ended, working.report
        content = report.response if report is not None else self._written(path) if over is None else working.content
        if not content:
            return None
        spent, model_id = self._ledger.under(path), self._followed.agents[path].model
        provider, _, model = model_id.partition(":")
        until = now if over is None else over
        return Message(
            id=frame.answer_id(path),
            workflow_id=frame.workflow_id,
            run_id=frame.run_id,
            role="assistant",
            content=content,
            tokens=self._last_tokens(path) if over is None else working.tokens,
            tokens_input=spent.usage.input_tokens,
            tokens_output=spent.usage.output_tokens,
            model=model or provider,
            provider=provider if model else None,
            cost_usd=spent.known_cost,
            duration_ms=None if over is None else milliseconds(over - working.began),
            timestamp=frame.time(until),
            created_at=frame.time(working.began + BEHIND),
        )

    def _thinking_step(self, answer: Answer) -> ThinkingStep:
        frame = self._frame
        return ThinkingStep(
            id=frame.row_id(answer.path),
            workflow_id=frame.workflow_id,
            run_id=frame.run_id,
            message_id=frame.message_id(answer.agent),
            agent_id=frame.agent_id(answer.agent),
            path=answer.path,
            step_number=answer.number,
            content=joined(answer.reasoned),
            duration_ms=answer.duration_ms,
            tokens=answer.reasoning_tokens or None,
            created_at=frame.time(answer.began if answer.thought_from is None else answer.thought_from),
        )
