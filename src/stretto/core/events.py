"""What a run says, in the order in which it says it.

Events are facts: nobody changes one after it was appended. They are plain slotted records rather than frozen ones
because a frozen dataclass takes more than twice as long to make, and every step makes at least two. ``at`` is in
seconds since the run began (of all its processes: a resumed run goes on counting in wall-clock time); ``path`` names
the step, and is empty for the run itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

Path: TypeAlias = str
"""An identity: names joined by ``/``, repeats ``#2``, items ``[17]``, as ``lead/spawn_agent/coder``."""

UNTOLD = -1.0
"""The time of an event that its maker left to the context which emits it."""


@dataclass(slots=True)
class Event:
    """Something that happened at ``path``, ``at`` seconds into the run."""

    kind: ClassVar[str] = "event"

    path: Path
    at: float


@dataclass(slots=True)
class RunStarted(Event):
    """A run began; ``started_at`` is in seconds since the Unix epoch, ``code`` says which code ran (name -> digest)."""

    kind: ClassVar[str] = "run_started"

    run_id: str
    name: str
    started_at: float
    input: Any = None
    code: dict[str, str] = field(default_factory=dict[str, str])
    labels: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class RunResumed(Event):
    """A run went on in another process; ``completed`` paths are not run again."""

    kind: ClassVar[str] = "run_resumed"

    completed: int
    in_flight: list[Path] = field(default_factory=list[Path])


@dataclass(slots=True)
class RunEnded(Event):
    """A run ended with ``status`` completed, failed, cancelled or timed_out."""

    kind: ClassVar[str] = "run_ended"

    status: str
    output: Any = None
    error: ErrorRecord | None = None


@dataclass(slots=True)
class ErrorRecord:
    """An error as it is kept: its type, its words, and the path at which it was raised first."""

    type: str
    message: str
    path: Path = ""
    traceback: str = ""


@dataclass(slots=True)
class StepStarted(Event):
    """A step began; ``queued`` is how long it waited for room (seconds), ``step`` the kind of step."""

    kind: ClassVar[str] = "step_started"

    input: Any = None
    queued: float = 0.0
    step: str = "function"


@dataclass(slots=True)
class StepCompleted(Event):
    """A step ended with an output; ``source`` is run, cache, batch, fallback or human."""

    kind: ClassVar[str] = "step_completed"

    output: Any = None
    source: str = "run"


@dataclass(slots=True)
class StepFailed(Event):
    """A step raised."""

    kind: ClassVar[str] = "step_failed"

    error: ErrorRecord


@dataclass(slots=True)
class StepTimedOut(Event):
    """A step took longer than its ``seconds``."""

    kind: ClassVar[str] = "step_timed_out"

    seconds: float
    level: str = "step"


@dataclass(slots=True)
class StepCancelled(Event):
    """A step was stopped."""

    kind: ClassVar[str] = "step_cancelled"

    reason: str = "cancelled"


@dataclass(slots=True)
class StepSkipped(Event):
    """A step was declared and did not run, and this is why."""

    kind: ClassVar[str] = "step_skipped"

    because: str = ""


@dataclass(slots=True)
class StepRetrying(Event):
    """Attempt ``attempt`` failed; the next begins after ``wait`` seconds."""

    kind: ClassVar[str] = "step_retrying"

    attempt: int
    error: ErrorRecord
    wait: float


@dataclass(slots=True)
class StepAbandoned(Event):
    """A step did not stop within ``waited`` seconds after it was cancelled; it may still run."""

    kind: ClassVar[str] = "step_abandoned"

    waited: float
    where: str = "task"


@dataclass(slots=True)
class StepUndone(Event):
    """What a completed step did was taken back, or ``error`` says why it could not be."""

    kind: ClassVar[str] = "step_undone"

    error: ErrorRecord | None = None


@dataclass(slots=True)
class Asked(Event):
    """A human was asked; the answer will bear the same ``request_id``.

    ``topic`` is approval, question or decision, ``risk`` low, medium, high or nothing. With a ``timeout`` (seconds)
    the ``default`` stands when nobody has answered that long after ``asked_at`` (seconds since the Unix epoch, of the
    first time that it was asked). ``value`` is what the answer's value may replace, whole.
    """

    kind: ClassVar[str] = "asked"

    request_id: str
    question: str
    choices: list[str] = field(default_factory=list[str])
    reason: str = ""
    details: Any = None
    topic: str = "question"
    risk: str = ""
    timeout: float | None = None
    default: str | None = None
    asked_at: float = 0.0
    value: Any = None


