"""`python3 dev.py bench`: measures every figure that Stretto promises, prints it, and writes the README's table."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __package__ in (None, ""):
    sys.path[0] = str(ROOT)

from benchmarks.measure import FULL, QUICK, SIZES, Figure, Size  # noqa: E402  # the path is set above

BENCHMARKS = {
    "fan_out": "benchmarks.fan_out:fan_out",
    "memory": "benchmarks.fan_out:memory",
    "sequence": "benchmarks.fan_out:sequence",
    "peers": "benchmarks.against_peers:peers",
    "durability": "benchmarks.durability:durability",
    "planner": "benchmarks.planner:planner",
    "makespan": "benchmarks.makespan:makespan",
    "cancelling": "benchmarks.stopping:cancelling",
    "plan_mode": "benchmarks.plan_mode:plan_mode",
    "importing": "benchmarks.importing:importing",
    "models": "benchmarks.models:models",
    "streaming": "benchmarks.streaming:streaming",
    "serving": "benchmarks.serving:serving",
    "page": "benchmarks.page:page",
}
BEGIN, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"


def main() -> None:
    """Reads the arguments, measures, prints, and leaves with 1 when a figure is missed and ``--check`` is given."""
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and no peers")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--write", nargs="?", const="README.md", metavar="FILE", help="write the table into a file")
    parser.add_argument("--check", action="store_true", help="leave with status 1 when a figure is not reached")
    parser.add_argument("--size", choices=SIZES, help=argparse.SUPPRESS)
    parser.add_argument("--child", choices=BENCHMARKS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    size = SIZES[arguments.size] if arguments.size else QUICK if arguments.quick else FULL
    if arguments.child:
        print(json.dumps([figure.as_json() for figure in load(arguments.child)(size)]))
        return
    figures = [figure for name in arguments.only or BENCHMARKS for figure in measured(name, size)]
    if arguments.write:
        write(ROOT / arguments.write, figures, size)
    missed = [figure for figure in figures if figure.reached is False]
    told = sum(figure.reached is True for figure in figures)
    print(f"{told} figures reached, {len(missed)} missed")
    for figure in missed:
        print(f"  missed: {figure.what}: {figure.ratio}, {figure.ours}; wanted {figure.target}")
    if missed and arguments.check:
        sys.exit(1)


def load(name: str) -> Callable[[Size], list[Figure]]:
    """Returns a benchmark by its name."""
    module, _, function = BENCHMARKS[name].partition(":")
    found: Callable[[Size], list[Figure]] = getattr(import_module(module), function)
    return found


def measured(name: str, size: Size) -> list[Figure]:
    """Runs a benchmark in a process of its own, so that none inherits another's memory, and prints its figures."""
    print(f"{name} …", flush=True)
    began = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.bench", "--child", name, "--size", size.name]
    child = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if child.returncode != 0:
        sys.exit(f"bench: {name} ended with status {child.returncode}; what it said stands above")
    figures = [Figure(**held) for held in json.loads(child.stdout.splitlines()[-1])]
    for figure in figures:
        show(figure)
    print(f"  ({time.perf_counter() - began:.0f} s)", flush=True)
    return figures


def show(figure: Figure) -> None:
    """Prints a figure: what, baseline, ours, ratio, target, reached or not; then its notes."""
    print(
        f"  {figure.what}\n    baseline {figure.baseline} | ours {figure.ours} | ratio {figure.ratio} | "
        f"target {figure.target} | {word(figure)}"
    )
    for note in figure.notes:
        print(f"      {note}")


def word(figure: Figure) -> str:
    """Returns whether a figure is reached."""
    return "–" if figure.reached is None else "reached" if figure.reached else "NOT REACHED"


def table(figures: list[Figure], size: Size) -> str:
    """Returns the figures as a Markdown table, and where they were measured."""
    rows = ["| What | Baseline | Stretto | Ratio | Target | Reached |", "|---|---|---|---|---|---|"]
    for figure in figures:
        cells = (figure.what, figure.baseline, figure.ours, figure.ratio, figure.target, word(figure).lower())
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    processors = os.cpu_count()
    where = f"{platform.system()} {platform.machine()}, {processors} processors, Python {platform.python_version()}"
    command = f"python3 dev.py bench{' --quick' if size is QUICK else ''}"
    said = f"Measured by `{command}` on {where}: the best of interleaved rounds."
    return "\n".join([*rows, "", f"{said} [What each figure means](docs/benchmarks.md)."])


def write(path: Path, figures: list[Figure], size: Size) -> None:
    """Puts the table between the markers of a file; leaves with a sentence when it has none."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"bench: {path} has no place for the table; put {BEGIN} and {END} where it belongs")
    path.write_text(f"{before}{BEGIN}\n{table(figures, size)}\n{END}{after}", encoding="utf-8")
    print(f"wrote the table into {path}")


if __name__ == "__main__":
    main()
