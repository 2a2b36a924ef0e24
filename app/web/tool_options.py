"""The parts of a tool besides its request as the fields of a form, and back. Each field has the path by which its
mistakes are noted, such as ``behaviour.retries``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Final

from app.tools.auth.parsing import stored_form
from app.tools.definition import Behaviour, ResultSpec, ToolDefinition
from app.web.forms import Form
from app.web.tool_rows import BOUND, EXTRA, STATUSES, columns, texts, values

LOGINS: Final = (
    ("none", "None: the request is sent as it is"),
    ("basic", "User name and password (Basic)"),
    ("bearer", "Token (Bearer)"),
    ("api_key", "API key in a header or in the query"),
    ("oauth2", "OAuth 2: a token from an authorisation server"),
)
# The fields of each login that are one input.
_LOGIN_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "none": (),
    "basic": ("username", "password"),
    "bearer": ("token",),
    "api_key": ("place", "name", "key", "prefix"),
    "oauth2": ("grant", "token_url", "client_id", "client_secret", "refresh_token", "scope", "client_auth"),
}
_CERTIFICATE: Final = ("certificate", "key", "password", "authority")
# Where a space at the end means something.
_AS_TYPED: Final = frozenset({"prefix"})


def shown_options(tool: ToolDefinition) -> dict[str, Any]:
    """The values of the inputs."""
    login = stored_form(tool.authorisation)
    certificate = login.pop("client_certificate", {})
    return {
        **columns(BOUND, tool.bound),
        **{f"result.{name}": value for name, value in asdict(tool.result).items() if name != "statuses"},
        **columns(STATUSES, tool.result.statuses),
        **{f"behaviour.{name}": _shown(value) for name, value in asdict(tool.behaviour).items()},
        **{f"authorisation.{name}": _shown(value) for name, value in login.items() if name != "extra"},
        **{f"authorisation.client_certificate.{name}": value for name, value in certificate.items()},
        **columns(EXTRA, login.get("extra", {})),
    }


def typed_options(form: Form) -> dict[str, Any]:
    """What was typed, as :func:`app.tools.validation.check_definition` reads it."""
    return {
        "bound": values(form, BOUND),
        "result": {**_of_class(form, "result", ResultSpec()), "statuses": texts(form, STATUSES)},
        "behaviour": _of_class(form, "behaviour", Behaviour()),
        "authorisation": _login(form),
    }


def mistaken(form: Form) -> frozenset[str]:
    """The sections that something is wrong in: these are shown open."""
    parts = ("bound", "result", "behaviour", "authorisation")
    return frozenset(part for part in parts for field in form.errors if field == part or field.startswith(f"{part}."))


def _of_class(form: Form, part: str, usual: Behaviour | ResultSpec) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in fields(usual):
        name, default = f"{part}.{each.name}", getattr(usual, each.name)
        if isinstance(default, bool):
            found[each.name] = form.flag(name)
        elif isinstance(default, str):
            found[each.name] = form.text(name)
        elif isinstance(default, int | float) and (number := form.number(name)) is not None:
            found[each.name] = number
    return found


def _login(form: Form) -> dict[str, Any]:
    kind = form.text("authorisation.type") or "none"
    found: dict[str, Any] = {"type": kind}
    for name in _LOGIN_FIELDS.get(kind, ()):
        typed = form.text(f"authorisation.{name}")
        typed = typed if name in _AS_TYPED else typed.strip()
        if typed:
            found[name] = typed
    if kind == "oauth2":
        if extra := texts(form, EXTRA):
            found["extra"] = extra
        if (timeout := form.number("authorisation.timeout")) is not None:
            found["timeout"] = timeout
    certificate = {
        name: secret for name in _CERTIFICATE if (secret := form.optional(f"authorisation.client_certificate.{name}"))
    }
    if certificate:
        found["client_certificate"] = certificate
    return found


def _shown(value: Any) -> Any:
    return value if isinstance(value, str | bool) else _text(value)


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
