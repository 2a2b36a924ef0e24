"""JSON from a server, read without stopping the process for others.

A parser in C holds the interpreter until it is done, in whatever thread: 10 ms for a megabyte of records, but 100 ms
for a megabyte of ``[{"a":{}},{"a":{}},...]``. So what is nothing but brackets is refused. And each thousand new objects
make the collector of cycles look through more of the process, all of it in the end, which takes 200 ms; of JSON there
are no cycles to be found, so it rests meanwhile.
"""

from __future__ import annotations

import gc
from typing import Any, Final

import orjson

# A megabyte of records with five fields has a fifth of it.
MAX_BRACKETS: Final = 50_000


class JsonRefused(ValueError):
    """It has too many parts to be read as data. Holds nothing of what came."""


def json_data(body: bytes) -> Any:
    """The value.

    Raises:
        orjson.JSONDecodeError: it is no JSON.
        JsonRefused: see there.
    """
    # Brackets within texts count too: looking for texts would take longer than parsing.
    brackets = body.count(b"{") + body.count(b"[")
    if brackets > MAX_BRACKETS:
        raise JsonRefused(f"it has {brackets:,} objects and lists; up to {MAX_BRACKETS:,} are read as data")
    collecting = gc.isenabled()
    gc.disable()
    try:
        return orjson.loads(body)
    finally:
        if collecting:
            gc.enable()
