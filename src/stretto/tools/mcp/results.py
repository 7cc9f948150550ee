"""What a server's tool returned, as a value for the log and words for the model: nothing harmful, nothing endless."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from stretto.tools.tool import ToolFailed

MOST_KEPT = 2**20
"""How many characters of base64 are kept of one image, sound or file."""
DEEPEST = 64
"""How deep a structured result may be nested before it is cut."""
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def cleaned(text: str, secrets: Sequence[str] = ()) -> str:
    """Takes control characters (NUL among them), lone surrogates and known secrets out of a text."""
    text = _CONTROL.sub("", text)
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, "[secret]")
    return text


def output_of(result: CallToolResult, secrets: Sequence[str] = ()) -> Any:
    """Returns the output of a call: structured content, else text; with ``attachments`` where there are any.

    Raises ``ToolFailed`` with the server's own words when it says that the tool failed.
    """
    texts: list[str] = []
    attachments: list[dict[str, Any]] = []
    for block in result.content:
        if isinstance(block, TextContent):
            texts.append(cleaned(block.text, secrets))
        else:
            attached = _attachment(block, secrets)
            attachments.append(attached)
            texts.append(_described(attached))
    text = "\n".join(texts)
    if result.is_error:
        raise ToolFailed("MCP_ERROR", text.strip() or "the tool failed and did not say why")
    value = text if result.structured_content is None else _plain(result.structured_content, secrets, DEEPEST)
    if not attachments:
        return value
    whole: dict[str, Any] = {"text": text, "attachments": attachments}
    if result.structured_content is not None:
        whole["structured"] = value
    return whole


def _attachment(
    block: ImageContent | AudioContent | ResourceLink | EmbeddedResource, secrets: Sequence[str]
) -> dict[str, Any]:
    if isinstance(block, ImageContent | AudioContent):
        return {"type": block.type, "mime_type": block.mime_type, **_data(block.data)}
    if isinstance(block, ResourceLink):
        known = {"name": block.name, "mime_type": block.mime_type, "bytes": block.size}
        shown = {key: value for key, value in known.items() if value is not None}
        return {"type": "resource_link", "uri": cleaned(str(block.uri), secrets), **shown}
    resource = block.resource
    told: dict[str, Any] = {"type": "resource", "uri": cleaned(str(resource.uri), secrets)}
    if resource.mime_type:
        told["mime_type"] = resource.mime_type
    if isinstance(resource, BlobResourceContents):
        return {**told, **_data(resource.blob)}
    assert isinstance(resource, TextResourceContents), "the protocol knows text and blobs"
    return {**told, "text": cleaned(resource.text, secrets), "bytes": len(resource.text.encode("utf-8", "replace"))}


def _data(data: str) -> dict[str, Any]:
    """Returns base64 data with their size, and without themselves when they are too many or none."""
    try:
        size = len(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return {"bytes": 0, "problem": "the data are not base64"}
    return {"bytes": size, "data": data} if len(data) <= MOST_KEPT else {"bytes": size, "problem": "too large to keep"}


def _described(attached: Mapping[str, Any]) -> str:
    """Returns an attachment in words; the text of a resource stands for itself."""
    named = attached.get("uri") or attached.get("name") or attached["type"]
    size = f", {attached['bytes']:,} bytes" if attached.get("bytes") is not None else ""
    problem = f", {attached['problem']}" if "problem" in attached else ""
    kind = attached.get("mime_type") or attached["type"]
    line = f"[{named}: {kind}{size}{problem}]"
    return f"{line}\n{attached['text']}" if "text" in attached else line


def _plain(value: Any, secrets: Sequence[str], depth: int) -> Any:
    if isinstance(value, str):
        return cleaned(value, secrets)
    if isinstance(value, dict | list) and depth <= 0:
        return "[nested too deep]"
    if isinstance(value, dict):
        entries: dict[Any, Any] = {**value}
        return {cleaned(str(key), secrets): _plain(each, secrets, depth - 1) for key, each in entries.items()}
    if isinstance(value, list):
        items: list[Any] = [*value]
        return [_plain(each, secrets, depth - 1) for each in items]
    return value
