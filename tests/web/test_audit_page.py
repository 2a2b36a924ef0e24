"""The audit log's pages, over HTTP."""

from __future__ import annotations

import re

import httpx2
import pytest
from fastapi import FastAPI

from app.api.parts import Parts
from app.core.permissions import Role
from app.db.audit import MASK, record
from app.prompts.draft import PromptDraft
from app.web.differences import Difference, differences, lines
from tests.api.conftest import client_for

PASSWORD = "k7mf-2qxv-9hta"
SCRIPT = "<script>alert(1)</script>"


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


async def change_things(parts: Parts) -> None:
    made = await parts.prompts.create(PromptDraft(name="night desk", content="One.\nTwo.\nThree."), by="ann")
    await parts.prompts.save(
        made.prompt.id, PromptDraft(name="night desk", content="One.\nTwo!\nThree."), by="bob", expected_version=1
    )
    await parts.accounts.users.create("carl", PASSWORD, Role.VIEWER, by="ann")
    await parts.accounts.users.change(1, password=PASSWORD + "x", by="ann")


async def test_it_says_who_changed_what_with_what_it_was(client: httpx2.AsyncClient, parts: Parts) -> None:
    await change_things(parts)
    html = (await client.get("/ui/audit")).text
    text = words(html)
    assert text.index("ann set the password of the user carl") < text.index("ann made the user carl")
    assert "bob changed the prompt night desk" in text
    assert "version, published version, content" in text
    assert PASSWORD not in html
    assert 'href="/ui/users/1"' in html
    oldest = words((await client.get("/ui/audit?sort=at")).text)
    assert oldest.index("ann made the prompt") < oldest.index("bob changed the prompt")


async def test_one_change_is_shown_line_by_line(client: httpx2.AsyncClient, parts: Parts) -> None:
    await change_things(parts)
    entry = (await client.get("/api/audit?action=save&kind=prompt")).json()["items"][0]
    assert (await client.get(f"/api/audit/{entry['id']}")).json() == entry
    html = (await client.get(f"/ui/audit/{entry['id']}")).text
    assert "- Two." in words(html)
    assert "+ Two!" in words(html)
    assert f'href="/ui/prompts/{entry["item_id"]}"' in html
    for address in ("/ui/audit/99999", "/api/audit/99999"):
        assert (await client.get(address)).status_code == 404


@pytest.mark.parametrize(
    ("query", "found", "not_found"),
    [
        ("kind=user", "carl", "night desk"),
        ("actor=BOB", "night desk", "carl"),
        ("action=password", "set the password", "made the user"),
        ("search=NIGHT", "night desk", "carl"),
        ("kind=user&item_id=1", "carl", "night desk"),
        ("since=2020-01-01T00:00&kind=user", "carl", "night desk"),
        ("until=2020-01-01T00:00", "No change is found", "carl"),
        ("kind=zebra", "No change is found", "carl"),
        ("page=9", "No change is found", "carl"),
    ],
)
async def test_it_is_filtered(client: httpx2.AsyncClient, parts: Parts, query: str, found: str, not_found: str) -> None:
    await change_things(parts)
    html = (await client.get(f"/ui/audit?{query}")).text
    listed = words(html.split("</form>")[1])
    assert found in listed
    assert not_found not in listed


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("since", "yesterday"),
        ("until", "0001-01-01T00:00+14:00"),
        ("item_id", "-1"),
        ("item_id", "99999999999"),
        ("search", "x" * 101),
        ("actor", "\x00"),
    ],
)
async def test_a_filter_that_cannot_be_read_is_said_beside_its_field(
    client: httpx2.AsyncClient, field: str, typed: str
) -> None:
    answer = await client.get("/ui/audit", params={field: typed})
    assert answer.status_code == 422
    assert f'id="f-{field}-error"' in answer.text


async def test_moments_at_the_ends_of_time_are_no_error(client: httpx2.AsyncClient) -> None:
    for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        for name in ("since", "until"):
            assert (await client.get("/api/audit", params={name: moment})).status_code == 200


async def test_long_logs_have_pages_and_keep_the_filter(client: httpx2.AsyncClient, parts: Parts) -> None:
    async with parts.database.session() as session:
        for number in range(30):
            record(session, "zebra", "paint", item_id=number, name=f"{number}", before=None, after=None, by=SCRIPT)
    html = (await client.get("/ui/audit?kind=zebra")).text
    assert "1 to 25 of 30" in html
    assert "?kind=zebra&amp;page=2" in html
    assert SCRIPT not in html
    assert "paint the zebra 29" in words(html)


@pytest.mark.parametrize("role", list(Role))
async def test_administrators_alone_read_it(app: FastAPI, parts: Parts, role: Role) -> None:
    await parts.accounts.users.create("bob", PASSWORD, role, by="test")
    async with client_for(app, ("bob", PASSWORD)) as client:
        expected = 200 if role is Role.ADMINISTRATOR else 403
        for path in ("/ui/audit", "/ui/audit/1", "/api/audit/1"):
            assert (await client.get(path)).status_code == expected


def test_only_what_differs_is_shown_down_to_the_field() -> None:
    before = {"request": {"url": "a", "headers": {"X": MASK}}, "enabled": True, "tags": []}
    after = {"request": {"url": "b", "headers": {"X": MASK}}, "enabled": False, "tags": ["x"]}
    assert differences(before, after) == [
        Difference("request.url", "a", "b"),
        Difference("enabled", "yes", "no"),
        Difference("tags", "(empty)", '[\n  "x"\n]'),
    ]
    assert differences({"headers": {"X": MASK}}, {"headers": {"X": MASK}}) == [
        Difference("headers", MASK, MASK, hidden=True)
    ]
    assert differences(None, {"a": {"b": 1, "c": None}, "d": ""}) == [Difference("a.b", None, "1")]
    assert differences({"a": {"b": 1}}, {"a": None}) == [Difference("a.b", "1", None)]
    assert differences({"a": 1}, {"a": True}) == [Difference("a", "1", "yes")]


def test_texts_are_compared_line_by_line_unless_they_are_too_long() -> None:
    found = lines("\n".join("abcdefghij"), "\n".join("abcdefghix"))
    assert found is not None
    assert [(line.kind, line.text) for line in found][-2:] == [("removed", "j"), ("added", "x")]
    assert found[0].kind == "skipped"
    assert lines("x\n" * 1_500, "y\n" * 1_500) is None
