"""What a tool says of secrets: in its login, and as ``{{ secret.NAME }}`` in its request. When it is saved, each must
be there, and may go where the tool sends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.secret import SecretRow
from app.tools.auth.definition import Secret, SecretName, Secrets, secret_fields
from app.tools.auth.destinations import server_of, strangers
from app.tools.auth.parsing import unknown_secrets
from app.tools.definition import RequestSpec, ToolDefinition
from app.tools.errors import Mistake, ToolInvalid
from app.tools.request_rules import secret_names_of


def named_secrets(tool: ToolDefinition) -> list[tuple[str, SecretName]]:
    """The fields that name a secret, such as ``authorisation.token`` and ``request.headers.X-Key``, and the secrets."""
    login = [(f"authorisation.{field}", name) for field, name in secret_fields(tool.authorisation)]
    return login + secret_names_of(tool.request)


def secret_mistakes(tool: ToolDefinition, secrets: Secrets) -> list[Mistake]:
    """The fields that name a secret which is not there, or lead it to a server that may not get it. Pure."""
    found = unknown_secrets(tool.authorisation, secrets)
    if not isinstance(tool.request, RequestSpec):
        return found
    found += strangers(tool.authorisation, tool.request.url, secrets)
    server = server_of(tool.request.url)
    for field, name in secret_names_of(tool.request):
        secret = secrets.get(name)
        if secret is None:
            words = "There is no secret of this name. Store the value as a secret, and write its name here."
            found.append(Mistake(field, words))
        elif secret.servers is not None and server not in secret.servers:
            words = f"The secret {name} may not be sent to {server}. Add the server to the secret, or take it out here."
            found.append(Mistake(field, words))
    return found


async def refuse_wrong_secrets(session: AsyncSession, tool: ToolDefinition) -> None:
    """Raise ToolInvalid where :func:`secret_mistakes` finds any, by what is stored in this moment."""
    names = {name for _, name in named_secrets(tool)}
    if not names:
        return
    rows = await session.execute(select(SecretRow.name, SecretRow.servers).where(SecretRow.name.in_(names)))
    # MariaDB compares names without regard to case, and tools find theirs by the very name.
    known = {name: Secret("", 0, frozenset(servers)) for name, servers in rows}
    if found := secret_mistakes(tool, known):
        raise ToolInvalid.of(found)


def may_name_secrets(request: Any, options: Mapping[str, Any]) -> bool:
    """Whether a tool as it is stored may name any. Most do not, and need not be read whole: a schema may have a
    megabyte."""
    authorisation = options.get("authorisation")
    if isinstance(authorisation, Mapping) and (authorisation.keys() - {"type"} or authorisation.get("type") != "none"):
        return True
    return _mentions(request)


def _mentions(value: Any) -> bool:
    if isinstance(value, str):
        return "secret." in value
    if isinstance(value, Mapping):
        return any(_mentions(part) for part in value.values())
    return isinstance(value, list | tuple) and any(_mentions(part) for part in value)
