"""The list of operations in a real browser, and what it is made of."""

import os
import re
import shutil
from collections.abc import AsyncIterator

import anyio
import pytest
from playwright.async_api import Browser, async_playwright

from stretto.server.operations_page import operations_page
from tests.server.conftest import Serve

pytestmark = pytest.mark.anyio
TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    place = os.environ.get("CHROMIUM_PATH") or next(filter(None, map(shutil.which, names)), None)
    assert place is not None, "Chromium is needed: python3 dev.py test installs it where it may"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=place, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def test_every_operation_is_listed_without_any_script(serve: Serve, browser: Browser) -> None:
    async with serve() as served:
        document = (await served.client.get("/openapi.json")).json()
        ids = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
        context = await browser.new_context(java_script_enabled=False)
        page = await context.new_page()
        await page.goto(f"{served.url}/docs")
        assert await page.locator("details").count() == len(ids) == len(set(ids))
        await page.locator("#create_workflow summary").click()
        assert await page.locator("#create_workflow").get_by_text("agent_id").first.is_visible()
        await context.close()


async def test_every_operation_is_named_described_and_says_how_it_fails(serve: Serve) -> None:
    async with serve(settings={"server": {"token": TOKEN}}) as served:
        with anyio.fail_after(60):
            document = (await served.client.get("/openapi.json")).json()
    assert {"bearer": []} in document["security"]
    schemas = document["components"]["schemas"]
    assert not {"HTTPValidationError", "ValidationError"} & set(schemas)
    assert set(schemas["ProblemDetails"]["required"]) >= {"status", "code", "detail", "request_id", "errors"}
    assert [name for name in schemas if not re.fullmatch(r"[A-Z][A-Za-z]+|Page_[A-Za-z]+_", name)] == []
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            where = f"{method} {path}"
            assert said["summary"] != said["operationId"].replace("_", " ").title(), where
            assert re.fullmatch(r"[a-z][a-z0-9_]+", said["operationId"]), where
            assert said["summary"], where
            assert said["tags"], where
            assert {"401", "403", "429", "503"} <= set(said["responses"]), where
            if "requestBody" in said:
                assert {"400", "413", "415", "422"} <= set(said["responses"]), where


def test_a_page_of_operations_shows_texts_and_never_runs_them() -> None:
    kinds = [
        {"$ref": "#/components/schemas/A"}, {"anyOf": [{"type": "string"}, {"type": "null"}]}, {"enum": [1, "two"]},
        {"type": "array", "items": {"const": "x"}}, {},
    ]  # fmt: skip
    parameters = [{"name": f"p{place}", "in": "query", "schema": kind} for place, kind in enumerate(kinds)]
    operation = {
        "operationId": "o", "summary": "<script>", "description": "Says `code`.", "parameters": parameters,
        "requestBody": {"content": {"application/json": {"schema": {"type": "string"}}}},
        "responses": {"204": {"description": "Done."}},
    }  # fmt: skip
    document = {"info": {"version": "1"}, "paths": {"/a": {"get": operation}}, "components": {"schemas": {}}}
    shown = operations_page("$version $groups $operations", document)
    for text in (
        "&lt;script&gt;",
        "<code>code</code>",
        "A",
        "string or null",
        "1 | two",
        "list of x",
        "anything",
        "body",
    ):
        assert text in shown
    assert "<script>" not in shown
    assert 'href="#others"' in shown
