"""Arguments that are JSON written as a text.

Providers' schema dialects have no word for "any object" or "anything": Gemini makes a text of it without saying so, and
OpenAI refuses a list that does not say what it holds. So a parameter that is free-form is asked for as a text with
``contentMediaType: application/json`` (JSON Schema validation, 8.4), and ``contentSchema`` says what the text holds.
The model writes the text; before anything is checked or sent it is read, and a model that gave the value itself is as
welcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

MEDIA_TYPE: Final = "application/json"
# Deeper than any schema that a provider takes.
_MAX_DEPTH: Final = 30


def is_json_text(schema: Any) -> bool:
    """Whether this schema is of a text that holds JSON."""
    return isinstance(schema, Mapping) and schema.get("contentMediaType") == MEDIA_TYPE


def has_json_texts(schema: Any, depth: int = 0) -> bool:
    """Whether there is one anywhere in the schema."""
    if depth > _MAX_DEPTH:
        return False
    if isinstance(schema, Mapping):
        return is_json_text(schema) or any(has_json_texts(part, depth + 1) for part in schema.values())
    return isinstance(schema, list) and any(has_json_texts(part, depth + 1) for part in schema)


def schema_of_content(schema: Any, depth: int = 0) -> Any:
    """The schema of the arguments as they are once the texts have been read."""
    if depth > _MAX_DEPTH:
        return schema
    if is_json_text(schema):
        content = schema.get("contentSchema", {})
        return {**content, "default": _read(schema["default"])} if "default" in schema else content
    if isinstance(schema, Mapping):
        return {name: schema_of_content(part, depth + 1) for name, part in schema.items()}
    if isinstance(schema, list):
        return [schema_of_content(part, depth + 1) for part in schema]
    return schema


def read_texts(value: Any, schema: Any, depth: int = 0) -> Any:
    """The value with its JSON texts read. What is no JSON stays a text: it is for the schema to say whether that will
    do."""
    if depth > _MAX_DEPTH or not isinstance(schema, Mapping):
        return value
    if is_json_text(schema):
        return _read(value)
    if isinstance(value, Mapping):
        properties, more = schema.get("properties"), schema.get("additionalProperties")
        known = properties if isinstance(properties, Mapping) else {}
        return {name: read_texts(part, known.get(name, more), depth + 1) for name, part in value.items()}
    if isinstance(value, list):
        return [read_texts(each, schema.get("items"), depth + 1) for each in value]
    options = schema.get("anyOf")
    if isinstance(value, str) and isinstance(options, list):
        texts = [option for option in options if is_json_text(option)]
        plain = any(
            isinstance(option, Mapping) and option.get("type") == "string" for option in options if option not in texts
        )
        return _read(value) if texts and not plain else value
    return value


def _read(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
