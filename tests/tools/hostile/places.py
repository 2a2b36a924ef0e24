"""Every place of a request where a value may stand, and how to read it back there: with parsers that are not ours."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_to_bytes
from xml.etree import ElementTree

from python_multipart.multipart import MultipartParser

# What stands in a value's place when nothing is wrong with it. It occurs nowhere else in a request.
HARMLESS: Final = "harmless"


@dataclass(frozen=True)
class Place:
    """Attributes:
    request: The tool's request without its address; ``VALUE`` stands for the placeholder.
    url: What follows the server.
    written: What the bytes in the value's place may be, all of them.
    read: Decodes these bytes.
    whole: What the whole body says, as a parser reads it: the value among what must not change.
    typed: The value keeps its type there, so its quotes belong to it.
    argument_only: It is for arguments that no placeholder uses.
    """

    name: str
    url: str
    request: dict[str, Any]
    written: re.Pattern[bytes]
    read: Callable[[bytes], Any]
    whole: Callable[[bytes, bytes], Any] | None = None

    typed: bool = False
    argument_only: bool = False


def _url(text: bytes) -> str:
    return unquote_to_bytes(text).decode()


def _form(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode()


def _json_text(text: bytes) -> Any:
    return json.loads(b'"' + text + b'"')


def _xml_text(text: bytes) -> str:
    return ElementTree.fromstring(b"<x>" + text + b"</x>").text or ""


def _xml_attribute(text: bytes) -> str:
    return ElementTree.fromstring(b'<x a="' + text + b'"/>').attrib["a"]


def _file_name(text: bytes) -> str:
    return text.decode().replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def json_body(_head: bytes, body: bytes) -> Any:
    return json.loads(body)


def form_body(_head: bytes, body: bytes) -> Any:
    return parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=10)


def xml_body(_head: bytes, body: bytes) -> Any:
    root = ElementTree.fromstring(body)
    return [(each.tag, dict(each.attrib), each.text or "") for each in root.iter()]


def multipart_body(head: bytes, body: bytes) -> Any:
    boundary = re.search(rb"boundary=([0-9a-z-]+)\r\n", head)
    assert boundary is not None
    parts: list[tuple[dict[bytes, bytes], bytes]] = []
    name, value, data = bytearray(), bytearray(), bytearray()
    headers: dict[bytes, bytes] = {}

    def header_ends() -> None:
        headers[bytes(name).lower()] = bytes(value)
        name.clear()
        value.clear()

    def part_ends() -> None:
        parts.append((dict(headers), bytes(data)))
        headers.clear()
        data.clear()

    parser = MultipartParser(
        boundary[1],
        {
            "on_header_field": lambda chunk, start, end: name.extend(chunk[start:end]),
            "on_header_value": lambda chunk, start, end: value.extend(chunk[start:end]),
            "on_header_end": header_ends,
            "on_part_data": lambda chunk, start, end: data.extend(chunk[start:end]),
            "on_part_end": part_ends,
        },
        max_header_size=10_000_000,
    )
    assert parser.write(body) == len(body)
    parser.finalize()
    return parts


def _body(kind: str, **rest: Any) -> dict[str, Any]:
    return {"method": "POST", "body": {"kind": kind, **rest}}


_ENCODED: Final = re.compile(rb"(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})*")
_FORM: Final = re.compile(rb"(?:[A-Za-z0-9*._+-]|%[0-9A-F]{2})*")
_HEADER: Final = re.compile(rb"[\x20-\x7e\x80-\xff]*")
_JSON: Final = re.compile(rb'(?:[^\x00-\x1f"\\]|\\["\\/bfnrt]|\\u[0-9a-f]{4})*')
_XML: Final = re.compile(rb"""(?:[^<>&"'\x00-\x1f]|&(?:amp|lt|gt|quot|#39|#9|#10|#13);)*""")
_FILE: Final = re.compile(rb'[^"\r\n\x00-\x1f/\\]*')
_ANY: Final = re.compile(rb".*", re.DOTALL)

_FORM_FIELDS: Final = {"first": "1", "v": "VALUE", "last": "a b"}
_PARTS: Final = {"first": "1", "v": "VALUE", "last": {"value": "z", "filename": "z.txt"}}
_FILES: Final = {"first": "1", "v": {"value": "VALUE", "filename": "x.csv", "content_type": "text/csv"}, "last": "z"}
_NAMED: Final = {"first": "1", "v": {"value": "x", "filename": "VALUE"}, "last": "z"}
_XML_TEXT: Final = '<?xml version="1.0"?><r a="1"><v>VALUE</v><last b="2">z</last></r>'
_XML_ATTRIBUTE: Final = "<r a=\"1\"><v a='VALUE'/><last>z</last></r>"
_KEY: Final = "{{ secret.key }}"

PLACES: Final = [
    Place("path segment", "/a/VALUE/z?k=1", {}, _ENCODED, _url),
    Place("part of a path segment", "/a/x-VALUE.json", {}, _ENCODED, _url),
    Place("last segment, before a secret", "/a/VALUE?key={{ secret.key }}", {}, _ENCODED, _url),
    Place("query of the URL", "/a?first=1&v=VALUE&last=z", {}, _ENCODED, _url),
    Place("query", "/a?x=1", {"query": {"first": 1, "v": "<VALUE>", "key": _KEY}}, _ENCODED, _url),
    Place("query without a place", "/a", {}, _ENCODED, _url, argument_only=True),
    Place("header", "/a", {"headers": {"X-A": "1", "X-V": "id VALUE end", "X-Z": "z"}}, _HEADER, bytes.decode),
    Place("beside a secret", "/a", {"headers": {"X-Key": f"{_KEY} VALUE {_KEY}"}}, _HEADER, bytes.decode),
    Place(
        "string in JSON",
        "/a",
        {"method": "POST", "json_body": {"first": [1], "v": "<VALUE>", "key": _KEY, "last": {"z": None}}},
        _JSON,
        _json_text,
        json_body,
    ),
    Place(
        "value in JSON",
        "/a",
        {"method": "PUT", "json_body": {"first": [1], "v": "VALUE", "last": {"z": None}}},
        _ANY,
        json.loads,
        json_body,
        typed=True,
    ),
    Place("JSON as a whole", "/a", {"method": "PATCH", "json_body": "VALUE"}, _ANY, json.loads, json_body, typed=True),
    Place(
        "JSON without a place", "/a", {"method": "POST"}, _ANY, json.loads, json_body, typed=True, argument_only=True
    ),
    Place("form", "/a", _body("form", fields=_FORM_FIELDS), _FORM, _form, form_body),
    Place("form, beside a secret", "/a", _body("form", fields={"v": f"{_KEY}:VALUE:"}), _FORM, _form, form_body),
    Place("part", "/a", _body("multipart", fields=_PARTS), _ANY, bytes.decode, multipart_body),
    Place("file", "/a", _body("multipart", fields=_FILES), _ANY, bytes.decode, multipart_body),
    Place("file name", "/a", _body("multipart", fields=_NAMED), _FILE, _file_name, multipart_body),
    Place("XML text", "/a", _body("xml", text=_XML_TEXT), _XML, _xml_text, xml_body),
    Place("XML attribute", "/a", _body("xml", text=_XML_ATTRIBUTE), _XML, _xml_attribute, xml_body),
    Place("text", "/a", _body("text", text=f"key={_KEY}\nv=VALUE\nlast\n"), _ANY, bytes.decode),
]