@dataclass(slots=True)
class Answered(Event):
    """A human answered, at ``answered_at`` (seconds since the Unix epoch), or time was up (``by`` is ``timeout``)."""

    kind: ClassVar[str] = "answered"

    request_id: str
    choice: str
    value: Any = None
    reason: str = ""
    by: str = ""
    answered_at: float = 0.0


@dataclass(slots=True)
class Progress(Event):
    """``done`` of ``total`` items are through; ``total`` is None while nobody knows.

    A step emits ``Progress(done=3, total=7)``: its context fills in path and time.
    """

    kind: ClassVar[str] = "progress"

    path: Path = ""
    at: float = UNTOLD
    done: int = 0
    total: int | None = None
    text: str = ""


@dataclass(slots=True)
class Said(Event):
    """A step says something: a line for the reader, of level debug, info, warning or error.

    A step emits ``Said(text="…")``: its context fills in path and time.
    """

    kind: ClassVar[str] = "said"

    path: Path = ""
    at: float = UNTOLD
    text: str = ""
    level: str = "info"
    data: Any = None


@dataclass(slots=True)
class ModelDelta(Event):
    """A piece of a model's answer, as it came: ``part`` is text, reasoning or tool_call.

    Of a tool call, ``text`` is a piece of the JSON text of its arguments; ``index`` counts the parts of one answer.
    """

    kind: ClassVar[str] = "model_delta"

    path: Path = ""
    at: float = UNTOLD
    part: str = "text"
    text: str = ""
    index: int = 0
    tool: str = ""
    call_id: str = ""


@dataclass(slots=True)
class ModelUsed(Event):
    """A call of a model took tokens; ``cost`` is in US dollars, None when no price is known.

    ``input_tokens`` includes those read from and written to a cache, ``output_tokens`` those of reasoning.
    ``estimated`` says that the provider told no usage, as when an answer was cut off.
    """

    kind: ClassVar[str] = "model_used"

    path: Path = ""
    at: float = UNTOLD
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost: float | None = None
    estimated: bool = False


@dataclass(slots=True)
class AgentStarted(Event):
    """The step at ``path`` is an agent, and this is which; ``parent_id`` is the agent that delegated to it.

    ``level`` counts from 1, the primary agent. ``task`` may be cut.
    """

    kind: ClassVar[str] = "agent_started"

    path: Path = ""
    at: float = UNTOLD
    agent_id: str = ""
    name: str = ""
    parent_id: str = ""
    level: int = 1
    model: str = ""
    task: str = ""
    tools: list[str] = field(default_factory=list[str])
    mcp_servers: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class HistoryShortened(Event):
    """A conversation did not fit the model's context window: ``dropped`` messages were summarised or trimmed.

    Tokens are estimates, before and after.
    """

    kind: ClassVar[str] = "history_shortened"

    path: Path = ""
    at: float = UNTOLD
    how: str = "trimmed"
    dropped: int = 0
    kept: int = 0
    tokens_before: int = 0
    tokens_after: int = 0


@dataclass(slots=True)
class PlanMade(Event):
    """A step has decided what may run together; ``plan`` is ``ExecutionPlan.to_json``'s, with its reasons."""

    kind: ClassVar[str] = "plan_made"

    path: Path = ""
    at: float = UNTOLD
    plan: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class TaskChanged(Event):
    """An item of a to-do list was created, updated, completed or deleted (``change``)."""

    kind: ClassVar[str] = "task_changed"

    path: Path = ""
    at: float = UNTOLD
    task_id: str = ""
    name: str = ""
    status: str = ""
    priority: int = 3
    change: str = "updated"


EVENTS: dict[str, type[Event]] = {
    event.kind: event
    for event in (
        RunStarted, RunResumed, RunEnded, StepStarted, StepCompleted, StepFailed, StepTimedOut, StepCancelled,
        StepSkipped, StepRetrying, StepAbandoned, StepUndone, Asked, Answered, Progress, Said, ModelDelta, ModelUsed,
        AgentStarted, HistoryShortened, PlanMade, TaskChanged,
    )
}  # fmt: skip
"""Every kind of event by its name, for those who read a stored log."""

TERMINAL: frozenset[str] = frozenset({"step_completed", "step_failed", "step_timed_out", "step_cancelled"})
"""The kinds that end a started step."""


def parent_of(path: Path) -> Path:
    """Returns the path one level up; the parent of a top-level step is the empty path."""
    return path.rpartition("/")[0]


def name_of(path: Path) -> str:
    """Returns the last name of a path."""
    return path.rpartition("/")[2]


def step_name(path: Path) -> str:
    """Returns the name that all repeats and items of a step share: its last name without ``#2`` and ``[17]``."""
    while path:
        path, _, last = path.rpartition("/")
        if name := last.partition("[")[0].partition("#")[0]:
            return name
    return ""
