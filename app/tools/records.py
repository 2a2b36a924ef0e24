"""Tools as editors see them: what is stored around the version that a turn uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.db.audit import MASK
from app.models.tool import ToolRow, ToolVersionRow
from app.tools.definition import ToolDefinition
from app.tools.secrets import mapped_url
from app.tools.stored import options_form, options_from, request_form, request_from

_SHOWN_CHARS: Final = 300


@dataclass(frozen=True, slots=True)
class ToolSummary:
    """A line of the list of tools. Moments are aware, in UTC.

    Attributes:
        description: The beginning of it.
        kind: ``http``, ``mcp`` or ``python``.
        method, url: Of HTTP, with its secrets masked; empty for the other kinds.
        target: What it calls, in a line for people.
    """

    id: int
    name: str
    enabled: bool
    version: int
    created_at: datetime
    updated_at: datetime
    updated_by: str
    description: str
    kind: str
    method: str
    url: str
    target: str


@dataclass(frozen=True, slots=True)
class ToolRecord:
    """One tool with one of its versions.

    Attributes:
        note: Why that version was made.
        created_at, created_by: Of that version.
    """

    summary: ToolSummary
    definition: ToolDefinition
    note: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class ToolVersionSummary:
    """A line of the list of versions, newest first."""

    number: int
    note: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class CurrentTools:
    """All tools with their newest versions, for :class:`app.tools.catalog.ToolCatalog`."""

    revision: int
    tools: Sequence[ToolDefinition]


def summary_of(row: ToolRow, description: str, request: Mapping[str, Any]) -> ToolSummary:
    """The line for ``row``, with parts of one of its versions."""
    kind = str(request.get("kind", "http"))
    method = str(request.get("method", ""))
    url = mapped_url(str(request.get("url", "")), lambda _place, _value: MASK)[:_SHOWN_CHARS]
    return ToolSummary(
        id=row.id,
        name=row.name,
        enabled=row.enabled,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        description=" ".join(description[:_SHOWN_CHARS].split()),
        kind=kind,
        method=method,
        url=url,
        target=f"{method} {url}" if kind == "http" else _target(kind, request),
    )


def _target(kind: str, request: Mapping[str, Any]) -> str:
    if kind == "mcp":
        return f"{str(request.get('tool', ''))[:_SHOWN_CHARS]} of MCP server {request.get('server')}"
    return f"Python function {str(request.get('entry', ''))[:_SHOWN_CHARS]}"


def record_of(row: ToolRow, version: ToolVersionRow) -> ToolRecord:
    """``row`` with ``version``."""
    return ToolRecord(
        summary_of(row, version.description, version.request),
        definition_of(row, version),
        version.note,
        version.created_at,
        version.created_by,
    )


def definition_of(row: ToolRow, version: ToolVersionRow) -> ToolDefinition:
    """The frozen version that a turn uses."""
    return ToolDefinition(
        id=row.id,
        version=version.number,
        name=row.name,
        description=version.description,
        parameters=version.parameters,
        request=request_from(version.request),
        enabled=row.enabled,
        **options_from(version.options),
    )


def facts_of(row: ToolRow, version: ToolVersionRow) -> dict[str, Any]:
    """What the audit log compares: the tool with that version."""
    return {
        "name": row.name,
        "version": version.number,
        "enabled": row.enabled,
        "description": version.description,
        "parameters": version.parameters,
        "request": version.request,
        "options": version.options,
        "note": version.note,
    }


def version_values(definition: ToolDefinition) -> dict[str, Any]:
    """The columns of a version that come from ``definition``."""
    return {
        "description": definition.description,
        "parameters": dict(definition.parameters),
        "request": request_form(definition.request),
        "options": options_form(definition),
    }
