"""What an operator may type about an MCP server. Pure; every mistake by its field. No secret is taken as it is: it is
stored as one, and named."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from app.db.audit import looks_secret, names_secret
from app.db.values import text_problem
from app.models.names import NAME_LENGTH
from app.tools.auth.definition import Authorisation, NoLogin, SecretName, Secrets, secret_names
from app.tools.auth.destinations import program_of, server_of, strangers
from app.tools.auth.parsing import read_authorisation, stored_form
from app.tools.errors import ToolInvalid
from app.tools.mcp.definition import McpServer
from app.tools.mcp.placeholders import secrets_named
from app.tools.request_rules import HEADER_NAME, HOP_HEADERS, Findings, read_url
from app.tools.secrets import is_secret_header, mapped_url

MAX_ENTRIES: Final = 50
MAX_VALUE: Final = 4_000
_MAX_URL: Final = 2_000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
# By these loaders, shells and interpreters run other code than that of the program. The list cannot be whole: what a
# program does by its arguments and its environment is for whoever names it in MCP_STDIO_COMMANDS to know.
_LOADING: Final = frozenset(
    [
        "BASH_ENV",
        "ENV",
        "PATH",
        "IFS",
        "SHELLOPTS",
        "GCONV_PATH",
        "PYTHONHOME",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PYTHONUSERBASE",
        "NODE_OPTIONS",
        "NODE_PATH",
        "PERL5OPT",
        "PERL5LIB",
        "RUBYOPT",
        "RUBYLIB",
        "JAVA_TOOL_OPTIONS",
        "JDK_JAVA_OPTIONS",
        "_JAVA_OPTIONS",
        "CLASSPATH",
        "DOTNET_STARTUP_HOOKS",
        "PHP_INI_SCAN_DIR",
        "PHPRC",
        "LUA_INIT",
    ]
)
# The session's own.
_OURS: Final = frozenset({"accept", "content-type", "mcp-session-id", "mcp-protocol-version", "last-event-id"})
_AS_SECRET: Final = "Store it as a secret, and write {{ secret.NAME }} here: "  # noqa: S105 - words


@dataclass(frozen=True, slots=True)
class McpServerDraft:
    """A server as it is typed."""

    name: str
    transport: Literal["http", "stdio"] = "http"
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    authorisation: Authorisation = field(default_factory=Authorisation)
    command: str = ""
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True


def parse_server(data: Mapping[str, Any], *, commands: Collection[str], secrets: Secrets) -> McpServerDraft:
    """The server that somebody typed.

    Args:
        commands: The programs that ``MCP_STDIO_COMMANDS`` names.
        secrets: Those that are there, with the servers that may get them.

    Raises:
        ToolInvalid: with everything that is wrong.
    """
    found = Findings()
    name = found.read(_name, data.get("name"))
    transport = data.get("transport", "http")
    draft: dict[str, Any] = {}
    if transport == "http":
        draft = _http(data, found)
    elif transport == "stdio":
        draft = _stdio(data, commands, found)
    else:
        found.add("transport", "The transport is http or stdio.")
    if draft.get("url"):
        for mistake in strangers(draft["authorisation"], draft["url"], secrets):
            found.add(mistake.field.removeprefix("request."), mistake.message)
        _refuse_strangers("headers", draft["headers"], server_of(draft["url"]), secrets, found)
    elif draft.get("command"):
        _refuse_strangers("env", draft["env"], program_of(draft["command"]), secrets, found)
    for each in _named(draft, found):
        if each not in secrets:
            # Not repeated: who mistakes the field types the secret itself.
            found.add("headers" if transport == "http" else "env", "There is no secret of a name that is used here.")
    if found.mistakes:
        raise ToolInvalid.of(found.mistakes)
    return McpServerDraft(name=name or "", transport=transport, enabled=data.get("enabled") is not False, **draft)


def settings_form(draft: McpServerDraft) -> dict[str, Any]:
    """The column ``settings``."""
    if draft.transport == "http":
        return {
            "url": draft.url,
            "headers": dict(draft.headers),
            "authorisation": stored_form(draft.authorisation),
        }
    return {"command": draft.command, "args": list(draft.args), "env": dict(draft.env)}


def server_from(
    *, id: int, revision: int, name: str, transport: str, settings: Mapping[str, Any], enabled: bool
) -> McpServer:
    """The reverse of :func:`settings_form`."""
    found = Findings()
    authorisation = read_authorisation(settings.get("authorisation"), found)
    return McpServer(
        id=id,
        revision=revision,
        name=name,
        transport="stdio" if transport == "stdio" else "http",
        url=settings.get("url", ""),
        headers=settings.get("headers", {}),
        # What a later version of the service has written, and this one does not know, is no login.
        authorisation=authorisation or Authorisation(),
        command=settings.get("command", ""),
        args=tuple(settings.get("args", ())),
        env=settings.get("env", {}),
        enabled=enabled,
    )


def _refuse_strangers(part: str, values: Mapping[str, str], place: str, secrets: Secrets, found: Findings) -> None:
    """Secrets that may not go to the server or program; it is looked at again with each request, and each start."""
    for key, value in values.items():
        with suppress(ValueError):  # told where the names are read
            for name in secrets_named([value]):
                secret = secrets.get(name)
                if secret is not None and secret.servers is not None and place not in secret.servers:
                    found.add(
                        f"{part}.{key}",
                        f"The secret {name} may not be sent to {place}. Add it to the servers of the secret, or take "
                        "the secret out here.",
                    )


def _named(draft: Mapping[str, Any], found: Findings) -> list[SecretName]:
    names: list[SecretName] = []
    for part in ("headers", "env"):
        for key, value in draft.get(part, {}).items():
            try:
                names += secrets_named([value])
            except ValueError as error:
                found.add(f"{part}.{key}", str(error))
    return names + secret_names(draft.get("authorisation") or Authorisation())


def _name(value: Any) -> str:
    name = value.strip() if isinstance(value, str) else ""
    if not name or len(name) > NAME_LENGTH or text_problem(name, max_bytes=4 * NAME_LENGTH) or _CONTROL.search(name):
        raise ToolInvalid(f"Give the server a name of at most {NAME_LENGTH} characters.", field="name")
    return name


def _http(data: Mapping[str, Any], found: Findings) -> dict[str, Any]:
    url = found.read(_url, data.get("url"))
    headers = _texts(data.get("headers"), "headers", found, _header)
    authorisation = read_authorisation(data.get("authorisation"), found)
    if authorisation is not None and not isinstance(authorisation.login, NoLogin):
        for name in headers:
            if name.lower() == "authorization":
                found.add(f"headers.{name}", "The login sets the header Authorization already; leave it out here.")
    return {"url": url or "", "headers": headers, "authorisation": authorisation or Authorisation()}


def _url(value: Any) -> str:
    try:
        url = read_url(value)
    except ToolInvalid as error:
        raise ToolInvalid(str(error), field="url") from error
    if "{{" in url:
        raise ToolInvalid("The URL holds no placeholders; a key goes into a header or the login.", field="url")
    secret: list[object] = []
    mapped_url(url, lambda place, each: secret.append(each))
    if secret:
        raise ToolInvalid("The URL holds what looks like a key. Send it by the login: API key, query.", field="url")
    if len(url) > _MAX_URL:
        raise ToolInvalid(f"The URL has more than {_MAX_URL:,} characters.", field="url")
    return url


def _header(name: str, value: str) -> str | None:
    if not HEADER_NAME.fullmatch(name):
        return "is no header name."
    if name.lower() in HOP_HEADERS or name.lower() in _OURS:
        return "is set by the service itself; leave it out."
    if is_secret_header(name, value) and "{{" not in value:
        return f"looks like a secret. {_AS_SECRET}it is not kept in the open."
    return None


def _variable(name: str, value: str) -> str | None:
    if not _VARIABLE.fullmatch(name):
        return "is no name of a variable: letters, digits and _."
    if name.startswith(("LD_", "DYLD_")) or name in _LOADING:
        return "would change what the program is; leave it out."
    if (names_secret(name) or looks_secret(value)) and value and "{{" not in value:
        return f"looks like a secret. {_AS_SECRET}it is not kept in the open."
    return None


def _texts(value: Any, field: str, found: Findings, problem: Callable[[str, str], str | None]) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or len(value) > MAX_ENTRIES:
        found.add(field, f"At most {MAX_ENTRIES} names with their values.")
        return {}
    texts: dict[str, str] = {}
    for name, text in value.items():
        if not isinstance(text, str) or len(text) > MAX_VALUE or _CONTROL.search(text):
            found.add(f"{field}.{name}", f"A text without line breaks, of at most {MAX_VALUE:,} characters.")
        elif words := problem(str(name), text):
            found.add(f"{field}.{name}"[:200], f"{str(name)[:60]} {words}")
        texts[str(name)] = str(text)
    return texts


def _stdio(data: Mapping[str, Any], commands: Collection[str], found: Findings) -> dict[str, Any]:
    command = data.get("command")
    if not isinstance(command, str) or command not in commands:
        known = ", ".join(sorted(commands))
        found.add(
            "command",
            f"Choose one of the programs that MCP_STDIO_COMMANDS names: {known}."
            if known
            else "No program may be run yet: whoever runs this machine names the programs in MCP_STDIO_COMMANDS.",
        )
    args = data.get("args") or []
    if not isinstance(args, list) or len(args) > MAX_ENTRIES or not all(isinstance(each, str) for each in args):
        found.add("args", f"A list of at most {MAX_ENTRIES} texts.")
        args = []
    for index, each in enumerate(args):
        if len(each) > MAX_VALUE or "\0" in each:
            found.add(f"args.{index}", f"A text of at most {MAX_VALUE:,} characters.")
        elif looks_secret(each):
            # Everybody on the machine sees the arguments of a program.
            found.add(f"args.{index}", "It looks like a secret. Give it to the program by its environment.")
    env = _texts(data.get("env"), "env", found, _variable)
    return {"command": str(command or ""), "args": tuple(args), "env": env}
