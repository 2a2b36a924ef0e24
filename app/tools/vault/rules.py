"""What a secret may be: its name, its value, its description, and the servers it may be sent to. Pure.

No message repeats a value, nor what was typed as a name: people mistake the field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from app.db.values import text_problem
from app.models.secret import DESCRIPTION_LENGTH
from app.tools.auth.destinations import PROGRAM, program_of, server_of
from app.tools.errors import ToolInvalid
from app.tools.placeholders import SECRET_NAME
from app.tools.request_rules import read_url
from app.tools.secrets import SHORTEST_FOR_MODELS
from app.tools.vault.errors import SecretInvalid

# Of a value in UTF-8: a certificate with its chain in PEM form has 10 kB.
MAX_VALUE_BYTES: Final = 65_536
MAX_SERVERS: Final = 50
# Of one server's address as it is typed.
_MAX_ADDRESS: Final = 2_000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def checked_name(name: str) -> str:
    """The name. Raises SecretInvalid."""
    name = name.strip()
    if not SECRET_NAME.fullmatch(name):
        raise SecretInvalid(
            "A name has letters, digits, - _ and . (at most 64), and begins with a letter or a digit: crm-token. "
            "It is shown everywhere; the value goes into its own field.",
            field="name",
        )
    return name


def checked_value(value: str) -> str:
    """The value, without the line ends around it that come from pasting. Raises SecretInvalid."""
    value = value.replace("\r\n", "\n").strip("\r\n")
    if not value.strip():
        raise SecretInvalid("The value is empty. Type or paste it.", field="value")
    if problem := text_problem(value, max_bytes=MAX_VALUE_BYTES):
        raise SecretInvalid(f"The value {problem}.", field="value")
    return value


def value_doubt(value: str) -> str:
    """What people should know of a value that is good; empty: nothing."""
    if len(value) >= SHORTEST_FOR_MODELS:
        return ""
    return (
        f"It has fewer than {SHORTEST_FOR_MODELS} characters: if a server says it back, the model gets to read it, "
        "since so short a text cannot be told from others. Use a longer one where you can."
    )


def checked_description(description: str) -> str:
    """The description. Raises SecretInvalid."""
    description = description.strip()
    # Characters, as the column counts them; four bytes are the most that one has.
    if len(description) > DESCRIPTION_LENGTH:
        raise SecretInvalid(f"The description has more than {DESCRIPTION_LENGTH} characters.", field="description")
    if problem := text_problem(description, max_bytes=4 * DESCRIPTION_LENGTH):
        raise SecretInvalid(f"The description {problem}.", field="description")
    return description


def checked_servers(addresses: Iterable[str]) -> list[str]:
    """The servers of these addresses, as ``server_of`` and ``program_of`` write them: in order, each once. What stands
    after the host is left away, so that the address of a tool can be pasted. Raises SecretInvalid."""
    typed = [address.strip() for address in addresses if address.strip()]
    if not typed:
        raise SecretInvalid(
            "Name at least one server that may get this secret, such as https://api.example.com. Otherwise whoever "
            "edits tools could send it to a server of their own.",
            field="servers",
        )
    servers = sorted({_server(address) for address in typed})
    if len(servers) > MAX_SERVERS:
        raise SecretInvalid(f"At most {MAX_SERVERS} servers.", field="servers")
    return servers


def _server(address: str) -> str:
    if address.startswith(PROGRAM):
        return _program(address.removeprefix(PROGRAM).strip())
    try:
        # A path may hold what a server does not need: placeholders of the tool that it was copied from.
        scheme, separator, rest = address[:_MAX_ADDRESS].partition("://")
        authority = rest.split("/", 1)[0].split("?", 1)[0].split("#", 1)[0]
        url = read_url(f"{scheme}{separator}{authority}")
    except ToolInvalid as error:
        raise SecretInvalid(
            "A server is written as https://api.example.com, or http://10.0.0.5:8080; a program that "
            f"MCP_STDIO_COMMANDS names as program:/usr/local/bin/crm-mcp. {error}",
            field="servers",
        ) from error
    return server_of(url)


def _program(path: str) -> str:
    """The very words of ``MCP_STDIO_COMMANDS``, which are compared: no path is resolved."""
    if not path.startswith("/") or _CONTROL.search(path) or text_problem(path, max_bytes=_MAX_ADDRESS):
        raise SecretInvalid(
            "A program is written with its whole path, as MCP_STDIO_COMMANDS has it: program:/usr/local/bin/crm-mcp.",
            field="servers",
        )
    return program_of(path)
