"""The operations of OpenAI's protocols: models, chat completions, responses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel

from stretto.runtime.run import Run
from stretto.server.client_streams import ClientStream, Following, cancel_unless_over, to_its_end
from stretto.server.dependencies import Here
from stretto.server.house import House
from stretto.server.openai_chat import ChatCompletion, ChatFold, chat_stream
from stretto.server.openai_items import ModelResponse
from stretto.server.openai_models import (
    FACE,
    MODEL,
    ModelCard,
    ModelList,
    OpenAIErrorBody,
    asked_of,
    model_card,
    models,
)
from stretto.server.openai_requests import ChatRequest, ResponseRequest, wanted_of_chat
from stretto.server.openai_responses import (
    begin_response,
    cancel_response,
    delete_response,
    kept_stream,
    response_as_it_stands,
    response_stream,
    started,
)
from stretto.server.problems import Problem

CHAT = "openai.chat"
"""What the label of a run says that is a chat completion."""
_SAID = {
    400: "The request could not be read.",
    401: "A token is needed, or the one that was given is wrong.",
    403: "The request comes from a page or under a name that this server does not serve.",
    404: "There is no such model or response.",
    409: "The request contradicts what there is.",
    413: "The body is larger than this server takes.",
    415: "The body is no JSON, or not said to be.",
    422: "A field breaks a rule; `param` names it.",
    429: "Too many requests; `Retry-After` says how many seconds to wait.",
    502: "The run has failed; `message` says why.",
    503: "The server stops, or its store cannot be written.",
}


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": OpenAIErrorBody, "description": _SAID[status]} for status in statuses}


_ASKING = _errors(*_SAID)
_READING = _errors(401, 403, 404, 409, 422, 429, 503)
_ONCE = {"x-should-retry": "false"}
"""Clients ask again by themselves unless they are told not to, and an agent would do its task three times."""

router = APIRouter(prefix="/v1", tags=["OpenAI-compatible"])
ModelPath = Annotated[str, Path(min_length=1, max_length=300, description="A model's id.")]
ResponsePath = Annotated[str, Path(pattern=r"^resp_[\w.-]{1,128}$", description="A response's id.")]
After = Annotated[int | None, Query(ge=0, description="The number of the last event that the client has.")]


class Deleted(BaseModel):
    """What was deleted."""

    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


def _streamed(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    name = model.__name__
    return {200: {"description": f"The {name}, or its stream.", "content": {"text/event-stream": {}}}}


def _following(house: House, run: Run[Any], *, streamed: bool) -> Following:
    server = house.room.settings.server
    limit = None if streamed else server.execution_timeout
    pause = server.heartbeat if streamed else 0.5
    return Following(run, pause=pause, patience=server.execution_timeout, limit=limit)


@router.get(
    "/models",
    operation_id="list_openai_models",
    summary="List what can be asked as a model",
    responses=_errors(401, 403, 429),
)
async def list_openai_models(house: Here) -> ModelList:
    """Lists what can be asked as a model: agents by their ids, library workflows as ``workflow/`` and their name."""
    return ModelList(data=models(house))


@router.get("/models/{model:path}", operation_id="get_openai_model", summary="Show a model", responses=_READING)
async def get_openai_model(house: Here, model: ModelPath) -> ModelCard:
    """Returns one model."""
    return model_card(house, model)


@router.post(
    "/chat/completions",
    operation_id="create_chat_completion",
    summary="Answer a conversation",
    response_model=ChatCompletion,
    responses={**_ASKING, **_streamed(ChatCompletion)},
)
async def create_chat_completion(house: Here, request: Request, body: ChatRequest) -> Any:
    """Has an agent or workflow answer the last message; the client's going cancels it."""
    asked = asked_of(house, body.model, wanted_of_chat(body), [])
    run = await started(house, asked.step, asked.input, {FACE: CHAT, MODEL: body.model})
    following = _following(house, run, streamed=bool(body.stream))
    if body.stream:
        with_usage = body.stream_options is not None and body.stream_options.include_usage is True
        return ClientStream(chat_stream(asked, following, with_usage), cancel_unless_over(run))
    fold = ChatFold(asked)
    await to_its_end(following, request.is_disconnected, fold.take)
    if trouble := following.trouble:
        raise Problem(502, "execution_failed", trouble, _ONCE)
    return fold.completion(body.metadata)


@router.post(
    "/responses",
    operation_id="create_response",
    summary="Make a response",
    response_model=ModelResponse,
    responses={**_ASKING, **_streamed(ModelResponse)},
)
async def create_response(house: Here, request: Request, body: ResponseRequest) -> Any:
    """Has an agent or workflow answer; the client's going cancels it unless it is made in the background.

    A run that fails is a response whose status is ``failed``.
    """
    run, fold = await begin_response(house, body)
    following = _following(house, run, streamed=bool(body.stream or body.background))
    if body.stream:
        gone = (lambda: None) if body.background else cancel_unless_over(run)
        return ClientStream(response_stream(fold, following), gone)
    if body.background:
        house.supervisor.beside(_followed(following), f"following response {run.id}")
        return fold.response()
    await to_its_end(following, request.is_disconnected, fold.take)
    if fold.status == "in_progress":
        fold.fail(following.trouble)
    return fold.response()


def _followed(following: Following) -> Any:
    async def work() -> None:
        async for _ in following.batches():
            pass

    return work


@router.get(
    "/responses/{response_id}",
    operation_id="get_response",
    summary="Show or stream a response",
    response_model=ModelResponse,
    responses={**_READING, **_streamed(ModelResponse)},
)
async def get_response(
    house: Here, response_id: ResponsePath, stream: bool = False, starting_after: After = None
) -> Any:
    """Returns a response as it stands, or streams its events behind the one that the client has."""
    if stream:
        after = -1 if starting_after is None else starting_after
        return ClientStream(await kept_stream(house, response_id, after), lambda: None)
    return await response_as_it_stands(house, response_id)


@router.post(
    "/responses/{response_id}/cancel", operation_id="cancel_response", summary="Cancel a response", responses=_READING
)
async def cancel_openai_response(house: Here, response_id: ResponsePath) -> ModelResponse:
    """Cancels a response that is being made, and returns it."""
    return await cancel_response(house, response_id)


@router.delete(
    "/responses/{response_id}", operation_id="delete_response", summary="Delete a response", responses=_READING
)
async def delete_openai_response(house: Here, response_id: ResponsePath) -> Deleted:
    """Deletes a response that was stored, with its run."""
    await delete_response(house, response_id)
    return Deleted(id=response_id)
