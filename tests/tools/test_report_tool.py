"""InternalReportTool: what sub-agents write down for each other."""

from __future__ import annotations

from typing import Any

import pytest

from stretto import run_sync
from stretto.core.archive import Archive
from stretto.stores.memory import MemoryStore
from stretto.tools import InternalReportTool, Invocation, ToolFailed, Touches, WrongArguments

TOOL = InternalReportTool()


@pytest.fixture
def archive() -> Archive:
    return MemoryStore().archive


def call(archive: Archive, *, workflow: str = "w1", agent: str = "scout", level: int = 2, **arguments: Any) -> Any:
    invocation = Invocation(arguments=arguments, workflow_id=workflow, agent_id=agent, level=level)
    return run_sync(TOOL, invocation, resources=[archive])


def write(archive: Archive, title: str = "Findings", **more: Any) -> dict[str, Any]:
    return call(
        archive, **{"operation": "write", "type": "analysis", "title": title, "content": "# It works\n", **more}
    )


def test_a_report_is_read_by_the_other_agents_of_the_workflow(archive):
    written = write(archive)
    assert (written["replaced"], written["characters"], written["agent_id"]) == (False, 11, "scout")
    read = call(archive, agent="writer", operation="read", report_id=written["report_id"])
    assert read["content"] == "# It works\n"
    assert read["title"] == "Findings"


def test_the_same_title_replaces_what_that_agent_wrote_before(archive):
    first = write(archive)
    second = write(archive, content="better")
    assert second["replaced"] is True
    assert second["report_id"] == first["report_id"]
    assert call(archive, operation="read", report_id=first["report_id"])["content"] == "better"
    others = {write(archive, agent="writer")["report_id"], write(archive, type="status")["report_id"]}
    assert len(others | {first["report_id"]}) == 3


def test_reports_are_listed_by_type_and_workflow(archive):
    write(archive)
    write(archive, "Chosen", type="decision")
    write(archive, workflow="w2")
    assert call(archive, operation="list")["count"] == 2
    assert [report["title"] for report in call(archive, operation="list", type_filter="decision")["reports"]] == [
        "Chosen"
    ]


def test_a_report_of_another_workflow_is_not_found(archive):
    written = write(archive)
    for id in (written["report_id"], "nothing", "w1/scout/analysis/Findings"):
        workflow = "w1" if "/" in id else "w2"
        with pytest.raises(ToolFailed, match=r"\[NOT_FOUND\] there is no report"):
            call(archive, workflow=workflow, operation="read", report_id=id)


def test_a_primary_agent_writes_none(archive):
    with pytest.raises(ToolFailed, match=r"\[PERMISSION_DENIED\] only sub-agents"):
        write(archive, level=1)


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ({"operation": "write", "type": "gossip", "title": "x", "content": "y"}, "type"),
        ({"operation": "write", "type": "error", "title": "", "content": "y"}, "title"),
        ({"operation": "write", "type": "error", "title": "x", "content": " "}, "content"),
        ({"operation": "write", "type": "error", "title": "x", "content": "y" * 50_001}, "content"),
        ({"operation": "read"}, "report_id"),
    ],
)
def test_bad_arguments_are_refused(arguments, place):
    with pytest.raises(WrongArguments, match=place):
        TOOL.check(arguments)


def test_what_a_call_touches():
    assert TOOL.touches({"operation": "list"}) == Touches(reads=("report/*",))
    writing = {"operation": "write", "type": "error", "title": "x", "content": "y"}
    assert TOOL.touches(writing) == Touches(writes=("report/error/x",))
