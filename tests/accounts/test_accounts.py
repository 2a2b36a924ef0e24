"""Users, tokens and signing in, on each database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from app.accounts.accounts import Accounts
from app.accounts.audit import AuditFilter
from app.accounts.errors import (
    FirstAdministrator,
    OwnAccount,
    TokenInvalid,
    TokenNotFound,
    UserConflict,
    UserInvalid,
    UserNameTaken,
    UserNotFound,
)
from app.accounts.identity import User
from app.accounts.passwords import Passwords
from app.accounts.sign_in import SignIn
from app.core.permissions import Role
from app.core.security import Credentials
from app.db.audit import MASK, Actor, acting
from app.db.database import Database
from app.db.errors import DatabaseUnavailable
from app.models.base import utc_now
from app.models.user import UserRow
from app.prompts.draft import PromptDraft
from app.prompts.store import PromptStore
from app.tools.store import ToolStore
from app.tools.validation import parse_definition

FIRST = Credentials("admin", "first password")
PASSWORD = "a long password"


async def test_a_user_signs_in_under_the_name_in_any_case_until_disabled(accounts: Accounts) -> None:
    ann = await accounts.users.create("Ännchen", PASSWORD, Role.EDITOR, by="admin")
    assert await accounts.sign_in.by_password(FIRST, "ÄNNCHEN", PASSWORD) == User("Ännchen", Role.EDITOR, ann.id)
    assert await accounts.sign_in.by_password(FIRST, "ännchen", "another password") is None
    assert await accounts.sign_in.by_password(FIRST, "nobody", PASSWORD) is None
    assert await accounts.sign_in.by_password(FIRST, "nul\0", PASSWORD) is None
    await accounts.users.change(ann.id, disabled=True, by="admin")
    assert await accounts.sign_in.by_password(FIRST, "ännchen", PASSWORD) is None
    await accounts.users.change(ann.id, disabled=False, role=Role.VIEWER, password="the next password", by="admin")
    assert await accounts.sign_in.by_password(FIRST, "ännchen", PASSWORD) is None
    found = await accounts.sign_in.by_password(FIRST, "ännchen", "the next password")
    assert found is not None
    assert found.role is Role.VIEWER


async def test_the_first_administrator_is_in_no_table_and_nobody_takes_the_name(accounts: Accounts) -> None:
    found = await accounts.sign_in.by_password(FIRST, "admin", "first password")
    assert found == User("admin", Role.ADMINISTRATOR)
    with pytest.raises(UserNameTaken):
        await accounts.users.create("ADMIN", PASSWORD, Role.VIEWER, by="x")
    with pytest.raises(FirstAdministrator):
        await accounts.users.find("Admin")
    ann = await accounts.users.create("ann", PASSWORD, Role.VIEWER, by="x")
    # The settings may name somebody who is a user already; then the settings hold.
    assert await accounts.sign_in.by_password(Credentials("Ann", "other"), "ann", PASSWORD) is None
    with pytest.raises(UserNameTaken):
        await accounts.users.change(ann.id, name="Admin", by="x")


async def test_names_are_unique_and_can_be_carried(accounts: Accounts) -> None:
    await accounts.users.create("ann", PASSWORD, Role.VIEWER, by="x")
    with pytest.raises(UserNameTaken):
        await accounts.users.create(" Ann ", PASSWORD, Role.VIEWER, by="x")
    for name in ("", "  ", "a:b", "a\nb", "x" * 101):
        with pytest.raises(UserInvalid):
            await accounts.users.create(name, PASSWORD, Role.VIEWER, by="x")


async def test_a_token_may_what_both_it_and_its_owner_may(accounts: Accounts) -> None:
    row = await accounts.users.create("ann", PASSWORD, Role.EDITOR, by="admin")
    ann = User("ann", Role.EDITOR, row.id)
    token, secret = await accounts.tokens.create(ann, name="deploy", role=Role.EDITOR)
    assert secret.startswith(token.hint)
    assert len(token.hint) < 10
    assert await accounts.sign_in.by_token(FIRST, secret) == User("ann", Role.EDITOR, row.id, "token", "deploy")
    with pytest.raises(TokenInvalid):
        await accounts.tokens.create(ann, name="more", role=Role.ADMINISTRATOR)
    await accounts.users.change(row.id, role=Role.VIEWER, by="admin")
    found = await accounts.sign_in.by_token(FIRST, secret)
    assert found is not None
    assert found.role is Role.VIEWER
    await accounts.users.change(row.id, disabled=True, by="admin")
    assert await accounts.sign_in.by_token(FIRST, secret) is None
    await accounts.users.change(row.id, disabled=False, by="admin")
    await accounts.users.remove(row.id, by="admin")
    assert await accounts.sign_in.by_token(FIRST, secret) is None
    assert await accounts.sign_in.by_token(FIRST, "aai_" + "x" * 43) is None


async def test_a_token_ends_when_it_is_revoked_or_expires_and_others_tokens_are_not_there(accounts: Accounts) -> None:
    first = User("admin", Role.ADMINISTRATOR)
    ann = User("ann", Role.EDITOR, (await accounts.users.create("ann", PASSWORD, Role.EDITOR, by="admin")).id)
    token, secret = await accounts.tokens.create(first, name="probe", role=Role.VIEWER)
    assert await accounts.sign_in.by_token(FIRST, secret) == User("admin", Role.VIEWER, None, "token", "probe")
    with pytest.raises(TokenNotFound):
        await accounts.tokens.revoke(token.id, by=ann, of_others=False)
    assert [t.name for t in (await accounts.tokens.list(ann)).items] == []
    assert [t.owner for t in (await accounts.tokens.list(None)).items] == ["admin"]
    await accounts.tokens.revoke(token.id, by=first, of_others=False)
    assert await accounts.sign_in.by_token(FIRST, secret) is None
    with pytest.raises(TokenInvalid):
        await accounts.tokens.create(ann, name="late", role=Role.VIEWER, expires_at=utc_now() - timedelta(seconds=1))


async def test_last_use_is_written_behind(accounts: Accounts) -> None:
    ann = User("ann", Role.EDITOR, (await accounts.users.create("ann", PASSWORD, Role.EDITOR, by="admin")).id)
    _, secret = await accounts.tokens.create(ann, name="deploy", role=Role.VIEWER)
    await accounts.sign_in.by_token(FIRST, secret)
    await accounts.sign_in.by_password(FIRST, "ann", PASSWORD)
    assert (await accounts.users.find("ann")).last_sign_in_at is None
    await accounts.last_seen.flush()
    seen = (await accounts.users.find("ann")).last_sign_in_at
    assert seen is not None
    assert utc_now() - seen < timedelta(minutes=1)
    assert (await accounts.tokens.list(ann)).items[0].last_used_at is not None


async def test_the_log_says_who_changed_what_and_holds_no_secret(accounts: Accounts, database: Database) -> None:
    tool = {
        "name": "lookup",
        "description": "Looks up.",
        "parameters": {"type": "object", "properties": {"id": {"type": "string"}}},
        "request": {
            "method": "GET",
            "url": "https://shop.example.com/orders?api_key=S3CRET1&page=1",
            "headers": {"Authorization": "Bearer S3CRET2", "X-Own": "S3CRET3", "Accept": "application/json"},
        },
    }
    with acting(Actor("ann", "192.0.2.7", "deploy")):
        prompts, tools = PromptStore(database), ToolStore(database)
        made = await tools.create(parse_definition(tool), by="ann")
        await tools.set_enabled(made.definition.id, False, by="ann")
        await tools.delete(made.definition.id)
        prompt = await prompts.create(PromptDraft(name="night", content="One."), by="ann")
        await prompts.save(prompt.prompt.id, PromptDraft(name="night", content="Two."), by="ann", expected_version=1)
        await prompts.publish(prompt.prompt.id, 1, by="ann")
    user = await accounts.users.create("bob", "S3CRET4 password", Role.VIEWER, by="admin")
    await accounts.users.change(user.id, password="S3CRET5 password", by="admin")
    page = await accounts.audit.list()
    assert [(e.kind, e.action) for e in page.items] == [
        ("user", "password"),
        ("user", "create"),
        ("prompt", "publish"),
        ("prompt", "save"),
        ("prompt", "create"),
        ("tool", "delete"),
        ("tool", "disable"),
        ("tool", "create"),
    ]
    assert "S3CRET" not in repr(page.items)
    publish, save = page.items[2:4]
    assert (publish.before, publish.after) == ({"published_version": 2}, {"published_version": 1})
    assert (publish.actor, publish.address, publish.token) == ("ann", "192.0.2.7", "deploy")
    assert save.after == {"version": 2, "published_version": 2, "content": "Two."}
    created = page.items[-1].after
    assert created is not None
    assert created["request"]["headers"] == {"Authorization": MASK, "X-Own": MASK, "Accept": "application/json"}
    assert created["request"]["url"] == f"https://shop.example.com/orders?api_key={MASK}&page=1"
    assert page.items[5].actor == "ann"


async def test_the_log_is_paged_filtered_and_sorted(accounts: Accounts) -> None:
    for number in range(5):
        await accounts.users.create(f"user {number}", PASSWORD, Role.VIEWER, by="Admin" if number % 2 else "ann")
    log = accounts.audit
    assert (await log.list(AuditFilter(actor="admin"))).total == 2
    assert [e.item_name for e in (await log.list(offset=1, limit=2, sort="at")).items] == ["user 1", "user 2"]
    assert (await log.list(AuditFilter(search="USER 4"))).total == 1
    assert (await log.list(AuditFilter(kind="tool"))).total == 0
    assert (await log.list(AuditFilter(until=utc_now() - timedelta(hours=1)))).total == 0
    assert (await log.list(AuditFilter(since=utc_now() - timedelta(hours=1), action="create"))).total == 5


async def test_a_change_that_fails_leaves_no_line(accounts: Accounts) -> None:
    with pytest.raises(UserNotFound):
        await accounts.users.remove(99, by="admin")
    await accounts.users.create("ann", PASSWORD, Role.VIEWER, by="x")
    with pytest.raises(UserNameTaken):
        await accounts.users.create("ann", PASSWORD, Role.VIEWER, by="x")
    assert (await accounts.audit.list()).total == 1


async def hash_of(database: Database) -> str:
    async with database.session() as session:
        return (await session.scalars(select(UserRow.password_hash))).one()


async def test_a_hash_of_former_parameters_is_made_again_when_the_password_is_known(
    accounts: Accounts, database: Database
) -> None:
    made = await accounts.users.create("ann", PASSWORD, Role.VIEWER, by="admin")
    former = await hash_of(database)
    slower = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    sign_in = SignIn(database, slower, accounts.last_seen)
    assert await sign_in.by_password(FIRST, "ann", "a wrong password") is None
    assert await hash_of(database) == former
    assert await sign_in.by_password(FIRST, "ann", PASSWORD)
    renewed = await hash_of(database)
    assert "t=2" in renewed
    assert await sign_in.by_password(FIRST, "ann", PASSWORD)
    assert await hash_of(database) == renewed
    # It is the same password: nobody changed anything.
    assert (await accounts.users.get(made.id)).stamp == made.stamp
    assert (await accounts.audit.list()).total == 1


async def test_who_has_the_right_password_gets_in_though_its_hash_cannot_be_renewed(
    accounts: Accounts, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accounts.users.create("ann", PASSWORD, Role.VIEWER, by="admin")
    passwords = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))

    async def gone(_password: str) -> str:
        raise DatabaseUnavailable("it is gone")

    monkeypatch.setattr(passwords, "hash", gone)
    assert await SignIn(database, passwords, accounts.last_seen).by_password(FIRST, "ann", PASSWORD)


async def test_of_two_who_change_a_user_the_second_is_told(accounts: Accounts) -> None:
    ann = await accounts.users.create("ann", PASSWORD, Role.VIEWER, by="admin")
    changed = await accounts.users.change(ann.id, role=Role.EDITOR, by="bob", expected=ann.stamp)
    with pytest.raises(UserConflict, match="bob changed ann"):
        await accounts.users.change(ann.id, disabled=True, by="carl", expected=ann.stamp)
    with pytest.raises(UserConflict):
        await accounts.users.remove(ann.id, by="carl", expected=ann.stamp)
    assert (await accounts.users.get(ann.id)) == changed
    accounts.last_seen.user(ann.id)
    await accounts.last_seen.flush()
    await accounts.users.remove(ann.id, by="carl", expected=changed.stamp)


async def test_nobody_locks_themselves_out_but_the_last_administrator_in_the_table_may_go(accounts: Accounts) -> None:
    ann = await accounts.users.create("ann", PASSWORD, Role.ADMINISTRATOR, by="admin")
    for change in ({"disabled": True}, {"role": Role.EDITOR}):
        with pytest.raises(OwnAccount):
            await accounts.users.change(ann.id, by="ann", own_id=ann.id, **change)
    with pytest.raises(OwnAccount):
        await accounts.users.remove(ann.id, by="ann", own_id=ann.id)
    same = await accounts.users.change(
        ann.id, by="ann", own_id=ann.id, name="Ann", role=Role.ADMINISTRATOR, disabled=False
    )
    assert same.name == "Ann"
    # The first administrator, of the settings, is still there.
    await accounts.users.remove(ann.id, by="admin", own_id=None)
    assert await accounts.sign_in.by_password(FIRST, "admin", "first password")


async def test_users_are_filtered_and_sorted_and_say_how_many_tokens_they_have(accounts: Accounts) -> None:
    users = accounts.users
    ann = await users.create("ann", PASSWORD, Role.EDITOR, by="admin")
    bob = await users.create("bob", PASSWORD, Role.VIEWER, by="admin")
    await users.create("carl", PASSWORD, Role.VIEWER, by="admin")
    await users.change(bob.id, disabled=True, by="admin")
    accounts.last_seen.user(bob.id)
    await accounts.last_seen.flush()
    owner = User("ann", Role.EDITOR, ann.id)
    for name in ("Zebra", "alpha"):
        await accounts.tokens.create(owner, name=name, role=Role.VIEWER)
    assert [(u.name, u.tokens) for u in (await users.list(role=Role.VIEWER)).items] == [("bob", 0), ("carl", 0)]
    assert [u.name for u in (await users.list(disabled=False)).items] == ["ann", "carl"]
    for sort in ("last_sign_in_at", "-last_sign_in_at"):
        assert [u.name for u in (await users.list(sort=sort)).items] == ["bob", "ann", "carl"]
    assert (await users.get(ann.id)).tokens == 2
    assert [t.name for t in (await accounts.tokens.list(None, search="ZEB")).items] == ["Zebra"]
    assert [t.name for t in (await accounts.tokens.list(owner, sort="created_at")).items] == ["Zebra", "alpha"]
    assert [t.name for t in (await accounts.tokens.list(owner, sort="-last_used_at")).items] == ["alpha", "Zebra"]


async def test_the_log_names_its_kinds_and_actions_for_a_choice(accounts: Accounts) -> None:
    ann = await accounts.users.create("ann", PASSWORD, Role.EDITOR, by="admin")
    await accounts.tokens.create(User("ann", Role.EDITOR, ann.id), name="x", role=Role.VIEWER)
    await accounts.users.remove(ann.id, by="admin")
    words = await accounts.audit.words()
    assert (words.kinds, words.actions) == (("token", "user"), ("create", "delete"))
