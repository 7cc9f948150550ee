"""How the files of the page are sent: which paths are its own, what browsers may keep, and what nobody gets."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.routing import Mount

from stretto.configuring.settings import Settings
from stretto.server import page
from stretto.server.app import ROUTERS, create_app
from stretto.server.safety import OPEN
from stretto.stores.memory import MemoryStore
from tests.server.conftest import Serve, free_port, listening

pytestmark = pytest.mark.anyio
INDEX = '<!doctype html><html><head lang="en"><title>Page</title></head><body></body></html>'
SCRIPT = "export const much = 1;\n" * 100


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A page of four files."""
    made = tmp_path / "static"
    (made / "assets").mkdir(parents=True)
    (made / "index.html").write_text(INDEX)
    (made / ".build-stamp").write_text("secret")
    (made / "first.js").write_text("first")
    (made / "assets" / "index-abc.js").write_text(SCRIPT)
    (made / "assets" / "index-abc.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (made / "assets" / "inter-abc.woff2").write_bytes(b"font")
    monkeypatch.setattr(page, "FOLDER", made)
    return made


async def test_every_path_of_the_page_shows_the_index_and_says_where_the_root_is(serve: Serve) -> None:
    async with serve() as served:
        for path in ("/", "/workflows", "/runs/abc?tab=timeline", "/index.html", "/runs/a%20b/%2e%2e", "//x", "/API"):
            answer = await served.client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8"), path
            assert answer.text == INDEX.replace('<head lang="en">', '<head lang="en"><base href="/">')
            assert answer.headers["cache-control"] == "no-cache"
            assert answer.headers["content-security-policy"] == page.POLICY
        assert "'unsafe-inline'" not in (await served.client.get("/docs")).headers["content-security-policy"]
        again = await served.client.get("/runs/abc", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["content-security-policy"] == page.POLICY
        assert (await served.client.head("/runs")).status_code == 200
        assert (await served.client.post("/runs", json={})).status_code == 405


async def test_what_is_named_for_its_content_is_kept_for_a_year(serve: Serve) -> None:
    async with serve() as served:
        plain = await served.client.get("/assets/index-abc.js", headers={"accept-encoding": "gzip;q=0, br"})
        small = await served.client.get("/assets/index-abc.js", headers={"accept-encoding": "br, gzip"})
        assert plain.text == small.text == SCRIPT
        assert int(small.headers["content-length"]) < int(plain.headers["content-length"]) == len(SCRIPT)
        assert (plain.headers.get("content-encoding"), small.headers["content-encoding"]) == (None, "gzip")
        assert plain.headers["etag"] != small.headers["etag"]
        for answer in (plain, small):
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.headers["vary"] == "accept-encoding"
            assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        known = {"if-none-match": f'"else", W/{small.headers["etag"]}', "accept-encoding": "gzip"}
        assert (await served.client.get("/assets/index-abc.js", headers=known)).status_code == 304
        assert (await served.client.get("/assets/inter-abc.woff2")).headers["content-type"] == "font/woff2"


async def test_what_keeps_its_name_is_asked_for_again(serve: Serve, folder: Path) -> None:
    async with serve() as served:
        answer = await served.client.get("/first.js")
        assert (answer.text, answer.headers["cache-control"]) == ("first", "no-cache")
        (folder / "first.js").write_text("second")
        again = await served.client.get("/first.js", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.text) == (200, "second")
        for path in ("/favicon.ico", "/assets/icon.svg"):
            assert (await served.client.get(path)).headers["content-type"] == "image/svg+xml"


async def test_nobody_gets_what_is_no_file_of_the_page(serve: Serve) -> None:
    async with serve() as served:
        for name in ("gone.js", ".build-stamp", "index-abc.js.gz", "..%2findex.html", "%2e%2e/first.js", "a" * 200):
            answer = await served.client.get(f"/assets/{name}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), name
        for name in (".build-stamp", "assets", "..%2f..%2fpage.py", "first.js%00"):
            answer = await served.client.get(f"/{name}")
            assert "secret" not in answer.text
            assert "import" not in answer.text


async def test_a_page_that_is_not_built_is_told_and_the_interfaces_go_on(
    serve: Serve, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "index.html").unlink()
    async with serve() as served:
        answer = await served.client.get("/runs/abc")
        assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "python3 dev.py build" in answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert (await served.client.get("/api/workflows")).status_code == 200
        monkeypatch.setattr(page, "CHECKOUT", folder)
        assert "pip install --force-reinstall" in (await served.client.get("/")).text
        (folder / "index.html").write_text(INDEX)
        assert (await served.client.get("/")).status_code == 200


async def test_below_a_prefix_the_page_finds_its_root_and_the_guard_stays() -> None:
    token = "a-token-of-some-length"
    inner = create_app(Settings.model_validate({"server": {"token": token}}), MemoryStore())
    outer = Starlette(routes=[Mount("/tools/stretto", inner)], lifespan=lambda _: inner.router.lifespan_context(inner))
    outer.state = inner.state
    async with listening(outer, free_port()) as url:
        async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
            assert '<base href="/tools/stretto/">' in (await client.get("/tools/stretto/runs/abc")).text
            assert (await client.get("/tools/stretto/api/workflows")).status_code == 401
            for path in ("healthz", "api/session", "openapi.json"):
                assert (await client.get(f"/tools/stretto/{path}")).status_code == 200, path


def test_whatever_is_no_page_is_guarded_unless_it_is_named() -> None:
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            scope = {"type": "http", "path": route.path, "root_path": "", "method": "GET"}
            assert not page.is_of_the_page(scope), f"{route.path}: add how it begins to ELSEWHERE"
    assert sorted(OPEN) == ["/api/session", "/docs", "/healthz", "/openapi.json", "/readyz"]
