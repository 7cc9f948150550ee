"""What strangers and pages of others try with a server, and what it says to them; every attempt over real HTTP."""

import http.cookies
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from stretto import step
from stretto.server.safety import OPEN_BODY
from stretto.server.safety_tokens import COOKIE
from stretto.stores.memory import MemoryStore
from tests.server.conftest import Serve

pytestmark = pytest.mark.anyio
TOKEN = "a-token-that-nobody-guesses-0123"
LOCKED: dict[str, Any] = {"settings": {"server": {"token": TOKEN}}}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@step
async def echo(value: Any) -> Any:
    """Says it again."""
    return value


def refused(answer: httpx2.Response, status: int, code: str) -> str:
    assert answer.status_code == status, answer.text
    assert answer.json()["code"] == code
    return str(answer.json()["detail"])


async def test_a_host_with_a_port_that_cannot_be_is_refused_and_breaks_nothing(serve: Serve) -> None:
    async with serve() as served:
        for origin in (served.url, "http://localhost:99999", "https://evil.example"):
            headers = {"host": "localhost:99999", "origin": origin}
            refused(await served.client.get("/api/workflows", headers=headers), 403, "foreign_origin")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_page_of_another_site_cannot_even_ask_without_saying_who_it_is(serve: Serve, site: str) -> None:
    async with serve() as served:
        for mode, dest in (("no-cors", "image"), ("no-cors", "empty"), ("no-cors", "script"), ("navigate", "iframe")):
            headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest}
            refused(await served.client.get("/api/memories/stats", headers=headers), 403, "foreign_origin")
            refused(await served.client.get("/mcp", headers=headers), 403, "foreign_origin")
        link = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
        assert (await served.client.get("/docs", headers=link)).status_code == 200
        for own in ("same-origin", "none"):
            headers = {"sec-fetch-site": own, "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
            assert (await served.client.get("/api/workflows", headers=headers)).status_code == 200


async def test_a_page_that_the_settings_name_asks_from_another_site(serve: Serve) -> None:
    page = "https://stretto.example"
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "origin": page}
    async with serve(settings={"server": {"origins": [page]}}) as served:
        assert (await served.client.get("/api/workflows", headers=headers)).status_code == 200


async def test_who_has_shown_no_token_is_not_listened_to_for_long(serve: Serve) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"token": "'
        for _ in range(OPEN_BODY // 1000 + 1):
            yield b"x" * 1000
        yield b'"}'

    said = {"content-type": "application/json"}
    async with serve(**LOCKED) as served:
        large = json.dumps({"token": "x" * OPEN_BODY})
        told = refused(await served.client.post("/api/session", content=large, headers=said), 413, "too_large")
        assert f"{OPEN_BODY:,}" in told
        refused(await served.client.post("/api/session", content=chunks(), headers=said), 413, "too_large")
        opened = await served.client.post("/api/session", json={"token": TOKEN})
        assert opened.status_code == 204
        much = {"content": "x" * OPEN_BODY, "type": "knowledge"}
        assert (await served.client.post("/api/memories", json=much)).status_code == 201


async def test_cookies_of_others_are_never_parsed_and_hide_nothing(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    unquote = http.cookies._unquote  # type: ignore[attr-defined]  # not in its stubs

    def watched(text: str) -> str:
        seen.append(text)
        return str(unquote(text))

    monkeypatch.setattr(http.cookies, "_unquote", watched)
    slow = '"' + '\\"' * 20_000 + '"'  # takes seconds to read in Python 3.11.9 and before
    async with serve(**LOCKED) as served:
        opened = await served.client.post("/api/session", json={"token": TOKEN})
        session = opened.headers["set-cookie"].split(";")[0].removeprefix(f"{COOKIE}=")
        served.client.cookies.clear()
        seen.clear()
        for path in ("/healthz", "/api/session", "/api/workflows"):
            for cookie in (f"x={slow}", f"{COOKIE}={slow}", f"{COOKIE}={session}x"):
                answer = await served.client.get(path, headers={"cookie": cookie})
                assert answer.status_code == (401 if path == "/api/workflows" else 200)
        for others in ('theme={"dark": 1}; ', "a:b=c; ", "; ;=;", f"x={slow[:2000]}; "):
            answer = await served.client.get("/api/workflows", headers={"cookie": f"{others}{COOKIE}={session}"})
            assert answer.status_code == 200, others
    assert set(seen) <= {session, f"{session}x"}


async def test_without_a_token_nobody_learns_which_variables_are_set(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONE_SECRET", "of the house")
    monkeypatch.delenv("NO_SECRET", raising=False)

    def asked(name: str) -> dict[str, Any]:
        server = {"name": "s", "url": f"http://127.0.0.1:9/${{{name}}}"}
        provider = {"name": "p", "base_url": "http://127.0.0.1:9/v1", "headers": {"x-a": f"${{{name}}}"}}
        return {"package": {"schema_version": "1.0", "mcp_servers": [server], "providers": [provider]}}

    async with serve(store=MemoryStore()) as served:
        told: list[list[str]] = []
        for name in ("ONE_SECRET", "NO_SECRET"):
            package = asked(name)
            seen = await served.client.post("/api/transfer/preview", json=package)
            carried = await served.client.post("/api/transfer/import", json=package)
            made = await served.client.post("/api/providers", json=package["package"]["providers"][0])
            assert (seen.status_code, carried.status_code, made.status_code) == (200, 409, 403)
            texts = [json.dumps(answer.json() | {"request_id": ""}) for answer in (seen, carried, made)]
            told.append([text.replace(name, "NAME") for text in texts])
        assert told[0] == told[1]
        given = {**asked("NO_SECRET"), "values": {"mcp_servers/s/variable.NO_SECRET": "mcp"}}
        del given["package"]["providers"]
        assert (await served.client.post("/api/transfer/import", json=given)).status_code == 200


async def test_an_input_that_looks_like_a_stored_form_can_be_looked_at(serve: Serve) -> None:
    kinds = ["tuple", "set", "data", "model", "error", "enum", "map", "large", "cut", "repr", "float", "x"]
    async with serve(steps={"echo": echo}) as served:
        for kind in kinds:
            looks = [{f"${kind}": held} for held in (1, None, "ab", [], ["a"], [1, 2, 3], {"a": 1}, [["a"]])]
            made = await served.client.post("/api/runs", json={"workflow": "echo", "input": looks})
            assert made.status_code == 201, made.text
            if (run := served.house.executions.run(made.json()["id"])) is not None:
                await run.ended.wait()
            for path in ("", "/events", "/spans", "/gantt.svg"):
                answer = await served.client.get(f"/api/runs/{made.json()['id']}{path}")
                assert answer.status_code == 200, (kind, path, answer.text)


@pytest.mark.parametrize("value", ["[" * 102 + "]" * 102, '"a\\u0000"', '{"a\\u0000": 1}'])
async def test_what_ag_ui_carries_is_looked_at_as_everywhere(serve: Serve, value: str) -> None:
    asked = {"threadId": "t", "runId": "r", "tools": [], "context": [], "forwardedProps": {}, "messages": []}
    resume = [{"interruptId": "a.1.b", "status": "resolved", "payload": "VALUE"}]
    async with serve() as served:
        for field, held in (("resume", resume), ("state", "VALUE")):
            body = json.dumps({**asked, field: held}).replace('"VALUE"', value)
            answer = await served.client.post("/ag-ui", content=body, headers={"content-type": "application/json"})
            assert ("nested" if "[" in value else "NUL") in refused(answer, 422, "invalid")
