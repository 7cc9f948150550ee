"""Models of providers: a step that streams one request through pydantic-ai, and says what it heard and what it cost."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stretto.core.errors import CircuitOpen, DefinitionError
from stretto.core.events import ModelDelta, ModelUsed
from stretto.core.ledger import Ledger, Usage
from stretto.core.policies import CircuitBreaker, RetryPolicy, ServiceLimit, StepPolicy
from stretto.core.step import Context
from stretto.models.errors import (
    ANOTHER_MODEL_MAY_DO,
    ModelFailed,
    NoSuchModel,
    Passing,
    ReplyActedOn,
    ReplyCutOff,
    ServiceFailed,
    failure,
    was_refused,
)
from stretto.models.estimate import DEFAULT_OUTPUT, DEFAULT_WITH_THINKING, input_tokens, tokens_in
from stretto.models.messages import dumped, loaded
from stretto.models.model import Model, ModelCall, Reply
from stretto.models.pricing import Prices, known_models, near

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse, ModelResponseStreamEvent
    from pydantic_ai.models import Model as ProviderModel
    from pydantic_ai.models import ModelRequestParameters, StreamedResponse
    from pydantic_ai.settings import ModelSettings

CONCURRENCY = 256
"""How many requests are made of a provider at once, unless it says that it has had enough."""


def model_policy(
    provider: str, *, attempts: int = 4, max_concurrency: int = CONCURRENCY, fallback: Model | None = None
) -> StepPolicy:
    """Returns how a model of a provider is called.

    What may pass is tried again (waits of 0.5 s · 2ⁿ with jitter, or what the provider asks for), the provider's own
    failures open its circuit, and what asks for patience lowers how many requests are made at once. The fallback is
    asked for all of these and for an open circuit, an empty account, a refused key, an unknown model and a
    conversation that is too long; not for a request that is wrong in itself, nor when the budget is used up.
    """
    return StepPolicy(
        idempotent=True,
        retry=RetryPolicy(attempts=attempts, wait=0.25, max_wait=30.0, on=(Passing,)),
        breaker=CircuitBreaker(service=f"model provider {provider}", on=(ServiceFailed,)),
        service=ServiceLimit(f"model provider {provider}", maximum=max_concurrency),
        fallback=fallback,
        fallback_on=ANOTHER_MODEL_MAY_DO if fallback is not None else (CircuitOpen, ModelFailed),
    )


class LanguageModel(Model):
    """A model of a provider, as pydantic-ai speaks to it.

    ``source`` is one of pydantic-ai's models, or a function that makes one in the event loop which asks for it.
    ``secrets`` are taken out of every error text. Costs are reserved before a request: input tokens are estimated (four
    characters each), output tokens are ``max_tokens`` of the call, or else ``max_output``, or 4,096
    (16,384 with thinking). Under a budget that bound is sent to the provider, so that it holds. ``temperature`` is that
    of calls which name none; with ``reasons=False`` no call asks it to reason.
    """

    def __init__(
        self,
        source: ProviderModel | Callable[[], Awaitable[ProviderModel]],
        *,
        id: str,
        policy: StepPolicy | None = None,
        prices: Prices | None = None,
        context_window: int | None = None,
        max_output: int | None = None,
        temperature: float | None = None,
        reasons: bool = True,
        secrets: Collection[str] = (),
    ) -> None:
        self.id, self.name = id, id.replace("/", "_")
        self.policy = model_policy(id.partition(":")[0]) if policy is None else policy
        self.prices = prices or Prices()
        self.context_window, self.max_output = context_window, max_output
        self.temperature, self.reasons = temperature, reasons
        self._source, self._secrets = source, tuple(secrets)

    async def execute(self, input: ModelCall, context: Context) -> Reply:
        """Makes one request, and streams its answer; raises one of ``ModelFailed``, or ``BudgetExceeded``."""
        ledger = context.resource(Ledger)
        input = self._filled(input)
        sent = input_tokens(input)
        asked: int | None = input.max_tokens or input.settings.get("max_tokens")
        most = asked or self.max_output or (DEFAULT_WITH_THINKING if input.thinking else DEFAULT_OUTPUT)
        cost = self.prices.cost(self.id, Usage(input_tokens=sent, output_tokens=most))
        with ledger.reserve(context.path, sent + most, cost):
            bound = asked if ledger.budget is None else most
            return await _Exchange(self, input, context, sent, bound).take()

    def _filled(self, call: ModelCall) -> ModelCall:
        """Returns a call with what is known of the model where the call leaves it open."""
        temperature = self.temperature if call.temperature is None else call.temperature
        thinking = call.thinking if self.reasons else None
        if (temperature, thinking) == (call.temperature, call.thinking):
            return call
        return replace(call, temperature=temperature, thinking=thinking)

    async def provider_model(self) -> ProviderModel:
        """Returns pydantic-ai's model for the running event loop; connections belong to the loop that opened them."""
        return await self._source() if callable(self._source) else self._source

    def failed(self, error: Exception, *, begun: bool) -> ModelFailed | None:
        """Returns what an error of a request is to us, without any secret; None when it is none of a model's."""
        failed = failure(self.id, error, self._secrets, begun=begun)
        provider, _, model = self.id.partition(":")
        if isinstance(failed, NoSuchModel) and (alike := near(model, known_models(provider))):
            words = f"{failed.words} (did you mean {', '.join(alike)}?)"
            return NoSuchModel(self.id, words, status_code=failed.status_code)
        return failed


