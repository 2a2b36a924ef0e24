"""XML as plain data, for selecting from it. No entities but XML's own five, no DTD, nothing is ever fetched.

::

    <order id="7"><item>Tea</item><item>Cup</item><note/></order>
    {"order": {"@id": "7", "item": ["Tea", "Cup"], "note": null}}

An attribute is named with ``@``; the text of an element that has attributes or children is ``#text``. Namespaces'
prefixes are left out, and so is what declares them. An element that comes more than once becomes a list.
"""

from __future__ import annotations

from typing import Any, Final
from xml.parsers import expat

MAX_DEPTH: Final = 100
MAX_PARTS: Final = 200_000


class XmlRefused(ValueError):
    """This is no XML, or none that is read here. Holds nothing of what came."""


def xml_data(body: bytes, charset: str | None = None) -> dict[str, Any]:
    """The document as an object with one key, its root.

    Raises:
        XmlRefused: it is malformed, has a DTD or entities, or is nested too deeply.
    """
    try:
        parser = expat.ParserCreate(_encoding(charset))
    except (LookupError, ValueError) as error:
        raise XmlRefused("it is in a code that is not known") from error
    reader = _Reader()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.EntityDeclHandler = reader.doctype
    parser.ExternalEntityRefHandler = None
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise XmlRefused(f"it is no XML: {expat.ErrorString(error.code)}, line {error.lineno}") from error
    except (LookupError, ValueError) as error:
        if isinstance(error, XmlRefused):
            raise
        raise XmlRefused("it is in a code that is not known") from error
    return reader.root


def _encoding(charset: str | None) -> str | None:
    """What the header says stands above what the document says; only codes that the parser reads by itself."""
    known = {"utf-8": "UTF-8", "utf8": "UTF-8", "iso-8859-1": "ISO-8859-1", "us-ascii": "US-ASCII", "utf-16": "UTF-16"}
    return known.get((charset or "").lower())


class _Reader:
    def __init__(self) -> None:
        self.root: dict[str, Any] = {}
        self._open: list[tuple[str, dict[str, Any], list[str]]] = []
        self._parts = 0

    def doctype(self, *_: Any) -> None:
        raise XmlRefused("it has a DTD or entities, which are not read")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._parts += 1 + len(attributes)
        if len(self._open) >= MAX_DEPTH:
            raise XmlRefused(f"it is nested deeper than {MAX_DEPTH} elements")
        if self._parts > MAX_PARTS:
            raise XmlRefused(f"it has more than {MAX_PARTS:,} elements and attributes")
        told = {f"@{_local(key)}": value for key, value in attributes.items() if key.partition(":")[0] != "xmlns"}
        self._open.append((_local(name), told, []))

    def text(self, data: str) -> None:
        if self._open:
            self._open[-1][2].append(data)

    def end(self, _name: str) -> None:
        name, children, texts = self._open.pop()
        text = "".join(texts).strip()
        value: Any = children
        if not children:
            value = text or None
        elif text:
            children["#text"] = text
        parent = self._open[-1][1] if self._open else self.root
        if name not in parent:
            parent[name] = value
        elif isinstance(parent[name], list):
            parent[name].append(value)
        else:
            parent[name] = [parent[name], value]


def _local(name: str) -> str:
    return name.rpartition(":")[2]
