"""What ``.env.example`` says of each setting, for those who read it on a page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

_GROUP: Final = re.compile(r"# -{3,} (.+)")
_EXAMPLE: Final = re.compile(r"# [A-Z_]+=")
_NAME: Final = re.compile(r"([A-Z][A-Z0-9_]*)=")
# In a checkout it lies at the top; the package brings it along.
_PLACES: Final = (files("app.core").joinpath("env.example"), Path(__file__).parents[2] / ".env.example")


@dataclass(frozen=True, slots=True)
class Described:
    """One setting.

    Attributes:
        group: The heading that it stands under.
        text: What it does; empty where nobody wrote it down.
        example: How a value may look; empty: nothing is to be explained.
    """

    group: str
    text: str
    example: str = ""


@cache
def descriptions() -> dict[str, Described]:
    """All settings by name, in the file's order; empty where the file is missing."""
    for place in _PLACES:
        if place.is_file():
            return parse(place.read_text(encoding="utf-8"))
    return {}


def parse(text: str) -> dict[str, Described]:
    """The settings in a text that is written as ``.env.example`` is: comments before the name that they explain."""
    found: dict[str, Described] = {}
    group, example = "", ""
    words: list[str] = []
    for line in text.splitlines():
        if match := _GROUP.match(line):
            group, words, example = match[1].strip(), [], ""
        elif _EXAMPLE.match(line):
            example = line.removeprefix("# ")
        elif line.startswith("#"):
            words.append(line.lstrip("# "))
        else:
            if match := _NAME.match(line):
                found[match[1]] = Described(group, " ".join(words), example)
            words, example = [], ""
    return found
