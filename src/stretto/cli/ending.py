"""Says how a run ended: the figures, the output, what was kept, and how to go on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from stretto.cli.execution import Finished
from stretto.cli.exits import Exit, exit_of_outcome
from stretto.cli.failures import tell_failure
from stretto.cli.screen import Screen, command
from stretto.cli.values import is_object, json_of, short
from stretto.core.errors import StrettoError
from stretto.core.events import ErrorRecord
from stretto.core.outcome import Completed, error_of
from stretto.monitoring.labels import clean
from stretto.monitoring.metrics import WorkflowMetrics, measure
from stretto.monitoring.palette import LOOKS
from stretto.monitoring.spans import STATUSES, SpanFold, Spent
from stretto.monitoring.units import cost_text, duration_text, share_text
from stretto.runtime.records import origin

LINES = 12
"""How many lines of a text are shown of an output."""


def document(run_id: str, status: str, output: Any, error: ErrorRecord | None, fold: SpanFold) -> dict[str, Any]:
    """Returns a run as one JSON object: id, name, status, output, error and metrics."""
    told = None if error is None else {"type": error.type, "message": error.message, "path": error.path}
    return {
        "run_id": run_id,
        "name": fold.run.name,
        "status": status,
        "output": output,
        "error": told,
        "metrics": metrics_of(measure(fold)),
    }


def metrics_of(metrics: WorkflowMetrics) -> dict[str, Any]:
    """Returns a run's figures as JSON values; times are in seconds."""
    batches = [
        {"start": batch.start, "end": batch.end, "operations": len(batch.operations), "peak": batch.peak}
        for batch in metrics.parallel_batches
    ]
    same = (
        "total_duration", "operations", "work", "speedup_factor", "parallelization_ratio", "bottleneck",
        "bottleneck_duration", "bottleneck_share", "total_queue_time", "max_queue_time", "retries", "failures",
        "peak_concurrency", "slots", "slot_utilization", "tokens_input", "tokens_output", "tokens_cached",
        "tokens_reasoning", "cost", "known_cost", "model_requests", "unpriced_requests",
    )  # fmt: skip
    return {
        **{name: getattr(metrics, name) for name in same},
        "critical_path": list(metrics.critical_path),
        "parallel_batches": batches,
        "sequential_steps": len(metrics.sequential_steps),
    }


def document_of(finished: Finished) -> dict[str, Any]:
    """Returns the document of a run that has just ended."""
    outcome = finished.outcome
    raised = error_of(outcome)
    error = None
    if raised is not None:
        kind = f"{type(raised).__module__}.{type(raised).__qualname__}"
        error = ErrorRecord(kind, str(raised), origin(raised) or getattr(raised, "path", "") or finished.name)
    output = json_of(outcome.value) if isinstance(outcome, Completed) else None
    made = document(finished.run_id, outcome.status, output, error, finished.fold)
    return {**made, "name": finished.name}


def report(
    screen: Screen,
    finished: Finished,
    *,
    machine: str = "",
    quiet: bool = False,
    tell: Callable[[Any], Any] | None = None,
) -> Exit:
    """Tells how a run ended, and returns the exit status for that.

    ``machine`` is ``json`` for a document on stdout, ``events`` for one on a single line. ``tell`` makes of the run's
    value what is shown of it.
    """
    code = exit_of_outcome(finished.outcome)
    raised = error_of(finished.outcome)
    if raised is not None:
        if finished.began:
            tell_failure(screen, raised)
        else:
            raise raised  # it could not even begin: whoever called says so
    if machine:
        screen.line(json.dumps(document_of(finished), ensure_ascii=False, indent=2 if machine == "json" else None))
    elif quiet:
        if isinstance(finished.outcome, Completed) and finished.outcome.value is not None:
            value = finished.outcome.value
            screen.line(value if isinstance(value, str) else json.dumps(json_of(value), ensure_ascii=False))
    else:
        _summary(screen, finished, tell)
    if code is not Exit.OK:
        _kept(screen, finished)
    return code


