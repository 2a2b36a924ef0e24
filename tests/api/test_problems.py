"""Errors as problem+json."""

from __future__ import annotations

import json

import httpx2
import pytest
from fastapi import FastAPI
from prometheus_client import generate_latest

from app.api.access import needs
from app.api.parts import Parts
from app.core.metrics import REGISTRY
from app.core.permissions import Permission
from app.db.errors import DatabaseUnavailable
from app.llm.errors import ProviderRateLimited, UnknownModel
from app.prompts.errors import PromptNameTaken, PromptNotFound, PromptTemplateError
from app.tools.errors import ToolInvalid
from tests.api.conftest import client_for

SECRET = "sk-do-not-show"


def problem_of(response: httpx2.Response, status: int) -> dict[str, object]:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = response.json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body


async def test_an_unknown_address_says_where_to_look(client: httpx2.AsyncClient) -> None:
    assert "/docs" in str(problem_of(await client.get("/api/nothing"), 404)["detail"])


async def test_a_wrong_method_is_a_problem_too(client: httpx2.AsyncClient) -> None:
    response = await client.patch("/api/prompts/1")
    assert problem_of(response, 405)["code"] == "method_not_allowed"
    assert response.headers["allow"] == "GET, HEAD, PUT, DELETE"


@pytest.mark.parametrize("body", [b"{", b"", b'{"name": }', b"\xff\xfe", b"[" * 100_000])
async def test_a_body_that_is_no_json_is_a_400(client: httpx2.AsyncClient, body: bytes) -> None:
    response = await client.post("/api/prompts", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422)
    problem_of(response, 422 if body == b"" else 400)


async def test_invalid_fields_are_named_and_values_are_not_repeated(client: httpx2.AsyncClient) -> None:
    body = {"name": "", "content": "x", "temperature": 9, "actions": [{"nam": SECRET}], "colour": SECRET}
    response = await client.post("/api/prompts", json=body)
    problem = problem_of(response, 422)
    fields = {error["field"] for error in problem["errors"]}  # type: ignore[attr-defined]
    assert fields == {"name", "temperature", "actions.0.name", "actions.0.nam", "colour"}
    assert SECRET not in response.text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PromptNotFound("There is no prompt 7."), 404),
        (PromptNameTaken("The name is taken."), 409),
        (PromptTemplateError("Line 3: unexpected end."), 422),
        (ToolInvalid("No url.", field="request.url"), 422),
        (UnknownModel("No such provider."), 422),
        (ProviderRateLimited("Too many requests.", provider="openai"), 502),
        (DatabaseUnavailable("PostgreSQL at db does not answer."), 503),
    ],
)
async def test_every_rooms_error_keeps_its_sentence_and_its_code(
    app: FastAPI, error: DatabaseUnavailable, status: int
) -> None:
    @app.get("/api/fail")
    @needs(Permission.READ)
    async def fail() -> None:
        raise error

    async with client_for(app) as client:
        problem = problem_of(await client.get("/api/fail"), status)
    assert problem["detail"] == str(error)
    assert problem["code"] == error.code
    if hasattr(error, "field"):
        assert problem["errors"] == [{"field": error.field, "message": str(error), "type": error.code}]


async def test_what_nobody_foresaw_is_counted_and_shows_nothing(app: FastAPI) -> None:
    @app.get("/api/fail")
    @needs(Permission.READ)
    async def fail() -> None:
        raise ZeroDivisionError(SECRET)

    async with client_for(app) as client:
        response = await client.get("/api/fail")
    assert problem_of(response, 500)["code"] == "internal_error"
    assert SECRET not in response.text
    assert "Traceback" not in response.text
    assert "frame-ancestors" in response.headers["content-security-policy"]
    assert 'asterisk_ai_unexpected_errors_total{where="http"}' in generate_latest(REGISTRY).decode()


async def test_below_ui_an_error_is_a_page(client: httpx2.AsyncClient, parts: Parts) -> None:
    response = await client.get("/ui/nothing")
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/html")
    assert "To the dashboard" in response.text


async def test_the_openapi_document_names_every_error_as_a_problem(client: httpx2.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert "HTTPValidationError" not in json.dumps(document)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and path != "/readyz":
                    assert list(answer["content"]) == ["application/problem+json"], (method, path, status)
            if path.startswith("/api/") and not path.startswith("/api/example"):
                assert operation["security"] == [{"Basic": []}, {"Token": []}]
                assert {"401", "429", "500", "503"} <= set(operation["responses"])
            assert operation["summary"]
