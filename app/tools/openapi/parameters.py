"""What an operation takes, as arguments of a tool: path, query, headers and a JSON body, each with the template that
puts it in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app.tools.openapi.references import ReferenceLost, References
from app.tools.openapi.schemas import Notes, Schema, SchemaReader, shortened
from app.tools.request_rules import HEADER_NAME, HOP_HEADERS

_MAX_NAME: Final = 60
_NOT_A_NAME: Final = re.compile(r"[^A-Za-z0-9_]+")
_IN_PATH: Final = re.compile(r"\{([^{}]+)\}")
# By the specification these three are said elsewhere: in the contents and in the security schemes.
_IGNORED_HEADERS: Final = frozenset({"accept", "content-type", "authorization"})
_BODYLESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(slots=True)
class Arguments:
    """The arguments of one tool, and where they go.

    Attributes:
        hindrances: Why no tool can be made of it.
    """

    properties: dict[str, Schema] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    json_body: Any = None
    hindrances: list[str] = field(default_factory=list)

    def add(self, name: str, schema: Schema, *, required: bool, place: str) -> str:
        """Add an argument; its template."""
        argument = _NOT_A_NAME.sub("_", name).strip("_")[:_MAX_NAME] or place
        if argument[0].isdigit():
            argument = f"_{argument}"
        candidate, number = argument, 2
        while candidate in self.properties:
            candidate, number = (f"{argument}_{place}" if number == 2 else f"{argument}_{place}{number}"), number + 1
        self.properties[candidate] = schema
        if required:
            self.required.append(candidate)
        return f"{{{{ {candidate} }}}}"

    def schema(self) -> Schema:
        """The tool's parameters."""
        found: Schema = {"type": "object", "properties": self.properties}
        return {**found, "required": self.required} if self.required else found


