"""Words for the demo model: cutting text into them, and wording a tool's JSON result as a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

# Words that say nothing about what a question or a tool is about. The verbs are those that tools are named with.
_SAY_NOTHING = """
a about all also am an and any are as at be but by can could do does for from get give had has have hello hi how
i if in into is it its kindly know let like look make many me my need not of on one or our out please show so some
tell thank thanks that the their them there these they this to up us want was we were what when where which who
will with would you your call called caller current currently fetch find check list lookup read
query tool use uses used by given using search api data information info value
der die das ein eine ich du sie ist sind und oder mein meine bitte wie was wann wo haben mir mit von für
"""
_EMPTY_WORDS = frozenset(_SAY_NOTHING.split())

# Different words for one thing; each is replaced by the first of its group.
_SYNONYMS = (
    ("open", "opening", "opened", "hours", "hour", "close", "closed", "closing", "öffnungszeiten", "geöffnet", "offen"),
    ("price", "prices", "cost", "costs", "fee", "charge", "preis", "kosten", "kostet"),
    ("address", "location", "located", "street", "adresse"),
    ("order", "orders", "bestellung", "bestellungen", "purchase", "parcel", "package", "shipment"),
    ("weather", "forecast", "wetter", "raining", "rain", "sunny"),
    ("delivery", "deliver", "delivered", "lieferung", "shipping", "ship"),
    ("refund", "refunds", "return", "returns", "returning", "rückgabe"),
    ("appointment", "appointments", "termin", "booking", "book", "reservation"),
    ("balance", "kontostand"),
)
_SAME = {word: group[0] for group in _SYNONYMS for word in group}

_WORD = re.compile(r"[^\W_]+", re.UNICODE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")

# Fields that are named by a verb: {"arrives": "tomorrow"}.
_VERBS = {
    "arrives",
    "begins",
    "closes",
    "contains",
    "costs",
    "ends",
    "expires",
    "includes",
    "leaves",
    "opens",
    "starts",
}

# What is read aloud of a large result. Nobody listens to more.
_MAX_FIELDS = 8
_MAX_TEXT = 300


def humanise(name: str) -> str:
    """``order_id`` and ``orderId`` as ``order id``."""
    return " ".join(_WORD.findall(_CAMEL.sub(" ", name).replace("_", " "))).lower()


def topics(text: str) -> set[str]:
    """The words of ``text`` that carry meaning, in a common form."""
    found = set()
    for word in _WORD.findall(_CAMEL.sub(" ", text).replace("_", " ").lower()):
        if len(word) > 1 and word not in _EMPTY_WORDS:
            found.add(_SAME.get(word) or _SAME.get(stem := _stem(word)) or stem)
    return found


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word


def sentences(text: str) -> list[str]:
    """The sentences and lines of ``text``, without list marks."""
    return [piece for part in _SENTENCE_END.split(text) if (piece := part.strip(" \t-*#•>").strip())]


def pieces(text: str, words: int = 4) -> Iterator[str]:
    """``text`` in pieces of a few words, as a language model streams it. Joined, they are ``text``."""
    parts = re.findall(r"\S+\s*|\s+", text)
    for start in range(0, len(parts), words):
        yield "".join(parts[start : start + words])


def word_result(content: str) -> str:
    """A tool's result as something that can be spoken."""
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        text = " ".join(content.split())
        if not text:
            return "That is done."
        return f"Here is what I found: {_shorten(text)}"
    if isinstance(value, dict):
        return _word_object(value)
    if isinstance(value, list):
        return _word_list(value)
    return f"The answer is {_word_value(value)}."


def _word_object(value: Mapping[str, Any]) -> str:
    error = value.get("error") or value.get("detail")
    if isinstance(error, dict):
        error = error.get("message")
    if isinstance(error, str) and error:
        return f"That did not work: {_shorten(error)}"
    fields = list(_flatten(value))
    if not fields:
        return "I looked, and found nothing."
    subject = ""
    status = next((text for name, text in fields if name.endswith(("status", "state"))), None)
    identity = next(((n, t) for n, t in fields if n == "id" or n.endswith((" id", " number"))), None)
    if status and identity:
        noun = identity[0].removesuffix("id").removesuffix("number").strip() or "number"
        subject = f"{noun.capitalize()} {identity[1]} is {status}"
        fields = [(n, t) for n, t in fields if (n, t) != identity and t is not status]
    names = {name for name, _ in fields}
    # What has a sentence of its own to say comes last, as it is: {"note": "The courier calls before it comes."}
    notes = [text for _, text in fields if " " in text and text.endswith((".", "!", "?"))]
    told = [
        _clause(name, text)
        for name, text in fields[:_MAX_FIELDS]
        # "arrives on" beside "arrives" is the same once more, for machines.
        if text not in notes and not any(name.startswith(f"{other} ") for other in names)
    ]
    if subject:
        told = [subject, *told]
    elif told:
        told[0] = f"Here is what I found: {told[0]}"
    return " ".join([*([_sentence(", ".join(told))] if told else []), *notes])


def _clause(name: str, text: str) -> str:
    if text in ("yes", "no"):
        return f"{name}: {text}"
    if name.split(" ")[0] in _VERBS:
        return f"it {name} {text}"
    return f"the {name} is {text}"


def _word_list(values: Sequence[Any]) -> str:
    if not values:
        return "I looked, and found nothing."
    told = ", ".join(_word_value(value) for value in values[:3])
    more = f", and {len(values) - 3} more" if len(values) > 3 else ""
    return _sentence(f"I found {len(values)}: {told}{more}")


def _flatten(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, item in value.items():
        spoken = f"{prefix} {humanise(str(name))}".strip()
        if isinstance(item, dict) and not prefix:
            yield from _flatten(item, spoken)
        elif item is not None and item not in ("", [], {}):
            yield spoken, _word_value(item)


def _word_value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dict):
        return " ".join(_word_value(item) for item in list(value.values())[:4])
    if isinstance(value, list):
        return " and ".join(_word_value(item) for item in value[:4])
    return _shorten(" ".join(str(value).split()))


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT].rsplit(" ", 1)[0] + " ..."


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."
