"""Arguments for a tool, found in what the caller said by the tool's JSON Schema. Used by the demo model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.llm.demo_words import humanise, topics

_COUNTED = "zero one two three four five six seven eight nine ten eleven twelve"
_NUMBER_WORDS = {word: number for number, word in enumerate(_COUNTED.split())}
_REFERENCE = re.compile(r"\b[A-Za-z]{0,4}-?\d[\w-]*\b")
# Speech recognition writes "A 1042" for A1042. Only a capital, or "a 20 euro card" would be an order.
_SPELLED_REFERENCE = re.compile(r"\b([A-Z])[ -](\d{2,})\b")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:[.,]\d+)?(?![\w])")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+\w")
_PHONE = re.compile(r"\+?\d[\d ()/-]{4,}\d")
_ISO_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_DAY = re.compile(
    r"\b(today|tonight|tomorrow|yesterday|monday|tuesday|wednesday|thursday|friday|saturday|sunday|heute|morgen)\b",
    re.IGNORECASE,
)
_TIME = re.compile(r"\b(\d{1,2}:\d{2}(?:\s?[ap]m)?|\d{1,2}\s?(?:[ap]m|o'clock|uhr))\b", re.IGNORECASE)
_PLACE = re.compile(r"\b(?:in|at|for|to|from|near|of|nach|aus)\s+((?:[A-ZÄÖÜ][\w'-]+)(?:\s+[A-ZÄÖÜ][\w'-]+)*)")
_PLACE_LOWER = re.compile(r"\b(?:in|near|nach|aus)\s+([^\W\d_][\w'-]+)\s*[?.!]*$", re.IGNORECASE)
_NAME = re.compile(r"\b(?:name is|name's|i am|i'm|this is|for|ich heiße|ich bin)\s+([A-ZÄÖÜ][\w'-]+)", re.IGNORECASE)
_CAPITALISED = re.compile(r"(?<=\s)(?!I\b|I'm\b)[A-ZÄÖÜ][\w'-]+")
_QUOTED = re.compile(r"[\"“„'‘]([^\"”“'’]{1,200})[\"”“'’]")

_REFERENCE_WORDS = {"id", "number", "no", "code", "order", "reference", "ref", "ticket", "invoice", "key", "customer"}
_PLACE_WORDS = {"city", "place", "location", "town", "country", "region", "destination", "where"}
_FREE_TEXT_WORDS = {
    "text", "message", "reason", "summary", "note", "notes", "comment", "description", "question", "query", "topic",
    "request", "subject", "content", "body", "search", "q", "term", "terms", "keywords", "input", "concern",
}  # fmt: skip
_ANSWER_WORDS = {"answer", "response", "reply", "say", "speech", "output", "spoken"}
_YES = re.compile(r"\b(yes|yeah|please do|sure|true|urgent|ja)\b", re.IGNORECASE)
_NEUTRAL = ("other", "unknown", "none", "neutral", "general", "default", "unclear")
# Where somebody who asks for a human wants to go.
_HUMAN_WORDS = ("human", "operator", "agent", "reception", "support", "service", "help", "person", "staff", "front")


@dataclass(slots=True)
class Filling:
    """What was found for one tool.

    Attributes:
        values: The arguments.
        missing: Names of required parameters for which nothing was found.
        used: Pieces of the text that are taken, so that two numbers go to two parameters.
    """

    values: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)


def fill(schema: Mapping[str, Any], text: str, *, forced: bool = False, answer: str = "") -> Filling:
    """Arguments for an object ``schema`` from ``text``.

    Args:
        forced: The tool must be called now, so required parameters that the text does not hold get a plausible value
            instead of being reported as missing.
        answer: What the model would say, for parameters that ask for the answer itself (structured output).
    """
    filling = Filling()
    required = set(schema.get("required") or ())
    for name, part in (schema.get("properties") or {}).items():
        part = part if isinstance(part, Mapping) else {}
        value = _find(name, part, text, answer, filling.used)
        if value is None and name in required:
            value = part.get("default")
            if value is None and forced:
                value = _plausible(part, text, answer)
            if value is None:
                filling.missing.append(name)
        if value is not None:
            filling.values[name] = value
    return filling


def _find(name: str, schema: Mapping[str, Any], text: str, answer: str, used: set[str]) -> Any:
    schema = _resolve(schema)
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list):
        return _choose(schema["enum"], text)
    match _type(schema):
        case "integer" | "number" as kind:
            return _number(text, whole=kind == "integer", schema=schema, used=used)
        case "boolean":
            words = topics(humanise(name)) & topics(text)
            return True if words or _YES.search(text) else None
        case "array":
            item = _find(name, schema.get("items") or {}, text, answer, used)
            return None if item is None else [item]
        case "object":
            return fill(schema, text, answer=answer).values or None
        case _:
            return _string(name, schema, text, answer, used)


def _string(name: str, schema: Mapping[str, Any], text: str, answer: str, used: set[str]) -> str | None:
    words = set(humanise(name).split())
    spelled = _SPELLED_REFERENCE.sub(r"\1\2", text)
    kind = schema.get("format")
    found: str | None = None
    if isinstance(schema.get("pattern"), str):
        found = _matching(schema["pattern"], spelled, used)
    elif kind == "email" or words & {"email", "mail"}:
        found = _first(_EMAIL, text, used)
    elif kind in ("date", "date-time") or words & {"date", "day", "when"}:
        found = _first(_ISO_DATE, text, used) or _first(_DAY, text, used)
    elif kind == "time" or "time" in words:
        found = _first(_TIME, text, used)
    elif words & {"phone", "telephone", "msisdn", "extension"}:
        found = _first(_PHONE, text, used) or _first(_NUMBER, text, used)
    elif words & _ANSWER_WORDS and answer:
        return answer
    elif words & _FREE_TEXT_WORDS:
        return text.strip()
    elif words & _PLACE_WORDS:
        found = _place(text, used)
    elif "name" in words:
        found = _first(_NAME, text, used) or _first(_CAPITALISED, text, used)
    elif words & _REFERENCE_WORDS:
        found = _first(_REFERENCE, spelled, used)
        found = found.upper() if found and any(c.isalpha() for c in found) else found
    else:
        found = _first(_QUOTED, text, used) or _first(_REFERENCE, spelled, used) or _first(_CAPITALISED, text, used)
    if found:
        used.add(found)
    return found


def _place(text: str, used: set[str]) -> str | None:
    found = _first(_PLACE, text, used) or _first(_CAPITALISED, text, used)
    if found:
        return found
    # Speech recognition may write everything in lower case.
    lower = _first(_PLACE_LOWER, text.strip(), used)
    return lower.capitalize() if lower else None


def _number(text: str, *, whole: bool, schema: Mapping[str, Any], used: set[str]) -> int | float | None:
    for match in _NUMBER.finditer(text):
        token = match.group()
        if token in used:
            continue
        value = float(token.replace(",", "."))
        low, high = schema.get("minimum"), schema.get("maximum")
        if (whole and not value.is_integer()) or (low is not None and value < low):
            continue
        if high is not None and value > high:
            continue
        used.add(token)
        return int(value) if whole else value
    for word in re.findall(r"[a-z]+", text.lower()):
        # "one" is a pronoun more often than a number.
        if word in _NUMBER_WORDS and word != "one" and word not in used:
            used.add(word)
            return _NUMBER_WORDS[word]
    return None


def _choose(values: list[Any], text: str) -> Any:
    """The value of an enum that the text names, or that shares most words with it."""
    lowered = text.lower()
    named = [v for v in values if isinstance(v, str) and v and re.search(rf"\b{re.escape(v.lower())}\b", lowered)]
    if named:
        return max(named, key=len)
    spoken = topics(text)
    scored = [(len(topics(humanise(str(value))) & spoken), value) for value in values]
    best = max(scored, key=lambda pair: pair[0], default=(0, None))
    return best[1] if best[0] else None


def choose_for_human(values: list[Any]) -> Any:
    """The value of an enum that sounds like a person who can help; the first one when none does."""
    for word in _HUMAN_WORDS:
        for value in values:
            if word in str(value).lower():
                return value
    return values[0] if values else None


def _plausible(schema: Mapping[str, Any], text: str, answer: str) -> Any:
    """A value that the schema allows, for a parameter about which nothing was said."""
    schema = _resolve(schema)
    values = schema.get("enum")
    if isinstance(values, list) and values:
        return next((v for word in _NEUTRAL for v in values if str(v).lower() == word), values[0])
    match _type(schema):
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return False
        case "array":
            return []
        case "object":
            return fill(schema, text, forced=True, answer=answer).values
        case "null":
            return None
        case _:
            words: str = answer or text.strip() or "unknown"
            return words[: int(schema.get("maxLength", len(words)))]


def _resolve(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first alternative that is not null: optional parameters are often written as ``anyOf [X, null]``."""
    for key in ("anyOf", "oneOf"):
        for option in schema.get(key) or ():
            if isinstance(option, Mapping) and option.get("type") != "null":
                return option
    return schema


def _type(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "string")
    return str(kind)


def _first(pattern: re.Pattern[str], text: str, used: set[str]) -> str | None:
    for match in pattern.finditer(text):
        found = (match.group(1) if pattern.groups else match.group()).strip()
        if found and found not in used:
            return found
    return None


def _matching(pattern: str, text: str, used: set[str]) -> str | None:
    try:
        compiled = re.compile(pattern)
    except re.error:
        return None
    words: list[str] = re.findall(r"[\w@.+-]+", text)
    for word in words:
        for candidate in (word.strip(".-"), word.strip(".-").upper()):
            if candidate and candidate not in used and compiled.search(candidate):
                return candidate
    return None
