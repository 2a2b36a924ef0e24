"""JSON values as YAML: what an export writes for git, and what an import reads.

Reading takes the part of YAML that means JSON. PyYAML only splits the text into events; what they mean is decided here:

- ``0301234``, ``+4930123``, ``12:30``, ``yes`` and ``2026-01-02`` are texts. YAML 1.1 makes octal, base 60, a truth
  value and a date of them, which ruins telephone numbers and opening hours.
- Anchors, aliases and tags are refused: some lines with them stand for gigabytes, or for objects of Python.
- Depth and number of values are bounded, and nothing here recurses over what was read.

Writing is our own because the text is read in diffs: a text of several lines always stands as a block, line by line,
where PyYAML folds it into one quoted line as soon as it holds a tab, an emoji or a space at the end of a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import yaml
from yaml import events

from app.db.values import MAX_JSON_DEPTH

# Values and keys of a document.
MAX_VALUES: Final = 200_000

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
# Longer ones are no number that anybody wrote, and take Python long to read.
_MAX_DIGITS: Final = 400
_WORDS: Final[Mapping[str, Any]] = {"": None, "~": None, "null": None, "true": True, "false": False}
_STR_TAG: Final = "tag:yaml.org,2002:str"

# Written without quotes: what every YAML reader takes for a text. The words are those of YAML 1.1, too.
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
_NOT_PLAIN: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
# What may stand in a block as it is; of the rest some are no text for YAML, and some would come back as line feeds.
_BLOCK: Final = re.compile(r"[\t\n -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*")
_ESCAPED: Final = re.compile(r"[^\n -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


class YamlError(ValueError):
    """The text is not YAML, or not of the part that we take.

    Attributes:
        line, column: Where, from 1.
    """

    def __init__(self, message: str, mark: Any = None) -> None:
        super().__init__(message)
        self.line: int | None = mark.line + 1 if mark is not None else None
        self.column: int | None = mark.column + 1 if mark is not None else None


def load(text: str) -> Any:
    """The JSON value that ``text`` stands for. Seconds for megabytes: not for the event loop.

    Raises:
        YamlError
    """
    try:
        return _read(text)
    except yaml.MarkedYAMLError as error:
        raise YamlError(_sentence(error), error.problem_mark or error.context_mark) from error
    except yaml.YAMLError as error:
        # Of a character that no YAML may hold.
        raise YamlError(str(error).partition("\n")[0]) from error
    except UnicodeEncodeError as error:
        raise YamlError("it holds half of a character pair (a lone surrogate)") from error


def dump(value: Any) -> str:
    """``value``, a JSON value, as YAML. The same value always gives the same text; keys keep their order."""
    lines = list(_lines(value, 0))
    return "\n".join(lines) + "\n"


class _Level:
    """A mapping or a list that is being read."""

    __slots__ = ("into", "key", "waiting")

    def __init__(self, into: dict[str, Any] | list[Any]) -> None:
        self.into = into
        self.key = ""
        # Whether the next value is the one of ``key``; else, in a mapping, it is a key.
        self.waiting = False

    def add(self, value: Any, mark: Any) -> None:
        if isinstance(self.into, list):
            self.into.append(value)
        elif self.waiting:
            self.into[self.key] = value
            self.waiting = False
        elif not isinstance(value, str):
            raise YamlError("a key must be a text; write it in quotes", mark)
        elif value in self.into:
            raise YamlError(f"the key {value[:100]} is there twice", mark)
        else:
            self.key, self.waiting = value, True


def _read(text: str) -> Any:
    root: list[Any] = []
    levels = [_Level(root)]
    for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        if count > MAX_VALUES:
            raise YamlError(f"it has more than {MAX_VALUES:,} values", event.start_mark)
        if isinstance(event, events.NodeEvent):
            _refuse_beyond_json(event)
        if isinstance(event, events.DocumentStartEvent) and root:
            raise YamlError("there is a second document; put all into one, without ---", event.start_mark)
        if isinstance(event, events.ScalarEvent):
            is_key = isinstance(levels[-1].into, dict) and not levels[-1].waiting
            levels[-1].add(event.value if is_key else _scalar(event), event.start_mark)
        elif isinstance(event, events.MappingStartEvent | events.SequenceStartEvent):
            inner: dict[str, Any] | list[Any] = {} if isinstance(event, events.MappingStartEvent) else []
            levels[-1].add(inner, event.start_mark)
            levels.append(_Level(inner))
            if len(levels) > MAX_JSON_DEPTH + 10:
                raise YamlError("it is nested too deeply", event.start_mark)
        elif isinstance(event, events.CollectionEndEvent):
            levels.pop()
    return root[0] if root else None


def _refuse_beyond_json(event: events.NodeEvent) -> None:
    if isinstance(event, events.AliasEvent) or event.anchor is not None:
        raise YamlError("anchors (&) and aliases (*) are not taken; write the value out", event.start_mark)
    tag = getattr(event, "tag", None)
    if tag not in (None, "!", _STR_TAG):
        raise YamlError(f"tags such as {tag[:60]} are not taken", event.start_mark)


def _scalar(event: events.ScalarEvent) -> Any:
    value = event.value
    if event.tag is not None or not event.implicit[0]:
        return value
    if value in _WORDS:
        return _WORDS[value]
    found = _NUMBER.fullmatch(value)
    if found is None:
        return value
    if len(value) > _MAX_DIGITS:
        raise YamlError("a number has too many digits; a text of digits needs quotes", event.start_mark)
    return float(value) if found[1] or found[2] else int(value)


def _sentence(error: yaml.MarkedYAMLError) -> str:
    return ", ".join(part for part in (error.context, error.problem) if part) or "it is no YAML"


def _lines(value: Any, depth: int) -> Iterator[str]:
    """The lines of a value that begins a line of its own, without their indentation by ``depth`` but for it."""
    pad = "  " * depth
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _entry(f"{pad}{_text(str(key))}:", item, depth)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        for item in value:
            if isinstance(item, Mapping | list | tuple) and item:
                # "- " takes the place of the first line's indentation.
                first, *rest = _lines(item, depth + 1)
                yield f"{pad}- {first[len(pad) + 2 :]}"
                yield from rest
            else:
                yield from _entry(f"{pad}-", item, depth)
    else:
        yield from _entry(pad, value, depth - 1)


def _entry(head: str, value: Any, depth: int) -> Iterator[str]:
    """``head`` with its value behind it or below it."""
    if isinstance(value, Mapping | list | tuple) and value:
        yield head
        yield from _lines(value, depth + 1)
    elif isinstance(value, str) and "\n" in value.strip("\n") and _BLOCK.fullmatch(value):
        yield from _block(head, value, "  " * (depth + 1))
    else:
        text = _text(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield f"{head} {text}" if head.strip() else f"{head}{text}"


def _block(head: str, text: str, pad: str) -> Iterator[str]:
    # A reader finds the indentation by the first line; where that one begins with a blank, it is said.
    indent = "2" if text[0] in " \n\t" else ""
    stripped = text.removesuffix("\n")
    chomp = "-" if stripped == text else "+" if stripped.endswith("\n") else ""
    yield f"{head} |{indent}{chomp}"
    for line in stripped.split("\n"):
        yield pad + line if line else ""


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_PLAIN:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
