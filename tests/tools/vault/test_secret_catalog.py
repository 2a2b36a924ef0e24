"""The secrets in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from app.core.sealing import Sealer
from app.db.database import Database
from app.tools.auth.applying import applied
from app.tools.auth.definition import BearerToken
from app.tools.auth.errors import SecretMissing
from app.tools.render import RenderedRequest
from app.tools.vault.catalog import SecretCatalog
from app.tools.vault.store import SecretStore
from tests.tools.vault.conftest import CRM


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def test_what_is_saved_here_is_in_force_when_the_save_returns(store: SecretStore, catalog: SecretCatalog) -> None:
    assert dict(catalog.current()) == {}
    await store.create("crm-token", "one", servers=[CRM], by="ann")
    before = catalog.current()
    await store.change("crm-token", value="two", by="ann")
    assert before["crm-token"].value == "one"  # a snapshot stays as it is
    assert catalog.current()["crm-token"].value == "two"
    assert "two" not in repr(catalog.current())
    await store.delete("crm-token", by="ann")
    assert "crm-token" not in catalog.current()


async def test_what_another_instance_saves_is_in_force_soon(
    store: SecretStore, catalog: SecretCatalog, second: Database, sealer: Sealer
) -> None:
    other = SecretStore(second, sealer)
    await other.create("login", "one", servers=[CRM], by="ann")
    await eventually(lambda: "login" in catalog.current())
    assert await other.rotated("login", "two", replaces=catalog.current()["login"]) is not None
    await eventually(lambda: catalog.current()["login"].value == "two")
    assert catalog.current()["login"].rotation == 1


async def test_one_that_cannot_be_read_is_told_once_and_fails_only_the_tools_that_need_it(
    store: SecretStore, second: Database, other_sealer: Sealer
) -> None:
    await store.create("old", "typed before", servers=[CRM], by="ann")
    changed = SecretStore(second, other_sealer)
    await changed.create("new", "typed since", servers=[CRM], by="ann")
    catalog = SecretCatalog(changed, interval=60)
    with capture_logs() as lines:
        await catalog.start()
        await catalog.refresh()
    assert [line["secrets"] for line in lines if line["event"] == "secrets.unreadable"] == [["old"]]
    assert list(catalog.unreadable()) == ["old"]
    request = RenderedRequest("GET", CRM, {}, None)
    assert applied(BearerToken("new"), request, catalog.current(), tool="t").hidden == ("typed since",)
    with pytest.raises(SecretMissing, match="the secret old cannot be read with this SECRET_KEY"):
        applied(BearerToken("old"), request, catalog.current(), tool="t")
    await changed.change("old", value="typed again", by="ann")
    assert not catalog.unreadable()
    await catalog.aclose()


async def test_a_service_goes_on_with_what_it_knows_while_another_key_comes_into_use(
    store: SecretStore, catalog: SecretCatalog, second: Database
) -> None:
    await store.create("crm-token", "known", servers=[CRM], by="ann")
    newest = Sealer(b"the newest key of all the keys", older=[b"the key of these tests, long enough"])
    anew = SecretStore(second, newest)
    await anew.reseal("crm-token")
    await catalog.refresh()
    assert catalog.current()["crm-token"].value == "known"
    # But a value that it never saw it does not have.
    await anew.change("crm-token", value="unknown", by="bob")
    await catalog.refresh()
    assert catalog.current()["crm-token"].problem
