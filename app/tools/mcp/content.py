"""What comes from MCP servers, read: tools and the content of answers. Pure; the types of the SDK are looked at by
their fields, so that this needs no import of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from app.tools.mcp.definition import Answer, OfferedTool
from app.tools.secrets import SecretMask

_MAX_NAME: Final = 200
_MAX_WORDS: Final = 4_000
_MAX_TITLE: Final = 200


def read_title(text: str, mask: SecretMask) -> str:
    """What a server calls itself, in one line."""
    return _clean(mask.text(text), _MAX_TITLE, lines=False)


def read_tool(tool: Any, mask: SecretMask) -> OfferedTool:
    """A tool of a listing. Control characters, secrets and what is too long are left out of its words."""
    hints = tool.annotations
    return OfferedTool(
        name=tool.name[:_MAX_NAME],
        title=read_title(tool.title or getattr(hints, "title", None) or "", mask),
        description=_clean(mask.text(tool.description or ""), _MAX_WORDS),
        schema=_masked(tool.input_schema, mask),
        read_only=getattr(hints, "read_only_hint", None),
        destructive=getattr(hints, "destructive_hint", None),
        idempotent=getattr(hints, "idempotent_hint", None),
    )


def read_answer(result: Any) -> Answer:
    """The answer of a tool: its structured content where it has any, else its texts; of pictures and sounds their
    kind, since neither model nor caller sees them."""
    if result.structured_content is not None and not result.is_error:
        return Answer("application/json", orjson.dumps(result.structured_content, default=str))
    texts = [text for block in result.content if (text := _text(block))]
    return Answer("text/plain; charset=utf-8", "\n".join(texts).encode(errors="replace"), bool(result.is_error))


def _text(block: Any) -> str:
    match block.type:
        case "text":
            return str(block.text)
        case "image" | "audio":
            return f"[{'an image' if block.type == 'image' else 'audio'} ({str(block.mime_type)[:60]}), not shown]"
        case "resource_link":
            return f"[a link: {str(block.name)[:200]}, {str(block.uri)[:500]}]"
        case "resource":
            text = getattr(block.resource, "text", None)
            return str(text) if text is not None else f"[data of {str(block.resource.uri)[:500]}, not shown]"
        case other:
            return f"[{str(other)[:60]}, not shown]"


def _masked(schema: Mapping[str, Any], mask: SecretMask) -> Mapping[str, Any]:
    try:
        data = orjson.dumps(schema)
        hidden = mask.data(data)
        return schema if hidden == data else dict(orjson.loads(hidden))
    except (TypeError, ValueError, RecursionError):
        return schema  # nested too deeply to be taken, or to be shown


def _clean(text: str, length: int, *, lines: bool = True) -> str:
    kept = "".join(c for c in text[: 2 * length] if c.isprintable() or (lines and c == "\n"))
    return kept.strip()[:length].encode(errors="ignore").decode()
