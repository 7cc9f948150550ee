"""What the server's log says, as JSON and as text, and what never stands in it."""

import io
import json
import logging

import pytest

from stretto.server.logs import MOST_CHARACTERS, LogFormat, logging_to
from stretto.server.request_ids import REQUEST_ID
from tests.server.conftest import Serve

TOKEN = "a-token-of-some-length"
log = logging.getLogger("stretto.server")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_a_line_is_json_and_names_its_request() -> None:
    written = io.StringIO()
    with logging_to(written):
        mark = REQUEST_ID.set("request-1")
        log.warning("it took %d s", 3, extra={"told": {"path": "/a", "ms": 1.5}})
        REQUEST_ID.reset(mark)
        log.info("half a pair \ud800, a line\nfeed")
        log.debug("not told")
    first, second = map(json.loads, written.getvalue().splitlines())
    assert first["at"].endswith("Z")
    del first["at"]
    assert first == {
        "level": "warning", "logger": "stretto.server", "message": "it took 3 s", "request_id": "request-1",
        "path": "/a", "ms": 1.5,
    }  # fmt: skip
    assert "request_id" not in second
    assert second["message"] == "half a pair \ud800, a line\nfeed"


@pytest.mark.parametrize("form", ["json", "text"])
def test_secrets_are_masked_wherever_they_stand(form: LogFormat) -> None:
    written = io.StringIO()
    with logging_to(written, form=form, secrets=[TOKEN, ""]):
        log.error("the token %s, and Bearer abcdefghijk", TOKEN, extra={"told": {"path": f"/{TOKEN}"}})
        try:
            raise RuntimeError(f"{TOKEN} and sk-1234567890abcdef")
        except RuntimeError:
            log.exception("broke")
    assert "RuntimeError" in written.getvalue()
    for secret in (TOKEN, "abcdefghijk", "1234567890abcdef"):
        assert secret not in written.getvalue()


def test_text_is_for_terminals_and_cannot_steer_them() -> None:
    written = io.StringIO()
    with logging_to(written, form="text"):
        log.info("GET /\x1b[2J\nforged 200", extra={"told": {"ms": 1.25}})
        try:
            raise ValueError("\x1b[31mred")
        except ValueError:
            log.exception("it broke")
    lines = written.getvalue().splitlines()
    assert lines[0].endswith("info    GET /\ufffd[2J forged 200 1.25 ms")
    assert lines[1].endswith("error   it broke")
    assert lines[-1].startswith("  ValueError")
    assert "\x1b" not in written.getvalue()


def test_a_line_has_a_longest_length() -> None:
    written = io.StringIO()
    with logging_to(written):
        log.info("%s", "x" * (MOST_CHARACTERS + 5))
    assert json.loads(written.getvalue())["message"].endswith(f"… ({MOST_CHARACTERS + 5} characters)")


def test_afterwards_everything_is_as_it_was() -> None:
    loggers = [logging.getLogger(name) for name in ("stretto", "uvicorn")]
    before = [(one.level, one.propagate, list(one.handlers)) for one in loggers]
    with logging_to(io.StringIO()):
        assert [(one.level, one.propagate, list(one.handlers)) for one in loggers] != before
    assert [(one.level, one.propagate, list(one.handlers)) for one in loggers] == before


@pytest.mark.anyio
async def test_requests_are_logged_without_their_queries_bodies_tokens_and_cookies(serve: Serve) -> None:
    written = io.StringIO()
    with logging_to(written):
        async with serve(settings={"server": {"token": TOKEN}}) as served:
            await served.client.get("/healthz")
            await served.client.get("/api/workflows?text=private", headers={"x-request-id": "mine"})
            await served.client.post("/api/session", json={"token": TOKEN})
            await served.client.post("/api/workflows", json={"name": "a private name", "agent_id": "helper"})
            session = served.client.cookies["stretto_session"]
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    told = [line for line in lines if line["logger"] == "stretto.server.requests"]
    assert [(line["method"], line["path"], line["status"]) for line in told] == [
        ("GET", "/api/workflows", 401), ("POST", "/api/session", 204), ("POST", "/api/workflows", 201),
    ]  # fmt: skip
    assert told[0]["request_id"] == "mine"
    assert told[0]["client"] == "127.0.0.1"
    for secret in (TOKEN, session, "private"):
        assert secret not in written.getvalue()


@pytest.mark.anyio
async def test_the_figures_count_requests_by_operation_and_tell_what_runs(serve: Serve) -> None:
    async with serve() as served:
        workflow = await served.create()
        assert await served.over((await served.ask(workflow))["run_id"]) == "completed"
        for path in (f"/api/workflows/{workflow}", "/api/nothing/secret", "/api/nothing/other"):
            await served.client.get(path)
        await served.client.request("BREW", "/api/workflows")
        answer = await served.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    assert 'stretto_http_requests_total{method="GET",path="/api/workflows/{workflow_id}",status="200"} 1.0' in lines
    assert 'stretto_http_requests_total{method="GET",path="none",status="404"} 2.0' in lines
    assert any('method="OTHER"' in line for line in lines)
    assert "secret" not in answer.text
    assert workflow not in answer.text
    for figure in ('stretto_executions{status="queued"} 0.0', "stretto_runs_live 0.0", "stretto_streams 0.0"):
        assert figure in lines
    assert any(line.startswith("process_resident_memory_bytes") for line in lines)
