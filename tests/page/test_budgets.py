"""How much of the page a browser has to load, and that nothing of the machine that built it is in it."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.built_page import REPOSITORY

KILOBYTE = 1_000
INITIAL_SCRIPTS, LAZY_SCRIPT, INITIAL_STYLES = 180 * KILOBYTE, 80 * KILOBYTE, 15 * KILOBYTE
"""At most so much, compressed (bytes)."""
LOADED = re.compile(r"""(?:\bfrom|\bimport)\s*["']\./([\w.-]+\.js)["']""")
"""What a chunk cannot start without; what comes later is written as a call."""


def weight(paths: Iterator[Path] | set[Path]) -> int:
    return sum(len(gzip.compress(path.read_bytes(), 9)) for path in paths)


def named(built: Path, kind: str) -> set[Path]:
    """Returns the files of a kind that the index names."""
    index = (built / "index.html").read_text(encoding="utf-8")
    return {built / name for name in re.findall(rf"""(?:src|href)="\./([\w./-]+\.{kind})\"""", index)}


@pytest.fixture
def initial(built: Path) -> set[Path]:
    """The scripts that are loaded before anything is shown."""
    found, left = set[Path](), named(built, "js")
    while left:
        path = left.pop()
        found.add(path)
        left |= {path.parent / name for name in LOADED.findall(path.read_text(encoding="utf-8"))} - found
    return found


def test_what_is_loaded_first_is_small(built, initial):
    assert initial
    scripts, styles = weight(initial), weight(named(built, "css"))
    assert 0 < scripts <= INITIAL_SCRIPTS, f"{scripts:,} bytes of scripts: {sorted(path.name for path in initial)}"
    assert 0 < styles <= INITIAL_STYLES, f"{styles:,} bytes of styles"


def test_what_is_loaded_later_comes_in_small_pieces(built, initial):
    later = {path: weight({path}) for path in built.rglob("*.js") if path not in initial}
    assert later
    assert {path.name: size for path, size in later.items() if size > LAZY_SCRIPT} == {}


def test_nothing_of_the_machine_that_built_it_is_in_the_page(built):
    assert list(built.rglob("*.map")) == []
    for path in built.rglob("*"):
        if path.suffix in {".js", ".css", ".html", ".svg"}:
            text = path.read_text(encoding="utf-8")
            for place in (str(REPOSITORY), str(Path.home()), "sourceMappingURL", "node_modules/"):
                assert place not in text, f"{path.name}: {place}"


def test_one_file_of_each_font_is_loaded(page, page_server):
    page.goto(page_server.url)
    page.locator("#app > *").first.wait_for()
    page.evaluate("document.fonts.ready.then(() => null)")
    names = page.evaluate("performance.getEntriesByType('resource').map(each => new URL(each.name).pathname)")
    fonts = [Path(name).name for name in names if name.endswith(".woff2")]
    families = [re.split(r"-(?:latin|greek|cyrillic|vietnamese)", name)[0] for name in fonts]
    assert families, "the text is set in a font of its own"
    assert len(families) == len(set(families)), fonts


def test_the_licences_of_everything_that_is_in_the_page_come_with_it(built):
    told = (built / "licenses.txt").read_text(encoding="utf-8")
    made_with = json.loads((REPOSITORY / "ui" / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert [name for name in made_with if f"## {name} - " not in told] == []
    assert "without limitation the rights" in told
