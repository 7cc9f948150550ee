"""`stretto runs`, `show`, `gantt` and `plan`: what was, and what would be."""

import json
import xml.etree.ElementTree as ET

import pytest

from stretto.cli.exits import Exit


@pytest.fixture
def three_runs(stretto, flow):
    stretto("run", flow, "-i", "[1, 2, 3]", "--run-id", "aaa1", "--label", "team=blue")
    stretto("run", f"{flow}:broken", "-i", "1", "--run-id", "aaa2")
    stretto("run", f"{flow}:double", "-i", "4", "--run-id", "bbb3")


def ids(result):
    return [run["id"] for run in json.loads(result.stdout)]


def test_runs_are_listed_newest_first(stretto, three_runs):
    result = stretto("runs")
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["run", "bbb3", "aaa2", "aaa1"]
    assert "✕ failed" in lines[2]
    assert "ValueError: no such thing" in lines[2]
    assert "team=blue" in lines[3]
    assert "stretto.target" not in result.stdout


def test_runs_can_be_chosen(stretto, three_runs):
    assert ids(stretto("runs", "--json", "--status", "failed")) == ["aaa2"]
    assert ids(stretto("runs", "--json", "--name", "double")) == ["bbb3"]
    assert ids(stretto("runs", "--json", "--limit", "2")) == ["bbb3", "aaa2"]
    assert ids(stretto("runs", "--json", "--search", "BLUE")) == ["aaa1"]
    assert stretto("runs", "--status", "sleeping").exit_code == Exit.USAGE
    row = json.loads(stretto("runs", "--json", "--search", "blue").stdout)[0]
    assert (row["labels"], row["status"], row["steps"]["completed"]) == ({"team": "blue"}, "completed", 5)


def test_no_runs_are_no_error(stretto):
    result = stretto("runs")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "stretto examples" in result.stderr
    assert stretto("runs", "--json").stdout == "[]\n"
    assert stretto("runs", "--name", "x").stderr == "no runs\n"


def test_a_run_is_found_by_its_beginning_and_by_its_place(stretto, three_runs):
    for text, found in (("aaa1", "aaa1"), ("b", "bbb3"), ("last", "bbb3"), ("@1", "bbb3"), ("@3", "aaa1")):
        assert json.loads(stretto("show", text, "--json").stdout)["run_id"] == found
    assert json.loads(stretto("show", "--json").stdout)["run_id"] == "bbb3"


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("zzz", Exit.NOT_FOUND, "there is no run 'zzz'"),
        ("aaa", Exit.NOT_FOUND, "did you mean 'aaa2' and 'aaa1'"),
        ("@9", Exit.NOT_FOUND, "there is no run '@9'"),
        ("@0", Exit.USAGE, "@1 is the newest"),
        ("@x", Exit.USAGE, "@1 is the newest"),
    ],
)
@pytest.mark.parametrize("command", ["show", "gantt", "resume", "cancel", "answer"])
def test_a_run_that_is_not_there_is_told(stretto, three_runs, command, text, code, told):
    result = stretto(command, text)
    assert result.exit_code == code
    assert told in result.stderr


def test_show_tells_the_steps_the_figures_and_the_output(stretto, three_runs):
    told = stretto("show", "aaa1").stdout
    for part in ("✓ doubles completed in", "run        aaa1", "labels     team=blue", "├─ ✓ double[0]", "└─ ✓ reduce"):
        assert part in told
    assert "output     12" in told


def test_show_tells_the_error_with_its_path_and_frame(stretto, three_runs):
    told = stretto("show", "aaa2").stdout
    assert "✕ broken failed" in told
    assert "ValueError: no such thing" in told
    assert 'raise ValueError("no such thing")' in told
    assert "go on with: stretto resume aaa2" in told
    document = json.loads(stretto("show", "aaa2", "--json").stdout)
    assert (document["status"], document["output"]) == ("failed", None)
    assert document["error"]["message"] == "no such thing"
    assert [step["path"] for step in document["steps"]] == ["broken"]


def test_show_can_tell_the_log(stretto, three_runs):
    events = [json.loads(line) for line in stretto("show", "bbb3", "--events").stdout.splitlines()]
    assert [event["kind"] for event in events] == ["run_started", "step_started", "step_completed", "run_ended"]


def test_show_needs_no_code_of_the_users(stretto, flow):
    flow.write_text(
        flow.read_text()
        + "\nfrom dataclasses import dataclass\n\n@dataclass\nclass P:\n    x: int\n"
        + "\n@step\ndef point():\n    return P(1)\n"
    )
    stretto("run", f"{flow}:point")
    flow.unlink()
    assert json.loads(stretto("show", "--json").stdout)["output"] == {"x": 1}
    assert stretto("gantt").exit_code == 0


def test_large_values_are_cut(stretto, flow):
    stretto("run", f"{flow}:echo", "-i", json.dumps(["word"] * 50_000))
    document = json.loads(stretto("show", "--json").stdout)
    assert document["output"]["size"] > 300_000
    assert "characters" in stretto("show").stdout or "size" in stretto("show").stdout


def test_a_chart_is_drawn_in_the_terminal(stretto, three_runs):
    wide, narrow = stretto("gantt", "aaa1", "--width", "120").stdout, stretto("gantt", "aaa1", "--width", "60").stdout
    assert "✓ doubles" in wide
    assert max(map(len, narrow.splitlines())) <= 60 < max(map(len, wide.splitlines()))


