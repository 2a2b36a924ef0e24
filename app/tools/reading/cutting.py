"""Texts for the model within a number of bytes: cut where a reader would, and always saying that they were.

JSON is cut between the elements of its longest list, a text at the end of a line or a sentence.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

_ASK_FOR_LESS: Final = "To see something else, ask for less or more exactly."
# A cut gives up at most this part of the room for a better place.
_BACK: Final = 0.4
_SENTENCE_END: Final = re.compile(r"[.!?…。]['\")\]]?\s")
_ROUNDS: Final = 5
_MAX_DEPTH: Final = 3
_SHORTEST_TEXT: Final = 40


def compact(value: Any) -> str:
    """JSON without spaces. Raises TypeError for what is nested too deeply, or cannot be said in it."""
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def cut_text(text: str, max_bytes: int) -> str:
    """The text within ``max_bytes`` of UTF-8 and a note; whole characters, and where it can be whole sentences."""
    data = text.encode("utf-8", errors="replace")
    if len(data) <= max_bytes:
        return text
    beginning = _at_an_end(data[:max_bytes].decode(errors="ignore")).rstrip()
    shown = len(beginning.encode(errors="replace"))
    return f"{beginning}\n[cut: this is the beginning, {shown:,} of {len(data):,} bytes. {_ASK_FOR_LESS}]"


def cut_json(value: Any, max_bytes: int) -> str:
    """The value as compact JSON within ``max_bytes`` and a note. Raises TypeError as :func:`compact` does."""
    whole = compact(value)
    if len(whole.encode()) <= max_bytes:
        return whole
    notes: dict[str, str] = {}
    for _ in range(_ROUNDS):
        size = len(compact(value).encode())
        if size <= max_bytes:
            break
        place = _longest(value)
        if place is None:
            break
        path, part = place
        over = size - max_bytes
        shorter = _shorter_list(part, over) if isinstance(part, list) else _shorter_text(part, over)
        if len(shorter) == len(part):
            break
        value = _replaced(value, path, shorter)
        name = ".".join(map(str, path))
        if isinstance(part, list):
            notes[name] = _of_list(name, len(shorter), notes, len(part))
        else:
            notes[name] = f"{name or 'the text'} is cut"
    text = compact(value)
    if len(text.encode()) > max_bytes:
        return cut_text(whole, max_bytes)
    return f"{text}\n[cut: {'; '.join(notes.values())}. {_ASK_FOR_LESS}]"


def _at_an_end(text: str) -> str:
    least = int(len(text) * (1 - _BACK))
    line = text.rfind("\n", least)
    if line >= 0:
        return text[:line]
    ends = [found.end() for found in _SENTENCE_END.finditer(text, least)]
    if ends:
        return text[: ends[-1]]
    space = text.rfind(" ", least)
    return text[:space] if space >= 0 else text


def _of_list(name: str, shown: int, notes: dict[str, str], had: int) -> str:
    before = notes.get(name)
    total = before.rpartition(" of ")[2] if before else f"{had:,}"
    return f"{f'{name}: ' if name else ''}the first {shown:,} of {total}"


def _longest(value: Any) -> tuple[tuple[str | int, ...], list[Any] | str] | None:
    """The list or text that takes most room, near the top, and where it stands."""
    best: tuple[int, tuple[str | int, ...], list[Any] | str] | None = None
    open_: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while open_:
        path, part = open_.pop()
        if (isinstance(part, list) and part) or (isinstance(part, str) and len(part) > _SHORTEST_TEXT):
            size = len(compact(part))
            # A list that holds nearly all of its parent's room is where to cut only if it is a list of several.
            if best is None or size > best[0]:
                best = (size, path, part)
        if len(path) < _MAX_DEPTH:
            if isinstance(part, dict):
                open_ += [((*path, str(name)), each) for name, each in part.items()]
            elif isinstance(part, list) and len(part) == 1:
                open_.append(((*path, 0), part[0]))
    if best is None:
        return None
    _, path, part = best
    if isinstance(part, list) and len(part) == 1:  # cutting it would leave nothing: cut within
        inner = _longest(part[0]) if len(path) < _MAX_DEPTH else None
        return None if inner is None else ((*path, 0, *inner[0]), inner[1])
    return path, part


def _shorter_list(part: list[Any], over: int) -> list[Any]:
    """As many of the first elements as fit, at least one."""
    freed, kept = 0, len(part)
    while kept > 1 and freed < over:
        kept -= 1
        freed += len(compact(part[kept]).encode()) + 1
    return part[:kept]


def _shorter_text(part: str, over: int) -> str:
    data = part.encode(errors="replace")
    return _at_an_end(data[: max(_SHORTEST_TEXT, len(data) - over - 3)].decode(errors="ignore")) + "…"


def _replaced(value: Any, path: tuple[str | int, ...], part: Any) -> Any:
    """The value with ``part`` at ``path``; what stands beside is shared."""
    if not path:
        return part
    first, *rest = path
    if isinstance(value, list):
        index = int(first)
        return [*value[:index], _replaced(value[index], tuple(rest), part), *value[index + 1 :]]
    return {name: _replaced(each, tuple(rest), part) if str(name) == first else each for name, each in value.items()}
