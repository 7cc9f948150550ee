"""InternalReportTool keeps what sub-agents write down for each other: analyses, decisions, errors, how things stand."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from stretto.core.archive import Archive, Document, NotKept
from stretto.core.policies import StepPolicy
from stretto.core.step import Context
from stretto.tools.arguments import Arguments, Prose
from stretto.tools.local import LocalTool, not_found
from stretto.tools.tool import Invocation, ToolFailed, Touches

KIND = "report"
"""The kind of document that a report is kept as."""
ReportType = Literal["analysis", "decision", "error", "status"]


class Write(Arguments):
    """writes a report."""

    operation: Literal["write"]
    type: ReportType
    title: Prose = Field(min_length=1, max_length=128, description="1 to 128 characters; the same title replaces.")
    content: Prose = Field(min_length=1, max_length=50_000, description="Markdown, 1 to 50,000 characters.")


class List(Arguments):
    """lists reports, newest first."""

    operation: Literal["list"]
    type_filter: ReportType | None = Field(None, description="Only reports of this type.")


class Read(Arguments):
    """returns one report."""

    operation: Literal["read"]
    report_id: str = Field(min_length=1, max_length=64, description="The id of a report.")


class InternalReportTool(LocalTool):
    """Keeps reports as documents of the run's ``Archive``; those of another workflow are not found.

    Only sub-agents have it: a primary agent tells the user. One agent's report of a type and title is there once;
    writing it again replaces it.
    """

    name = "InternalReportTool"
    description = (
        "Writes reports that the other agents of this workflow can read, and reads theirs: analysis, decision, error "
        "or status. For what others need to know; your answer itself goes back to who asked you."
    )
    models = (Write, List, Read)
    policy = StepPolicy(idempotent=True)

    def touched(self, asked: Any) -> Touches:
        """Says which reports a call reads and writes."""
        if isinstance(asked, Write):
            return Touches(writes=(f"report/{asked.type}/{asked.title}",))
        return Touches(reads=("report/*",))

    async def perform(self, asked: Any, call: Invocation, context: Context) -> Any:
        """Does one of the operations."""
        if call.level < 2:
            raise ToolFailed("PERMISSION_DENIED", "only sub-agents write internal reports; answer the user instead")
        archive = context.resource(Archive)
        match asked:
            case Write():
                return await _write(archive, asked, call)
            case Read():
                found = await _one(archive, asked.report_id, call.workflow_id)
                return _shown(found) | {"content": found.body["content"]}
            case _:
                kept = [held for held in await archive.documents(KIND) if held.body["workflow_id"] == call.workflow_id]
                reports = [held for held in kept if asked.type_filter in (None, held.body["type"])]
                reports.sort(key=lambda held: -held.updated_at)
                return {"count": len(reports), "reports": [_shown(held) for held in reports]}


async def _write(archive: Archive, asked: Write, call: Invocation) -> dict[str, Any]:
    name = f"{call.workflow_id}/{call.agent_id}/{asked.type}/{asked.title}"
    id, now = str(uuid.uuid5(uuid.NAMESPACE_OID, name)), time.time()
    try:
        created, replaced = (await archive.document(KIND, id)).created_at, True
    except NotKept:
        created, replaced = now, False
    body = {
        "workflow_id": call.workflow_id, "agent_id": call.agent_id, "type": asked.type, "title": asked.title,
        "content": asked.content,
    }  # fmt: skip
    report = Document(kind=KIND, id=id, name=name, body=body, created_at=created, updated_at=now)
    await archive.put_document(report)
    return _shown(report) | {"replaced": replaced}


async def _one(archive: Archive, id: str, workflow: str) -> Document:
    try:
        found = await archive.document(KIND, id)
    except NotKept:
        found = None
    if found is None or found.body["workflow_id"] != workflow or found.id != id:
        raise not_found("report", id, "list the reports to learn their ids")
    return found


def _shown(report: Document) -> dict[str, Any]:
    body = report.body
    return {
        "report_id": report.id, "type": body["type"], "title": body["title"], "agent_id": body["agent_id"],
        "characters": len(body["content"]),
        "updated_at": datetime.fromtimestamp(report.updated_at, UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
