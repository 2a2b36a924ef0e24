"""The parts of a tool besides its request, from what an operator typed: what the model sees of the result, how the
tool behaves, and which parameters are bound. Each mistake by the path of its field."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, NamedTuple, TypeVar

from app.db.values import json_problem, text_problem
from app.tools.definition import Behaviour, ResultSpec
from app.tools.errors import ToolInvalid
from app.tools.placeholders import placeholders_in
from app.tools.reading.selection import SelectionInvalid, check_selection
from app.tools.reading.template import TemplateInvalid, check_template
from app.tools.request_rules import HEADER_NAME, HOP_HEADERS, Findings

MAX_FILLER_CHARS: Final = 300
MAX_TEMPLATE_CHARS: Final = 10_000
MAX_BOUND_BYTES: Final = 100_000
_STATUS: Final = re.compile(r"[1-5](?:[0-9]{2}|xx)")


class Limits(NamedTuple):
    """What a number may be. ``zero`` is allowed besides: it switches the part off."""

    low: float
    high: float
    unit: str
    zero: bool = True


# Of the numbers of :class:`~app.tools.definition.Behaviour` and of the result, by name.
LIMITS: Final[Mapping[str, Limits]] = {
    "retries": Limits(1, 5, "repeats"),
    "breaker_failures": Limits(1, 100, "failures in a row"),
    "breaker_seconds": Limits(1, 3_600, "seconds", zero=False),
    "max_concurrent": Limits(1, 1_000, "calls at a time"),
    "per_minute": Limits(1, 100_000, "calls in a minute"),
    "cache_seconds": Limits(0.1, 86_400, "seconds"),
    "filler_after": Limits(0, 30, "seconds"),
    "max_bytes": Limits(200, 100_000, "bytes", zero=False),
}

# Names in messages, where the page calls it otherwise.
_WORDS: Final = {"retries": "The number of repeats (retries)"}

T = TypeVar("T", Behaviour, ResultSpec)


def read_behaviour(value: Any, found: Findings) -> Behaviour | None:
    """How a tool behaves; None, with all that is wrong in ``found``. Absent means as usual."""
    typed = _known("behaviour", value, Behaviour, found)
    if typed is None:
        return None
    made = _read("behaviour", typed, Behaviour(), found)
    if made is None:
        return None
    if made.idempotency_header and not HEADER_NAME.fullmatch(made.idempotency_header):
        found.add("behaviour.idempotency_header", "This is no name of a header; most servers want Idempotency-Key.")
    elif made.idempotency_header.lower() in HOP_HEADERS:
        found.add("behaviour.idempotency_header", "This header is set by the HTTP client itself; choose another.")
    if len(made.filler) > MAX_FILLER_CHARS:
        found.add("behaviour.filler", f"The sentence may have {MAX_FILLER_CHARS} characters.")
    return made


def read_result(value: Any, found: Findings) -> ResultSpec | None:
    """What the model sees of the response; None, with all that is wrong in ``found``. Absent means as usual."""
    typed = _known("result", value, ResultSpec, found)
    if typed is None:
        return None
    statuses = found.read(_statuses, typed.get("statuses"))
    made = _read("result", {name: each for name, each in typed.items() if name != "statuses"}, ResultSpec(), found)
    if made is None or statuses is None:
        return None
    for name in ("select", "template"):
        if len(getattr(made, name)) > MAX_TEMPLATE_CHARS:
            found.add(f"result.{name}", f"It may have {MAX_TEMPLATE_CHARS:,} characters.")
    if made.select.strip() and len(made.select) <= MAX_TEMPLATE_CHARS:
        try:
            check_selection(made.select.strip())
        except SelectionInvalid as error:
            found.add("result.select", str(error))
    if made.template and len(made.template) <= MAX_TEMPLATE_CHARS:
        try:
            check_template(made.template)
        except TemplateInvalid as error:
            found.add("result.template", str(error))
    return ResultSpec(made.select.strip(), made.template, int(made.max_bytes), statuses)


def read_bound(value: Any, parameters: Mapping[str, Any] | None, found: Findings) -> Mapping[str, Any] | None:
    """The bound parameters; None, with all that is wrong in ``found``. Absent means none.

    Args:
        parameters: The tool's JSON Schema; None where that is wrong itself.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        found.add("bound", 'The bound parameters are an object: {"customer": "{{ call.caller_number }}"}')
        return None
    problem = json_problem(dict(value), max_bytes=MAX_BOUND_BYTES)
    if problem:
        found.add("bound", f"What is bound {problem}.")
        return None
    before = len(found.mistakes)
    known = None if parameters is None else parameters["properties"]
    for name, each in value.items():
        field = f"bound.{name}"
        if known is not None and name not in known:
            found.add(field, f"{name[:60]} is no parameter of the tool; it has {', '.join(sorted(known)) or 'none'}.")
        try:
            sources = {placeholder.source for placeholder in placeholders_in(each)}
        except ValueError as error:
            found.add(field, str(error))
            continue
        if sources - {"call"}:
            found.add(field, "A bound parameter comes from the call: {{ call.NAME }}, or is a value as it stands.")
    return dict(value) if len(found.mistakes) == before else None


