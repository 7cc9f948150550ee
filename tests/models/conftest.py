"""One loopback provider for all tests of models, and certificates that are read once."""

import ssl
from collections.abc import Iterator

import pytest

from tests.models.loopback import Loopback


@pytest.fixture(scope="session")
def loopback() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server


@pytest.fixture
def server(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> Loopback:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr("httpx2._transports.default.create_ssl_context", lambda *_, **__: context)  # it takes 50 ms
    loopback.behave()
    return loopback
