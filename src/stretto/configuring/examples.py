"""Where the examples are that come along."""

from __future__ import annotations

from pathlib import Path

import stretto


def examples_folder() -> Path:
    """Returns where the examples are: beside the sources in a checkout, else inside the installed package."""
    package = Path(stretto.__file__).resolve().parent
    checkout = package.parents[1] / "examples"
    return checkout if package.parent.name == "src" and checkout.is_dir() else package / "examples"
