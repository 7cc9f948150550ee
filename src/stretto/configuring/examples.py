"""Where the examples are that come along."""

from __future__ import annotations

from pathlib import Path


def examples_folder(package: Path) -> Path:
    """Returns where the examples of this package are: beside its sources in a checkout, else inside it."""
    checkout = package.parents[1] / "examples"
    return checkout if package.parent.name == "src" and checkout.is_dir() else package / "examples"
