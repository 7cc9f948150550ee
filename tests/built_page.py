"""Has the page of this checkout built once, whoever needs it first."""

import os
from pathlib import Path

import hatch_build

REPOSITORY = Path(__file__).resolve().parents[1]


def built_page() -> Path:
    """Returns the folder of the page that the sources describe; builds it when they have changed.

    With ``STRETTO_PAGE_AS_IS=1`` the page is taken as it lies there, for whoever writes tests of it in the meantime.
    """
    place = REPOSITORY / hatch_build.PAGE
    if os.environ.get("STRETTO_PAGE_AS_IS") == "1":
        return place
    found = hatch_build.build(REPOSITORY)
    assert found in ("fresh", "built"), "Node.js 20.19 or newer with npm is needed to build the page"
    return place


def installed_programs() -> Path:
    """Returns the folder of the programs that the page is built and described with; installs them when they lack."""
    with hatch_build.alone(REPOSITORY):
        npm = hatch_build.find_npm()
        assert npm is not None, "Node.js 20.19 or newer with npm is needed"
        hatch_build.install(npm, REPOSITORY)
    return REPOSITORY / hatch_build.SOURCES / "node_modules" / ".bin"
