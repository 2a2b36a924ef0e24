"""What a closed section of a tool's form holds, in a few words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from app.tools.definition import Behaviour, ResultSpec
from app.web.forms import Form
from app.web.tool_rows import BOUND, STATUSES, rows

_SHOWN: Final = 3
_CERTIFICATE: Final = ("certificate", "key", "authority")
_BEHAVIOUR, _RESULT = Behaviour(), ResultSpec()


def gists(form: Form) -> Mapping[str, str]:
    """By section: what is typed there besides what is usual; empty where nothing is."""
    parts = {"authorisation": _login, "bound": _bound, "result": _result, "behaviour": _behaviour}
    return {part: ", ".join(words(form)) for part, words in parts.items()}


def _login(form: Form) -> Iterator[str]:
    def typed(name: str) -> str:
        return form.text(f"authorisation.{name}").strip()

    def secret(name: str) -> str:
        return f"secret {typed(name)}" if typed(name) else "no secret yet"

    match typed("type"):
        case "basic":
            yield from (f"Basic, user {typed('username') or '?'}", secret("password"))
        case "bearer":
            yield from ("Bearer", secret("token"))
        case "api_key":
            place = "query parameter" if typed("place") == "query" else "header"
            yield from (f"API key in the {place} {typed('name') or '?'}", secret("key"))
        case "oauth2" if typed("grant") == "refresh_token":
            yield from ("OAuth 2 with a refresh token", secret("refresh_token"))
        case "oauth2":
            yield from ("OAuth 2 as itself", secret("client_secret"))
    if any(typed(f"client_certificate.{name}") for name in _CERTIFICATE):
        yield "client certificate"


def _bound(form: Form) -> Iterator[str]:
    found = [row for row in rows(form, BOUND, spare=False) if row.name.strip()]
    for row in found[:_SHOWN]:
        comes, value = ("from call.", row.value.removeprefix("call.")) if row.kind == "call" else ("always ", row.value)
        yield f"{row.name.strip()} {comes}{_short(value)}"
    if len(found) > _SHOWN:
        yield f"{len(found) - _SHOWN} more"


def _result(form: Form) -> Iterator[str]:
    if selection := form.text("result.select").strip():
        yield f"selection {_short(selection)}"
    if form.text("result.template").strip():
        yield "wording"
    if statuses := [row.name.strip() for row in rows(form, STATUSES, spare=False) if row.name.strip()]:
        yield f"words for {' and '.join(statuses[:_SHOWN])}{' and others' if len(statuses) > _SHOWN else ''}"
    if (most := form.text("result.max_bytes").strip()) not in ("", str(_RESULT.max_bytes)):
        yield f"at most {most} bytes"


def _behaviour(form: Form) -> Iterator[str]:
    def other(name: str) -> str:
        typed = form.text(f"behaviour.{name}").strip()
        usual = getattr(_BEHAVIOUR, name)
        return "" if typed in ("", usual if isinstance(usual, str) else f"{usual:g}") else typed

    def flag(name: str) -> bool:
        return form.flag(f"behaviour.{name}")

    if flag("needs_confirmation"):
        yield "needs confirmation"
    if flag("commit_on_interrupt"):
        yield "finishes when interrupted"
    if other("filler"):
        yield f"a sentence after {form.text('behaviour.filler_after').strip() or f'{_BEHAVIOUR.filler_after:g}'} s"
    if retries := other("retries"):
        yield f"{retries} repeat{'' if retries == '1' else 's'}"
    if flag("repeatable"):
        yield "repeating is safe"
    if header := other("idempotency_header"):
        yield _short(header)
    if (failures := other("breaker_failures")) == "0":
        yield "never counts as down"
    elif failures or other("breaker_seconds"):
        usual = f"{_BEHAVIOUR.breaker_failures}"
        seconds = form.text("behaviour.breaker_seconds").strip() or f"{_BEHAVIOUR.breaker_seconds:g}"
        yield f"down for {seconds} s after {failures or usual} failures"
    if concurrent := other("max_concurrent"):
        yield f"{concurrent} at a time"
    if minute := other("per_minute"):
        yield f"{minute} a minute"
    if seconds := other("cache_seconds"):
        yield f"answers kept {seconds} s"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 40 else f"{line[:39]}…"
