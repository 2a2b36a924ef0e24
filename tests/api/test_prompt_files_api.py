"""``/api/prompts/export`` and ``/import``, on a real database."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
import yaml

from app.prompts.portable import FORMAT
from tests.api.test_prompts_api import FULL, create


def file_of(*prompts: Any) -> str:
    return json.dumps({"format": FORMAT, "prompts": prompts})


async def imported(client: httpx2.AsyncClient, text: str, **more: Any) -> dict[str, Any]:
    response = await client.post("/api/prompts/import", json={"text": text, **more})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def export(client: httpx2.AsyncClient, **query: Any) -> str:
    response = await client.get("/api/prompts/export", params=query)
    assert response.status_code == 200, response.text
    return response.text


@pytest.mark.parametrize("format", ["yaml", "json"])
async def test_what_was_exported_changes_nothing_when_it_is_imported(client: httpx2.AsyncClient, format: str) -> None:
    await create(client)
    await create(client, name="draft", publish=False, tools=[], content="One.\n\tTwo \n🎉")
    before = (await client.get("/api/prompts")).json()
    text = await export(client, format=format)
    assert [p["name"] for p in yaml.safe_load(text)["prompts"]] == ["draft", "Nachtdienst", "receptionist"]
    answer = await imported(client, text)
    assert {p["outcome"] for p in answer["prompts"]} == {"unchanged"}
    assert (await client.get("/api/prompts")).json() == before
    assert await export(client, format=format) == text


async def test_an_export_holds_no_ids_and_no_moments_and_leaves_defaults_out(client: httpx2.AsyncClient) -> None:
    await create(client, name="plain", **dict.fromkeys(("model", "temperature", "tools", "output_schema"), None))
    plain = yaml.safe_load(await export(client, name="PLAIN"))["prompts"]
    fields = {"name", "content", "timeout", "greeting", "fallback", "actions", "metadata"}
    assert [set(entry) for entry in plain] == [fields]
    full = await create(client)
    entry = yaml.safe_load(await export(client, name=full["name"]))["prompts"][0]
    del entry["name"]
    expected = {key: value for key, value in FULL.items() if key not in ("name", "note")}
    usual = {"via": "dialplan", "place": "", "caller_id": ""}
    expected["actions"] = [
        {name: value for name, value in action.items() if usual.get(name) != value} for action in FULL["actions"]
    ]
    assert entry == expected


async def test_an_import_creates_and_changes_all_that_differs_once(client: httpx2.AsyncClient) -> None:
    prompt = await create(client)
    text = file_of(
        {"name": "nachtdienst", "content": "New.", "default": True},
        {"name": "new", "content": "Hello.", "published": False},
    )
    tried = await imported(client, text, dry_run=True)
    assert (tried["applied"], [p["outcome"] for p in tried["prompts"]]) == (False, ["changed", "created"])
    assert (await client.get(f"/api/prompts/{prompt['id']}")).json()["latest_version"] == 1
    done = await imported(client, text, note="Release 12")
    assert done["applied"] is True
    assert [(p["outcome"], p["version"]) for p in done["prompts"]] == [("changed", 2), ("created", 1)]
    assert {"name", "content", "metadata", "default"} <= set(done["prompts"][0]["changes"])
    now = (await client.get(f"/api/prompts/{prompt['id']}")).json()
    assert (now["name"], now["content"], now["metadata"], now["is_default"]) == ("nachtdienst", "New.", {}, True)
    assert (now["published_version"], now["note"]) == (2, "Release 12")
    new = (await client.get(f"/api/prompts/{done['prompts'][1]['id']}")).json()
    assert new["published_version"] is None
    assert {p["outcome"] for p in (await imported(client, text))["prompts"]} == {"unchanged"}
    assert (await client.get(f"/api/prompts/{prompt['id']}/versions")).json()["total"] == 2
    assert [v["note"] for v in (await client.get(f"/api/prompts/{prompt['id']}/versions")).json()["items"]] == [
        "Release 12",
        "first",
    ]


async def test_what_the_file_says_may_be_there_as_a_draft(client: httpx2.AsyncClient) -> None:
    prompt = await create(client, name="x")
    text = await export(client, name="x")
    address = f"/api/prompts/{prompt['id']}"
    await client.put(address, json=FULL | {"name": "x", "content": "Draft.", "publish": False, "expected_version": 1})
    assert (await imported(client, text))["prompts"][0]["outcome"] == "unchanged"
    draft = FULL | {"name": "x", "content": "Draft."}
    draft.pop("note")
    done = (await imported(client, file_of(draft)))["prompts"][0]
    assert (done["outcome"], done["changes"], done["version"]) == ("changed", ["content"], 2)
    assert (await client.get(address)).json()["published_version"] == 2


async def test_one_wrong_prompt_keeps_all_out_and_each_error_is_named(client: httpx2.AsyncClient) -> None:
    text = file_of(
        {"name": "good", "content": "Hello."},
        {"name": "bad", "content": "{% for %}", "temperatur": 1, "model": "nobody:x", "actions": [{"targets": [3]}]},
        {"name": "GOOD", "content": "x", "default": "yes"},
        "no prompt",
    )
    response = await client.post("/api/prompts/import", json={"text": text})
    assert response.status_code == 422
    fields = {error["field"] for error in response.json()["errors"]}
    assert fields == {
        "bad.content",
        "bad.temperatur",
        "bad.model",
        "bad.actions.0.name",
        "bad.actions.0.targets.0",
        "GOOD.name",
        "GOOD.default",
        "prompt 4.prompt",
    }
    assert (await client.get("/api/prompts", params={"search": "good"})).json()["total"] == 0
    tried = await imported(client, text, dry_run=True)
    assert [p["outcome"] for p in tried["prompts"]] == ["created", "error", "error", "error"]
    unknown = next(e for e in tried["prompts"][1]["errors"] if e["field"] == "temperatur")
    assert "There is no field of this name" in unknown["message"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prompts:\n\t- x", "Line 2"),
        ('{"prompts": [}', "Line 1, column 14"),
        ("prompts: []", "format"),
        ("hello", "no file with prompts"),
        ("", "no file with prompts"),
        (f"format: {FORMAT}\nprompts: []\nextra: 1", "unknown fields: extra"),
        (f"format: {FORMAT}\nprompts: [&a {{}}, *a]", "aliases"),
        ('{"prompts": [], "prompts": []}', "twice"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("- " * 100_000, "nested too deeply"),
    ],
)
async def test_what_is_no_file_with_prompts_is_refused_with_its_place(
    client: httpx2.AsyncClient, text: str, said: str
) -> None:
    response = await client.post("/api/prompts/import", json={"text": text})
    assert response.status_code == 422
    assert said in response.json()["detail"]
    assert response.json()["errors"][0]["field"] == "text"


async def test_a_default_that_is_a_draft_is_refused(client: httpx2.AsyncClient) -> None:
    text = file_of({"name": "new", "content": "x", "default": True, "published": False})
    response = await client.post("/api/prompts/import", json={"text": text})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "default")
    assert (await client.get("/api/prompts", params={"search": "new"})).json()["total"] == 0


async def test_only_what_was_asked_for_is_exported(client: httpx2.AsyncClient) -> None:
    await create(client)
    assert "receptionist" not in await export(client, name="nachtdienst")
    assert (await client.get("/api/prompts/export", params={"name": "nobody"})).status_code == 404
    assert (await client.get("/api/prompts/export", params={"format": "xml"})).status_code == 422
