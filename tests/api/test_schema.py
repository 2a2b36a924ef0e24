"""The API answers as its OpenAPI document says, whatever is sent: every operation, as every role.

A service of its own is asked over HTTP. What is sent is made from the document, right and wrong, and is the same in
every run: no seed is drawn, and how much is bounded. The service connects to this machine alone, whatever address a
made-up tool has.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from requests.auth import HTTPBasicAuth
from schemathesis.checks import CHECKS, load_all_checks

from app.core.permissions import Role
from lab.seed import SETTINGS, seed
from lab.service import Service
from tests.api.conftest import make_app
from tests.fixtures.leaks import keep

PASSWORD: Final = "k7mf-2qxv-9hta-wc3e"
# Random inputs of one operation, besides those that reach each rule of its schema once.
EXAMPLES: Final = {Role.ADMINISTRATOR: 4, Role.EDITOR: 2, Role.VIEWER: 1}
# The guard lets tools go there, so that what keeps them here is seen to.
PERMITTED: Final = ("192.0.2.1", "[2001:db8::1]")
TIMEOUT: Final = 20.0  # seconds, for one request
ROOT: Final = Path(__file__).parents[2]

Case = schemathesis.Case[Any]

pytestmark = pytest.mark.slow

load_all_checks()
CHECKED: Final[Any] = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)
OF_BODIES: Final[Any] = CHECKS.get_by_names(["response_schema_conformance"])[0]
OF_FAILURES: Final[Any] = CHECKS.get_by_names(["not_a_server_error"])[0]


@dataclass
class Person:
    """Somebody who signs in; the first administrator has no role in the table."""

    role: Role
    name: str
    session: requests.Session = field(default_factory=requests.Session)

    def sign_in_with(self, password: str) -> None:
        self.session.auth = HTTPBasicAuth(self.name.encode(), password.encode())


def config(role: Role) -> Any:
    return schemathesis.Config.from_dict(
        {
            "generation": {"deterministic": True, "max-examples": EXAMPLES[role], "no-shrink": True},
            "phases": {"coverage": {"enabled": role is Role.ADMINISTRATOR}, "stateful": {"enabled": False}},
            "request-timeout": TIMEOUT,
        }
    )


def without_endless(document: dict[str, Any]) -> dict[str, Any]:
    """Without the views that are never finished; they have tests of their own."""
    for path, operations in list(document["paths"].items()):
        answers = operations.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        if "text/event-stream" in answers:
            del document["paths"][path]
    return document


def schema_for(role: Role) -> Any:
    document = without_endless(json.loads(json.dumps(make_app().openapi())))
    return schemathesis.openapi.from_dict(document, config=config(role))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("schema")
    url = f"sqlite:///{folder}/seeded.db"
    # What is not there is answered with 404, which says nothing about the shape of what is.
    asyncio.run(seed(url))
    environment = {**SETTINGS, "WEB_UI_PASSWORD": PASSWORD, "DATABASE_URL": url, "PYTHONPATH": str(ROOT)}
    environment["TOOLS_ALLOWED_HOSTS"] = ",".join(PERMITTED)
    with Service(folder, environment, module="tests.api.loopback_only") as service:
        keep(service)
        yield service


@pytest.fixture(scope="module")
def people(service: Service) -> Iterator[dict[Role, Person]]:
    first = Person(Role.ADMINISTRATOR, "admin")
    first.sign_in_with(PASSWORD)
    found = {Role.ADMINISTRATOR: first}
    for role in (Role.EDITOR, Role.VIEWER):
        body = {"name": f"the {role}", "password": PASSWORD, "role": role}
        assert first.session.post(f"{service.url}/api/users", json=body).status_code == 201
        found[role] = Person(role, f"the {role}")
        found[role].sign_in_with(PASSWORD)
    yield found
    for person in found.values():
        person.session.close()


def ask(case: Case, service: Service, person: Person) -> None:
    response = case.call(base_url=service.url, session=person.session)
    # The document has events as the text that they are; schemathesis would compare each one, taken apart.
    events = (response.headers.get("content-type") or [""])[0].startswith("text/event-stream")
    skipped = [OF_BODIES] if events else []
    if response.status_code == 502:  # not our failure but an MCP server's, where the document has it
        skipped.append(OF_FAILURES)
    case.validate_response(response, checks=[check for check in CHECKED if check not in skipped])
    if case.path == "/api/me/password" and response.status_code == 204:
        assert isinstance(case.body, dict)
        person.sign_in_with(str(case.body["password"]))
    assert response.status_code != 401, "the login of this role is lost; what follows would test nothing"


viewers = schema_for(Role.VIEWER)
editors = schema_for(Role.EDITOR)
administrators = schema_for(Role.ADMINISTRATOR)
bounded = settings(database=None, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def test_nothing_but_this_machine_is_reached(service: Service, people: dict[Role, Person]) -> None:
    def attempt(url: str) -> Any:
        tool: Any = {"name": "made_up", "description": "Goes away.", "request": {"method": "GET", "url": url}}
        session = people[Role.EDITOR].session
        return session.post(f"{service.url}/api/tools/try", json={"tool": tool}, timeout=TIMEOUT).json()

    for host in (*PERMITTED, "tools.example.com"):
        assert "by a test" in attempt(f"http://{host}/")["error"]["detail"]
    assert "TOOLS_ALLOWED_HOSTS" in attempt("http://192.0.2.2/")["error"]["detail"]


@viewers.parametrize()  # type: ignore[untyped-decorator]
@settings(bounded, max_examples=EXAMPLES[Role.VIEWER])
def test_a_viewer_is_answered_as_documented(case: Case, service: Service, people: dict[Role, Person]) -> None:
    ask(case, service, people[Role.VIEWER])


@editors.parametrize()  # type: ignore[untyped-decorator]
@settings(bounded, max_examples=EXAMPLES[Role.EDITOR])
def test_an_editor_is_answered_as_documented(case: Case, service: Service, people: dict[Role, Person]) -> None:
    ask(case, service, people[Role.EDITOR])


@administrators.parametrize()  # type: ignore[untyped-decorator]
@settings(bounded, max_examples=EXAMPLES[Role.ADMINISTRATOR])
def test_an_administrator_is_answered_as_documented(case: Case, service: Service, people: dict[Role, Person]) -> None:
    ask(case, service, people[Role.ADMINISTRATOR])
