"""What a run spends: every call is counted once, and the next is held to the budget before it is made."""

from typing import Any

import pytest

from stretto.core.archive import NotKept
from stretto.core.errors import DefinitionError
from stretto.core.events import ModelUsed
from stretto.core.function import step
from stretto.core.ledger import Budget, BudgetExceeded, Ledger, Usage
from stretto.core.step import Context, Request
from stretto.runtime.run import run_sync, start
from stretto.testing import run_virtual


def used(tokens: int, cost: float | None = None) -> ModelUsed:
    return ModelUsed(model="m:x", input_tokens=tokens, output_tokens=1, reasoning_tokens=1, cost=cost)


def test_a_ledger_adds_what_calls_took_and_says_how_many_have_no_price() -> None:
    ledger = Ledger()
    ledger.record(used(10, 0.5))
    ledger.record(used(20))
    assert ledger.usage == Usage(input_tokens=30, output_tokens=2, reasoning_tokens=2)
    assert (ledger.usage.total, ledger.cost, ledger.calls, ledger.unpriced) == (32, 0.5, 2, 1)


def test_a_call_that_could_exceed_the_tokens_is_refused_before_it_is_made() -> None:
    ledger = Ledger(Budget(tokens=100))
    ledger.record(used(49))
    with pytest.raises(BudgetExceeded, match="the call at 'a' may take 51 tokens, and 50 of"):
        with ledger.reserve("a", 51, None):
            raise AssertionError
    with ledger.reserve("a", 30, None), pytest.raises(BudgetExceeded):
        with ledger.reserve("b", 30, None):
            raise AssertionError
    with ledger.reserve("b", 50, None):
        assert ledger.usage.total == 50


def test_a_budget_in_money_counts_what_is_reserved_and_refuses_unknown_prices() -> None:
    ledger = Ledger(Budget(cost=1.0))
    ledger.record(used(1, 0.4))
    with ledger.reserve("a", 1, 0.5), pytest.raises(BudgetExceeded, match=r"0\.2000 US dollars, and 0\.1000"):
        with ledger.reserve("b", 1, 0.2):
            raise AssertionError
    with pytest.raises(DefinitionError, match="price of the model at 'b' is unknown"):
        with ledger.reserve("b", 1, None):
            raise AssertionError


@pytest.mark.parametrize("settings", [{}, {"tokens": 0}, {"cost": 0}, {"token": 1}])
def test_a_budget_that_bounds_nothing_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError):
        Budget(**settings)


def test_a_run_counts_what_its_steps_say_and_goes_on_counting_when_it_is_resumed() -> None:
    @step(idempotent=True)
    async def call(_: Any, context: Context) -> int:
        ledger = context.resource(Ledger)
        with ledger.reserve(context.path, 60, None):
            context.emit(used(59))
        return ledger.usage.total

    @step
    async def twice(_: Any, context: Context) -> list[int]:
        return [await context.run(call, 1), await context.run(call, 2)]

    async def main() -> Any:
        async with start(twice, budget=Budget(tokens=100)) as run:
            await run.ended.wait()
            return run

    run = run_virtual(main)
    assert isinstance(run.outcome.error, BudgetExceeded)
    assert run_sync(twice, resume=run.log, in_flight="retry", budget=Budget(tokens=120)) == [60, 120]
    with pytest.raises(BudgetExceeded):
        run_sync(twice, resume=run.log, in_flight="retry", budget=Budget(tokens=119))


def test_what_is_not_kept_is_named_with_what_is_near() -> None:
    assert str(NotKept("agent", "ada")) == "there is no agent 'ada'"
    assert str(NotKept("agent", "ada", ["adam"])) == "there is no agent 'ada'; did you mean 'adam'?"


@pytest.mark.parametrize("setting", [{"topic": "chat"}, {"risk": "huge"}])
def test_a_request_about_an_unknown_topic_or_risk_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match=f"a request's {next(iter(setting))} is one of"):
        Request(question="May I?", **setting)


def test_the_ledger_knows_what_was_spent_below_every_path() -> None:
    ledger = Ledger()
    ledger.record(ModelUsed(path="a/b/model", input_tokens=3, cost=1.0))
    ledger.record(ModelUsed(path="a/c/model", input_tokens=4, cost=None))
    ledger.record(ModelUsed(path="ab/model", input_tokens=5, cost=2.0))
    assert ledger.under("a").usage == Usage(input_tokens=7)
    assert (ledger.under("a").calls, ledger.under("a").known_cost) == (2, None)
    assert ledger.under("a/b").known_cost == 1.0
    assert ledger.under("nobody").calls == 0
    assert (ledger.usage, ledger.calls, ledger.cost, ledger.unpriced) == (Usage(input_tokens=12), 3, 3.0, 1)
