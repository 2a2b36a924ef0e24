"""The pages of prompts, as a browser without JavaScript uses them."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn
from urllib.parse import urlencode

import httpx2
import pytest
from fastapi import FastAPI

from app.api.parts import Parts
from app.core.permissions import Role
from app.db.errors import DatabaseUnavailable
from app.history.rows import write
from app.prompts.draft import PromptDraft
from app.prompts.prompt import Action
from app.prompts.records import PromptRecord
from tests.api.conftest import client_for
from tests.history.conftest import make_turn

SCRIPT = "<script>alert(1)</script>"
ORIGIN = {"Origin": "http://service.test"}
PASSWORD = "a long password"
SCHEMA = {"type": "object", "properties": {"intent": {"type": "string"}}}

FULL = PromptDraft(
    name="night",
    content="You answer at night.\n\nThe caller is {{ caller_number }}.",
    metadata={"team": "night", "deep": [{"ä": None, "number": 1.50}]},
    model="demo",
    temperature=0.5,
    tools=("get_order_status",),
    actions=(Action("transfer", "A person is wanted.", ("sales", "support")), Action("hangup", "Goodbye was said.")),
    output_schema=SCHEMA,
    fallback="Please call again.",
    timeout=8.5,
    greeting="Good evening.",
)


async def add(parts: Parts, **changes: Any) -> PromptRecord:
    fields = {name: getattr(FULL, name) for name in PromptDraft.__dataclass_fields__}
    publish = changes.pop("publish", True)
    return await parts.prompts.create(PromptDraft(**{**fields, **changes}), by="admin", publish=publish)


def fields_in(page: str, action: str) -> list[tuple[str, str]]:
    """What a browser would send of the form with that action, as it stands, without its buttons."""
    form = re.search(rf'<form method="post" action="{re.escape(action)}".*?</form>', page, re.DOTALL)
    assert form is not None, page
    found: list[tuple[str, str]] = []
    pattern = r"<input[^>]*>|<textarea[^>]*>.*?</textarea>|<select[^>]*>.*?</select>"
    for control in re.findall(pattern, form[0], re.DOTALL):
        name = re.search(r'\bname="([^"]*)"', control)
        if name is None or 'type="file"' in control:
            continue
        if control.startswith("<textarea"):
            value = re.sub(r"^<[^>]*>\n?|</textarea>$", "", control)
        else:
            if re.search(r'type="(checkbox|radio)"', control) and not re.search(r"\bchecked\b", control):
                continue
            value = (re.search(r'\bvalue="([^"]*)"', control) or ["", "on"])[1]
        found.append((html.unescape(name[1]), html.unescape(value)))
    return found


def changed(fields: list[tuple[str, str]], **changes: str | None) -> list[tuple[str, str]]:
    """The fields with others in their place; None: an unticked box."""
    kept = [(name, value) for name, value in fields if name not in changes]
    return kept + [(name, value) for name, value in changes.items() if value is not None]


async def send(client: httpx2.AsyncClient, path: str, fields: Any = ()) -> httpx2.Response:
    body = urlencode(list(fields.items()) if isinstance(fields, Mapping) else list(fields))
    return await client.post(
        path, content=body, headers={"Content-Type": "application/x-www-form-urlencoded", **ORIGIN}
    )


async def read(client: httpx2.AsyncClient, path: str) -> str:
    response = await client.get(path)
    assert response.status_code == 200, response.text
    return response.text


async def opened(client: httpx2.AsyncClient, path: str) -> list[tuple[str, str]]:
    return fields_in(await read(client, path), path.partition("?")[0])


def errors_in(page: str) -> dict[str, str]:
    """What stands beside the fields."""
    found = re.findall(r'<p class="wrong" id="f-([\w.-]+)-error">([^<]*)</p>', page)
    return {name: html.unescape(said) for name, said in found}


# -- the list


async def test_the_list_is_searched_filtered_sorted_and_paged(client: httpx2.AsyncClient, parts: Parts) -> None:
    for number in range(60):
        await add(parts, name=f"line {number:02}", publish=number % 2 == 0)
    first = await read(client, "/ui/prompts")
    assert "1 to 50 of 61" in first
    assert "line 58" in await read(client, "/ui/prompts?page=2")
    assert "line 48" not in await read(client, "/ui/prompts?page=2")
    drafts = await read(client, "/ui/prompts?state=draft&search=LINE")
    assert "line 01" in drafts
    assert "line 02" not in drafts
    backwards = await read(client, "/ui/prompts?sort=-name&search=line")
    assert backwards.index("line 59") < backwards.index("line 58")
    assert 'aria-sort="descending"' in backwards
    assert "No prompt is like that" in await read(client, "/ui/prompts?search=nobody")
    assert (await client.get("/ui/prompts?sort=lost")).status_code == 422


async def test_without_a_default_prompt_the_list_says_what_happens_to_calls(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    assert "No prompt is the default" not in await read(client, "/ui/prompts")
    assert (await send(client, "/ui/prompts/1/delete", {})).status_code == 303
    page = await read(client, "/ui/prompts")
    assert "No prompt is the default." in page
    assert "Write the first one" in page


# -- create and edit


async def test_a_prompt_is_created_with_every_field_and_comes_back_unchanged(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    fields = changed(
        await opened(client, "/ui/prompts/new"),
        name="night",
        content=FULL.content.replace("\n", "\r\n"),
        metadata=json.dumps(FULL.metadata, ensure_ascii=False),
        model="demo",
        temperature="0,5",
        tools_mode="chosen",
        tools="get_order_status",
        output_schema=json.dumps(SCHEMA),
        fallback=FULL.fallback,
        timeout="8.5",
        greeting=FULL.greeting,
        note="the first",
        action="publish",
        action_name=None,
        action_description=None,
        action_targets=None,
    )
    for name, when, targets in (
        ("transfer", "A person is wanted.", "sales\r\nsupport\r\n"),
        ("", "", ""),
        ("hangup", "Goodbye was said.", ""),
    ):
        fields += [("action_name", name), ("action_description", when), ("action_targets", targets)]
    response = await send(client, "/ui/prompts/new", fields)
    assert response.status_code == 303, errors_in(response.text)
    record = await parts.prompts.find("night")
    for name in PromptDraft.__dataclass_fields__:
        if name != "note":
            assert getattr(record.prompt, name) == getattr(FULL, name), name
    assert (record.note, record.summary.published_version, record.created_by) == ("the first", 1, "admin")
    # Saved again as it stands, nothing changes.
    address = response.headers["location"]
    again = await send(client, address, [*await opened(client, address), ("action", "publish")])
    assert again.status_code == 303, errors_in(again.text)
    latest = await parts.prompts.get(record.prompt.id)
    assert latest.prompt.version == 2
    for name in PromptDraft.__dataclass_fields__:
        if name != "note":
            assert getattr(latest.prompt, name) == getattr(FULL, name), name
    assert "Version 2 is published" in await read(client, address)


async def test_a_draft_is_kept_from_calls_until_it_is_published(client: httpx2.AsyncClient, parts: Parts) -> None:
    record = await add(parts)
    address = f"/ui/prompts/{record.prompt.id}"
    fields = changed(await opened(client, address), content="Draft.", action="draft")
    assert (await send(client, address, fields)).status_code == 303
    assert parts.prompt_catalog.get("night").content == FULL.content
    page = await read(client, address)
    assert "Calls use version 1." in page
    assert "saved as a draft" in page
    assert f"/ui/prompts/{record.prompt.id}/publish?version=2" in page


async def test_all_that_is_wrong_is_said_beside_its_field_and_nothing_typed_is_lost(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    typed = {
        "name": "receptionist",
        "content": "Hello\n{{ 2 ** 9 }}",
        "metadata": '{"a": 1,\n oops}',
        "output_schema": '{"type": "string"}',
        "temperature": "hot",
        "timeout": "4000",
        "model": "nobody:x",
        "action_name": "",
        "action_description": "for no reason",
        "action_targets": "",
        "tools_mode": "chosen",
        "note": "n" * 600,
    }
    response = await send(client, "/ui/prompts/new", typed | {"action": "publish"})
    assert response.status_code == 422
    errors = errors_in(response.text)
    assert set(errors) == {
        "content", "metadata", "output_schema", "temperature", "timeout", "model", "actions.0.name", "note",
    }  # fmt: skip
    assert errors["content"].startswith("Line 2:")
    assert errors["metadata"].startswith("Line 2:")
    assert "Action 1, name" in response.text
    shown = dict(fields_in(response.text, "/ui/prompts/new"))
    for name in ("name", "content", "metadata", "output_schema", "temperature", "timeout", "model", "note"):
        assert shown[name] == typed[name], name
    assert "for no reason" in response.text
    assert "Traceback" not in response.text
    # A name that is taken is found once the rest is right.
    taken = await send(client, "/ui/prompts/new", {"name": "RECEPTIONIST", "content": "Hello."})
    assert (taken.status_code, set(errors_in(taken.text))) == (409, {"name"})
    assert (await parts.prompts.list()).total == 1


@pytest.mark.parametrize("name", ["", "   ", "a,b", 'a"b', "x" * 101])
async def test_a_name_that_the_dialplan_could_not_say_is_refused(client: httpx2.AsyncClient, name: str) -> None:
    response = await send(client, "/ui/prompts/new", {"name": name, "content": "Hello."})
    assert (response.status_code, set(errors_in(response.text))) == (422, {"name"})


async def test_ten_megabytes_get_a_clear_page(client: httpx2.AsyncClient, parts: Parts) -> None:
    response = await send(client, "/ui/prompts/new", {"name": "big", "content": "x" * 10_000_000})
    assert response.status_code == 413
    assert "A prompt holds at most a million characters" in response.text
    assert response.headers["content-type"].startswith("text/html")
    between = await send(client, "/ui/prompts/new", {"name": "big", "content": "x" * 1_100_000})
    assert (between.status_code, set(errors_in(between.text))) == (422, {"content"})
    assert "At most 1,000,000 characters" in between.text
    assert "x" * 1_100_000 in between.text
    assert (await parts.prompts.list()).total == 1


async def test_html_and_script_stay_text_in_every_field(client: httpx2.AsyncClient, parts: Parts) -> None:
    record = await add(
        parts,
        name=SCRIPT,
        content=SCRIPT,
        metadata={SCRIPT: f"</textarea>{SCRIPT}"},
        tools=(SCRIPT,),
        actions=(Action("script", SCRIPT, (SCRIPT,)),),
        output_schema={"type": "object", "description": SCRIPT, "properties": {"x": {"type": "string"}}},
        fallback=SCRIPT,
        greeting=SCRIPT,
        note=SCRIPT,
    )
    number = record.prompt.id
    await parts.prompts.save(number, PromptDraft(SCRIPT, "other", note=SCRIPT), by=SCRIPT, expected_version=None)
    pages = [
        "/ui/prompts",
        f"/ui/prompts/{number}",
        f"/ui/prompts/{number}?version=1",
        f"/ui/prompts/{number}/versions",
        f"/ui/prompts/{number}/versions/1",
        f"/ui/prompts/{number}/compare?left=1&right=2",
        f"/ui/prompts/{number}/publish?version=1",
        f"/ui/prompts/{number}/duplicate",
        f"/ui/prompts/{number}/delete",
    ]
    for path in pages:
        page = await read(client, path)
        assert "<script>alert" not in page, path
        assert "&lt;script&gt;alert" in page, path
    fields = await opened(client, f"/ui/prompts/{number}?version=1")
    assert dict(fields)["content"] == SCRIPT
    bad = await send(client, "/ui/prompts/new", {"name": "x,", "content": SCRIPT, "model": SCRIPT})
    assert "<script>alert" not in bad.text


# -- two editors


async def test_the_second_of_two_editors_sees_what_the_other_changed_and_loses_nothing(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    record = await add(parts)
    address = f"/ui/prompts/{record.prompt.id}"
    mine = changed(await opened(client, address), greeting="My greeting.", action="publish")
    theirs = PromptDraft("night", "Theirs.", note="faster")
    await parts.prompts.save(record.prompt.id, theirs, by="ben", expected_version=1)
    refused = await send(client, address, mine)
    assert refused.status_code == 409
    page = refused.text
    assert "ben saved night as version 2 in the meantime" in html.unescape(page)
    assert "What ben changed" in page
    assert "Theirs." in page
    again = fields_in(page, address)
    assert dict(again)["greeting"] == "My greeting."
    assert dict(again)["content"] == FULL.content
    assert dict(again)["expected_version"] == "2"
    saved = await send(client, address, [*again, ("action", "publish")])
    assert saved.status_code == 303
    latest = await parts.prompts.get(record.prompt.id)
    assert (latest.prompt.version, latest.prompt.greeting, latest.prompt.content) == (3, "My greeting.", FULL.content)


async def test_a_save_that_began_before_a_rollback_is_told(client: httpx2.AsyncClient, parts: Parts) -> None:
    record = await add(parts)
    number = record.prompt.id
    await parts.prompts.save(number, PromptDraft("night", "Two."), by="ben", expected_version=1)
    fields = changed(await opened(client, f"/ui/prompts/{number}"), content="Three.", action="publish")
    await parts.prompts.publish(number, 1, by="ben")
    refused = await send(client, f"/ui/prompts/{number}", fields)
    assert refused.status_code == 409
    assert "put version 1 of night in force" in html.unescape(refused.text)
    assert dict(fields_in(refused.text, f"/ui/prompts/{number}"))["content"] == "Three."


async def test_a_prompt_that_was_deleted_meanwhile_can_be_saved_as_a_new_one(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    record = await add(parts)
    address = f"/ui/prompts/{record.prompt.id}"
    fields = changed(await opened(client, address), content="Kept.", action="publish")
    await parts.prompts.delete(record.prompt.id, by="ben")
    refused = await send(client, address, fields)
    assert refused.status_code == 409
    assert "Somebody deleted this prompt" in refused.text
    again = fields_in(refused.text, "/ui/prompts/new")
    assert (await send(client, "/ui/prompts/new", [*again, ("action", "publish")])).status_code == 303
    assert (await parts.prompts.find("night")).prompt.content == "Kept."
    assert (await client.get(address)).status_code == 404


# -- versions


async def test_versions_are_listed_with_who_why_and_how_often_they_were_used(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    record = await add(parts, note="the first")
    number = record.prompt.id
    await parts.prompts.save(number, PromptDraft("night", "Two.", note="shorter"), by="ben", expected_version=1)
    async with parts.database.session() as session:
        now = datetime.now(UTC)
        turns = [make_turn(n, prompt_id=number, prompt_version=1, started_at=now) for n in range(3)]
        await write(session, turns)
    page = await read(client, f"/ui/prompts/{number}/versions")
    assert "shorter" in page
    assert "ben" in page
    assert re.search(r'data-label="Turns">3</td>', page)
    assert "3 turns used it in the last 30 days" in page
    assert "Roll back to this" in page
    compared = await read(client, f"/ui/prompts/{number}/compare?left=1&right=2")
    assert "You answer at night." in compared
    assert "Two." in compared
    assert "<del>8.5 seconds</del>" in compared
    assert "<del>8.5 seconds</del>" in await read(client, f"/ui/prompts/{number}/compare")
    same = await read(client, f"/ui/prompts/{number}/compare?left=2&right=2")
    assert "the same version twice" in same
    view = await read(client, f"/ui/prompts/{number}/versions/1")
    assert "Version 1 of 2" in view
    assert "readonly" in view
    assert (await client.get(f"/ui/prompts/{number}/versions/9")).status_code == 404


async def test_rolling_back_shows_what_changes_and_is_refused_when_somebody_was_faster(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    record = await add(parts)
    number = record.prompt.id
    await parts.prompts.save(number, PromptDraft("night", "Two."), by="ben", expected_version=1)
    question = await read(client, f"/ui/prompts/{number}/publish?version=1")
    assert "Roll night back to version 1?" in question
    assert "Two." in question
    fields = fields_in(question, f"/ui/prompts/{number}/publish")
    assert (await send(client, f"/ui/prompts/{number}/publish", fields)).status_code == 303
    assert parts.prompt_catalog.get("night").version == 1
    late = await send(client, f"/ui/prompts/{number}/publish", changed(fields, version="2"))
    assert late.status_code == 409
    assert "put version 1 of night in force" in html.unescape(late.text)
    now = await opened_publish(client, number, 2)
    assert (await send(client, f"/ui/prompts/{number}/publish", now)).status_code == 303
    assert parts.prompt_catalog.get("night").version == 2


async def opened_publish(client: httpx2.AsyncClient, number: int, version: int) -> list[tuple[str, str]]:
    path = f"/ui/prompts/{number}/publish"
    return fields_in(await read(client, f"{path}?version={version}"), path)


# -- default, copy, delete


async def test_the_default_mark_moves(client: httpx2.AsyncClient, parts: Parts) -> None:
    record = await add(parts)
    assert (await send(client, f"/ui/prompts/{record.prompt.id}/default")).status_code == 303
    assert parts.prompt_catalog.get(None).name == "night"
    fields = {"name": "day", "content": "Day.", "default": "on", "action": "publish"}
    assert (await send(client, "/ui/prompts/new", fields)).status_code == 303
    assert parts.prompt_catalog.get(None).name == "day"
    refused = await send(client, "/ui/prompts/new", fields | {"name": "draft", "action": "draft"})
    assert (refused.status_code, set(errors_in(refused.text))) == (422, {"default"})


async def test_a_copy_is_made_under_a_name_of_its_own(client: httpx2.AsyncClient, parts: Parts) -> None:
    record = await add(parts)
    path = f"/ui/prompts/{record.prompt.id}/duplicate"
    assert dict(await opened(client, path))["name"] == "night copy"
    for name, status in (("NIGHT", 409), ("a,b", 422), ("", 422)):
        refused = await send(client, path, {"name": name})
        assert (refused.status_code, set(errors_in(refused.text))) == (status, {"name"}), name
    made = await send(client, path, {"name": "second"})
    assert made.status_code == 303
    copy = await parts.prompts.find("second")
    assert (copy.summary.published_version, copy.prompt.actions) == (None, FULL.actions)


async def test_deleting_names_what_uses_the_prompt_and_what_becomes_of_the_calls(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    record = await add(parts)
    number = record.prompt.id
    async with parts.database.session() as session:
        await write(session, [make_turn(1, prompt_id=number, prompt_version=1, started_at=datetime.now(UTC))])
    path = f"/ui/prompts/{number}/delete"
    question = await read(client, path)
    assert "1 turn used it in the last 30 days" in question
    assert "AI_STATUS=NO_PROMPT" in question
    fields = fields_in(question, path)
    await parts.prompts.save(number, FULL, by="ben", expected_version=None)
    late = await send(client, path, fields)
    assert late.status_code == 409
    assert "ben saved night" in html.unescape(late.text)
    gone = await send(client, path, fields_in(late.text, path))
    assert gone.status_code == 303
    assert "night is deleted" in await read(client, "/ui/prompts")
    assert (await client.get(f"/ui/prompts/{number}")).status_code == 404
    await add(parts, name="other")
    default = await read(client, "/ui/prompts/1/delete")
    assert "It is the default prompt." in default
    assert "<button" not in default.partition('action="/ui/prompts/1/delete"')[2]
    assert (await send(client, "/ui/prompts/1/delete", {})).status_code == 409


# -- import and export


async def test_a_file_is_looked_at_first_and_imported_then(client: httpx2.AsyncClient, parts: Parts) -> None:
    await add(parts)
    text = (await client.get("/api/prompts/export")).text.replace("You answer at night.", "You answer by day.")
    text += f"  - name: new\n    content: {json.dumps(SCRIPT)}\n"
    tried = await send(client, "/ui/prompts/import", {"text": text, "note": "r1", "action": "preview"})
    assert tried.status_code == 200
    assert "Would be created" in tried.text
    assert "Would change" in tried.text
    assert "Stays as it is" in tried.text
    assert "<script>alert" not in tried.text
    assert (await parts.prompts.list()).total == 2
    fields = fields_in(tried.text, "/ui/prompts/import")
    # What was changed after it was looked at is looked at again.
    late = await send(client, "/ui/prompts/import", [*changed(fields, text=text + "# more"), ("action", "apply")])
    assert late.status_code == 200
    assert (await parts.prompts.list()).total == 2
    done = await send(client, "/ui/prompts/import", [*fields, ("action", "apply")])
    assert done.status_code == 303
    assert "1 created, 1 changed, 1 unchanged" in await read(client, "/ui/prompts")
    assert (await parts.prompts.find("night")).note == "r1"
    again = await send(client, "/ui/prompts/import", {"text": text, "action": "preview"})
    assert "Nothing would change" in again.text


async def test_a_file_that_was_chosen_is_read(client: httpx2.AsyncClient, parts: Parts) -> None:
    text = "\ufeffformat: asterisk-ai prompts 1\r\nprompts:\r\n  - name: new\r\n    content: Hello.\r\n"
    tried = await client.post(
        "/ui/prompts/import",
        files={"file": ("prompts.yaml", text.encode(), "application/yaml")},
        data={"text": "", "note": "r1", "action": "apply"},
        headers=ORIGIN,
    )
    assert tried.status_code == 200, tried.text
    assert "Would be created" in tried.text
    assert (await parts.prompts.list()).total == 1
    done = await send(client, "/ui/prompts/import", [*fields_in(tried.text, "/ui/prompts/import"), ("action", "apply")])
    assert done.status_code == 303
    assert (await parts.prompts.find("new")).prompt.content == "Hello."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Choose a file, or paste its text."),
        ("hello", "no file with prompts"),
        ("format: asterisk-ai prompts 1\nprompts:\n  - name: x\n   content: y", "Line 4"),
        ("format: asterisk-ai prompts 1\nprompts:\n  - name: x\n    content: y\n    colour: red", "colour"),
        (
            "format: asterisk-ai prompts 1\nprompts:\n  - {name: x, content: y, default: true, published: false}",
            "drafts",
        ),
    ],
)
@pytest.mark.parametrize("action", ["preview", "apply"])
async def test_a_file_that_is_wrong_is_told_and_stays_in_the_form(
    client: httpx2.AsyncClient, parts: Parts, text: str, said: str, action: str
) -> None:
    response = await send(client, "/ui/prompts/import", {"text": text, "note": "", "action": action})
    assert response.status_code == 422
    assert said in html.unescape(response.text)
    assert dict(fields_in(response.text, "/ui/prompts/import"))["text"] == text
    assert (await parts.prompts.list()).total == 1


# -- roles


async def test_a_viewer_looks_and_is_offered_no_change(app: FastAPI, parts: Parts) -> None:
    record = await add(parts)
    await parts.accounts.users.create("vera", PASSWORD, Role.VIEWER, by="test")
    async with client_for(app, ("vera", PASSWORD)) as client:
        for path in ("", "/versions", "/versions/1", "/compare?left=1&right=1"):
            page = await read(client, f"/ui/prompts/{record.prompt.id}{path}")
            assert 'method="post"' not in page, path
            for address in ("/delete", "/duplicate", "/publish", "?version="):
                assert f"{record.prompt.id}{address}" not in page, (path, address)
        assert "New prompt" not in await read(client, "/ui/prompts")
        assert (await client.get("/ui/prompts/new")).status_code == 403
        assert (await send(client, f"/ui/prompts/{record.prompt.id}", {})).status_code == 403


# -- the database is away


async def test_what_was_typed_while_the_database_was_away_can_be_saved_later(
    client: httpx2.AsyncClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await add(parts)
    for address in (f"/ui/prompts/{record.prompt.id}", "/ui/prompts/new"):
        fields = changed(await opened(client, address), content="Typed.", name="typed", action="publish")
        with monkeypatch.context() as away:
            away.setattr(parts.database, "session", no_answer)
            refused = await send(client, address, fields)
        assert refused.status_code == 503
        assert "PostgreSQL at db does not answer." in refused.text
        again = changed(fields_in(refused.text, address), name=f"typed {len(address)}")
        assert dict(again)["content"] == "Typed."
        assert (await send(client, address, [*again, ("action", "publish")])).status_code == 303
    assert (await parts.prompts.get(record.prompt.id)).prompt.content == "Typed."


async def test_a_version_that_could_not_become_the_default_is_saved_once(
    client: httpx2.AsyncClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await add(parts)
    address = f"/ui/prompts/{record.prompt.id}"
    fields = changed(await opened(client, address), content="Typed.", default="on", action="publish")
    monkeypatch.setattr(parts.prompts, "set_default", no_answer)
    saved = await send(client, address, fields)
    assert (saved.status_code, saved.headers["location"]) == (303, address)
    assert "Version 2 is saved, but it is not the default" in html.unescape(await read(client, address))


async def test_the_page_of_an_error_says_where_what_was_typed_is(client: httpx2.AsyncClient) -> None:
    fields = [(f"field{number}", "") for number in range(6_000)]
    page = await send(client, "/ui/prompts/new", fields)
    assert page.status_code == 400
    assert "Back button" in page.text
    assert "Back button" not in (await client.get("/ui/prompts/99")).text


def no_answer(*_: object, **__: object) -> NoReturn:
    raise DatabaseUnavailable("PostgreSQL at db does not answer.")
