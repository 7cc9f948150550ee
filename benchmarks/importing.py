"""How long importing Stretto takes, and what it brings with it; a public name is loaded when it is used first."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from benchmarks.measure import Figure, Size, Times, seconds, times

MOST = 0.5
WITH_PYDANTIC = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}
EVERYTHING = "from stretto import *"
WHAT = """
import sys; before = set(sys.modules)
from stretto import *
import json
tops = {name.partition(".")[0] for name in set(sys.modules) - before}
known = {*sys.stdlib_module_names, "stretto"}
print(json.dumps(sorted(top for top in tops if top not in known and not top.startswith("_sysconfigdata"))))
"""


def third_party() -> list[str]:
    """Returns the packages that importing Stretto imports, the standard library and itself left out."""
    said = subprocess.run([sys.executable, "-c", WHAT], capture_output=True, text=True, check=True).stdout
    found: list[str] = json.loads(said)
    return found


def _timed(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


def importing(size: Size) -> list[Figure]:
    """Measures the import in processes of its own."""
    codes = ("pass", EVERYTHING, "import stretto", "import pydantic.main")
    for code in codes:
        _timed(code)
    taken_by: dict[str, list[float]] = {code: [] for code in codes}
    for _ in range(size.rounds):
        for code in codes:
            taken_by[code].append(_timed(code))
    bare, whole, alone, pydantic = (Times(tuple(taken_by[code])) for code in codes)
    taken, beside = whole.best - bare.best, pydantic.best - bare.best
    brought = third_party()
    strange = sorted(set(brought) - WITH_PYDANTIC)
    return [
        Figure(
            "import stretto, and every public name",
            f"{seconds(beside)} import pydantic",
            seconds(taken),
            times(taken / beside),
            f"< {MOST:g} s, nothing beyond pydantic",
            taken < MOST and not strange,
            [
                f"python itself: {bare.told()}",
                f"with every name of stretto: {whole.told()}",
                f"with import stretto alone: {alone.told()}",
                f"third-party packages imported: {', '.join(brought) or 'none'}",
            ],
        )
    ]
