"""Schemas that servers write to hold up whoever follows them, and secrets that they hand back in pieces."""

import asyncio
import time
import traceback

import pytest
from mcp import MCPError

from stretto.tools.mcp import McpConfig
from stretto.tools.mcp.config import HttpServer, StdioServer
from stretto.tools.mcp.link import Link
from stretto.tools.mcp.process import LINE, Tail
from stretto.tools.mcp.results import cleaned
from stretto.tools.mcp.schemas import problems_of

SECRET = "distinct-SECRET-0123456789"
BOMB, TEXT = "^(a+)+$", "a" * 60 + "!"


def deep(levels):
    parts = {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": {**parts, f"a{levels}": {"type": "string"}}, "$ref": "#/$defs/a0"}


@pytest.mark.parametrize(
    ("schema", "value", "wrong"),
    [
        ({"properties": {"x": {"pattern": BOMB}}}, {"x": TEXT}, "does not match"),
        ({"patternProperties": {BOMB: {}}, "additionalProperties": False}, {TEXT: 1}, "not among its properties"),
        ({"patternProperties": {BOMB: {}}, "unevaluatedProperties": False}, {TEXT: 1}, ""),
        ({"uniqueItems": True}, [{"n": n} for n in range(20_000)], ""),
        (deep(60), 1, "more than 300,000 comparisons"),
    ],
    ids=["pattern", "patternProperties", "unevaluated", "uniqueItems", "references"],
)
def test_no_schema_of_a_server_takes_long(schema, value, wrong):
    began = time.perf_counter()
    problems = problems_of(schema, value)
    assert time.perf_counter() - began < 30
    assert wrong in "; ".join(problems)
    assert bool(problems) is bool(wrong)


def test_what_a_schema_says_is_still_checked():
    schema = {
        "type": "object", "properties": {"x": {"type": "string", "pattern": "^[a-z]+$"}, "y": {"uniqueItems": True}},
        "patternProperties": {"^x-": {"type": "integer"}}, "additionalProperties": False,
    }  # fmt: skip
    assert problems_of(schema, {"x": "abc", "x-n": 1, "y": [1, 2]}) == ()
    assert problems_of({"additionalProperties": {"type": "integer"}}, {"a": 1}) == ()
    assert len(problems_of(schema, {"x": "ABC", "x-n": "1", "y": [1, 1], "z": 0})) == 4
    assert problems_of({"pattern": "(?<=x)a"}, "b") == ()  # an expression that is not understood is left to the server
    assert problems_of({"pattern": "a" * 2_000}, "b") == ()
    assert problems_of({"additionalProperties": False}, "text") == ()


def test_half_a_secret_at_the_place_of_a_cut_is_not_shown():
    tail = Tail(lambda text: cleaned(text, [SECRET]))
    tail.feed(b"x" * (4 * LINE - 10) + SECRET.encode() + b"\n")
    tail.feed((SECRET * 200).encode() + b"\n")
    assert SECRET[:8] not in " ".join(tail.lines)


def test_secrets_of_several_lines_in_arguments_and_in_addresses_are_known():
    key = "-----BEGIN KEY-----\nc3VwZXJzZWNyZXQK\n-----END KEY-----"
    server = StdioServer(
        command="x", args=("--api-key", "one-secret", "--token=two-secret", "Authorization: Bearer three-secret", "-v"),
        env={"PRIVATE_KEY": key, "DATABASE_URL": "postgresql://me:four-secret@host/db"},
    )  # fmt: skip
    assert {"one-secret", "two-secret", "three-secret", "four-secret", "c3VwZXJzZWNyZXQK"} <= set(server.secrets)
    assert "-v" not in server.secrets
    web = HttpServer(url="https://me:five%21secret@host:1/mcp?api_key=six-secret&page=here")
    assert {"five%21secret", "five!secret", "six-secret"} <= set(web.secrets)
    assert "here" not in web.secrets
    assert web.place == "https://host:1/mcp"


@pytest.mark.parametrize(
    "said",
    [
        {"url": f"ftp://me:{SECRET}@host"},
        {"command": "x", "args": ["--token", SECRET + "x" * 600]},
        {"command": "x", "env": {"TOKEN": SECRET + "\x00"}},
        SECRET,
    ],
)
def test_what_is_wrong_with_a_configuration_is_told_without_its_secrets(said):
    with pytest.raises(Exception, match="MCP server 's'") as caught:
        McpConfig.of({"mcpServers": {"s": said}})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("raised", [MCPError(-32001, SECRET), ValueError(SECRET)], ids=["protocol", "unreadable"])
def test_a_traceback_that_is_kept_does_not_hold_what_the_error_was_cleaned_of(raised):
    config = StdioServer(command="x", env={"TOKEN": SECRET})

    async def question():
        raise raised

    async def ask():
        await Link("s", config, Tail(str)).ask(question, "tool")

    with pytest.raises(Exception, match=r"\[secret\]") as caught:
        asyncio.run(ask())
    assert SECRET not in "".join(traceback.format_exception(caught.value))
