"""Names, annotations and results of tools, without a server."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
    ToolAnnotations,
)

import stretto.tools.mcp
from stretto.tools.mcp.config import StdioServer
from stretto.tools.mcp.listing import ListedTool, offered_name
from stretto.tools.mcp.results import MOST_KEPT, cleaned, output_of
from stretto.tools.mcp.tool import McpTool
from stretto.tools.tool import ToolFailed, Touches

names = st.text(st.sampled_from("ab_-Z9"), min_size=1, max_size=12)


@given(st.lists(st.tuples(names, st.one_of(names, st.text(min_size=1, max_size=90))), unique=True, max_size=12))
def test_no_two_tools_share_a_name_and_every_provider_takes_it(pairs):
    offered = [offered_name(server, tool) for server, tool in pairs]
    assert len(set(offered)) == len(offered)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in offered)


def test_a_plain_name_stays_plain_and_another_gets_a_digest_that_stays():
    assert offered_name("fs", "read_file") == "mcp__fs__read_file"
    assert offered_name("fs", "read file") == offered_name("fs", "read file") != offered_name("fs", "read_file")
    assert re.fullmatch(r"mcp__fs__read_file_[0-9a-f]{8}", offered_name("fs", "read file"))
    assert len(offered_name("s" * 64, "t" * 200)) == 64


class Connection:
    name = "s"
    config = StdioServer(command="x", timeout=7, max_concurrency=4)


def made(**hints):
    return McpTool(Connection(), ListedTool("mcp__s__t", "t", "", {}, ToolAnnotations(**hints)))


@pytest.mark.parametrize(
    ("hints", "touches", "risk", "destructive", "idempotent"),
    [
        ({}, Touches(writes=("mcp:s",), known=False), "medium", False, False),
        ({"title": "T"}, Touches(writes=("mcp:s",), known=False), "medium", False, False),
        ({"read_only_hint": True}, Touches(reads=("mcp:s",)), "low", False, True),
        ({"read_only_hint": True, "destructive_hint": True}, Touches(reads=("mcp:s",)), "low", False, True),
        ({"read_only_hint": True, "open_world_hint": False}, Touches(reads=("mcp:s",)), "low", False, True),
        ({"read_only_hint": False}, Touches(writes=("mcp:s",)), "high", True, False),
        ({"read_only_hint": False, "destructive_hint": False}, Touches(writes=("mcp:s",)), "medium", False, False),
        ({"destructive_hint": True}, Touches(writes=("mcp:s",)), "high", True, False),
        ({"idempotent_hint": True}, Touches(writes=("mcp:s",)), "medium", False, True),
        ({"open_world_hint": True}, Touches(writes=("mcp:s",)), "medium", False, False),
    ],
)
def test_annotations_say_what_a_call_touches_and_whether_it_may_be_made_again(
    hints, touches, risk, destructive, idempotent
):
    tool = made(**hints)
    assert (tool.touches({}), tool.risk, tool.destructive) == (touches, risk, destructive)
    assert tool.policy.idempotent is idempotent
    assert (tool.policy.retry is not None) is idempotent
    assert (tool.origin, tool.server, tool.policy.timeout) == ("mcp", "s", 7)
    assert (tool.policy.service.service, tool.policy.service.maximum) == ("mcp:s", 4)
    assert tool.policy.breaker.service == "mcp:s"


def result(*blocks, **more):
    return CallToolResult(content=list(blocks), **more)


def text(words):
    return TextContent(type="text", text=words)


def test_texts_are_joined_and_structured_content_is_preferred():
    assert output_of(result(text("a"), text("b"))) == "a\nb"
    assert output_of(result()) == ""
    assert output_of(result(text('{"a": 1}'), structured_content={"a": 1})) == {"a": 1}


def test_a_failed_result_keeps_its_text():
    with pytest.raises(ToolFailed, match=r"\[MCP_ERROR\] no such file"):
        output_of(result(text("no such file"), is_error=True))
    with pytest.raises(ToolFailed, match="did not say why"):
        output_of(result(is_error=True))


def test_what_is_no_text_is_described_with_its_size_and_kept_beside():
    data = base64.b64encode(b"x" * 300).decode()
    found = output_of(
        result(
            text("look:"),
            ImageContent(type="image", data=data, mime_type="image/png"),
            AudioContent(type="audio", data="no base64!", mime_type="audio/wav"),
            ResourceLink(type="resource_link", name="n", uri="file:///a", size=5),
            EmbeddedResource(type="resource", resource=TextResourceContents(uri="file:///b", text="inside\x00")),
            EmbeddedResource(type="resource", resource=BlobResourceContents(uri="file:///c", blob=data)),
            structured_content={"n": 1},
        )
    )
    assert found["structured"] == {"n": 1}
    assert found["text"].splitlines() == [
        "look:",
        "[image: image/png, 300 bytes]",
        "[audio: audio/wav, 0 bytes, the data are not base64]",
        "[file:///a: resource_link, 5 bytes]",
        "[file:///b: resource, 7 bytes]",
        "inside",
        "[file:///c: resource, 300 bytes]",
    ]
    image, audio, link, _, blob = found["attachments"]
    assert image == {"type": "image", "mime_type": "image/png", "bytes": 300, "data": data}
    assert "data" not in audio
    assert link["name"] == "n"
    assert blob["data"] == data


def test_what_is_too_large_is_described_and_not_kept():
    data = base64.b64encode(b"x" * MOST_KEPT).decode()
    found = output_of(result(ImageContent(type="image", data=data, mime_type="image/png")))
    assert "data" not in found["attachments"][0]
    assert f"{MOST_KEPT:,} bytes, too large to keep" in found["text"]


def test_nesting_without_end_is_cut():
    deep = []
    for _ in range(200):
        deep = [deep]
    found, depth = output_of(result(structured_content={"a": deep}))["a"], 0
    while isinstance(found, list):
        found, depth = found[0], depth + 1
    assert (found, depth) == ("[nested too deep]", 63)


@given(st.text())
def test_cleaned_texts_hold_nothing_that_a_database_or_a_terminal_chokes_on(words):
    clean = cleaned(words, ("ab", "\t"))
    assert not re.search("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f\ud800-\udfff]", clean)
    clean.encode()


def test_every_name_of_the_room_is_handed_on():
    for name in stretto.tools.mcp.__all__:
        assert getattr(stretto.tools.mcp, name)
    assert dir(stretto.tools.mcp) == stretto.tools.mcp.__all__
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        stretto.tools.mcp.Nothing  # noqa: B018
