"""Plans written as files: YAML and JSON that say what to do, and instances that say what was done."""

from stretto.core.errors import FileProblem, PlanFileError
from stretto.planfiles.load import load_plan, load_wfformat
from stretto.planfiles.planfile import FileWorkflow, LoadedPlan, PlanInput
from stretto.planfiles.schema import plan_schema
from stretto.planfiles.source import Mark

__all__ = [
    "FileProblem",
    "FileWorkflow",
    "LoadedPlan",
    "Mark",
    "PlanFileError",
    "PlanInput",
    "load_plan",
    "load_wfformat",
    "plan_schema",
]
