"""The store of secrets, on all three databases."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import select, text

from app.core.sealing import SealBroken, Sealer, SealError
from app.db.database import Database
from app.models.audit import AuditRow
from app.models.secret import SecretRow
from app.tools.store import ToolStore
from app.tools.validation import parse_definition
from app.tools.vault.errors import SecretConflict, SecretInUse, SecretInvalid, SecretNameTaken, SecretNotFound
from app.tools.vault.store import SecretStore
from tests.tools.vault.conftest import CRM

VALUE = "s3cr3t-value-that-nobody-sees"


def crm_tool(**changes: Any) -> Any:
    return parse_definition(
        {
            "name": "find_customer",
            "description": "Finds a customer.",
            "parameters": {"type": "object", "properties": {}},
            "request": {"method": "GET", "url": f"{CRM}/customers"},
            "authorisation": {"type": "bearer", "token": "crm-token"},
            **changes,
        }
    )


async def test_a_secret_goes_in_and_is_used_and_its_record_holds_no_value(store: SecretStore) -> None:
    record = await store.create("crm-token", f"{VALUE}\r\n", servers=[f"{CRM}/v2/orders?x={{{{ id }}}}"], by="ann")
    assert record.servers == ("https://crm.example.com:443",)
    assert (record.created_by, record.updated_by, record.rotation, record.problem) == ("ann", "ann", 0, "")
    assert VALUE not in repr(record)
    latest = await store.latest("crm-token")
    assert latest is not None
    assert latest.value == VALUE
    assert latest.servers == frozenset({"https://crm.example.com:443"})
    assert VALUE not in repr(latest)


async def test_the_database_and_its_audit_log_hold_the_value_nowhere(store: SecretStore, database: Database) -> None:
    await store.create("crm-token", VALUE, servers=[CRM], description="Orders", by="ann")
    await store.change("crm-token", value=VALUE + "2", by="bob")
    await store.change("crm-token", servers=[CRM, "http://10.0.0.5:8080"], by="bob")
    await store.delete("crm-token", by="ann")
    async with database.session() as session:
        lines = list(await session.scalars(select(AuditRow).where(AuditRow.kind == "secret").order_by(AuditRow.id)))
    assert [(line.action, line.actor) for line in lines] == [
        ("create", "ann"), ("value", "bob"), ("save", "bob"), ("delete", "ann"),
    ]  # fmt: skip
    said = json.dumps([[line.before, line.after, line.item_name] for line in lines])
    assert VALUE not in said
    assert "v1." not in said  # the sealed form neither
    assert "https://crm.example.com:443" in said


async def test_a_revision_is_never_used_twice_even_where_the_secret_was_deleted_in_between(store: SecretStore) -> None:
    revisions = [(await store.create("crm-token", VALUE, servers=[CRM], by="ann")).revision]
    revisions.append((await store.change("crm-token", value=VALUE, by="ann")).revision)
    await store.delete("crm-token", by="ann")
    revisions.append((await store.create("crm-token", VALUE, servers=[CRM], by="ann")).revision)
    assert revisions == sorted(set(revisions))


async def test_changing_servers_or_words_leaves_the_revision_so_that_tokens_stay_good(store: SecretStore) -> None:
    made = await store.create("crm-token", VALUE, servers=[CRM], by="ann")
    changed = await store.change("crm-token", servers=["http://other"], description="Now there", by="bob")
    assert changed.revision == made.revision
    assert changed.servers == ("http://other:80",)
    assert changed.stamp != made.stamp


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("name", {"name": "sk live/1"}),
        ("name", {"name": "x" * 65}),
        ("value", {"value": "\r\n \n"}),
        ("value", {"value": "a\0b"}),
        ("value", {"value": "\ud800"}),
        ("value", {"value": "x" * 65_537}),
        ("description", {"description": "x" * 501}),
        ("servers", {"servers": []}),
        ("servers", {"servers": ["crm.example.com"]}),
        ("servers", {"servers": ["ftp://crm.example.com"]}),
        ("servers", {"servers": ["https://{{ host }}/"]}),
        ("servers", {"servers": ["https://ann:pw@crm.example.com"]}),
        ("servers", {"servers": ["https://"]}),
        ("servers", {"servers": ["program:crm-mcp"]}),
        ("servers", {"servers": ["program:/bin/a\x1bb"]}),
        ("servers", {"servers": [f"https://h{n}" for n in range(51)]}),
    ],
)
async def test_what_is_wrong_is_said_beside_its_field_and_not_repeated(
    sealer: Sealer, field: str, given: dict[str, Any]
) -> None:
    store = SecretStore(None, sealer)  # type: ignore[arg-type]  # nothing gets that far
    wanted: dict[str, Any] = {"name": "crm-token", "value": VALUE, "servers": [CRM], **given}
    with pytest.raises(SecretInvalid) as caught:
        await store.create(wanted.pop("name"), wanted.pop("value"), by="ann", **wanted)
    assert caught.value.field == field
    assert "sk live" not in str(caught.value)


async def test_a_program_may_be_the_only_place_that_a_secret_goes_to(store: SecretStore) -> None:
    record = await store.create("stock", VALUE, servers=[" program: /opt/stock/bin/stock-mcp "], by="ann")
    assert record.servers == ("program:/opt/stock/bin/stock-mcp",)


async def test_a_value_of_64_kilobytes_is_kept_as_it_is(store: SecretStore) -> None:
    value = "-----BEGIN CERTIFICATE-----\n" + "é" * 32_754
    assert len(value.encode()) == 65_536
    await store.create("certificate", value, servers=[CRM], by="ann")
    latest = await store.latest("certificate")
    assert latest is not None
    assert latest.value == value


async def test_names_are_unique_in_any_case(store: SecretStore) -> None:
    await store.create("crm-token", VALUE, servers=[CRM], by="ann")
    with pytest.raises(SecretNameTaken):
        await store.create("CRM-Token", VALUE, servers=[CRM], by="ann")


async def test_of_two_editors_the_second_is_told(store: SecretStore) -> None:
    made = await store.create("crm-token", VALUE, servers=[CRM], by="ann")
    await store.change("crm-token", description="first", by="bob", expected=made.stamp)
    with pytest.raises(SecretConflict, match="bob"):
        await store.change("crm-token", description="second", by="ann", expected=made.stamp)
    with pytest.raises(SecretConflict):
        await store.delete("crm-token", by="ann", expected=made.stamp)


async def test_one_that_tools_use_is_deleted_only_by_who_insists(store: SecretStore, database: Database) -> None:
    record = await store.create("crm-token", VALUE, servers=[CRM], by="ann")
    await ToolStore(database).create(crm_tool(), by="ann")
    used = await store.used_by([record])
    assert [(each.name, list(each.fields), each.refused) for each in used["crm-token"]] == [
        ("find_customer", ["authorisation.token"], "")
    ]
    with pytest.raises(SecretInUse, match="find_customer"):
        await store.delete("crm-token", by="ann")
    await store.delete("crm-token", by="ann", force=True)
    with pytest.raises(SecretNotFound):
        await store.get("crm-token")


async def test_it_is_said_which_tool_may_not_send_it_any_more(store: SecretStore, database: Database) -> None:
    await store.create("crm-token", VALUE, servers=[CRM], by="ann")
    await ToolStore(database).create(crm_tool(), by="ann")
    record = await store.change("crm-token", servers=["https://other.example.com"], by="ann")
    (user,) = (await store.used_by([record]))["crm-token"]
    assert "https://crm.example.com:443" in user.refused


async def test_a_refresh_token_is_replaced_only_where_it_is_still_the_one_stored(store: SecretStore) -> None:
    await store.create("login", "first", servers=[CRM], by="ann")
    before = await store.latest("login")
    assert before is not None
    stored = await store.rotated("login", "second", replaces=before)
    assert stored is not None
    assert (stored.value, stored.revision, stored.rotation) == ("second", before.revision, 1)
    assert await store.rotated("login", "third", replaces=before) is None
    assert await store.latest("login") == stored
    await store.change("login", value="typed", by="ann")
    assert await store.rotated("login", "fourth", replaces=stored) is None
    await store.delete("login", by="ann")
    assert await store.rotated("login", "fifth", replaces=stored) is None
    assert await store.latest("login") is None


async def test_of_instances_that_replace_the_same_refresh_token_at_once_one_wins(
    store: SecretStore, second: Database, sealer: Sealer
) -> None:
    await store.create("login", "first", servers=[CRM], by="ann")
    before = await store.latest("login")
    assert before is not None
    other = SecretStore(second, sealer)
    outcomes = await asyncio.gather(
        *(each.rotated("login", f"next-{n}", replaces=before) for n, each in enumerate([store, other] * 3))
    )
    won = [each for each in outcomes if each is not None]
    assert len(won) == 1
    assert await other.latest("login") == won[0]


async def test_a_value_that_was_copied_to_another_row_does_not_open_there(
    store: SecretStore, database: Database
) -> None:
    await store.create("strong", VALUE, servers=[CRM], by="ann")
    await store.create("weak", "x", servers=["http://attacker"], by="eve")
    async with database.session() as session:
        rows = {row.name: row for row in await session.scalars(select(SecretRow))}
        rows["weak"].sealed = rows["strong"].sealed
    with pytest.raises(SealBroken):
        await store.latest("weak")
    assert "damaged" in (await store.get("weak")).problem


async def test_one_that_was_sealed_with_another_key_is_listed_with_the_reason_and_can_be_typed_again(
    store: SecretStore, second: Database, other_sealer: Sealer
) -> None:
    await store.create("crm-token", VALUE, servers=[CRM], by="ann")
    changed = SecretStore(second, other_sealer)
    (record,) = (await changed.list()).items
    assert "SECRET_KEY" in record.problem
    with pytest.raises(SealError):
        await changed.latest("crm-token")
    assert (await changed.change("crm-token", value=VALUE, by="ann")).problem == ""


async def test_sealing_anew_keeps_the_secret_the_same(store: SecretStore, second: Database) -> None:
    made = await store.create("crm-token", VALUE, servers=[CRM], by="ann")
    both = Sealer(b"the newest key of all the keys", older=[b"the key of these tests, long enough"])
    anew = SecretStore(second, both)
    assert await anew.reseal("crm-token")
    assert not await anew.reseal("crm-token")
    assert not await anew.reseal("deleted-meanwhile")
    latest = await anew.latest("crm-token")
    assert latest is not None
    assert (latest.value, latest.revision, latest.rotation) == (VALUE, made.revision, 0)
    async with second.session() as session:
        assert (await session.scalar(text("SELECT sealed FROM secrets"))).split(".")[1] == both.key_id


async def test_the_list_is_searched_and_sorted(store: SecretStore) -> None:
    for name in ("b-token", "a-token", "c_key"):
        await store.create(name, VALUE, servers=[CRM], by="ann")
    page = await store.list(search="TOKEN")
    assert [each.name for each in page.items] == ["a-token", "b-token"]
    assert [each.name for each in (await store.list(sort="-updated_at", limit=1)).items] == ["c_key"]
    assert (await store.list(search="%")).total == 0
