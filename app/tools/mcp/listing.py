"""What a server offers, beside the tools of the catalogue: which are new, which are there, which have changed or gone.
Pure, and perhaps slow: a server writes its schemas as large as it likes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import orjson

from app.models.names import name_key
from app.tools.definition import Behaviour, McpCall, ToolDefinition
from app.tools.errors import ToolInvalid
from app.tools.mcp.definition import McpServer, OfferedTool
from app.tools.openapi.references import References
from app.tools.openapi.schemas import Notes, SchemaReader
from app.tools.records import version_values
from app.tools.validation import RESERVED_NAMES, parse_definition

State = Literal["new", "added", "changed", "gone", "impossible"]

_MAX_SCHEMA_BYTES: Final = 100_000
_MAX_NAME: Final = 64
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Listed:
    """A tool of a server, as the catalogue sees it.

    Attributes:
        name: At the server.
        offered: None: the server does not offer it any more.
        proposal: What it would become, or would be with the server's schema of today. None: there is nothing to take
            over; ``notes`` says why.
        existing: The tool that it is in the catalogue.
        notes: What an operator should know.
    """

    name: str
    state: State
    offered: OfferedTool | None
    proposal: ToolDefinition | None
    existing: ToolDefinition | None
    notes: Sequence[str]


def compare(server: McpServer, offered: Sequence[OfferedTool], tools: Collection[ToolDefinition]) -> list[Listed]:
    """All that the server offers, in its order, and then what is gone.

    Args:
        tools: Of the catalogue.
    """
    mine: dict[str, ToolDefinition] = {}
    for tool in tools:
        if isinstance(tool.request, McpCall) and tool.request.server == server.id:
            mine.setdefault(tool.request.tool, tool)
    taken = {name_key(tool.name) for tool in tools} | {name_key(name) for name in RESERVED_NAMES}
    listed = []
    for each in offered:
        found = _listed(server, each, mine.pop(each.name, None), taken)
        if found.proposal is not None:
            taken.add(name_key(found.proposal.name))
        listed.append(found)
    return listed + [
        Listed(name, "gone", None, None, tool, ("The server does not offer it any more: every call of it fails.",))
        for name, tool in mine.items()
    ]


def proposed_name(server: str, tool: str, taken: Collection[str]) -> str:
    """A name that models and providers take and no other tool has; with the server's before it, where that is needed.

    Args:
        taken: Keys of names.
    """
    plain = _fit(tool)
    for name in _names(_fit(server), plain):
        if name_key(name) not in taken:
            return name
    return plain


def _names(server: str, tool: str) -> Iterator[str]:
    yield tool
    prefixed = f"{server[:24].rstrip('_')}_{tool.lstrip('_')}"[:_MAX_NAME]
    yield prefixed
    for number in range(2, 100):
        yield f"{prefixed[: _MAX_NAME - 3]}_{number}"


def _fit(text: str) -> str:
    name = _UNFIT.sub("_", text).strip("_-")[:_MAX_NAME] or "tool"
    return name if name[0].isalpha() else f"t_{name}"[:_MAX_NAME]


def _listed(server: McpServer, offered: OfferedTool, existing: ToolDefinition | None, taken: Collection[str]) -> Listed:
    notes = Notes()
    for line in _about(offered):
        notes.say(line)
    try:
        parameters = _parameters(offered, notes)
        if existing is None:
            proposal = _draft(server, offered, parameters, taken)
        else:
            proposal = replace(existing, parameters=parameters)
            parse_definition(_typed(proposal))
    except ToolInvalid as error:
        state: State = "impossible" if existing is None else "changed"
        return Listed(offered.name, state, offered, None, existing, (*notes.lines, str(error)))
    if existing is None:
        return Listed(offered.name, "new", offered, proposal, None, tuple(notes.lines))
    if offered.description and offered.description.split() != existing.description.split():
        # It may have been changed on either side; what a server says tomorrow never reaches a model by itself.
        notes.say("The server describes it in other words than the catalogue has. Models get those of the catalogue.")
    same = version_values(proposal) == version_values(existing)
    if not same:
        notes.say("Its parameters are others at the server now. Take them over, or calls may fail.")
    return Listed(
        offered.name, "added" if same else "changed", offered, None if same else proposal, existing, tuple(notes.lines)
    )


def _about(offered: OfferedTool) -> Iterator[str]:
    if offered.destructive and not offered.read_only:
        yield "The server says that it destroys or overwrites something: the caller will be asked before it runs."
    if not offered.description and not offered.title:
        yield "The server does not describe it. Describe it yourself: the model decides by it."


def _parameters(offered: OfferedTool, notes: Notes) -> Mapping[str, Any]:
    try:
        size = len(orjson.dumps(offered.schema))
    except (TypeError, ValueError, RecursionError) as error:
        raise ToolInvalid("Its schema is nested too deeply, or none.", field="parameters") from error
    if size > _MAX_SCHEMA_BYTES:
        raise ToolInvalid(
            f"Its schema has {size:,} bytes; at most {_MAX_SCHEMA_BYTES:,} are taken.", field="parameters"
        )
    said = set(offered.schema) & {"properties", "$ref", "allOf", "anyOf", "oneOf"}
    if offered.schema.get("type", "object") == "object" and not any(offered.schema[word] for word in said):
        # The reader makes a text of an object that says nothing of itself; here it means that there are no arguments.
        return {"type": "object", "properties": {}}
    schema = SchemaReader(References(offered.schema)).read(offered.schema, notes)
    if schema.get("type", "object") != "object":
        raise ToolInvalid("Its arguments are no object with named parameters.", field="parameters")
    schema.setdefault("type", "object")
    schema.setdefault("properties", {})
    return schema


def _draft(
    server: McpServer, offered: OfferedTool, parameters: Mapping[str, Any], taken: Collection[str]
) -> ToolDefinition:
    definition = ToolDefinition(
        id=0,
        version=0,
        name=proposed_name(server.name, offered.name, taken),
        description=offered.description or offered.title or f"{offered.name} of {server.name}",
        parameters=parameters,
        request=McpCall(server=server.id, tool=offered.name),
        behaviour=_behaviour(offered),
    )
    return replace(parse_definition(_typed(definition)), request=definition.request, behaviour=definition.behaviour)


def _behaviour(offered: OfferedTool) -> Behaviour:
    """What the server's hints propose. They may be wrong, and so only make a tool more careful, or repeat it once where
    it says that it only reads."""
    if offered.read_only:
        return Behaviour(retries=1, repeatable=True)
    return Behaviour(needs_confirmation=bool(offered.destructive), repeatable=bool(offered.idempotent))


def _typed(definition: ToolDefinition) -> dict[str, Any]:
    request = definition.request
    assert isinstance(request, McpCall)
    return {
        "name": definition.name,
        "description": definition.description,
        "parameters": definition.parameters,
        "request": {"kind": "mcp", "server": request.server, "tool": request.tool},
    }
