"""``{{ name }}``, ``{{ call.name }}`` and ``{{ secret.name }}``: finding them, and the values they stand for.

No template engine: a string is split once, when the tool is compiled, into literal pieces and placeholders. Values
are put between the pieces and never looked at again, so what a caller or a model says cannot become template code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

# Stops at the next "{{": a text of nothing but those takes the square of its length otherwise, and re keeps the
# interpreter to itself meanwhile.
BRACES: Final = re.compile(r"\{\{((?:(?!\{\{|\}\}).)*)\}\}", re.DOTALL)
_ARGUMENT = re.compile(r"[A-Za-z_$][A-Za-z0-9_$.-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SECRET_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


# The value of a placeholder for an argument that the model left out, or a variable that the call does not have.
MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Attributes:
    source: ``argument`` (of the model, or bound), ``call`` (a call variable) or ``secret``.
    """

    source: str
    name: str

    def __str__(self) -> str:
        return self.name if self.source == "argument" else f"{self.source}.{self.name}"


# What the placeholders of one call stand for, each with its type; MISSING where there is none.
Get = Callable[[Placeholder], Any]
Text = tuple[str | Placeholder, ...]


def split(template: str) -> Text:
    """The literal pieces and placeholders of a string, in order.

    Raises:
        ValueError: with words for the operator, at braces that are no placeholder.
    """
    pieces: list[str | Placeholder] = []
    position = 0
    for match in BRACES.finditer(template):
        if match.start() > position:
            pieces.append(template[position : match.start()])
        pieces.append(_placeholder(match.group(1).strip()))
        position = match.end()
    if position < len(template):
        pieces.append(template[position:])
    for piece in pieces:
        if isinstance(piece, str) and "{{" in piece:
            raise ValueError("{{ is never closed by }}")
    return tuple(pieces)


def _placeholder(inside: str) -> Placeholder:
    source, dot, name = inside.partition(".")
    if source == "call" and dot:
        if _VARIABLE.fullmatch(name):
            # The dialplan's variables arrive in lower case, however they are written there.
            return Placeholder("call", name.lower())
        raise ValueError(f"{{{{ {inside[:60]} }}}} does not name a call variable: call.NAME, of letters, digits and _")
    if source == "secret" and dot:
        if SECRET_NAME.fullmatch(name):
            return Placeholder("secret", name)
        # The name is not repeated: who mistakes the place types the secret itself here.
        raise ValueError("{{ secret.NAME }} takes the name of a secret, not its value: letters, digits, - _ and .")
    if _ARGUMENT.fullmatch(inside):
        return Placeholder("argument", inside)
    raise ValueError(
        f"{{{{ {inside[:60]} }}}} is no placeholder: write {{{{ name }}}}, {{{{ call.NAME }}}} or {{{{ secret.NAME }}}}"
    )


def placeholders_in(value: Any) -> list[Placeholder]:
    """All placeholders in the strings of a JSON value. Raises ValueError like :func:`split`."""
    if isinstance(value, str):
        return [piece for piece in split(value) if isinstance(piece, Placeholder)]
    if isinstance(value, Mapping):
        return [found for part in value.values() for found in placeholders_in(part)]
    if isinstance(value, list | tuple):
        return [found for part in value for found in placeholders_in(part)]
    return []
