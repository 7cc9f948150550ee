"""How requests are counted, and which status an error of this package has."""

import pytest
from pydantic import SecretStr

from stretto.core.archive import NotKept
from stretto.core.errors import (
    DefinitionError,
    ExecutionError,
    RunNotFound,
    StepTimeout,
    StoreError,
    StrettoError,
    UnknownSetting,
)
from stretto.server.problems import Problem, answers, status_of
from stretto.server.safety_rates import MOST_CLIENTS, Rates
from stretto.server.safety_tokens import SESSION, Token, session_of
from stretto.stores.database import DatabaseUnavailable


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_fills_steadily_and_never_over_its_rim() -> None:
    clock = Clock()
    rates = Rates(60, clock)
    assert [rates.take("1.2.3.4") for _ in range(61)] == [0] * 60 + [1]
    clock.now += 0.5
    assert rates.take("1.2.3.4") == 1
    clock.now += 0.5
    assert rates.take("1.2.3.4") == 0
    clock.now += 3600
    assert [rates.take("1.2.3.4") for _ in range(61)] == [0] * 60 + [1]
    clock.now -= 500
    assert rates.take("1.2.3.4") == 1


def test_clients_do_not_pay_for_each_other_but_a_network_of_ipv6_is_one() -> None:
    rates = Rates(1, Clock())
    assert [rates.take(client) for client in ("1.2.3.4", "1.2.3.5", "a name")] == [0, 0, 0]
    assert rates.take("2001:db8::1") == 0
    assert rates.take("2001:db8::ffff:2") > 0
    assert rates.take("2001:db8:0:1::1") == 0
    assert rates.take("::ffff:9.9.9.9") == 0
    assert rates.take("9.9.9.9") > 0


def test_a_wrong_token_costs_a_second_and_more_than_one_request() -> None:
    clock = Clock()
    rates = Rates(120, clock)
    for _ in range(60):
        rates.punish("1.2.3.4")
    assert rates.take("1.2.3.4") == 1
    clock.now += 1
    assert rates.take("1.2.3.4") == 0


def test_the_client_that_was_quiet_longest_is_forgotten_first() -> None:
    rates = Rates(1, Clock())
    rates.take("first")
    rates.take("second")
    rates.take("first")
    for number in range(MOST_CLIENTS - 1):
        rates.take(f"client {number}")
    assert rates.take("first") > 0
    assert rates.take("second") == 0


def test_a_session_ends_by_itself_and_with_its_token() -> None:
    clock = Clock()
    token = Token(SecretStr("a-token-of-some-length"), clock)
    session = token.session()
    assert token.holds(session)
    assert not Token(SecretStr("b-token-of-some-length"), clock).holds(session)
    assert not Token(None, clock).holds(session)
    clock.now += SESSION
    assert not token.holds(session)


def test_a_session_is_found_among_other_cookies() -> None:
    assert session_of(["a=1; stretto_session=x.y; b=2"]) == "x.y"
    assert session_of(["a=1", "stretto_session=z"]) == "z"
    assert session_of(["a=1", "[]=;;;", ""]) is None


@pytest.mark.parametrize(("error", "status", "code"), [
    (Problem(418, "teapot", "no coffee"), 418, "teapot"),
    (NotKept("workflow", "x"), 404, "not_found"),
    (RunNotFound("x"), 404, "not_found"),
    (StoreError("taken"), 409, "conflict"),
    (DatabaseUnavailable("here", "is full"), 503, "store_unavailable"),
    (UnknownSetting("a", "b", ["c"]), 422, "invalid"),
    (DefinitionError("no"), 422, "invalid"),
    (StepTimeout("a", 1.0), 504, "timeout"),
    (ExecutionError("no"), 502, "execution_failed"),
    (StrettoError("no"), 500, "internal"),
])  # fmt: skip
def test_errors_have_statuses_and_codes(error: StrettoError, status: int, code: str) -> None:
    assert status_of(error) == (status, code)


def test_errors_are_documented_with_words_of_ones_own() -> None:
    said = answers(404, 418, _409="The id is taken.")
    assert {status: held["description"] for status, held in said.items()} == {
        404: "There is no such thing.", 418: "I'm a Teapot", 409: "The id is taken.",
    }  # fmt: skip
