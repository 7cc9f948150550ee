"""How it is measured: operations say what they need and what they make; the plan says what may run together."""

from pathlib import Path

from stretto import Operation, ParallelResourceLimits, PlannedWorkflow, analyze_dependencies

from . import measures
from .report import write_report

MEASURES = ("files", "symbols", "imports", "comments", "notes")


def measure(name: str, seconds: float) -> tuple[Operation, Operation]:
    """Returns the map over all batches of files, and the reduction of what they found."""
    work, found = getattr(measures, f"measure_{name}"), f"{name} by batch"
    return (
        Operation(
            id=f"measure {name}", step=work, for_each="batches", outputs=(found,), reads=("tree",), duration=seconds
        ),
        Operation(id=name, step=measures.total, inputs=(found,), outputs=(name,), duration=0.01),
    )


plan = analyze_dependencies(
    [
        Operation(id="find files", step=measures.find_files, inputs=("root",), outputs=("batches",), duration=0.1),
        *measure("files", 0.2),
        *measure("symbols", 1.0),
        *measure("imports", 0.3),
        *measure("comments", 0.4),
        *measure("notes", 0.4),
        Operation(
            id="commits",
            step=measures.read_commits,
            inputs=("root",),
            outputs=("commits",),
            required=False,
            duration=0.1,
        ),
        Operation(
            id="churn", step=measures.read_churn, inputs=("root",), outputs=("churn",), required=False, duration=0.3
        ),
        Operation(
            id="report",
            step=write_report,
            inputs=("root", "out", *MEASURES),
            optional_inputs=("commits", "churn"),  # without git there is a report, too
            outputs=("report",),
            writes=("report file",),
            duration=0.01,
        ),
    ],
    given=("root", "out"),
)
workflow = PlannedWorkflow(name="survey", plan=plan, limits=ParallelResourceLimits(max_concurrent_executions=4))
example_input = {"root": str(Path.cwd()), "out": "survey-report.md"}
