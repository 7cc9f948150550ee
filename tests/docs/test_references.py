"""Holds the documentation together: links lead somewhere, public names are told of, pages can be found."""

import re
from pathlib import Path

import pytest

import stretto
from tests.docs.pages import DOCS, REPOSITORY, blocks, headings, links, name_of, pages

OTHERS = tuple(REPOSITORY / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"))


@pytest.mark.parametrize("page", [*pages(), *OTHERS], ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page):
    for link in links(page):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)} links to {link}, which does not exist"
        if anchor:
            assert anchor in headings(target), f"{name_of(page)} links to {link}; there are {sorted(headings(target))}"


@pytest.mark.parametrize("name", stretto.__all__)
def test_every_public_name_is_told_of(name):
    word = re.compile(rf"\b{name}\b")
    assert any(word.search(page.read_text("utf-8")) for page in DOCS.rglob("*.md")), f"no page tells of {name}"


def test_every_page_is_reached_from_the_index():
    reached, waiting = set[Path](), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links(page) if "://" not in link]
    lost = [name_of(page) for page in DOCS.rglob("*.md") if page not in reached]
    assert not lost


def test_every_room_has_a_page_and_stands_in_the_changelog():
    changelog = (REPOSITORY / "CHANGELOG.md").read_text("utf-8")
    unreleased = changelog.partition("## [Unreleased]")[2].partition("\n## ")[0]
    source = REPOSITORY / "src" / "stretto"
    rooms = [path.parent.name for path in source.glob("*/__init__.py")]
    assert "core" in rooms
    for room in rooms:
        assert (DOCS / f"{room}.md").is_file(), f"docs/{room}.md is missing"
        assert re.search(rf"\b{room}\b", unreleased), f"the changelog's Unreleased section does not mention {room}"


def test_every_error_is_in_the_tree_of_the_errors_page():
    from stretto.core import errors

    told = (DOCS / "errors.md").read_text("utf-8")
    family = [
        name for name, held in vars(errors).items() if isinstance(held, type) and issubclass(held, errors.StrettoError)
    ]
    assert len(family) > 30
    assert not [name for name in family if not re.search(rf"\b{name}\b", told)]


def test_every_exit_status_is_on_the_page_of_the_command_line():
    from stretto.cli.exits import Exit

    told = (DOCS / "cli.md").read_text("utf-8")
    for code in Exit:
        assert f"| {code.value} | {code.meaning} |" in told


def test_every_command_is_on_the_page_of_the_command_line():
    from stretto.cli.app import app

    told = (DOCS / "cli.md").read_text("utf-8")
    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    names |= {group.name or group.typer_instance.info.name for group in app.registered_groups}
    for name in names:
        assert f"`stretto {name}" in told, f"docs/cli.md does not tell of stretto {name}"


def test_the_example_of_the_readme_has_at_most_twelve_lines():
    shown = [block for block in blocks(REPOSITORY / "README.md") if block.language == "python"]
    assert len(shown) == 1
    assert len(shown[0].text.splitlines()) <= 12


def test_the_two_commands_stand_in_the_readme():
    text = (REPOSITORY / "README.md").read_text("utf-8")
    assert "python3 dev.py run" in text
    assert "python3 dev.py test" in text


def test_the_checks_that_the_practices_name_exist():
    named = set(re.findall(r"`(test_\w+)`", (DOCS / "practices.md").read_text("utf-8")))
    there = set[str]()
    for path in (REPOSITORY / "tests").rglob("test_*.py"):
        there |= set(re.findall(r"^(?:async )?def (test_\w+)", path.read_text("utf-8"), re.MULTILINE))
    assert len(named) > 8
    assert not named - there
