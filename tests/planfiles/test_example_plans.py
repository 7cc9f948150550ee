"""The example plans run, and the shipped schema knows every plan that loads."""

# ruff: noqa: E501  # tables are read by their rows

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from stretto.core.events import StepRetrying, StepSkipped, StepStarted
from stretto.planfiles import load_plan, plan_schema
from stretto.planfiles.schema import SHIPPED, shipped_text
from stretto.planfiles.source import Problems, read_source
from stretto.planfiles.yaml_text import read_yaml
from stretto.runtime.loop import drive
from stretto.runtime.run import run_sync, start

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "plans"
VALIDATOR = jsonschema.Draft202012Validator(plan_schema())


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "a b.py").write_text("# TODO: later\nx = 1\n")
    (tmp_path / "read me.md").write_text("text\n")
    git = ["git", "-c", "user.name=An Author", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "First $(touch pwned)"]):
        subprocess.run([*git, *arguments], cwd=tmp_path, check=True)
    return tmp_path


def test_the_repository_report_is_written(repository: Path):
    loaded = load_plan(EXAMPLES / "repository-report.yaml", {"repository": str(repository)})
    assert loaded.plan.batches == (("log", "authors", "files", "todo"), ("sizes",), ("report",))
    report = run_sync(loaded.workflow)["report"]
    assert "10 commits are listed, 2 files are tracked." in report
    assert "- .py: 2 lines in 1 files" in report
    assert "An Author · First $(touch pwned)" in report
    assert "1 files put something off" in report
    assert not (repository / "pwned").exists()


def test_the_fan_out_counts_every_file(tmp_path: Path):
    for name, text in (("one.txt", "a b\n"), ("two words.txt", "c\nd\n"), ("$(x);.txt", "e\n"), ("other.md", "f\n")):
        (tmp_path / name).write_text(text)
    workflow = load_plan(EXAMPLES / "fan-out.yaml", {"directory": str(tmp_path), "pattern": "*.txt"}).workflow
    assert run_sync(workflow)["sentence"] == "4 lines and 5 words in 3 files"
    assert workflow.limits.max_concurrent_executions == 4


def test_the_unreliable_command_is_tried_again_and_decides(tmp_path: Path):
    async def ran() -> tuple[Any, list[Any]]:
        async with start(load_plan(EXAMPLES / "retry-and-when.yaml").workflow, {"scratch": str(tmp_path)}) as running:
            pass
        return running.outcome.unwrap(), running.log

    data, log = drive(ran())
    assert data["said"] == "it took 3 tries"
    assert "few" not in data
    assert sum(isinstance(event, StepRetrying) for event in log) == 2
    assert [event.path.rpartition("/")[2] for event in log if isinstance(event, StepSkipped)] == ["few"]
    assert any(isinstance(event, StepStarted) for event in log)


def test_the_shipped_schema_is_the_model():
    assert SHIPPED.read_text("utf-8") == shipped_text(), "write stretto.planfiles.schema.shipped_text() to the file"
    jsonschema.Draft202012Validator.check_schema(plan_schema())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_schema_knows_the_examples(path: Path):
    source = read_source(path)
    VALIDATOR.validate(read_yaml(source, Problems(source)).plain())
    assert path.read_text().startswith("# yaml-language-server: $schema=")


def test_the_example_of_the_schema_is_valid_and_loads(tmp_path: Path):
    (example,) = plan_schema()["examples"]
    VALIDATOR.validate(example)
    (tmp_path / "plan.json").write_text(json.dumps(example))
    assert set(load_plan(tmp_path / "plan.json").plan.operations) == {"files", "size", "report"}


@pytest.mark.parametrize(
    "said",
    [
        {}, {"operations": []}, {"operations": {}}, {"operations": {"a": {}}}, {"operations": [{"run": "x"}]},
        {"operations": {"a": {"run": "x", "rum": 1}}}, {"operations": {"a": {"run": 3}}},
        {"operations": {"a": {"run": "x", "retry": 0}}}, {"operations": {"a": {"run": "x", "timeout": "5 parsecs"}}},
        {"operations": {"a": {"run": "x", "parse": "xml"}}}, {"operations": {"a": {"run": "x", "outputs": []}}},
        {"operations": {"a b": {"run": "x"}}}, {"operations": {"a": {"run": "x"}}, "limit": {}}, {"operations": {"a": {"run": "x", "when": 3}}},
        {"operations": {"a": {"run": "x"}}, "limits": {"max_concurrency": 0}},
        {"operations": {"a": {"run": "x"}}, "inputs": {"a": {"typ": "string"}}},
    ],
)  # fmt: skip
def test_the_schema_refuses_what_the_loader_refuses(said: dict[str, Any], problems):
    assert list(VALIDATOR.iter_errors(said))
    assert problems(json.dumps(said), "plan.json")


@pytest.mark.parametrize(
    "settings",
    [
        {"timeout": "5m", "retry": 2, "idempotent": True}, {"cache": True}, {"cache": "5m"}, {"cache": {"ttl": 3}}, {"cache": 3.5},
        {"memory": "512 MiB"}, {"memory": 1000}, {"env": {"A": None, "B": 1, "C": "x"}}, {"when": True}, {"for_each": [1]},
        {"with": [1]}, {"stdin": "none"}, {"retry": {"wait": "10ms", "on": ["timeout"]}, "idempotent": True}, {"duration": 0},
    ],
)  # fmt: skip
def test_the_schema_takes_what_the_loader_takes(settings: dict[str, Any], load):
    said = {"$schema": "x", "operations": {"a": {"run": "x", **settings}}, "inputs": {"i": None, "j": {"type": "list"}}}
    VALIDATOR.validate(said)
    assert load(json.dumps(said), name="plan.json")