def _known(path: str, value: Any, made: type[T], found: Findings) -> Mapping[str, Any] | None:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        found.add(path, f"{path} is an object.")
        return None
    names = [field.name for field in fields(made)]
    for name in sorted(set(map(str, value)) - set(names)):
        found.add(path, f"{path} has no field {name[:60]!r}; it has {', '.join(names)}.")
    return {name: each for name, each in value.items() if name in names and each is not None}


def _read(path: str, typed: Mapping[str, Any], usual: T, found: Findings) -> T | None:
    before = len(found.mistakes)
    values = {name: found.read(_one, f"{path}.{name}", each, getattr(usual, name)) for name, each in typed.items()}
    return type(usual)(**values) if len(found.mistakes) == before else None  # type: ignore[arg-type]


def _one(field: str, value: Any, usual: Any) -> Any:
    """One value, of the type that the usual one has."""
    name = field.rpartition(".")[2]
    if isinstance(usual, bool):
        if not isinstance(value, bool):
            raise ToolInvalid(f"{name} is true or false.", field=field)
        return value
    if isinstance(usual, str):
        problem = text_problem(value, max_bytes=4 * MAX_TEMPLATE_CHARS) if isinstance(value, str) else "is no text"
        if problem:
            raise ToolInvalid(f"{name} {problem}.", field=field)
        return value
    limits = LIMITS[name]
    whole = isinstance(usual, int)
    usable = not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
    if usable and whole:
        usable = value == int(value)
    if not usable or not (limits.low <= value <= limits.high or (limits.zero and value == 0)):
        kind = "a whole number" if whole else "a number"
        off = ", or 0 for none" if limits.zero and limits.low > 0 else ""
        raise ToolInvalid(
            f"{_WORDS.get(name, name)} is {kind} from {limits.low:,g} to {limits.high:,g} ({limits.unit}){off}.",
            field=field,
        )
    return int(value) if whole else float(value)


def _statuses(value: Any) -> Mapping[str, str]:
    field = "result.statuses"
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(words, str) for words in value.values()):
        raise ToolInvalid('The words for statuses are an object: {"404": "There is no such order."}', field=field)
    for status, words in value.items():
        if not _STATUS.fullmatch(str(status).lower()):
            raise ToolInvalid(
                f"{str(status)[:20]!r} is no status: write 404, or 5xx for all from 500 to 599.", field=field
            )
        problem = text_problem(words, max_bytes=2_000)
        if problem or not words.strip():
            raise ToolInvalid(f"What is said for {status} {problem or 'is empty'}.", field=f"{field}.{status}")
    return {str(status).lower(): words for status, words in value.items()}
