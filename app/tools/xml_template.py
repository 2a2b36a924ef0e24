"""Whether an operator's XML is well-formed, with placeholders only where XML has values: in the text of an element and
in an attribute. Anywhere else, such as in the name of a tag, a comment or CDATA, no escaping would hold a value."""

from __future__ import annotations

import re
from collections import Counter

# Nothing of the kind that makes expat dangerous passes here: a DOCTYPE, and with it every entity, is refused at once.
from xml.parsers import expat

from app.tools.placeholders import Placeholder, split

# Harmless anywhere in XML where a name or a text may stand, and in no template by chance.
_WORD = "zq{}placeholder{}qz"


class _Unusable(Exception):
    """What is wrong, as a sentence."""


def xml_problem(template: str) -> str | None:
    """What is wrong with the template, as a sentence for the operator; None: nothing.

    Raises:
        ValueError: at braces that are no placeholder.
    """
    pieces = split(template.strip())
    placeholders = [piece for piece in pieces if isinstance(piece, Placeholder)]
    mark = 0
    while f"zq{mark}placeholder" in template:
        mark += 1
    words = iter([_WORD.format(mark, number) for number in range(len(placeholders))])
    document = "".join(piece if isinstance(piece, str) else next(words) for piece in pieces)
    reader = _Reader()
    try:
        reader.read(document)
    except _Unusable as error:
        return str(error)
    except UnicodeEncodeError:
        return "The XML holds half of a character pair (a lone surrogate); type that character again."
    except expat.ExpatError as error:
        opened = f"; <{reader.open[-1]}> is not closed" if reader.open else ""
        return f"The XML is not well-formed: {expat.ErrorString(error.code)}, in line {error.lineno}{opened}."
    # Once over all of it: a template may have thousands.
    seen = Counter(int(found) for found in re.findall(rf"zq{mark}placeholder(\d+)qz", "\0".join(reader.values)))
    for number, placeholder in enumerate(placeholders):
        if seen[number] != 1:
            return (
                f"{{{{ {placeholder} }}}} stands where XML has no value: put it between two tags, or in the quotes of "
                "an attribute; not in a name, a comment or CDATA."
            )
    return None


class _Reader:
    """Collects the texts and the values of attributes."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self.open: list[str] = []
        self._cdata = False
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.XmlDeclHandler = self._declaration
        parser.StartElementHandler = self._element
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartCdataSectionHandler = self._begin_cdata
        parser.EndCdataSectionHandler = self._end_cdata
        self._parser = parser

    def read(self, document: str) -> None:
        self._parser.Parse(document.encode(), True)

    def _doctype(self, *_: object) -> None:
        raise _Unusable("The XML has a DOCTYPE; leave it out: it is never needed in a request.")

    def _declaration(self, version: str, encoding: str | None, _standalone: int) -> None:
        if version != "1.0":
            raise _Unusable('The XML is of version 1.0: <?xml version="1.0"?>, or nothing at all.')
        if encoding is not None and encoding.lower() not in ("utf-8", "utf8", "us-ascii"):
            raise _Unusable(
                f"The XML says that it is {encoding}, but requests are UTF-8: write UTF-8, or leave it out."
            )

    def _end(self, _name: str) -> None:
        self.open.pop()

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        self.open.append(name)
        self.values += attributes.values()

    def _text(self, text: str) -> None:
        if not self._cdata:
            self.values.append(text)

    def _begin_cdata(self) -> None:
        self._cdata = True

    def _end_cdata(self) -> None:
        self._cdata = False
