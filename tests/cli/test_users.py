"""``asterisk-ai users``."""

from __future__ import annotations

import asyncio

import pytest
from typer.testing import CliRunner, Result

from app.accounts.accounts import open_accounts
from app.accounts.errors import FirstAdministrator, UserInvalid, UserNotFound
from app.accounts.identity import User
from app.cli.entry import cli
from app.core.security import Credentials
from app.core.settings import load_settings
from app.db.database import Database


def users(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(cli, ["users", *arguments], input=typed, catch_exceptions=False)


def signed_in(name: str, password: str) -> User | None:
    async def ask() -> User | None:
        database = Database(load_settings().database_url)
        try:
            return await open_accounts(database, first="admin").sign_in.by_password(
                Credentials("admin", "of the settings"), name, password
            )
        finally:
            await database.aclose()

    return asyncio.run(ask())


def test_a_user_is_added_listed_given_a_password_and_removed() -> None:
    added = users("add", "ann", "--role", "editor", typed="a long password\n")
    assert added.exit_code == 0
    assert "ann can sign in as editor." in added.stdout
    assert signed_in("ann", "a long password") is not None
    made = users("passwd", "ANN", "--generate")
    password = made.stdout.partition("password: ")[2].partition("\n")[0]
    assert signed_in("ann", "a long password") is None
    assert signed_in("ann", password) is not None
    listed = users("list").stdout
    assert "admin" in listed
    assert "ann" in listed
    assert password not in listed
    assert users("remove", "ann").exit_code == 0
    assert "ann" not in users("list").stdout


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(UserInvalid):
        users("add", "ann", typed="short\n")
    with pytest.raises(UserNotFound):
        users("remove", "nobody")
    with pytest.raises(FirstAdministrator):
        users("passwd", "admin", typed="a long password\n")
    assert users("add", "ann", "--role", "god", typed="a long password\n").exit_code == 2
