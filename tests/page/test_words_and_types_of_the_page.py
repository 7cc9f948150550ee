"""What the page was told of the server is what the server is; every text of the page stands among its words."""

import re
import subprocess
import sys
from pathlib import Path

from tests.built_page import REPOSITORY, installed_programs

UI = REPOSITORY / "ui"


def test_the_types_of_the_page_are_those_of_the_server(tmp_path: Path) -> None:
    description, made = tmp_path / "openapi.json", tmp_path / "api.d.ts"
    subprocess.run([sys.executable, str(UI / "describe.py"), str(description)], check=True, timeout=120)
    program = installed_programs() / "openapi-typescript"
    options = ("--root-types", "--root-types-no-schema-prefix", "--alphabetize")
    subprocess.run([program, description, "-o", made, *options], check=True, capture_output=True, timeout=120)
    same = made.read_text() == (UI / "src" / "types" / "api.d.ts").read_text()
    assert same, "the operations have changed; type: python3 dev.py types"


def test_no_component_holds_a_text_of_its_own() -> None:
    """Words between tags, and in what is read aloud, come from the dictionaries: else one language lacks them."""
    found = []
    for path in sorted((UI / "src").rglob("*.svelte")):
        text = re.sub(
            r"<script.*?</script>|<style.*?</style>|<!--.*?-->", "", path.read_text(encoding="utf-8"), flags=re.S
        )
        said = re.findall(r'(?:aria-label|title|placeholder|alt|label|text|hint)="([^"{]*[A-Za-z]{2}[^"{]*)"', text)
        bare = re.sub(r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}", "", text)
        said += re.findall(r">\s*([^<>{}]*[A-Za-z]{3}[^<>{}]*)<", re.sub(r"=>", "", bare))
        own = [each.strip() for each in said if each.strip() not in {"Stretto", "Esc", "Ctrl", "Enter"}]
        found += [f"{path.relative_to(UI)}: {each}" for each in own]
    assert found == []
