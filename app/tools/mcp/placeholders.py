"""``{{ secret.NAME }}`` in the headers and the environment of MCP servers. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from app.tools.auth.definition import SecretName, Secrets
from app.tools.auth.destinations import PROGRAM
from app.tools.auth.errors import SecretMissing, SecretNotForServer
from app.tools.auth.values import value_of
from app.tools.placeholders import BRACES

_SECRET: Final = re.compile(r"secret\.([A-Za-z0-9][A-Za-z0-9_.-]{0,63})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def secrets_named(values: Iterable[str]) -> list[SecretName]:
    """The secrets that the values name, each once.

    Raises:
        ValueError: braces that name no secret; with words for the operator.
    """
    found: dict[SecretName, None] = {}
    for value in values:
        for match in BRACES.finditer(value):
            inside = match.group(1).strip()
            named = _SECRET.fullmatch(inside)
            if named is None:
                raise ValueError(f"{{{{ {inside[:60]} }}}} is no secret: write {{{{ secret.NAME }}}}")
            found[named.group(1)] = None
        if "{{" in BRACES.sub("", value):
            raise ValueError("{{ is never closed by }}")
    return list(found)


def filled(
    values: Mapping[str, str], secrets: Secrets, *, server: str, place: str
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The values with their secrets, and the secrets that stand in them.

    Args:
        server: Its name, for errors.
        place: Where they are sent, as ``server_of`` or ``program_of`` writes it.

    Raises:
        SecretMissing, SecretNotForServer
    """
    hidden: list[str] = []
    made = {}
    for name, text in values.items():

        def put(match: re.Match[str]) -> str:
            named = _SECRET.fullmatch(match.group(1).strip())
            if named is None:
                raise SecretMissing("a placeholder of its settings names no secret. Save the server anew.", tool=server)
            value = value_of(named.group(1), secrets, server)
            _refuse_stranger(named.group(1), secrets, server, place)
            if _CONTROL.search(value) and not place.startswith(PROGRAM):
                raise SecretMissing(
                    f"the secret {named.group(1)} holds a line break, which a header cannot carry. Type it again.",
                    tool=server,
                )
            hidden.append(value)
            return value

        made[name] = BRACES.sub(put, text)
    return made, tuple(hidden)


def _refuse_stranger(name: SecretName, secrets: Secrets, server: str, place: str) -> None:
    allowed = secrets[name].servers
    if allowed is None or place in allowed:
        return
    raise SecretNotForServer(
        f"the secret {name} may not be sent to {place}. Add it to the servers of the secret, if it should get it.",
        tool=server,
    )
