"""The errors of the providers' libraries and of HTTP, as ours.

No SDK is imported here: all of them carry the HTTP status and the response on the exception, and name their
connection errors alike. What a provider wrote in its answer goes into our sentence, but never a key: some providers
repeat a part of it ("Incorrect API key provided: sk-...").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from app.llm.errors import (
    ProviderError,
    ProviderNonsense,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnauthorized,
    ProviderUnavailable,
)

# What is quoted of a provider's own words, and what is read of them to find it.
MAX_DETAIL = 300
_MAX_READ = 20_000

_KEYS = re.compile(r"\b(?:(?:sk|pk|gsk|xai)[-_]|AIza|AQ\.|Bearer )[-_.A-Za-z0-9*]{6,}")
_MARKUP = re.compile(r"<[^>]{0,200}>")

_TIMEOUT_NAMES = {
    "APITimeoutError",
    "TimeoutException",
    "TimeoutError",
    "ServerTimeoutError",
    "StreamChunkTimeoutError",
}
_CONNECTION_NAMES = {
    "APIConnectionError",
    "TransportError",
    "ClientConnectionError",
    "ClientPayloadError",
    "ConnectionError",
}
_NONSENSE_NAMES = {"JSONDecodeError", "APIResponseValidationError", "ValidationError", "UnknownApiResponseError"}

# The fields of an error body that speak of the error.
_TELLING = ("message", "detail", "msg", "reason", "status", "code")


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose error it is, in the words an operator knows.

    Attributes:
        name: The provider's name.
        key_setting: Where its key is set.
        url: Its address, for connection errors.
        secrets: Never to appear in a message.
    """

    name: str
    key_setting: str
    url: str
    secrets: tuple[str, ...] = ()

    def clean(self, text: str) -> str:
        """``text`` on one line, cut, without markup and keys."""
        text = text[:_MAX_READ]
        for secret in self.secrets:
            # A short one may be a part of any word, and one or two letters stand for a server that wants no key.
            if len(secret) >= 8:
                text = text.replace(secret, "***")
            elif len(secret) >= 3:
                text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
        text = " ".join(_KEYS.sub("***", _MARKUP.sub(" ", text)).split())
        return text if len(text) <= MAX_DETAIL else text[:MAX_DETAIL] + " ..."


def from_status(origin: Origin, status: int, detail: str = "", retry_after: float | None = None) -> ProviderError:
    """The error for an HTTP ``status`` of the provider.

    Args:
        detail: What the provider wrote; may be empty, long, or HTML.
        retry_after: Seconds that it asked us to wait.
    """
    name, said = origin.name, origin.clean(detail)
    because = f" It says: {said}" if said else ""
    kind: type[ProviderError] = ProviderError
    retryable: bool | None = None
    match status:
        case 401 | 403:
            kind, text = ProviderUnauthorized, f"{name} does not accept the key ({status}). Check {origin.key_setting}."
        case 429:
            kind, wait = ProviderRateLimited, f" Try again in {retry_after:g} s." if retry_after else ""
            text = f"{name} allows no more requests for now ({status}): too many, or the quota is used up.{wait}"
            # A used-up quota does not come back by waiting a moment.
            retryable = False if "insufficient_quota" in detail or "exceeded your current quota" in detail else None
        case 408 | 504:
            kind, text = ProviderTimeout, f"{name} ran out of time ({status})."
        case 404:
            kind = ProviderRefused
            text = f"{name} does not know this model or address ({status}). Check the model's name and {origin.url}."
        case _ if 300 <= status < 400:
            # Not followed: the key would go to an address that nobody wrote down.
            kind, text = (
                ProviderRefused,
                f"{name} redirects to another address ({status}). Write that one in place of {origin.url}.",
            )
        case _ if 400 <= status < 500:
            kind, text = ProviderRefused, f"{name} does not accept the request ({status})."
        case _ if status >= 500:
            kind, text = ProviderUnavailable, f"{name} has a problem of its own ({status}). It may pass by itself."
        case _:
            kind, text = ProviderNonsense, f"{name} answered with status {status}, which means nothing here."
    return kind(text + because, provider=name, status=status, retry_after=retry_after, retryable=retryable)


def unreachable(origin: Origin, error: BaseException) -> ProviderUnavailable:
    """The connection could not be made, or broke before an answer came."""
    what = origin.clean(str(error)) or type(error).__name__
    return ProviderUnavailable(
        f"{origin.name} cannot be reached at {origin.url}: {what}. Check the address, the network and the firewall.",
        provider=origin.name,
    )


def too_late(origin: Origin) -> ProviderTimeout:
    """No answer came in time."""
    return ProviderTimeout(f"{origin.name} did not answer in time.", provider=origin.name)