class _Exchange:
    """One request to a provider, and what has come back of it so far."""

    def __init__(self, model: LanguageModel, call: ModelCall, context: Context, sent: int, bound: int | None) -> None:
        self.model, self.call, self.context, self.sent, self.bound = model, call, context, sent, bound
        self.heard = 0
        self.parts: dict[int, tuple[str, str, str]] = {}
        self.output_tool = ""

    async def take(self) -> Reply:
        """Streams the answer; whatever happens, one ``ModelUsed`` tells what it took."""
        from pydantic_ai.direct import model_request_stream
        from pydantic_ai.exceptions import UserError

        stream: StreamedResponse | None = None
        try:
            provider = await self.model.provider_model()
            asked, parameters = loaded(self.call.messages), self._parameters(provider)
            settings = self._settings(provider)
            async with model_request_stream(
                provider, asked, model_settings=settings, model_request_parameters=parameters
            ) as stream:
                async for event in stream:
                    self._hear(event)
                response = stream.get()
            self._check(response)
        except UserError as error:
            raise DefinitionError(f"model {self.model.id!r} cannot do what is asked of it: {error.message}") from None
        except Exception as error:
            failed = error if isinstance(error, ModelFailed) else self.model.failed(error, begun=bool(self.parts))
            self._account(stream, refused=stream is None and was_refused(error))
            if failed is None:
                raise
            raise self._settled(failed) from None  # the provider's own words may hold a key
        except BaseException:
            self._account(stream)
            raise
        usage, cost = self._account(stream, complete=True)
        return Reply(
            message=dumped([self._plain(response)])[0], model=self.model.id, usage=usage, cost=cost,
            finish_reason=response.finish_reason,
        )  # fmt: skip

    def _settings(self, provider: ProviderModel) -> ModelSettings:
        call = self.call
        made: dict[str, Any] = {}
        if "max_retries" not in provider.unsupported_settings:
            client: Any = getattr(provider, "client", None)
            if getattr(client, "max_retries", None) != 0:  # a client that is told per request makes a copy of itself
                made["max_retries"] = 0
        if self._reads_text_as_output(provider):
            made["tool_choice"] = "required"
        made.update(call.settings)
        told = (("temperature", call.temperature), ("max_tokens", self.bound), ("thinking", call.thinking))
        made.update({name: value for name, value in told if value is not None})
        settings: ModelSettings = made  # type: ignore[assignment]  # names are the caller's, pydantic-ai reads what it knows
        return settings

    def _parameters(self, provider: ProviderModel) -> ModelRequestParameters:
        from pydantic_ai.messages import InstructionPart
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.output import OutputObjectDefinition
        from pydantic_ai.tools import ToolDefinition

        call = self.call
        made = ModelRequestParameters(
            function_tools=[
                ToolDefinition(
                    name=tool.name, description=tool.description, parameters_json_schema=dict(tool.parameters)
                )
                for tool in call.tools
            ],
            instruction_parts=[InstructionPart(content=call.system)] if call.system else [],
        )
        if call.output is None:
            return made
        schema, name = dict(call.output), call.output_name
        self.output_tool = name if all(tool.name != name for tool in call.tools) else f"{name}_output"
        made.output_object = OutputObjectDefinition(json_schema=schema, name=name)
        profile = provider.profile
        answer = ToolDefinition(
            name=self.output_tool, description="The final answer.", parameters_json_schema=schema, kind="output"
        )
        if self._reads_text_as_output(provider):
            made.output_object = None
            made.function_tools.append(replace(answer, kind="function"))
        elif profile.get("supports_tools", True):
            made.output_mode, made.output_tools = "auto", [answer]
        else:
            made.output_mode = "native" if profile.get("supports_json_schema_output", False) else "prompted"
        return made

    def _reads_text_as_output(self, provider: ProviderModel) -> bool:
        """Says whether pydantic-ai would take words beside an output tool for JSON and fail, as it does for Mistral.

        There the output is offered as one of the tools, of which one must be called.
        """
        return self.call.output is not None and provider.system == "mistral"

    def _hear(self, event: ModelResponseStreamEvent) -> None:
        from pydantic_ai import messages as theirs

        if isinstance(event, theirs.PartDeltaEvent):
            if event.index not in self.parts:
                return
            delta = event.delta
            if isinstance(delta, theirs.ToolCallPartDelta):
                self._say(event.index, _text(delta.args_delta))
            else:
                self._say(event.index, getattr(delta, "content_delta", None) or "")
        elif isinstance(event, theirs.PartStartEvent):
            part = event.part
            if isinstance(part, theirs.TextPart | theirs.ThinkingPart):
                kind = "text" if isinstance(part, theirs.TextPart) else "reasoning"
                self.parts[event.index] = (kind, "", "")
                self._say(event.index, part.content)
            elif isinstance(part, theirs.ToolCallPart):
                is_output = part.tool_name == self.output_tool
                call = ("text", "", "") if is_output else ("tool_call", part.tool_name, part.tool_call_id)
                self.parts[event.index] = call
                self._say(event.index, _text(part.args))

    def _say(self, index: int, text: str) -> None:
        kind, tool, call_id = self.parts[index]
        if not text and kind != "tool_call":
            return
        self.heard += len(text)
        delta = ModelDelta(part=kind, text=text, index=index, tool=tool, call_id=call_id)
        self.context.emit(delta)
        if self.call.listener is not None:
            self.call.listener.heard(delta)

    def _check(self, response: ModelResponse) -> None:
        """Raises ``ReplyCutOff`` for an answer whose provider never said that it was at its end.

        Some of pydantic-ai's models then say ``stop`` in its place; what the provider said itself is in the details.
        """
        if response.provider_url is None:
            return  # made in this process, as models for tests are
        said = (response.provider_details or {}).get("finish_reason")
        told = response.finish_reason is not None and not response.usage.unmeasured_requests
        broken = response.finish_reason == "error" or response.state in {"incomplete", "interrupted"}
        if broken or not (said or told):
            raise ReplyCutOff(self.model.id, "it ended without saying so")

    def _settled(self, failed: ModelFailed) -> ModelFailed:
        """Returns what the failure comes to when part of the answer was heard already."""
        listener = self.call.listener
        if isinstance(failed, Passing) and self.parts and listener is not None and not listener.restart():
            return ReplyActedOn(self.model.id, failed.words, status_code=failed.status_code)
        return failed

    def _account(
        self, stream: StreamedResponse | None, *, complete: bool = False, refused: bool = False
    ) -> tuple[Usage, float | None]:
        """Tells what the request took: what the provider said, or else about as much as was sent and heard."""
        told = _usage(stream)
        estimated = not (complete and told.total)
        if refused:
            told = Usage()
        elif estimated:
            told = Usage(
                input_tokens=told.input_tokens or self.sent,
                output_tokens=max(told.output_tokens, tokens_in(self.heard)),
                cached_tokens=told.cached_tokens,
                cache_write_tokens=told.cache_write_tokens,
                reasoning_tokens=told.reasoning_tokens,
            )
        cost = self.model.prices.cost(self.model.id, told)
        used = ModelUsed(
            model=self.model.id, cost=cost, estimated=estimated, input_tokens=told.input_tokens,
            output_tokens=told.output_tokens, cached_tokens=told.cached_tokens,
            cache_write_tokens=told.cache_write_tokens, reasoning_tokens=told.reasoning_tokens,
        )  # fmt: skip
        self.context.emit(used)
        return told, cost

    def _plain(self, response: ModelResponse) -> ModelResponse:
        """Returns the answer with its output as text, where the model gave it by a call of the output tool."""
        from pydantic_ai.messages import TextPart, ToolCallPart

        found = [
            part
            for part in response.parts
            if self.output_tool and isinstance(part, ToolCallPart) and part.tool_name == self.output_tool
        ]
        if found:
            others = [part for part in response.parts if part not in found and not isinstance(part, TextPart)]
            response.parts = [*others, TextPart(content=found[0].args_as_json_str())]
        return response


def _text(arguments: str | Mapping[str, Any] | None) -> str:
    return arguments if isinstance(arguments, str) else "" if arguments is None else json.dumps(arguments)


def _usage(stream: StreamedResponse | None) -> Usage:
    if stream is None:
        return Usage()
    told = stream.usage
    return Usage(
        input_tokens=told.input_tokens,
        output_tokens=told.output_tokens,
        cached_tokens=told.cache_read_tokens,
        cache_write_tokens=told.cache_write_tokens,
        reasoning_tokens=told.output_reasoning_tokens or told.details.get("reasoning_tokens", 0),
    )
