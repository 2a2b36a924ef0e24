"""``asterisk-ai users``: who may sign in, managed on the machine itself, also when nobody can sign in any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.accounts.accounts import open_accounts
from app.accounts.users import UserStore
from app.core.permissions import Role
from app.core.settings import Settings
from app.db.audit import Actor, acting
from app.db.database import Database
from app.main import service_url

ACTOR = Actor("command line")


async def _with_users(settings: Settings, work: Callable[[UserStore], Awaitable[None]]) -> bool:
    database = Database(settings.database_url)
    try:
        await database.migrate(service_url=service_url(settings))
        with acting(ACTOR):
            await work(open_accounts(database, first=settings.web_ui_username).users)
    finally:
        await database.aclose()
    return True


async def show(settings: Settings, console: Console) -> bool:
    """List the users, the first administrator too."""

    async def work(users: UserStore) -> None:
        table = Table("name", "role", "state", "last sign-in", box=None, pad_edge=False)
        table.add_row(Text(settings.web_ui_username), Role.ADMINISTRATOR, "WEB_UI_USERNAME", "")
        offset = 0
        while (page := await users.list(offset=offset, limit=200)).items:
            for user in page.items:
                seen = f"{user.last_sign_in_at:%Y-%m-%d %H:%M} UTC" if user.last_sign_in_at else "never"
                table.add_row(Text(user.name), user.role, "disabled" if user.disabled else "", seen)
            offset += len(page.items)
        console.print(table)

    return await _with_users(settings, work)


async def add(settings: Settings, console: Console, *, name: str, role: Role, password: str) -> bool:
    """Add a user."""

    async def work(users: UserStore) -> None:
        user = await users.create(name, password, role, by=ACTOR.name)
        console.print(f"{user.name} can sign in as {user.role}.", markup=False)

    return await _with_users(settings, work)


async def passwd(settings: Settings, console: Console, *, name: str, password: str) -> bool:
    """Give a user a new password, and let them in again if they were disabled."""

    async def work(users: UserStore) -> None:
        user = await users.find(name)
        await users.change(user.id, password=password, disabled=False, by=ACTOR.name)
        console.print(f"{user.name} has the new password.", markup=False)

    return await _with_users(settings, work)


async def remove(settings: Settings, console: Console, *, name: str) -> bool:
    """Remove a user, with all tokens."""

    async def work(users: UserStore) -> None:
        user = await users.find(name)
        await users.remove(user.id, by=ACTOR.name)
        console.print(f"{user.name} is removed, with all tokens.", markup=False)

    return await _with_users(settings, work)
