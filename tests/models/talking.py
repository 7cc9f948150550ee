"""What the tests of models share: models at the loopback provider, a listener, and a run that has been heard out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from stretto import RetryPolicy, start
from stretto.core.events import Event, ModelDelta, ModelUsed
from stretto.core.outcome import Outcome
from stretto.models import Keys, LanguageModel, Model, ModelCall, Models, ProviderConfig, ToolOffer, user_message
from stretto.models.model import Reply
from stretto.runtime.shared import Shared
from tests.models.loopback import KEY, Loopback

FACES = ("chat", "claude", "magistral")
"""The three protocols, by the names that the providers have in these tests."""
ADD = ToolOffer(
    name="add",
    description="Adds two numbers.",
    parameters={"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
)
QUESTION = ModelCall(messages=(user_message("What is the answer?"),), system="Be short.", tools=(ADD,))


@dataclass
class Ear:
    """Listens; ``may_restart`` is what it says when an answer broke off."""

    may_restart: bool = True
    heard_pieces: list[ModelDelta] = field(default_factory=list)
    restarts: int = 0
    then: Callable[[ModelDelta], None] | None = None

    def heard(self, delta: ModelDelta) -> None:
        self.heard_pieces.append(delta)
        if self.then is not None:
            self.then(delta)

    def restart(self) -> bool:
        self.restarts += 1
        self.heard_pieces.clear()
        return self.may_restart


def providers(server: Loopback, **settings: Any) -> list[ProviderConfig]:
    """Returns the loopback provider under its three protocols."""
    return [
        ProviderConfig(name="chat", base_url=f"{server.url}/v1", key_name="LOOP_KEY", **settings),
        ProviderConfig(name="claude", kind="anthropic", base_url=server.url, key_name="LOOP_KEY", **settings),
        ProviderConfig(
            name="magistral", kind="mistral", base_url=f"{server.url}/mistral", key_name="LOOP_KEY", **settings
        ),
    ]


def models_of(server: Loopback, key: str = KEY, **settings: Any) -> Models:
    """Returns models at the loopback provider."""
    return Models(providers(server), keys=Keys({"LOOP_KEY": key}), **settings)


def hasty(model: Model, attempts: int = 3) -> Model:
    """Takes the waits out of a model's retries, and out of its fallback's."""
    retry = model.policy.retry or RetryPolicy()
    fallback = model.policy.fallback
    if isinstance(fallback, LanguageModel):
        hasty(fallback, attempts)
    model.policy = replace(model.policy, retry=RetryPolicy(attempts=attempts, wait=0, on=retry.on))
    return model


@dataclass
class Heard:
    """How a run ended, and what its log says."""

    outcome: Outcome[Reply]
    log: list[Event]

    @property
    def reply(self) -> Reply:
        return self.outcome.unwrap()

    @property
    def error(self) -> Any:
        return getattr(self.outcome, "error", None)

    @property
    def pieces(self) -> list[ModelDelta]:
        return [event for event in self.log if isinstance(event, ModelDelta)]

    @property
    def used(self) -> list[ModelUsed]:
        return [event for event in self.log if isinstance(event, ModelUsed)]

    def of(self, kind: str) -> list[Any]:
        return [event for event in self.log if event.kind == kind]


async def listened(model: Model, call: ModelCall = QUESTION, **settings: Any) -> Heard:
    """Asks a model in a run of its own, and in a world of its own: no circuit and no limit is shared."""
    async with start(model, call, **{"shared": Shared(), **settings}) as run:
        pass
    return Heard(run.outcome, list(run.log))


def ask(model: Model, call: ModelCall = QUESTION, **settings: Any) -> Heard:
    """As ``listened``, from outside a loop."""
    return asyncio.run(listened(model, call, **settings))
