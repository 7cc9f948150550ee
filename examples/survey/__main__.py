"""Runs the survey: ``python -m examples.survey [PATH] [--out FILE]``."""

import argparse
import os
import sys
from pathlib import Path

from stretto.cli.watching import watch

from .plan import workflow

HERE = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="survey", description="Surveys a source tree, in parallel.")
    parser.add_argument("path", nargs="?", help="the tree; the repository of this example when it is left out")
    parser.add_argument("--out", help="where the report goes; your state directory when it is left out")
    parser.add_argument("--store", help="where the run is kept; your own store when it is left out")
    given = parser.parse_args()
    root = Path(given.path or (HERE if (HERE / "pyproject.toml").is_file() else ".")).resolve()
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    out = Path(given.out or Path(state, "stretto", "surveys", f"{root.name or 'root'}.md")).resolve()
    code = watch(
        workflow,
        {"root": str(root), "out": str(out)},
        target=f"{__package__}:workflow",
        folder=str(HERE),
        store=given.store,
        plan=True,
        gantt=True,
        tell=lambda data: data["report"],
    )
    if sys.stdout.isatty():
        chat = "python3 dev.py chat" if (HERE / "dev.py").is_file() else "stretto chat --agent surveyor"
        print(f'\nFour agents can do it, too, without a key: {chat} "Survey this repository"')
    return code


if __name__ == "__main__":
    sys.exit(main())