def headline(name: str, status: str, fold: SpanFold) -> tuple[str, str, list[tuple[str, str]]]:
    """Returns a run's first line, its style, and its figures."""
    metrics = measure(fold)
    look = LOOKS[STATUSES.get(status, "cancelled")]
    told = f"{name} {look.word} in {duration_text(metrics.total_duration)}"
    rows: list[tuple[str, str]] = []
    if metrics.operations > 1:
        at_once = f"{metrics.operations:,} operations, {metrics.peak_concurrency:,} at once at most"
        rows.append(("speed-up", f"{metrics.speedup_factor:.2f}× ({at_once})"))
    if metrics.bottleneck is not None and metrics.operations > 1:
        took = duration_text(metrics.bottleneck_duration)
        rows.append(("bottleneck", f"{clean(metrics.bottleneck)}, {took} ({share_text(metrics.bottleneck_share)})"))
    counted = [(metrics.retries, "retries"), (metrics.failures, "failed")]
    if any(count for count, _ in counted):
        rows.append(("troubles", ", ".join(f"{count:,} {word}" for count, word in counted if count)))
    return f"{look.sign} {told}", look.style, rows + spent_rows(fold.root.spent)


def spent_rows(spent: Spent | None) -> list[tuple[str, str]]:
    """Returns what models took: tokens, and money as far as prices are known; nothing when none was asked."""
    if spent is None:
        return []
    many = "1 request" if spent.requests == 1 else f"{spent.requests:,} requests"
    read = f" ({spent.cached_tokens:,} cached)" if spent.cached_tokens else ""
    thought = f" ({spent.reasoning_tokens:,} reasoning)" if spent.reasoning_tokens else ""
    guessed = f", {spent.estimated:,} of them estimated" if spent.estimated else ""
    tokens = f"{spent.input_tokens:,} in{read}, {spent.output_tokens:,} out{thought}; {many}{guessed}"
    cost = cost_text(spent.known_cost)
    if spent.unpriced:
        known = f"{cost} for the others; " if spent.unpriced < spent.requests else ""
        cost = f"unknown: {known}no price is known for {spent.unpriced:,} of {many}"
    return [("tokens", tokens), ("cost", cost)]


def write_rows(screen: Screen, rows: list[tuple[str, str]]) -> None:
    """Writes names and values in two columns to stdout."""
    for name, value in rows:
        first, *more = value.splitlines() or [""]
        screen.out.print(f"  {name:<11}", style="bright_black", end="")
        screen.out.print(first)
        for line in more:
            screen.out.print(f"  {'':<11}{line}")


def output_rows(output: Any) -> list[tuple[str, str]]:
    """Returns a short form of an output: some lines of a text, a line for each name of an object."""
    if output is None:
        return []
    if isinstance(output, str) and "\n" in output.strip():
        lines = output.strip().splitlines()
        more = [f"… {len(lines) - LINES:,} more lines"] if len(lines) > LINES else []
        return [("output", "\n".join([*lines[:LINES], *more]))]
    if is_object(output) and len(output) > 1:
        lines = [f"{key}: {short(value, 80)}" for key, value in list(output.items())[:LINES]]
        more = [f"… {len(output) - LINES:,} more"] if len(output) > LINES else []
        return [("output", "\n".join([*lines, *more]))]
    return [("output", short(output))]


def _summary(screen: Screen, finished: Finished, tell: Callable[[Any], Any] | None) -> None:
    first, style, rows = headline(finished.name, finished.outcome.status, finished.fold)
    if isinstance(finished.outcome, Completed):
        value = finished.outcome.value
        rows += output_rows(json_of(value if tell is None else tell(value)))
    rows.append(("run", finished.run_id if finished.stored else f"{finished.run_id} (kept in memory only)"))
    if finished.stored:
        rows.append(("next", f"{command()} show {finished.run_id}\n{command()} gantt {finished.run_id}"))
    screen.result(first, f"bold {style}")
    write_rows(screen, rows)


def _kept(screen: Screen, finished: Finished) -> None:
    """Says what a run that did not complete leaves behind, and how to go on."""
    spans = finished.fold.spans.values()
    done = sum(span.status == "completed" for span in spans)
    if finished.stored and finished.began:
        many = "1 completed step is" if done == 1 else f"{done:,} completed steps are"
        screen.say(f"{many} kept; go on with: {command()} resume {finished.run_id}", "yellow")
    for path in finished.abandoned[:10]:
        screen.say(f"did not stop, and may still run: {clean(path)}", "red")
    if len(finished.abandoned) > 10:
        screen.say(f"… and {len(finished.abandoned) - 10:,} more did not stop", "red")
    error = error_of(finished.outcome)
    if isinstance(error, StrettoError) and screen.debug:
        screen.say(repr(error), "bright_black")
