"""Allow-lists of call actions: exact values, and patterns of extensions as the dialplan writes them. No I/O.

A line that begins with ``_`` in the place of an extension is a pattern, matched as Asterisk matches it: ``X`` is 0 to
9, ``Z`` 1 to 9, ``N`` 2 to 9 (small letters too), ``[1-37]`` one of these, ``.`` one or more characters, ``!`` none or
more, and a dash means nothing. One thing is narrower than in Asterisk: what a pattern lets through holds only letters,
digits, ``*``, ``#`` and ``+``. So a model's word never brings a second extension, a context or an option of Dial().
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

# What stands for X, Z and N, in both cases.
_CLASSES: Final = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]"}
_ANY: Final = "[A-Za-z0-9*#+]"
# A channel's extension holds 79 bytes in Asterisk.
MOST_CHARACTERS: Final = 79
_LITERAL: Final = re.compile(r"[A-Za-z0-9*#+]")
_IN_SET: Final = re.compile(r"[A-Za-z0-9*#+]")

EXTENSION: Final = re.compile(r"[A-Za-z0-9*#+_-]{1,79}")
CONTEXT: Final = re.compile(r"[A-Za-z0-9_-]{1,79}")


class PatternWrong(ValueError):
    """A line of an allow-list that nothing could match, or that is not understood; the message says why."""


@lru_cache(maxsize=2_000)
def pattern_expression(pattern: str) -> str:
    """A regular expression, without anchors, for a pattern such as ``_2XX``.

    Raises:
        PatternWrong: Asterisk would not understand it, or it allows everything.
    """
    body = pattern.removeprefix("_").replace(" ", "")
    if not body or body in (".", "!") or not body.strip("-"):
        raise PatternWrong(f"{pattern} allows everything: begin with the digits that all of them share, such as _2XX")
    found, place = [], 0
    while place < len(body):
        sign = body[place]
        if sign == "[":
            end = body.find("]", place)
            if end < 0:
                raise PatternWrong(f"{pattern}: the bracket [ is not closed")
            found.append(_set(pattern, body[place + 1 : end]))
            place = end
        elif sign in ".!":
            if place != len(body) - 1:
                raise PatternWrong(f"{pattern}: {sign} stands only at the end")
            found.append(f"{_ANY}{'+' if sign == '.' else '*'}")
        elif sign == "-":
            pass  # means nothing in Asterisk, for people to read numbers more easily
        elif sign.upper() in _CLASSES:
            found.append(_CLASSES[sign.upper()])
        elif _LITERAL.match(sign):
            found.append(re.escape(sign))
        else:
            raise PatternWrong(f"{pattern}: {sign} has no place in a pattern; use digits, letters, X Z N [ ] . ! * # +")
        place += 1
    return "".join(found)


def _set(pattern: str, inner: str) -> str:
    inner = inner.replace(",", "")
    found, place = [], 0
    while place < len(inner):
        if inner[place + 1 : place + 2] == "-" and place + 2 < len(inner):
            low, high = inner[place], inner[place + 2]
            if not (_IN_SET.match(low) and _IN_SET.match(high) and low <= high):
                raise PatternWrong(f"{pattern}: {low}-{high} is no range; write the smaller one first, as in [2-5]")
            found.append(f"{re.escape(low)}-{re.escape(high)}")
            place += 3
        elif _IN_SET.match(inner[place]):
            found.append(re.escape(inner[place]))
            place += 1
        else:
            raise PatternWrong(f"{pattern}: {inner[place]} has no place in [ ]")
    if not found:
        raise PatternWrong(f"{pattern}: there is nothing between [ and ]")
    return f"[{''.join(found)}]"


@dataclass(frozen=True, slots=True)
class Allowed:
    """One line of an allow-list.

    Attributes:
        text: As the operator wrote it.
        expression: A regular expression for the whole value; None: the value is ``text`` itself.
    """

    text: str
    expression: str | None = None

    def permits(self, value: str) -> bool:
        """Whether a model may name ``value``."""
        if self.expression is None:
            return value == self.text
        return len(value) <= 2 * MOST_CHARACTERS and re.fullmatch(self.expression, value, re.ASCII) is not None


def any_of(lines: Iterable[Allowed], value: str) -> bool:
    """Whether one of them permits ``value``."""
    return any(line.permits(value) for line in lines)


def extension_line(line: str) -> Allowed:
    """``200``, ``_2XX``, ``200@sales``, ``_2XX@sales``; a line that is no pattern stands for itself.

    Raises:
        PatternWrong: it is a pattern that is not understood.
    """
    if not line.startswith("_"):
        return Allowed(line)
    extension, at, context = line.partition("@")
    return Allowed(line, pattern_expression(extension) + (re.escape(at + context)))


def digits_line(line: str) -> Allowed:
    """Digits to send: ``1234#``, or a pattern such as ``_XXXX#``. In DTMF, ``A`` to ``D`` are digits, too."""
    return Allowed(line, f"(?=[0-9A-D*#]*$){pattern_expression(line)}") if line.startswith("_") else Allowed(line)


def place_line(line: str) -> Allowed:
    """``200``, ``200@context`` or ``context,200,1``; the extension may be a pattern. Raises PatternWrong."""
    context, comma, rest = line.partition(",")
    if not comma:
        return extension_line(line)
    extension, comma, priority = rest.partition(",")
    if not extension.startswith("_"):
        return Allowed(line)
    return Allowed(line, re.escape(f"{context},") + pattern_expression(extension) + re.escape(comma + priority))


def sound_line(line: str) -> Allowed:
    """``queue-thankyou``, or ``custom/*`` for all in a folder. ``sound:`` in front may be left out."""
    name = line.removeprefix("sound:")
    if not name.endswith("/*"):
        return Allowed(name)
    return Allowed(name, re.escape(name[:-1]) + r"[A-Za-z0-9_-]{1,80}(/[A-Za-z0-9_-]{1,80}){0,5}")


def endpoint_line(line: str) -> Allowed:
    """``PJSIP/200``, ``Local/200@people``, or with a pattern behind the slash: ``PJSIP/_2XX``, ``PJSIP/_0X.@trunk``.

    Raises:
        PatternWrong: it is a pattern that is not understood.
    """
    technology, slash, resource = line.partition("/")
    if not resource.startswith("_"):
        return Allowed(line)
    number, at, trunk = resource.partition("@")
    return Allowed(line, re.escape(technology + slash) + pattern_expression(number) + re.escape(at + trunk))
