"""Who is let in, from where, how often, and with which bodies; every check over real HTTP."""

import json
from collections.abc import AsyncIterator

import anyio
import httpx2
import pytest

from stretto.server.safety_rates import Rates
from stretto.server.safety_tokens import COOKIE
from tests.server.conftest import Serve

pytestmark = pytest.mark.anyio
TOKEN = "a token of some length".replace(" ", "-")
BODY = {"name": "a workflow", "agent_id": "helper"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def told(answer: httpx2.Response, status: int, code: str) -> str:
    """Looks at an answer that is a problem, and returns its sentence."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    held = answer.json()
    assert (held["status"], held["code"]) == (status, code)
    assert held["request_id"] == answer.headers["x-request-id"] != ""
    assert held["title"]
    assert held["detail"]
    return str(held["detail"])


async def test_every_answer_bears_the_headers_that_keep_browsers_careful(serve: Serve) -> None:
    async with serve() as served:
        for path in ("/healthz", "/api/workflows", "/api/nothing", "/openapi.json", "/docs"):
            headers = (await served.client.get(path)).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert "http" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
            assert "camera=()" in headers["permissions-policy"]
            assert headers["cache-control"] == "no-store"
            assert "access-control-allow-origin" not in headers


async def test_a_request_keeps_its_own_id_when_it_is_one(serve: Serve) -> None:
    async with serve() as served:
        ids = ["my-request.1", "with space", "x" * 65, ""]
        got = [
            (await served.client.get("/healthz", headers={"x-request-id": id})).headers["x-request-id"] for id in ids
        ]
    assert got[0] == "my-request.1"
    assert all(len(id) == 32 for id in got[1:])
    assert len(set(got)) == 4


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "[::2]", "a b", ""]
)
async def test_a_foreign_host_is_refused_so_that_names_cannot_be_rebound(serve: Serve, host: str) -> None:
    async with serve() as served:
        answer = await served.client.get("/api/workflows", headers={"host": host})
        assert "is not called" in told(answer, 403, "foreign_host")


async def test_the_names_of_loopback_are_known_with_every_port(serve: Serve) -> None:
    async with serve() as served:
        for host in ("localhost", "LOCALHOST:1", "127.0.0.1:8400", "[::1]:99", "localhost."):
            assert (await served.client.get("/healthz", headers={"host": host})).status_code == 200, host


async def test_a_foreign_origin_is_refused_whatever_is_asked(serve: Serve) -> None:
    async with serve() as served:
        for origin in (
            "https://evil.example",
            "null",
            served.url.replace("127.0.0.1", "localhost"),
            "file://",
            "x:y:z",
        ):
            got = await served.client.get("/api/workflows", headers={"origin": origin})
            assert "may not ask" in told(got, 403, "foreign_origin")
            made = await served.client.post("/api/workflows", json=BODY, headers={"origin": origin})
            told(made, 403, "foreign_origin")
        assert (await served.client.get("/api/workflows")).json()["total"] == 0
        own = await served.client.post("/api/workflows", json=BODY, headers={"origin": served.url})
        assert own.status_code == 201


async def test_pages_of_origins_that_the_settings_name_may_ask(serve: Serve) -> None:
    page = "https://stretto.example:444"
    async with serve(settings={"server": {"origins": [page]}}) as served:
        asked = {
            "origin": page,
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type",
        }
        before = await served.client.options("/api/workflows", headers=asked)
        assert before.status_code == 200
        assert before.headers["access-control-allow-origin"] == page
        made = await served.client.post("/api/workflows", json=BODY, headers={"origin": page})
        assert made.status_code == 201
        assert made.headers["access-control-allow-origin"] == page
        assert (await served.client.get("/healthz", headers={"host": "stretto.example:444"})).status_code == 200
        told(await served.client.get("/healthz", headers={"origin": "https://stretto.example"}), 403, "foreign_origin")


async def test_a_form_is_refused_whatever_it_is_called(serve: Serve) -> None:
    forms = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "application/jsonx")
    async with serve() as served:
        for kind in forms:
            answer = await served.client.post(
                "/api/workflows", content=json.dumps(BODY), headers={"content-type": kind}
            )
            assert "application/json" in told(answer, 415, "unsupported_media_type")
            empty = await served.client.post("/api/workflows", headers={"content-type": kind})
            told(empty, 415, "unsupported_media_type")
        bare = httpx2.Request("POST", f"{served.url}/api/workflows", content=json.dumps(BODY).encode())
        bare.headers.pop("content-type", None)
        told(await served.client.send(bare), 415, "unsupported_media_type")
        for kind in ("application/json; charset=utf-8", "application/merge-patch+json"):
            made = await served.client.post("/api/workflows", content=json.dumps(BODY), headers={"content-type": kind})
            assert made.status_code == 201, made.text


async def test_broken_json_is_told_and_not_repeated(serve: Serve) -> None:
    broken = [
        b'{"name": "secret',
        b"\xff\xfe",
        b"[" * 100_000,
        b"1" * 10_000,
        b"",
        b'{"name": "\\ud800", "agent_id": "helper"}',
    ]
    async with serve() as served:
        for content in broken:
            answer = await served.client.post(
                "/api/workflows", content=content, headers={"content-type": "application/json"}
            )
            assert answer.status_code in (400, 422), answer.text
            assert "secret" not in told(answer, answer.status_code, answer.json()["code"])


async def test_names_of_fields_that_utf8_cannot_carry_are_told_all_the_same(serve: Serve) -> None:
    async with serve() as served:
        answer = await served.client.post(
            "/api/workflows", content=b'{"\\ud800": 1}', headers={"content-type": "application/json"}
        )
        told(answer, 422, "invalid")


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(serve: Serve) -> None:
    async with serve(settings={"server": {"max_body": 2048}}) as served:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            large = {"name": "x" * 3000, "agent_id": "helper"}
            answer = await served.client.request(method, "/api/workflows", json=large)
            assert "2,048" in told(answer, 413, "too_large")


async def test_a_body_of_unsaid_length_is_counted_as_it_comes(serve: Serve) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"name": "'
        for _ in range(100):
            yield b"x" * 1000
        yield b'", "agent_id": "helper"}'

    async with serve(settings={"server": {"max_body": 2048}}) as served:
        answer = await served.client.post(
            "/api/workflows", content=chunks(), headers={"content-type": "application/json"}
        )
        told(answer, 413, "too_large")
        assert (await served.client.get("/api/workflows")).json()["total"] == 0


async def test_who_asks_too_much_is_told_when_to_come_back(serve: Serve) -> None:
    async with serve(settings={"server": {"requests_per_minute": 5}}) as served:
        answers = [await served.client.get("/api/workflows") for _ in range(6)]
        assert [answer.status_code for answer in answers[:5]] == [200] * 5
        assert "5 requests a minute" in told(answers[5], 429, "too_many_requests")
        assert 1 <= int(answers[5].headers["retry-after"]) <= 12
        assert (await served.client.get("/healthz")).status_code == 200


async def test_nothing_of_runs_is_told_without_the_token(serve: Serve) -> None:
    async with serve(settings={"server": {"token": TOKEN}}) as served:
        paths = [
            (method.upper(), path.replace("{", "").replace("}", ""))
            for path, methods in (await served.client.get("/openapi.json")).json()["paths"].items()
            for method in methods
        ]
        opened = {"/healthz", "/readyz", "/api/session"}
        for method, path in paths:
            answer = await served.client.request(method, path)
            if path not in opened:
                assert answer.status_code == 401, path
                assert "a token is needed" in answer.text
                assert answer.headers["www-authenticate"] == "Bearer"
        told(await served.client.get("/api/nothing"), 401, "unauthorized")
        for path in ("/docs", "/healthz", "/readyz", "/assets/page.css"):
            assert (await served.client.get(path)).status_code == 200
        for path in ("/", "/runs/abc", "/workflows", "/favicon.ico"):  # the page, or how it is built
            assert (await served.client.get(path)).status_code in (200, 503)
            told(await served.client.post(path, json={}), 401, "unauthorized")
        for path in ("/api", "/api/", "/mcp/x", "/ag-ui/x", "/metrics/", "/docs/x", "/.well-known/x"):
            told(await served.client.get(path), 401, "unauthorized")


async def test_the_token_is_taken_from_the_header_and_nowhere_else(serve: Serve) -> None:
    async with serve(settings={"server": {"token": TOKEN}}) as served:
        for right in (f"Bearer {TOKEN}", f"bearer  {TOKEN}"):
            answer = await served.client.get("/api/workflows", headers={"authorization": right})
            assert answer.status_code == 200
        for wrong in (TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer", "Bearer é"):
            answer = await served.client.get("/api/workflows", headers=[("authorization", wrong.encode())])
            assert TOKEN not in told(answer, 401, "unauthorized")
        told(await served.client.get(f"/api/workflows?token={TOKEN}"), 401, "unauthorized")
        told(await served.client.get("/api/workflows", headers={"cookie": f"{COOKIE}={TOKEN}"}), 401, "unauthorized")


async def test_a_browser_is_let_in_with_a_cookie_that_is_not_the_token(serve: Serve) -> None:
    async with serve(settings={"server": {"token": TOKEN}}) as served:
        assert (await served.client.get("/api/session")).json() == {"token_needed": True, "open": False}
        wrong = await served.client.post("/api/session", json={"token": TOKEN + "x"})
        assert "set-cookie" not in wrong.headers
        assert "wrong" in told(wrong, 401, "unauthorized")
        opened = await served.client.post("/api/session", json={"token": TOKEN})
        assert opened.status_code == 204
        cookie = opened.headers["set-cookie"].lower()
        assert TOKEN not in cookie
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert "path=/" in cookie
        assert "secure" not in cookie
        assert (await served.client.get("/api/session")).json() == {"token_needed": True, "open": True}
        assert (await served.client.get("/api/workflows")).status_code == 200
        assert (await served.client.delete("/api/session")).status_code == 204
        told(await served.client.get("/api/workflows"), 401, "unauthorized")


async def test_the_cookie_of_a_page_behind_tls_is_kept_to_tls(serve: Serve) -> None:
    page = "https://stretto.example"
    async with serve(settings={"server": {"token": TOKEN, "origins": [page]}}) as served:
        opened = await served.client.post("/api/session", json={"token": TOKEN}, headers={"origin": page})
        assert "secure" in opened.headers["set-cookie"].lower()


async def test_a_session_that_was_changed_or_has_ended_lets_nobody_in(serve: Serve) -> None:
    async with serve(settings={"server": {"token": TOKEN}}) as served:
        opened = await served.client.post("/api/session", json={"token": TOKEN})
        session = opened.headers["set-cookie"].split(";")[0].removeprefix(f"{COOKIE}=")
        served.client.cookies.clear()
        ends, _, signature = session.partition(".")
        for other in (
            f"{int(ends) + 1}.{signature}",
            f"{ends}.{'0' * 64}",
            ends,
            ".",
            f"{'9' * 30}.{signature}",
            "²." + signature,
        ):
            answer = await served.client.get("/api/workflows", headers=[("cookie", f"{COOKIE}={other}".encode())])
            told(answer, 401, "unauthorized")
        again = await served.client.get("/api/workflows", headers={"cookie": f"x=1; {COOKIE}={session}"})
        assert again.status_code == 200


async def test_guessing_tokens_is_slow(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rates.__init__, "__defaults__", (lambda: 0.0,))  # on a busy machine a request takes long
    async with serve(settings={"server": {"token": TOKEN, "requests_per_minute": 240}}) as served:
        answers = []
        for _ in range(50):
            answers.append(await served.client.get("/api/workflows", headers={"authorization": "Bearer guess"}))
            if answers[-1].status_code == 429:
                break
        assert answers[-1].status_code == 429
        assert len(answers) <= 50


async def test_a_server_without_a_token_opens_no_sessions(serve: Serve) -> None:
    async with serve() as served:
        assert (await served.client.get("/api/session")).json() == {"token_needed": False, "open": True}
        told(await served.client.post("/api/session", json={"token": "anything"}), 409, "no_token")


async def test_what_is_not_there_is_told_as_a_problem(serve: Serve) -> None:
    missing = (
        "/api/nothing",
        "/api",
        "/docs/nothing",
        "/.well-known/oauth-protected-resource",
        "/assets/%2e%2e%2fapp.py",
        "/api/workflows/",
        "/" + "x" * 5000,
    )
    async with serve() as served:
        for path in missing:
            assert len(told(await served.client.get(path), 404, "not_found")) < 3000
        for method, path in (("POST", "/healthz"), ("PATCH", "/api/workflows"), ("GET", "/api/workflows/x/execute")):
            answer = await served.client.request(method, path)
            told(answer, 405, "method_not_allowed")
            assert answer.headers["allow"]


async def test_what_nobody_foresaw_is_told_without_its_inside(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the secret of the house")

    async with serve() as served:
        monkeypatch.setattr(served.house.service, "load_workflows", broken)
        answer = await served.client.get("/api/workflows")
        assert "secret" not in answer.text
        assert "log tells more" in told(answer, 500, "internal")
        assert answer.headers["x-frame-options"] == "DENY"


async def test_a_body_that_does_not_come_is_not_waited_for(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stretto.server.safety.BODY_TIME", 0.05)
    head = "POST /api/workflows HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    async with serve() as served:
        for length in ("Content-Length: 100", "Transfer-Encoding: chunked"):
            async with await anyio.connect_tcp("127.0.0.1", int(served.url.rpartition(":")[2])) as stream:
                await stream.send(f"{head}{length}\r\n\r\n".encode())
                with anyio.fail_after(20):
                    assert (await stream.receive()).startswith(b"HTTP/1.1 408 ")
