"""When the page is built, what is done then, and what happens where it cannot be: with an npm that only pretends."""

import gzip
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import hatch_build

NPM = """#!/bin/sh
echo "$@" >> "$NPM_LOG"
case "$1" in
  ci) mkdir -p node_modules && cp package-lock.json node_modules/.package-lock.json;;
  run)
    if [ -n "$NPM_BREAKS" ]; then echo "it broke" >&2; exit 3; fi
    mkdir -p "$6/assets" && cp src/main.ts "$6/assets/index-abc.js" && cp index.html "$6/index.html";;
esac
"""
SOURCE = "export const answer = 42;\n" * 100
PACKAGES = {"": {}, "node_modules/vite": {"version": "8.0.0"}, "node_modules/other": {"version": "1", "optional": True}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with a page of one script."""
    made = tmp_path / "checkout"
    (made / "ui" / "src").mkdir(parents=True)
    (made / "ui" / "package.json").write_text("{}")
    (made / "ui" / "package-lock.json").write_text(json.dumps({"packages": PACKAGES}))
    (made / "ui" / "index.html").write_text("<html></html>")
    (made / "ui" / "src" / "main.ts").write_text(SOURCE)
    (made / "ui" / "src" / "main.test.ts").write_text("a test")
    return made


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An npm and a Node.js on the path; ``asked`` tells what npm was given."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in (("npm", NPM), ("node", "#!/bin/sh\necho v20.19.0\n")):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NPM_LOG", str(tmp_path / "npm.log"))
    monkeypatch.delenv(hatch_build.ASKED, raising=False)


def asked(tmp_path: Path) -> list[str]:
    """Returns the commands that npm was given since this was asked last."""
    log = tmp_path / "npm.log"
    said = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return [line.split()[0] for line in said]


def test_the_page_is_built_once_and_again_when_what_it_is_made_of_has_changed(root, npm, tmp_path):
    place = root / hatch_build.PAGE
    assert hatch_build.build(root) == "built"
    assert asked(tmp_path) == ["ci", "run"]
    assert (place / "assets" / "index-abc.js").read_text() == SOURCE
    assert gzip.decompress((place / "assets" / "index-abc.js.gz").read_bytes()).decode() == SOURCE
    assert not (place / "index.html.gz").exists()
    assert sorted(path.name for path in place.parent.iterdir()) == ["static"]

    assert hatch_build.build(root) == "fresh"
    (root / "ui" / "src" / "main.test.ts").write_text("another test")
    (root / "ui" / "node_modules" / "anything").write_text("x")
    assert hatch_build.build(root) == "fresh"
    assert asked(tmp_path) == []

    (root / "ui" / "src" / "main.ts").write_text("export {};")
    assert hatch_build.build(root) == "built"
    assert asked(tmp_path) == ["run"]
    assert not (place / "assets" / "index-abc.js.gz").exists()
    (root / "ui" / "src" / "more.css").write_text("p {}")
    assert hatch_build.build(root) == "built"
    (root / "ui" / "src" / "more.css").rename(root / "ui" / "src" / "less.css")
    assert hatch_build.build(root) == "built"
    shutil.rmtree(place)
    assert hatch_build.build(root) == "built"
    assert asked(tmp_path) == ["run"] * 3


def test_two_that_need_it_build_it_once(root, npm, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(hatch_build.build, [root, root])) == ["built", "fresh"]
    assert asked(tmp_path) == ["ci", "run"]


def test_packages_are_installed_when_the_lock_names_others(root, npm, tmp_path):
    hatch_build.build(root)
    asked(tmp_path)
    lock, there = root / "ui" / "package-lock.json", root / "ui" / "node_modules" / ".package-lock.json"
    there.write_text(json.dumps({"packages": {"node_modules/vite": {"version": "8.0.0"}}}))
    assert hatch_build.is_installed(root)  # what is optional may be for another machine
    for packages in ({"node_modules/vite": {"version": "8.0.1"}}, {}, {"node_modules/new": {"version": "1"}}):
        lock.write_text(json.dumps({"packages": {"": {}, **packages}}))
        assert not hatch_build.is_installed(root)
        assert hatch_build.build(root) == "built"
        assert asked(tmp_path) == ["ci", "run"]
    there.write_text("not whole")
    assert not hatch_build.is_installed(root)


def test_a_build_that_fails_says_why_and_spoils_nothing(root, npm, monkeypatch):
    hatch_build.build(root)
    (root / "ui" / "src" / "main.ts").write_text("wrong")
    monkeypatch.setenv("NPM_BREAKS", "1")
    with pytest.raises(hatch_build.PageNotBuilt, match=r"npm run build failed in ui/ with status 3[\s\S]*it broke"):
        hatch_build.build(root)
    place = root / hatch_build.PAGE
    assert (place / "assets" / "index-abc.js").read_text() == SOURCE
    assert sorted(path.name for path in place.parent.iterdir()) == ["static"]
    assert not hatch_build.is_fresh(root)


def test_without_node_or_with_an_old_one_nothing_is_built(root, npm, tmp_path, monkeypatch):
    (tmp_path / "tools" / "node").write_text("#!/bin/sh\necho v20.18.9\n")
    assert hatch_build.build(root) == "absent"
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert hatch_build.build(root) == "absent"
    (root / hatch_build.PAGE).mkdir(parents=True)
    (root / hatch_build.PAGE / "index.html").write_text("made elsewhere")
    assert hatch_build.build(root) == "absent"  # but not of these sources
    shutil.rmtree(root / "ui")
    assert hatch_build.build(root) == "prebuilt"
    shutil.rmtree(root / hatch_build.PAGE)
    assert hatch_build.build(root) == "absent"


def hook(root: Path) -> hatch_build.PageHook:
    return hatch_build.PageHook(str(root), {}, None, None, str(root), "wheel")


def test_an_installation_without_node_goes_on_with_a_warning_unless_the_page_must_be_there(
    root, npm, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    for version in ("standard", "editable"):
        hook(root).initialize(version, {})
        assert "Node.js 20.19 or newer with npm is needed" in capsys.readouterr().err
    monkeypatch.setenv(hatch_build.ASKED, "1")
    with pytest.raises(hatch_build.PageNotBuilt, match=r"Node\.js 20\.19 or newer"):
        hook(root).initialize("standard", {})


def test_what_is_packed_has_the_page_or_is_not_packed_and_a_checkout_can_do_without(root, npm, monkeypatch, capsys):
    hook(root).initialize("standard", {})
    assert hatch_build.is_fresh(root)
    (root / "ui" / "src" / "main.ts").write_text("wrong")
    monkeypatch.setenv("NPM_BREAKS", "1")
    with pytest.raises(hatch_build.PageNotBuilt, match="STRETTO_REQUIRE_PAGE=0 installs without the page"):
        hook(root).initialize("standard", {})
    capsys.readouterr()
    hook(root).initialize("editable", {})
    assert "npm run build failed" in capsys.readouterr().err
    monkeypatch.setenv(hatch_build.ASKED, "0")
    hook(root).initialize("standard", {})
    assert capsys.readouterr().err == ""
