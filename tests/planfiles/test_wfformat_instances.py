# ruff: noqa: E501  # tables are read by their rows

import json
import time
from pathlib import Path
from typing import Any

import pytest

from stretto.core.errors import DefinitionError, PlanFileError
from stretto.planfiles import LoadedPlan, load_plan, load_wfformat
from tests.planfiles.instances import epigenomics, instance, montage, task


@pytest.fixture
def read(tmp_path: Path):
    def reading(document: Any) -> LoadedPlan:
        path = tmp_path / "instance.json"
        path.write_text(json.dumps(document, indent=1))
        return load_plan(path)

    return reading


@pytest.mark.parametrize("version", ["1.5", "1.6"])
def test_a_montage_is_planned_by_its_files(read, version: str):
    loaded = read(instance(montage(4), version))
    assert [len(batch) for batch in loaded.plan.batches] == [4, 3, 1, 1, 4, 1]
    assert loaded.plan.critical_path[1:] == ("mDiffFit_0", "mConcatFit_0", "mBgModel_0", "mBackground_0", "mAdd_0")
    assert loaded.plan.estimate(4).critical_path == 21
    assert loaded.format == "wfformat"
    assert loaded.notes == ()
    assert set(loaded.inputs) == {"region.hdr", *(f"raw{i}.fits" for i in range(4))}
    assert {(e.origin, e.target, e.about) for e in loaded.plan.edges if e.target == "mBgModel_0"} == {
        ("mConcatFit_0", "mBgModel_0", ("fits.tbl",))
    }
    assert "mosaic" in loaded.plan.explain() or "mAdd_0" in loaded.plan.explain()


def test_an_epigenomics_has_its_lanes(read):
    loaded = read(instance(epigenomics(5)))
    assert [len(batch) for batch in loaded.plan.batches] == [1, 5, 5, 5, 5, 1]
    assert loaded.plan.estimate(5).makespan == 27
    assert (loaded.name, loaded.description) == ("sample", "made for a test")


def test_an_instance_is_not_run(read):
    with pytest.raises(DefinitionError, match="can be planned and explained, and not be run"):
        _ = read(instance(montage(2))).workflow


def test_version_1_4_is_read_as_well(read):
    rows = [
        {"name": row["id"], "runtimeInSeconds": row["seconds"], "parents": [], "children": [],
         "files": [{"name": f, "link": "input"} for f in row["reads"]] + [{"name": f, "link": "output"} for f in row["writes"]]}
        for row in epigenomics(2)
    ]  # fmt: skip
    loaded = read({"name": "old", "schemaVersion": "1.4", "workflow": {"tasks": rows}})
    assert [len(batch) for batch in loaded.plan.batches] == [1, 2, 2, 2, 2, 1]
    assert "which is not named as its parent" in loaded.notes[0]


def test_where_files_and_parents_disagree_is_told_and_both_are_kept(read):
    document = instance(
        [task("a", [], ["f"]), task("b", ["f", "b2"], ["b2"]), task("c", [], []), task("d", [], ["f2"])]
    )
    tasks = document["workflow"]["specification"]["tasks"]
    tasks[1]["parents"] = []
    tasks[2]["parents"] = ["d"]
    tasks[0]["children"] = ["b", "c"]
    loaded = read(document)
    assert {(e.origin, e.target) for e in loaded.plan.edges} == {("a", "b"), ("a", "c"), ("d", "c")}
    assert set(loaded.notes) == {
        "'a' names 'b' as its child, which does not name it as its parent",
        "'a' names 'c' as its child, which does not name it as its parent",
        "'c' names 'd' as its parent, which does not name it as its child",
        "'b' reads and writes file 'b2'",
        "'c' waits for its parent 'd', of which it reads no file",
        "'c' waits for its parent 'a', of which it reads no file",
    }


def test_a_file_with_several_writers_leaves_the_order_to_the_parents(read):
    document = instance([task("a/1", [], ["f"]), task("b", [], ["f"]), task("c", ["f"], [])])
    loaded = read(document)
    assert "written by 2 tasks" in loaded.notes[0]
    assert {(e.origin, e.target) for e in loaded.plan.edges} == {("b", "c")}
    assert list(loaded.plan.operations) == ["a_1", "b", "c"]


def test_many_oddities_of_one_kind_are_counted(read):
    document = instance(montage(10))
    for one in document["workflow"]["specification"]["tasks"]:
        one["children"] = []
    assert any(line.startswith("and ") and line.endswith("parents without that child") for line in read(document).notes)


def broken(change: Any) -> dict[str, Any]:
    document = instance([task("a", [], ["f"]), task("b", ["f"], ["g"])])
    change(document["workflow"]["specification"]["tasks"], document)
    return document


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t, d: d.update(schemaVersion="9"), 'can be read, not "9"'),
        (lambda t, d: t.clear(), "at least one task"),
        (lambda t, d: t.append(3), "a task should be a mapping, not 3"),
        (lambda t, d: t[1].pop("id") and t[1].pop("name"), "a task needs the text 'id'"),
        (lambda t, d: t[1].update(id="a"), "two tasks have the id 'a'"),
        (lambda t, d: t[1].update(parents=["x"]), "names 'x' in parents, which is no task"),
        (lambda t, d: t[1].update(inputFiles="f"), "'inputFiles' should be a list of texts"),
        (lambda t, d: t[0].update(inputFiles=["g"]), "circle"),
        (lambda t, d: t[0].update(outputFiles=["f\n"]), "which is no name"),
        (lambda t, d: d["workflow"]["execution"]["tasks"][0].update(runtimeInSeconds=-1), "at least 0, not -1"),
        (lambda t, d: d["workflow"]["execution"]["tasks"][0].update(id="x"), "none of the tasks"),
        (lambda t, d: d["workflow"]["execution"].update(tasks=3), "should be a list"),
    ],
)
def test_an_instance_that_is_none_is_refused_with_its_place(read, change: Any, told: str):
    with pytest.raises(PlanFileError) as caught:
        read(broken(change))
    assert any(told in problem.message and problem.line >= 1 for problem in caught.value.problems), str(caught.value)


def test_what_is_no_instance_is_refused(tmp_path: Path):
    path = tmp_path / "plan.json"
    path.write_text("{}")
    with pytest.raises(PlanFileError, match="this is no WfFormat instance"):
        load_wfformat(path)
    path.write_text(json.dumps(instance(montage(3))))
    assert len(load_wfformat(path).plan.operations) == 11


def test_ten_thousand_tasks_load_in_a_few_seconds(read):
    began = time.thread_time()
    loaded = read(instance(montage(3400)))
    assert len(loaded.plan.operations) == 10_202
    assert time.thread_time() - began < 15
