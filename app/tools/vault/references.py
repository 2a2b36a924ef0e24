"""What a tool says of secrets, when it is saved: each must be there, and may go where the tool sends it."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.secret import SecretRow
from app.tools.auth.definition import Secret, Secrets, secret_names
from app.tools.auth.destinations import strangers
from app.tools.auth.parsing import unknown_secrets
from app.tools.definition import RequestSpec, ToolDefinition
from app.tools.errors import Mistake, ToolInvalid


def secret_mistakes(tool: ToolDefinition, secrets: Secrets) -> list[Mistake]:
    """The fields that name a secret which is not there, or lead it to a server that may not get it. Pure."""
    found = unknown_secrets(tool.authorisation, secrets)
    if isinstance(tool.request, RequestSpec):
        found += strangers(tool.authorisation, tool.request.url, secrets)
    return found


async def refuse_wrong_secrets(session: AsyncSession, tool: ToolDefinition) -> None:
    """Raise ToolInvalid where :func:`secret_mistakes` finds any, by what is stored in this moment."""
    names = secret_names(tool.authorisation)
    if not names:
        return
    rows = await session.execute(select(SecretRow.name, SecretRow.servers).where(SecretRow.name.in_(names)))
    # MariaDB compares names without regard to case, and tools find theirs by the very name.
    known = {name: Secret("", 0, frozenset(servers)) for name, servers in rows}
    if found := secret_mistakes(tool, known):
        raise ToolInvalid.of(found)
