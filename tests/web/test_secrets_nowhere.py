"""A whole service, and then a search for the value of a secret in everything that it ever wrote or said."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from lab.service import Service
from tests.fixtures.leaks import keep
from tests.web.browser import LOGIN

# With what JSON, URLs and HTML write in another way.
VALUES = ("s3cr3t/Value+nobody&sees", 's3cr3t "second" value\nof two lines', "s3cr3t-third-value")
CRM = "https://crm.example.com"
TOOL: dict[str, Any] = {
    "name": "find_customer",
    "description": "Finds a customer by number.",
    "parameters": {"type": "object", "properties": {}},
    "request": {"method": "GET", "url": f"{CRM}/customers"},
    "authorisation": {"type": "bearer", "token": "crm-token"},
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    settings = {
        "WEB_UI_PASSWORD": LOGIN[1],
        "DATABASE_URL": f"sqlite:///{tmp_path}/main.db",
        "DEBUG_MODE": "true",
        "LOG_LEVEL": "debug",
    }
    with Service(tmp_path, settings) as service:
        keep(service)
        yield service


def forms_of(value: str) -> set[str]:
    """How a value may be written somewhere; of base64 what is the same wherever it begins."""
    quoted = (json.dumps(value)[1:-1], quote(value, safe=""), value.replace("&", "&amp;").replace('"', "&#34;"))
    return {value, *quoted, base64.b64encode(value.encode()).decode().rstrip("=")[:-2], value[:14], repr(value)[1:-1]}


def traces(text: str) -> list[str]:
    return [form for value in VALUES for form in forms_of(value) if form in text]


def test_a_value_is_nowhere_but_encrypted_in_the_database(
    service: Service, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    said: list[str] = []
    client = httpx2.Client(base_url=service.url, auth=LOGIN, headers={"Origin": service.url}, timeout=30)
    request.addfinalizer(client.close)

    def ask(method: str, path: str, expected: int, **body: Any) -> httpx2.Response:
        answer = client.request(method, path, **body)
        assert answer.status_code == expected, (method, path, answer.text)
        said.append(answer.text + str(answer.headers))
        return answer

    first, second, third = VALUES
    new = {"name": "crm-token", "value": first, "servers": [CRM]}
    ask("POST", "/api/secrets", 422, json=new | {"servers": []})
    ask("POST", "/api/secrets", 422, json=new | {"name": first})
    ask("POST", "/api/secrets", 422, json=new | {"value": [first], "more": first})
    ask("POST", "/api/secrets", 400, content=json.dumps(new)[:-1], headers={"Content-Type": "application/json"})
    ask("POST", "/api/secrets", 201, json=new)
    ask("POST", "/api/secrets", 409, json=new)
    ask("PUT", "/api/secrets/crm-token", 200, json={"value": second})
    typed = {"name": "a b", "value": third, "servers": "nonsense", "description": ""}
    ask("POST", "/ui/secrets/new", 422, data=typed)
    ask("POST", "/ui/secrets/new", 303, data=typed | {"name": "erp", "servers": "http://127.0.0.1:9"})
    ask("POST", "/ui/secrets/1/value", 303, data={"value": third})
    ask("POST", "/api/tools", 201, json=TOOL)
    # Nothing listens there, or the guard refuses: either way the error is said and logged.
    local = TOOL | {"request": {"method": "GET", "url": "http://127.0.0.1:9/"}}
    ask(
        "POST",
        "/api/tools/try",
        200,
        json={"tool": local | {"authorisation": {"type": "bearer", "token": "erp"}}, "arguments": {}},
    )
    # Who mistakes the field, and types the value where its name belongs.
    wrong = TOOL | {"name": "other", "authorisation": {"type": "bearer", "token": third}}
    ask("POST", "/api/tools/check", 200, json=wrong)
    ask("POST", "/api/tools", 422, json=wrong)
    ask("DELETE", "/api/secrets/crm-token", 409)
    ask("PATCH", "/api/secrets/crm-token", 200, json={"description": "Customers"})
    ask("DELETE", "/api/secrets/erp", 204)

    for path in (
        *("/ui/secrets", "/ui/secrets/new", "/ui/secrets/1", "/ui/secrets/1/value", "/ui/secrets/1/delete"),
        *("/ui/audit", "/ui", "/ui/tools", "/ui/tools/2", "/ui/settings", "/ui/settings/doctor", "/ui/calls"),
        *(
            "/api/secrets",
            "/api/secrets/crm-token",
            "/api/audit",
            "/api/tools",
            "/api/tools/2",
            "/api/tools/2/versions",
        ),
        *("/api/status", "/api/settings", "/api/doctor", "/api/prompts/export", "/api/calls/export.json", "/metrics"),
    ):
        ask("GET", path, 200)
    for entry in client.get("/api/audit?limit=100").json()["items"]:
        ask("GET", f"/ui/audit/{entry['id']}", 200)
    assert "crm-token" in "".join(said)
    assert [each for text in said for each in traces(text)] == []
    # No sealed text comes out either: it would be something to try keys on.
    assert not re.search(r"v1\.[0-9a-f]{16}\.", "".join(said))

    client.close()
    assert service.stop() == 0
    log = "\n".join(json.dumps(line, ensure_ascii=False) for line in service.log) + "\n".join(service.printed)
    assert "http.request" in log or "snapshot.loaded" in log
    assert traces(log) == []
    sealed = False
    for file in tmp_path.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert [each for value in VALUES for each in forms_of(value) if each.encode() in data] == [], file
            sealed = sealed or re.search(rb"v1\.[0-9a-f]{16}\.[A-Za-z0-9_-]{20}", data) is not None
    assert sealed
