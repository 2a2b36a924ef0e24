"""What an operation takes, as arguments of a tool: path, query, headers and a JSON body, each with the template that
puts it in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app.tools.json_texts import is_json_text
from app.tools.openapi.references import ReferenceLost, References
from app.tools.openapi.schemas import Notes, Schema, SchemaReader, shortened
from app.tools.request_rules import HEADER_NAME, HOP_HEADERS

_MAX_NAME: Final = 60
_NOT_A_NAME: Final = re.compile(r"[^A-Za-z0-9_]+")
_IN_PATH: Final = re.compile(r"\{([^{}]+)\}")
# By the specification these three are said elsewhere: in the contents and in the security schemes.
_IGNORED_HEADERS: Final = frozenset({"accept", "content-type", "authorization"})
_FORMS: Final = {"application/x-www-form-urlencoded": "form", "multipart/form-data": "multipart"}
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
    body: Mapping[str, Any] | None = None
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
        if is_json_text(schema):
            schema = self._single(parameter, notes)
        found.query[name] = found.add(name, schema, required=required, place="query")

    def _schema(self, parameter: Mapping[str, Any], notes: Notes) -> Schema:
        content = parameter.get("content")
        described = parameter.get("schema")
        if isinstance(content, Mapping) and content:
            first = next(iter(content.values()))
            described = first.get("schema") if isinstance(first, Mapping) else None
        schema = self._schemas.read(described, notes, otherwise={"type": "string"})
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
        if is_json_text(schema):  # it is sent as the text that it is
            return {name: part for name, part in schema.items() if not name.startswith("content")}
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
        kind, media = _content(content if isinstance(content, Mapping) else {})
        if method in _BODYLESS:
            notes.say(f"The body of a {method} request is left out; servers need not read it.")
        elif media is None:
            kinds = ", ".join(str(each)[:60] for each in content) if isinstance(content, Mapping) else "nothing"
            words = f"The body is {kinds or 'nothing'}; only JSON, forms and text are supported"
            if required:
                found.hindrances.append(f"{words}.")
            else:
                notes.say(f"{words}, so it is left out.")
        elif kind in _FORMS:
            self._form(_FORMS[kind], media, found, notes, required)
        elif kind == "text/plain":
            words = body.get("description")
            schema = {"type": "string", "description": _said(words) or "The body of the request."}
            found.body = {"kind": "text", "text": found.add("body", schema, required=required, place="body")}
        else:
            if kind != "application/json":
                found.headers["Content-Type"] = kind
            self._json_body(media.get("schema"), found, notes, required, body.get("description"))

    def _form(self, kind: str, media: Mapping[str, Any], found: Arguments, notes: Notes, required: bool) -> None:
        """The fields of a form as arguments; files are left out."""
        schema = self._schemas.read(media.get("schema"), notes)
        properties = schema.get("properties")
        if not isinstance(properties, Mapping):
            found.hindrances.append("The fields of its form are not described.")
            return
        needed = schema.get("required", ()) if required else ()
        encoding = media.get("encoding")
        fields: dict[str, Any] = {}
        for name, part in properties.items():
            if part.get("format") in ("binary", "base64") and kind == "multipart":
                if name in needed:
                    found.hindrances.append(f"It needs the file {name[:60]}; files cannot be sent.")
                else:
                    notes.say(f"The file {name[:60]} is left out; files cannot be sent.")
                continue
            how = encoding.get(name) if isinstance(encoding, Mapping) else None
            deep = isinstance(how, Mapping) and how.get("style") == "deepObject"
            within = part.get("properties") if part.get("type") == "object" else None
            if deep and isinstance(within, Mapping) and within:
                for key, each in within.items():
                    wanted = name in needed and key in part.get("required", ())
                    fields[f"{name}[{key}]"] = found.add(f"{name}_{key}", each, required=wanted, place="body")
            else:
                fields[name] = found.add(name, part, required=name in needed, place="body")
        if properties and not fields:
            found.hindrances.append("It sends nothing but files; files cannot be sent.")
        found.body = {"kind": kind, "fields": fields}

    def _json_body(self, described: Any, found: Arguments, notes: Notes, required: bool, words: Any) -> None:
        # What the body's own description says is nearer than what its schema says.
        nearer = {"description": said} if (said := _said(words)) else {}
        described = {**described, **nearer} if isinstance(described, Mapping) else nearer
        schema = self._schemas.read(described, notes, otherwise={"type": "object"}, words="The body of the request.")
        properties = schema.get("properties")
        if schema.get("type") == "object" and properties and "anyOf" not in schema:
            needed = schema.get("required", ()) if required else ()
            found.json_body = {
                name: found.add(name, part, required=name in needed, place="body") for name, part in properties.items()
            }
            return
        found.json_body = found.add("body", schema, required=required, place="body")


def fill_path(path: str, templates: Mapping[str, str]) -> str:
    """The path with its parameters' templates."""
    pieces = _IN_PATH.split(path)
    # Every second piece is the name of a parameter. Braces of any other kind are none of ours.
    return "".join(
        templates[piece] if index % 2 else piece.replace("{", "%7B").replace("}", "%7D").replace("#", "%23")
        for index, piece in enumerate(pieces)
    )


def _said(words: Any) -> str:
    return shortened(words, 500) if isinstance(words, str) and words.strip() else ""


def _content(content: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | None]:
    """The kind of body that is sent, of those that the operation takes: JSON where it does."""
    kind, media = _json_content(content)
    if media is not None:
        return kind, media
    for wanted in (*_FORMS, "text/plain"):
        for name, described in content.items():
            if str(name).partition(";")[0].strip().lower() == wanted and isinstance(described, Mapping):
                return wanted, described
    return "", None


def _json_content(content: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | None]:
    for name, media in content.items():
        kind = str(name).partition(";")[0].strip().lower()
        if isinstance(media, Mapping) and (
            kind in ("application/json", "*/*", "application/*") or kind.endswith("+json")
        ):
            return ("application/json" if "*" in kind else kind), media
    return "", None