class ParameterReader:
    """Reads the parameters and bodies of one document."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._schemas = SchemaReader(references)

    def read(
        self, method: str, path: str, item: Mapping[str, Any], operation: Mapping[str, Any], notes: Notes
    ) -> Arguments:
        """The arguments of an operation. What is lost is said in ``notes``."""
        found = Arguments()
        for parameter in self._parameters(item, operation, notes):
            self._add(parameter, found, notes)
        for name in _IN_PATH.findall(path):
            if name not in found.path:
                words = {"type": "string", "description": f"The part {name} of the address."}
                found.path[name] = found.add(name, words, required=True, place="path")
        body = operation.get("requestBody")
        if body is not None:
            self._body(method, body, found, notes)
        return found

    def _parameters(
        self, item: Mapping[str, Any], operation: Mapping[str, Any], notes: Notes
    ) -> list[Mapping[str, Any]]:
        """Those of the path, replaced by those of the operation of the same name and place."""
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        for source in (item.get("parameters"), operation.get("parameters")):
            for each in source if isinstance(source, list) else ():
                try:
                    parameter = self._references.resolved(each)
                except ReferenceLost as error:
                    notes.say(f"A parameter is left out: {error}.")
                    continue
                name, place = parameter.get("name"), parameter.get("in")
                if isinstance(name, str) and isinstance(place, str) and name:
                    found[name, place] = parameter
        return list(found.values())

    def _add(self, parameter: Mapping[str, Any], found: Arguments, notes: Notes) -> None:
        name, place = parameter["name"], parameter["in"]
        required = parameter.get("required") is True or place == "path"
        if place == "path":
            if parameter.get("style", "simple") != "simple":
                found.hindrances.append(f"The path parameter {name} is written in the style {parameter['style']}.")
                return
            found.path[name] = found.add(name, self._single(parameter, notes), required=True, place=place)
        elif place == "query":
            self._query(parameter, found, notes, required)
        elif place == "header":
            if name.lower() in _IGNORED_HEADERS:
                return
            if not HEADER_NAME.fullmatch(name) or name.lower() in HOP_HEADERS:
                notes.say(f"The header {name[:60]} cannot be set and is left out.")
                return
            found.headers[name] = found.add(name, self._single(parameter, notes), required=required, place=place)
        elif required:
            found.hindrances.append(f"It needs the cookie {name[:60]}; cookies are not supported.")
        else:
            notes.say(f"The cookie {name[:60]} is left out; cookies are not supported.")

    def _query(self, parameter: Mapping[str, Any], found: Arguments, notes: Notes, required: bool) -> None:
        name, style = parameter["name"], parameter.get("style", "form")
        schema = self._schema(parameter, notes)
        properties = schema.get("properties")
        if (
            schema.get("type") == "object"
            and isinstance(properties, dict)
            and properties
            and "content" not in parameter
        ):
            for part, each in properties.items():
                key, argument = (f"{name}[{part}]", f"{name}_{part}") if style == "deepObject" else (part, part)
                needed = required and part in schema.get("required", ())
                found.query[key] = found.add(argument, each, required=needed, place="query")
            return
        repeated = style == "form" and parameter.get("explode", True) is not False
        if schema.get("type") == "array" and (not repeated or "content" in parameter):
            schema = self._single(parameter, notes)
        found.query[name] = found.add(name, schema, required=required, place="query")

    def _schema(self, parameter: Mapping[str, Any], notes: Notes) -> Schema:
        content = parameter.get("content")
        described = parameter.get("schema")
        if isinstance(content, Mapping) and content:
            first = next(iter(content.values()))
            described = first.get("schema") if isinstance(first, Mapping) else None
        schema = self._schemas.read(described, notes)
        if "type" not in schema and "anyOf" not in schema:
            schema["type"] = "string"
        words = parameter.get("description")
        if isinstance(words, str) and words.strip():
            schema["description"] = shortened(words, 500)
        example = parameter.get("example")
        if (
            isinstance(example, str | int | float)
            and len(str(example)) <= 60
            and "Example:" not in str(schema.get("description"))
        ):
            schema["description"] = f"{schema.get('description', '')} Example: {example}.".strip()
        return schema

    def _single(self, parameter: Mapping[str, Any], notes: Notes) -> Schema:
        """The schema of what is written as one text: a list becomes one."""
        schema = self._schema(parameter, notes)
        if schema.get("type") not in ("array", "object"):
            return schema
        as_list = schema["type"] == "array" and "content" not in parameter
        between = {"spaceDelimited": "a space", "pipeDelimited": "|"}.get(str(parameter.get("style")), "a comma")
        how = f"several are written with {between} between them" if as_list else "written as JSON"
        notes.say(f"{parameter['name'][:60]} is taken as one text ({how}).")
        words = f"{schema.get('description', '')} ({how})".strip()
        return {"type": "string", "description": words}

    def _body(self, method: str, body: Any, found: Arguments, notes: Notes) -> None:
        try:
            body = self._references.resolved(body)
        except ReferenceLost as error:
            notes.say(f"The body is left out: {error}.")
            return
        required = body.get("required") is True
        content = body.get("content")
        kind, media = _json_content(content if isinstance(content, Mapping) else {})
        if method in _BODYLESS:
            notes.say(f"The body of a {method} request is left out; servers need not read it.")
        elif media is None:
            kinds = ", ".join(str(each)[:60] for each in content) if isinstance(content, Mapping) else "nothing"
            words = f"The body is {kinds or 'nothing'}; only JSON is supported"
            if required:
                found.hindrances.append(f"{words}.")
            else:
                notes.say(f"{words}, so it is left out.")
        else:
            if kind != "application/json":
                found.headers["Content-Type"] = kind
            self._json_body(media.get("schema"), found, notes, required, body.get("description"))

    def _json_body(self, described: Any, found: Arguments, notes: Notes, required: bool, words: Any) -> None:
        schema = self._schemas.read(described, notes)
        properties = schema.get("properties")
        if schema.get("type") == "object" and properties and "anyOf" not in schema:
            needed = schema.get("required", ()) if required else ()
            found.json_body = {
                name: found.add(name, part, required=name in needed, place="body") for name, part in properties.items()
            }
            return
        if "type" not in schema and "anyOf" not in schema:
            schema["type"] = "object"
        if isinstance(words, str) and words.strip():
            schema["description"] = shortened(words, 500)
        schema.setdefault("description", "The body of the request.")
        found.json_body = found.add("body", schema, required=required, place="body")


def fill_path(path: str, templates: Mapping[str, str]) -> str:
    """The path with its parameters' templates."""
    pieces = _IN_PATH.split(path)
    # Every second piece is the name of a parameter. Braces of any other kind are none of ours.
    return "".join(
        templates[piece] if index % 2 else piece.replace("{", "%7B").replace("}", "%7D").replace("#", "%23")
        for index, piece in enumerate(pieces)
    )


def _json_content(content: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | None]:
    for name, media in content.items():
        kind = str(name).partition(";")[0].strip().lower()
        if isinstance(media, Mapping) and (
            kind in ("application/json", "*/*", "application/*") or kind.endswith("+json")
        ):
            return ("application/json" if "*" in kind else kind), media
    return "", None