def test_a_chart_has_no_more_rows_than_asked_for(stretto, flow):
    stretto("run", flow, "-i", "[1, 2, 3, 4, 5, 6]")
    assert "double × 6" in stretto("gantt", "--rows", "5").stdout
    assert "double × 6" not in stretto("gantt").stdout


def test_a_chart_is_written_into_files(stretto, three_runs, tmp_path):
    svg, html, trace = (tmp_path / f"run.{kind}" for kind in ("svg", "html", "json"))
    result = stretto("gantt", "aaa1", "--svg", svg, "--html", html, "--trace", trace)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert ET.fromstring(svg.read_text()).tag.endswith("svg")
    assert "<html" in html.read_text()
    assert json.loads(trace.read_text())["traceEvents"]


def test_a_file_that_cannot_be_written_is_told(stretto, three_runs, tmp_path):
    result = stretto("gantt", "aaa1", "--svg", tmp_path / "nowhere" / "x.svg")
    assert result.exit_code == Exit.FAILED
    assert "nowhere" in result.stderr


def test_pruning_tells_first_and_removes_then(stretto, three_runs):
    dry = stretto("runs", "prune", "--keep", "1", "--dry-run")
    assert dry.stdout.split() == ["aaa2", "aaa1"]
    assert "2 runs would be removed" in dry.stderr
    assert stretto("runs", "prune", "--older-than", "30d").stderr == "0 runs removed\n"
    assert json.loads(stretto("runs", "prune", "--status", "failed", "--json").stdout) == ["aaa2"]
    assert ids(stretto("runs", "--json")) == ["bbb3", "aaa1"]
    assert stretto("runs", "prune", "--older-than", "0s").stderr == "2 runs removed\n"


@pytest.mark.parametrize("words", [(), ("--status", "foo"), ("--older-than", "old"), ("--older-than", "-3d")])
def test_pruning_without_sense_is_refused(stretto, words):
    assert stretto("runs", "prune", *words).exit_code == Exit.USAGE


def test_runs_can_be_deleted(stretto, three_runs):
    assert stretto("runs", "delete", "bbb", "aaa1").stderr == "removed bbb3\nremoved aaa1\n"
    assert ids(stretto("runs", "--json")) == ["aaa2"]
    assert stretto("runs", "delete", "bbb3").exit_code == Exit.NOT_FOUND


def test_what_another_process_cannot_see_is_not_looked_for(stretto):
    assert "only the runs of its own process" in stretto("runs", "--store", "memory").stderr


def test_a_plan_is_explained_before_it_runs(stretto, flow):
    told = stretto("plan", f"{flow}:plan").stdout
    for part in ("3 operations in 2 batches", "left → sum", "'sum' needs 'l', which 'left' produces", "Critical path"):
        assert part in told


def test_a_plan_as_json_has_exactly_these_parts(stretto, flow):
    document = json.loads(stretto("plan", f"{flow}:plan", "--json").stdout)
    assert list(document) == [
        "operations", "types", "durations", "batches", "edges", "critical_path", "estimate",
    ]  # fmt: skip
    assert document["durations"] == {"left": 2, "right": 1, "sum": None}
    assert document["batches"] == [["left", "right"], ["sum"]]
    assert document["critical_path"] == ["left", "sum"]
    assert set(document["edges"][0]) == {"from", "to", "kind", "about", "because"}


def test_slots_are_reckoned_with(stretto, flow):
    one, two = (json.loads(stretto("plan", f"{flow}:plan", "--json", "--slots", k).stdout)["estimate"] for k in (1, 2))
    assert (one["makespan"], two["makespan"]) == (4, 3)


def test_a_plan_is_drawn(stretto, flow):
    assert stretto("plan", f"{flow}:plan", "--mermaid").stdout.startswith("flowchart")
    assert stretto("plan", f"{flow}:plan", "--dot").stdout.startswith("digraph")
    assert stretto("plan", f"{flow}:plan", "--dot", "--json").exit_code == Exit.USAGE


def test_of_other_workflows_the_steps_are_drawn(stretto, flow):
    assert stretto("plan", f"{flow}:first_then_slow").stdout.splitlines() == [
        "first_then_slow  SequentialWorkflow",
        "├─ double  function",
        "└─ slow  function",
    ]
    assert "n0 --> n2" in stretto("plan", f"{flow}:first_then_slow", "--mermaid").stdout
    assert "n0 -> n1" in stretto("plan", f"{flow}:first_then_slow", "--dot").stdout
    assert "at most 10 at once" in stretto("plan", flow).stdout
    assert stretto("plan", flow, "--json").exit_code == Exit.USAGE


def test_an_instance_of_wfcommons_is_planned_and_not_run(stretto, tmp_path):
    task = {"name": "a", "id": "a", "parents": [], "children": []}
    instance = {
        "name": "tiny", "schemaVersion": "1.5",
        "workflow": {
            "specification": {
                "tasks": [
                    {**task, "children": ["b"], "inputFiles": [], "outputFiles": ["f"]},
                    {**task, "name": "b", "id": "b", "parents": ["a"], "inputFiles": ["f"], "outputFiles": []},
                ],
                "files": [{"id": "f", "sizeInBytes": 1}],
            },
            "execution": {
                "makespanInSeconds": 3, "executedAt": "2020-01-01T00:00:00Z",
                "tasks": [{"id": "a", "runtimeInSeconds": 1}, {"id": "b", "runtimeInSeconds": 2}],
            },
        },
    }  # fmt: skip
    path = tmp_path / "instance.json"
    path.write_text(json.dumps(instance))
    result = stretto("plan", path, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["critical_path"] == ["a", "b"]
    assert stretto("run", path).exit_code == Exit.USAGE
