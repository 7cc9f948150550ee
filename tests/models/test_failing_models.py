"""What a model's failures are called, which of them are tried again, and what fallbacks and circuits do about them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stretto.core.errors import CircuitOpen, DefinitionError
from stretto.core.ledger import Budget, BudgetExceeded
from stretto.models import (
    BadKey,
    ContextTooLong,
    Keys,
    LanguageModel,
    ModelFailed,
    Models,
    NoSuchModel,
    Overloaded,
    Price,
    ProviderConfig,
    QuotaExhausted,
    RateLimited,
    Rejected,
    ReplyActedOn,
    ReplyCutOff,
    ServerFailed,
    TookTooLong,
    Unreachable,
)
from stretto.runtime.shared import Shared
from stretto.testing import ScriptedModel
from tests.models.loopback import Loopback
from tests.models.talking import FACES, QUESTION, Ear, ask, hasty, models_of

PASSING = {429: RateLimited, 500: ServerFailed, 502: ServerFailed, 503: Overloaded, 529: Overloaded}
FINAL = {400: Rejected, 401: BadKey, 402: QuotaExhausted, 403: BadKey, 404: NoSuchModel, 413: ContextTooLong}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("status", PASSING)
def test_what_may_pass_is_tried_again_and_told_as_events(face: str, status: int, server: Loopback) -> None:
    server.behave(statuses=[status, status])
    heard = ask(hasty(models_of(server).get(f"{face}:one")))
    assert heard.reply.text == "The answer is forty-two."
    assert len(server.requests) == 3
    retries = heard.of("step_retrying")
    assert [retry.error.type.rpartition(".")[2] for retry in retries] == [PASSING[status].__name__] * 2
    assert [(used.input_tokens, used.cost) for used in heard.used[:2]] == [(0, 0.0), (0, 0.0)]
    assert [used.estimated for used in heard.used] == [True, True, False]


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("status", FINAL)
def test_what_cannot_pass_is_never_tried_again(face: str, status: int, server: Loopback) -> None:
    server.behave(statuses=[status])
    heard = ask(hasty(models_of(server).get(f"{face}:one")))
    assert type(heard.error) is FINAL[status]
    assert len(server.requests) == 1
    assert not heard.of("step_retrying")
    assert f"{face}:one" in str(heard.error)


def test_an_error_names_the_status_the_providers_words_and_the_way_out(server: Loopback) -> None:
    server.behave(statuses=[400])
    error = ask(models_of(server).get("chat:one")).error
    assert str(error) == (
        "model 'chat:one' rejects the request (400): status 400; change what is asked: settings, tools or messages"
    )
    assert (error.status_code, error.retry_after, error.words) == (400, None, "status 400")


def test_the_wait_that_a_provider_asks_for_is_the_wait_that_is_made(server: Loopback) -> None:
    server.behave(statuses=[429], retry_after=0)
    (retry,) = ask(models_of(server).get("chat:one")).of("step_retrying")
    assert retry.wait == 0.0
    server.behave(statuses=[429], retry_after=1)
    heard = ask(hasty(models_of(server).get("chat:one"), attempts=1))
    assert heard.error.retry_after == 1.0


def test_a_provider_that_wants_fewer_requests_gets_fewer(server: Loopback) -> None:
    server.behave(statuses=[429], retry_after=0)
    said = ask(hasty(models_of(server).get("chat:one"))).of("said")
    assert any("service 'model provider chat' is overloaded: at most 128 at once" in event.text for event in said)


def test_the_sdks_do_not_retry_on_their_own(server: Loopback) -> None:
    for face in FACES:
        server.behave(statuses=[500] * 9)
        ask(hasty(models_of(server).get(f"{face}:one"), attempts=1))
        assert len(server.requests) == 1


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("breaks", ["close", "end", "garbage", "error"])
def test_an_answer_that_breaks_off_is_asked_for_anew(face: str, breaks: str, server: Loopback) -> None:
    server.behave(breaks=breaks)
    ear = Ear()
    heard = ask(hasty(models_of(server).get(f"{face}:one")), replace(QUESTION, listener=ear))
    assert heard.reply.text == "The answer is forty-two."
    assert "".join(piece.text for piece in ear.heard_pieces) == "The answer is forty-two."
    assert (len(server.requests), ear.restarts) == (2, 1)
    broken, whole = heard.used
    assert broken.estimated
    assert broken.input_tokens > 0
    assert broken.output_tokens >= 1
    assert not whole.estimated


@pytest.mark.parametrize("breaks", ["close", "end", "garbage", "error"])
def test_an_answer_that_was_acted_on_is_not_asked_for_anew(breaks: str, server: Loopback) -> None:
    server.behave(breaks=breaks)
    model = hasty(models_of(server).get("chat:one", fallbacks=["claude:two"]))
    heard = ask(model, replace(QUESTION, listener=Ear(may_restart=False)))
    assert type(heard.error) is ReplyActedOn
    assert len(server.requests) == 1


def test_an_answer_that_always_breaks_off_fails(server: Loopback) -> None:
    server.behave(breaks="end", break_times=9)
    heard = ask(hasty(models_of(server).get("chat:one")))
    assert type(heard.error) is ReplyCutOff
    assert (len(server.requests), len(heard.used)) == (3, 3)


def test_a_provider_that_is_not_there_cannot_be_reached() -> None:
    config = ProviderConfig(name="nobody", base_url="http://127.0.0.1:9/v1")
    heard = ask(hasty(Models([config], keys=Keys({})).get("nobody:one")))
    assert type(heard.error) is Unreachable
    assert [(used.input_tokens, used.cost, used.estimated) for used in heard.used] == [(0, 0.0, True)] * 3


def test_a_provider_that_falls_silent_took_too_long(server: Loopback) -> None:
    server.behave(breaks="silence", break_times=9)
    heard = ask(hasty(models_of(server).get("chat:one"), attempts=1), replace(QUESTION, settings={"timeout": 0.2}))
    assert isinstance(heard.error, TookTooLong | ReplyCutOff)


def test_a_model_that_its_provider_does_not_know_is_told_with_those_that_look_alike(server: Loopback) -> None:
    config = ProviderConfig(name="mistral", base_url=f"{server.url}/mistral", key_name="K")
    server.behave(statuses=[404])
    heard = ask(Models([config], keys=Keys({"K": "k"})).get("mistral:mistral-large-latst"))
    assert type(heard.error) is NoSuchModel
    assert "did you mean" in str(heard.error)


def test_a_fallback_answers_when_the_first_fails_and_says_who_it_is(server: Loopback) -> None:
    server.behave(statuses=[500, 500, 500])
    heard = ask(hasty(models_of(server).get("chat:one", fallbacks=["claude:two", "magistral:three"])))
    assert heard.reply.model == "claude:two"
    assert [request["path"] for request in server.requests] == ["/v1/chat/completions"] * 3 + ["/v1/messages"]
    assert heard.of("step_completed")[-1].source == "fallback"


@pytest.mark.parametrize("status", [401, 402, 404, 413])
def test_another_model_is_asked_where_it_may_do_better(status: int, server: Loopback) -> None:
    server.behave(statuses=[status])
    assert ask(hasty(models_of(server).get("chat:one", ["claude:two"]))).reply.model == "claude:two"


def test_a_request_that_is_wrong_in_itself_does_not_go_through_all_models(server: Loopback) -> None:
    server.behave(statuses=[400])
    heard = ask(hasty(models_of(server).get("chat:one", ["claude:two"])))
    assert type(heard.error) is Rejected
    assert len(server.requests) == 1


def test_a_used_up_budget_asks_no_fallback(server: Loopback) -> None:
    heard = ask(models_of(server).get("chat:one", ["claude:two"]), budget=Budget(tokens=10))
    assert type(heard.error) is BudgetExceeded
    assert not server.requests


def test_a_budget_in_money_needs_a_price(server: Loopback) -> None:
    heard = ask(models_of(server).get("chat:one"), budget=Budget(cost=1))
    assert isinstance(heard.error, DefinitionError)
    assert "the price of the model" in str(heard.error)
    priced = models_of(server, prices={"chat:*": Price(input=1, output=10)}).get("chat:one")
    heard = ask(priced, budget=Budget(cost=1))
    assert heard.reply.cost == pytest.approx((20 * 1 + 7 * 10) / 1e6)
    dear = models_of(server, prices={"chat:one": Price(input=1, output=1000)}).get("chat:one")
    assert type(ask(dear, budget=Budget(cost=1)).error) is BudgetExceeded


def test_the_providers_own_failures_open_its_circuit_and_mistakes_do_not(server: Loopback) -> None:
    shared = Shared()
    model = hasty(models_of(server).get("chat:one"), attempts=1)
    server.behave(statuses=[400] * 9)
    for _ in range(9):
        assert type(ask(model, shared=shared).error) is Rejected
    server.behave(statuses=[500] * 9)
    errors = [type(ask(model, shared=shared).error) for _ in range(7)]
    assert errors == [ServerFailed] * 5 + [CircuitOpen] * 2
    assert len(server.requests) == 5
    other = hasty(models_of(server).get("chat:two", ["claude:two"]))
    server.behave()
    assert ask(other, shared=shared).reply.model == "claude:two"


def test_what_a_model_cannot_do_is_said_before_it_is_asked(server: Loopback) -> None:
    from pydantic_ai.models.test import TestModel

    model = LanguageModel(TestModel(custom_output_text="hello"), id="test:one")
    assert ask(model, replace(QUESTION, tools=())).reply.text == "hello"

    class Wordless(TestModel):
        def request_stream(self, *args, **kwargs):  # type: ignore[no-untyped-def, override]
            from pydantic_ai.exceptions import UserError

            raise UserError("no words")

    heard = ask(LanguageModel(Wordless(), id="test:two"))
    assert str(heard.error) == "model 'test:two' cannot do what is asked of it: no words"


def test_an_error_that_is_none_of_a_models_is_left_as_it_is(server: Loopback) -> None:
    def stumble(_: object) -> None:
        raise ZeroDivisionError("mine")

    heard = ask(models_of(server).get("chat:one"), replace(QUESTION, listener=Ear(then=stumble)))
    assert isinstance(heard.error, ZeroDivisionError)
    assert len(heard.used) == 1


def test_every_error_keeps_what_it_was_told() -> None:
    error = RateLimited("a:b", "slow down", status_code=429, retry_after=2.5)
    assert isinstance(error, ModelFailed)
    assert (error.model, error.words, error.status_code, error.retry_after) == ("a:b", "slow down", 429, 2.5)


def test_a_scripted_model_can_stand_in_as_a_fallback(server: Loopback) -> None:
    from stretto.models import model_policy

    server.behave(statuses=[401])
    first = models_of(server).get("chat:one")
    first.policy = model_policy("chat", fallback=ScriptedModel("I stand in."))
    assert ask(first).reply.text == "I stand in."
