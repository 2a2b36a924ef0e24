"""Importing a document again: the tool takes what is new, and keeps what its operator added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.tools.definition import RequestSpec, ToolDefinition
from app.tools.placeholders import placeholders_in
from app.tools.secrets import origin_of, secrets_in


def onto(draft: ToolDefinition, there: ToolDefinition) -> ToolDefinition:
    """The next version of ``there``, from ``draft``.

    Kept: id, name, whether it is enabled, timeout and size limit; and headers and query parameters that the document
    does not know, such as a key. Secrets among them only while the address has the same scheme, host and port.
    """
    old, new = there.request, draft.http
    if not isinstance(old, RequestSpec):  # its operator made another kind of tool of it: nothing of that fits
        return replace(draft, id=there.id, version=there.version, name=there.name, enabled=there.enabled)
    same_server = origin_of(old.url) == origin_of(new.url)
    secret = {place[:2] for place in secrets_in(old)}

    def added(part: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
        known = {name.lower() for name in now}
        return {
            name: value
            for name, value in before.items()
            if name.lower() not in known and not _of_arguments(value) and (same_server or (part, name) not in secret)
        }

    query = {**(new.query or {}), **added("query", old.query or {}, new.query or {})}
    request = replace(
        new,
        headers={**new.headers, **added("headers", old.headers, new.headers)},
        query=query or None,
        timeout=old.timeout,
        max_response_bytes=old.max_response_bytes,
    )
    # What the document says nothing of stays as its operator set it.
    return replace(there, description=draft.description, parameters=draft.parameters, request=request)


def _of_arguments(value: Any) -> bool:
    return any(found.source == "argument" for found in placeholders_in(value))