def nonsense(origin: Origin, what: str) -> ProviderNonsense:
    """The answer does not follow the protocol; ``what`` completes "openai ..."."""
    return ProviderNonsense(f"{origin.name} {origin.clean(what)}", provider=origin.name)


def cut_off(origin: Origin) -> ProviderNonsense:
    """The connection broke in the middle of an answer."""
    return nonsense(origin, "closed the connection in the middle of its answer.")


def explain(origin: Origin, error: Exception) -> ProviderError:
    """Any error of a provider's library, of httpx or of aiohttp, as one of ours."""
    if isinstance(error, ProviderError):
        return error
    chain = list(_causes(error))
    for link in chain:
        if isinstance(link, ProviderError):
            return link
        status = _status(link)
        if status is not None:
            return from_status(origin, status, _detail(link), _retry_after(link))
    names = {base.__name__ for link in chain for base in type(link).__mro__}
    if names & _TIMEOUT_NAMES:
        return too_late(origin)
    if any("complete message body" in str(link) for link in chain):
        return cut_off(origin)
    if names & _CONNECTION_NAMES:
        return unreachable(origin, chain[-1])
    if "APIError" in names:
        # An error event in the middle of a stream that was already answered with 200.
        return from_status(origin, _status_of_body(getattr(error, "body", None)), _detail(error))
    if names & _NONSENSE_NAMES or isinstance(error, (ValueError, KeyError, TypeError, IndexError, AttributeError)):
        return nonsense(origin, f"sent an answer that cannot be understood ({_words(error)}).")
    return ProviderError(
        f"{origin.name} failed: {type(error).__name__}: {origin.clean(str(error))}", provider=origin.name
    )


def _words(error: Exception) -> str:
    """The type and the text of ``error``; of pydantic's only where it was, since its text quotes what was said."""
    places = getattr(error, "errors", None)
    if not callable(places):
        return f"{type(error).__name__}: {error}"
    found = places(include_url=False, include_context=False, include_input=False)
    return f"{type(error).__name__}: " + "; ".join(f"{_path(each)}: {each.get('msg')}" for each in found[:3])


def _path(mistake: Mapping[str, Any]) -> str:
    return ".".join(str(part) for part in mistake.get("loc") or ())


def status_of_error(body: Any) -> int:
    """The HTTP status that an error object in the middle of a stream stands for."""
    return _status_of_body(body)


def error_text(body: Any) -> str:
    """What an error body says: ``{"error": {"message": ...}}`` and the shapes near it, or plain text."""
    if isinstance(body, bytes):
        try:
            body = orjson.loads(body)
        except orjson.JSONDecodeError:
            body = body.decode("utf-8", "replace")
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        if isinstance(inner, Mapping):
            # Nothing but these: FastAPI's answers repeat the request, and with it what the caller said.
            parts = [str(inner[key]) for key in _TELLING if isinstance(inner.get(key), str)]
            detail = inner.get("detail")
            mistakes = detail[:3] if isinstance(detail, list) else ()
            parts += [f"{_path(each)}: {each.get('msg')}" for each in mistakes if isinstance(each, Mapping)]
            return " ".join(dict.fromkeys(parts))
        return str(inner)
    return str(body or "")


def parse_retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header: a number or an HTTP date (RFC 9110, 10.2.3); None when it is neither."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _status(error: BaseException) -> int | None:
    for source in (error, getattr(error, "response", None)):
        for attribute in ("status_code", "code", "status"):
            value = getattr(source, attribute, None)
            if isinstance(value, int) and 400 <= value < 600:
                return value
    return None


def _detail(error: BaseException) -> str:
    for attribute in ("body", "details"):
        value = getattr(error, attribute, None)
        if value:
            return error_text(value)
    return str(getattr(error, "message", None) or error)


def _retry_after(error: BaseException) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", None)
    if isinstance(headers, Mapping):
        seconds = parse_retry_after(headers.get("retry-after"))
        if seconds is not None:
            return seconds
    # Google says it in the body: {"@type": ".../google.rpc.RetryInfo", "retryDelay": "17s"}.
    match = re.search(r"['\"]retryDelay['\"]:\s*['\"](\d+(?:\.\d+)?)s['\"]", str(getattr(error, "details", "")))
    return float(match.group(1)) if match else None


def _status_of_body(body: Any) -> int:
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    if not isinstance(inner, Mapping):
        return 500
    code = inner.get("code")
    if isinstance(code, str) and code.isdecimal() and len(code) == 3:
        code = int(code)  # LiteLLM writes "429"
    if isinstance(code, int) and 400 <= code < 600:
        return code
    words = f"{code} {inner.get('type')}".lower()
    for part, status in (
        ("rate_limit", 429),
        ("quota", 429),
        ("authentication", 401),
        ("permission", 403),
        ("invalid_request", 400),
        ("not_found", 404),
        ("overloaded", 503),
    ):
        if part in words:
            return status
    return 500
