"""The operations on questions to the user."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from stretto.agents.workflow_rows import QuestionRow, QuestionState
from stretto.server import people as work
from stretto.server.dependencies import Here, Limit, Offset, Page
from stretto.server.people_forms import Given, Reply, Skipped
from stretto.server.people_places import OfWorkflow, RequestId
from stretto.server.problems import answers

router = APIRouter(prefix="/api/questions", tags=["Questions"])

Standing = Annotated[
    list[QuestionState] | None, Query(max_length=5, description="Only those that stand so; by default all.")
]


@router.get("", operation_id="list_questions", summary="List questions to the user", responses=answers(404))
async def list_questions(
    house: Here, status: Standing = None, workflow_id: OfWorkflow = None, limit: Limit = 50, offset: Offset = 0
) -> Page[QuestionRow]:
    """Returns the questions of all workflows, newest first; `status=pending` are those that wait."""
    found, total = await work.questions(house, status or (), workflow_id, limit, offset)
    return Page(items=found, total=total, limit=limit, offset=offset)


@router.get("/{question_id:uuid}", operation_id="get_question", summary="Show a question", responses=answers(404))
async def get_question(house: Here, question_id: RequestId) -> QuestionRow:
    """Returns a question with its options, and its answer where there is one."""
    return await work.question(house, str(question_id))


@router.post(
    "/{question_id:uuid}/answer", operation_id="answer_question", summary="Answer a question",
    responses=answers(404, 409),
)  # fmt: skip
async def answer_question(house: Here, question_id: RequestId, reply: Reply) -> Given:
    """Answers a question; one that does not fit its form is refused, and the question stays open."""
    return await work.reply(house, str(question_id), reply)


@router.post(
    "/{question_id:uuid}/skip", operation_id="skip_question", summary="Skip a question", responses=answers(404, 409)
)
async def skip_question(house: Here, question_id: RequestId, skipped: Skipped) -> Given:
    """Leaves a question without an answer; its agent goes on as well as it can."""
    return await work.skip(house, str(question_id), skipped)
