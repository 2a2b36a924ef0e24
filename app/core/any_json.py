"""JSON of whatever a model, a tool or a caller made up."""

from __future__ import annotations

import json
from typing import Any

import orjson


def any_json(value: Any) -> bytes:
    """The value as JSON, on one line. What JSON has no form for becomes text.

    Raises:
        RecursionError: it is nested a thousand levels deep.
    """
    try:
        return orjson.dumps(value, default=str)
    except TypeError:  # a number beyond 64 bits, half a surrogate pair, 255 levels
        return json.dumps(value, default=str).encode()
