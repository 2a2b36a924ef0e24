"""OpenAPI documents, and the tools that they become."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from app.tools.definition import ToolDefinition
from app.tools.errors import OpenApiInvalid
from app.tools.openapi.operations import Operation, Plan, read_plan
from app.tools.provider_rules import warnings_of
from app.tools.render import render
from tests.tools.openapi.documents import BOOKING, PET_STORE, minimal

PROVIDERS = ("openai", "gemini", "anthropic")
# What no provider has a word for.
ANY_OBJECT = {"type": "string", "contentMediaType": "application/json", "contentSchema": {"type": "object"}}
ANYTHING = {
    "type": "string",
    "description": "Any value, written as JSON.",
    "contentMediaType": "application/json",
}


def operation(plan: Plan, id: str) -> Operation:
    return next(each for each in plan.operations if each.id == id)


def tool(plan: Plan, id: str) -> ToolDefinition:
    found = operation(plan, id).tool
    assert found is not None, operation(plan, id).notes
    return found


def body_schema(schema: Any) -> Any:
    """What becomes of a body's schema."""
    return tool(read_plan(minimal(schema)), "x").parameters["properties"]


@pytest.fixture(scope="module")
def store() -> Plan:
    return read_plan(PET_STORE)


@pytest.fixture(scope="module")
def booking() -> Plan:
    return read_plan(json.dumps(BOOKING), base_url="https://table.example")


def test_a_document_is_listed_as_it_is(store: Plan) -> None:
    assert (store.title, store.version) == ("Pet Store", "1.0.20")
    assert store.server == "https://eu.petstore.example/api/v3"
    assert [(each.id, each.method, each.path) for each in store.operations] == [
        ("getPetById", "GET", "/pet/{petId}"),
        ("deletePet", "DELETE", "/pet/{petId}"),
        ("uploadImage", "POST", "/pet/{petId}"),
        ("updatePet", "PUT", "/pet"),
        ("get.pets/search", "GET", "/pets/search"),
    ]


def test_path_query_and_header_become_arguments(store: Plan) -> None:
    found = tool(store, "getPetById")
    assert found.name == "getPetById"
    assert found.description == "Find a pet by its number. Returns a single pet."
    assert found.http.url == "https://eu.petstore.example/api/v3/pet/{{ petId }}"
    assert found.http.query == {"fields": "{{ fields }}"}
    assert found.http.headers == {"X-Request-ID": "{{ X_Request_ID }}"}
    assert found.parameters["required"] == ["petId"]
    assert found.parameters["properties"]["petId"] == {
        "type": "integer",
        "format": "int64",
        "description": "The pet's number",
    }
    assert found.parameters["properties"]["fields"]["type"] == "string"
    notes = operation(store, "getPetById").notes
    assert "It wants an API key: store it as a secret, and choose the login API key, in the header X-Api-Key." in notes
    assert any("cookie session is left out" in note for note in notes)
    request = render(found, {"petId": 12, "fields": "a,b"}, {})
    assert request.url == "https://eu.petstore.example/api/v3/pet/12?fields=a%2Cb"


def test_a_body_becomes_arguments_with_all_of_its_parts(store: Plan) -> None:
    found = tool(store, "updatePet")
    properties = found.parameters["properties"]
    assert list(properties) == ["name", "category", "photoUrls", "note", "country", "born", "owner"]
    assert found.parameters["required"] == ["name", "photoUrls", "note"]
    assert properties["name"]["description"] == "Example: doggie."
    assert properties["category"]["properties"]["id"] == {"type": "integer"}
    assert list(properties["category"]["properties"]) == ["id"]
    assert properties["note"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert properties["country"]["enum"] == ["NO", "SE"]
    assert properties["born"]["description"] == "Example: 2019-05-01."
    assert [option["type"] for option in properties["owner"]["anyOf"]] == ["object", "string"]
    sent = render(found, {"name": "Rex", "photoUrls": [], "note": None}, {})
    assert json.loads(sent.body or b"") == {"name": "Rex", "photoUrls": [], "note": None}
    assert any("leads back into itself" in note for note in operation(store, "updatePet").notes)


def test_a_deep_object_is_taken_apart_and_limits_are_modern(store: Plan) -> None:
    found = tool(store, "get.pets/search")
    assert found.name == "get_pets_search"
    properties = found.parameters["properties"]
    assert found.http.query is not None
    assert found.http.query["filter[kind]"] == "{{ filter_kind }}"
    assert properties["filter_age"] == {"type": "integer", "exclusiveMinimum": 0}
    assert properties["limit"] == {"type": "integer", "maximum": 100, "description": "Default: 20."}
    assert properties["floor"] == {"type": "integer", "minimum": 1, "maximum": 3, "description": "One of: 1, 2, 3."}
    assert properties["since"]["description"] == "Example: 2020-01-31."
    request = render(found, {"filter_kind": "cat", "tag": ["a", "b"]}, {})
    assert request.url.endswith("/pets/search?filter%5Bkind%5D=cat&tag=a&tag=b")


def test_what_cannot_be_imported_says_why(store: Plan) -> None:
    upload = operation(store, "uploadImage")
    assert upload.tool is None
    assert "It cannot be imported. It sends nothing but files; files cannot be sent." in upload.notes
    deleted = operation(store, "deletePet")
    assert deleted.deprecated
    assert not any("API key" in note for note in deleted.notes)


def test_a_document_of_3_1_is_read(booking: Plan) -> None:
    found = tool(booking, "POST /tables/{day}/{hour}")
    assert found.name == "post_tables_day_hour"
    assert found.http.url == "https://table.example/v2/tables/{{ day }}/{{ hour }}"
    assert found.http.query == {"day": "{{ day_query }}"}
    assert found.http.headers == {"Content-Type": "application/merge-patch+json"}
    properties = found.parameters["properties"]
    assert properties["day"]["description"] == "Example: 2026-11-22."
    assert properties["guests"] == {"type": "integer", "exclusiveMinimum": 0, "maximum": 12}
    assert properties["name"] == {
        "anyOf": [{"type": "string"}, {"type": "null"}],
        "description": "Who books",
    }
    assert properties["kind"] == {"type": "string", "enum": ["dinner"]}
    assert properties["contact"] == {"type": "string", "pattern": "^[+0-9 ]+$"}
    assert found.http.json_body["day"] == "{{ day_body }}"
    assert any("OAuth 2" in note for note in operation(booking, "POST /tables/{day}/{hour}").notes)
    message = tool(booking, "send")
    assert message.http.json_body == "{{ body }}"
    assert json.loads(render(message, {"body": ["a"]}, {}).body or b"") == ["a"]
    assert operation(booking, "send").notes == []


def test_providers_take_the_tools_of_an_import(store: Plan, booking: Plan) -> None:
    refused = [
        warning
        for plan in (store, booking)
        for each in plan.operations
        if each.tool is not None
        for warning in warnings_of(each.tool, PROVIDERS)
        if "refuses" in warning.message or "cannot be asked" in warning.message
    ]
    assert refused == []


def test_what_is_made_is_json_schema(store: Plan, booking: Plan) -> None:
    for plan in (store, booking):
        for each in plan.operations:
            if each.tool is not None:
                Draft202012Validator.check_schema(each.tool.parameters)


def test_a_header_that_is_given_serves_the_login_and_goes_into_each_tool() -> None:
    plan = read_plan(PET_STORE, headers={"x-api-key": "secret"})
    assert tool(plan, "updatePet").http.headers == {"x-api-key": "secret"}
    assert not any("API key" in note for note in operation(plan, "updatePet").notes)


def test_a_base_url_replaces_the_server() -> None:
    plan = read_plan(PET_STORE, base_url="http://127.0.0.1:8080/test/")
    assert tool(plan, "updatePet").http.url == "http://127.0.0.1:8080/test/pet"


def test_names_and_ids_that_come_twice_stay_apart() -> None:
    one = {"operationId": "same", "summary": "s"}
    paths = {
        "/a": {"get": one, "post": one},
        "/b": {"get": {"operationId": "end_call"}, "delete": {"operationId": "9"}},
    }
    plan = read_plan(minimal(paths=paths))
    assert [each.id for each in plan.operations] == ["same", "POST /a", "end_call", "9"]
    assert [each.tool.name for each in plan.operations if each.tool] == ["same", "same_2", "end_call_2", "op_9"]


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("", "document", "no OpenAPI document"),
        ("hello", "document", "no OpenAPI document"),
        ('{"openapi": "3.0.0",', "document", "line 1"),
        ("openapi: 3.0.0\npaths: [", "document", "line 3"),
        ("swagger: '2.0'\npaths: {}", "document", "Convert to OpenAPI 3"),
        ('{"openapi": "4.0.0", "paths": {}}', "document", "OpenAPI 3"),
        ('{"openapi": "3.0.0"}', "document", "no paths"),
        (minimal(servers=[]), "base_url", "base URL"),
        (minimal(servers=[{"url": "/v1"}]), "base_url", "https://api.example.com/v1"),
        (minimal(servers=[{"url": "ftp://h"}]), "base_url", "http://"),
    ],
)
def test_a_document_that_cannot_be_read_says_why(text: str, field: str, words: str) -> None:
    with pytest.raises(OpenApiInvalid) as caught:
        read_plan(text)
    assert caught.value.field == field
    assert words in str(caught.value)


@pytest.mark.parametrize("base_url", ["nonsense", "https://h/x?y=1", "https://user:pass@h", "https://h/{{ call.x }}"])
def test_a_base_url_that_cannot_be_one_is_refused(base_url: str) -> None:
    with pytest.raises(OpenApiInvalid) as caught:
        read_plan(minimal(), base_url=base_url)
    assert caught.value.field == "base_url"


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"$ref": "http://evil.example/s.json"}, ANY_OBJECT),
        ({"$ref": "file:///etc/passwd"}, ANY_OBJECT),
        ({"$ref": "#/components/schemas/Gone"}, ANY_OBJECT),
        ({"$ref": 7}, ANY_OBJECT),
        (True, ANY_OBJECT),
        ({"allOf": [{"$ref": "#/paths"}]}, ANY_OBJECT),
        ({"type": "string", "pattern": "("}, {"type": "string"}),
        ({"type": "integer", "minimum": "x", "multipleOf": 0}, {"type": "integer"}),
        ({"type": 7, "required": "x", "properties": [], "enum": {}, "anyOf": {}, "title": 3}, ANY_OBJECT),
        (
            {"type": ["string", "nonsense", "integer"], "minLength": -1, "minimum": 2},
            {"anyOf": [{"type": "string"}, {"minimum": 2, "type": "integer"}]},
        ),
        ({"type": "string", "enum": ["", None, "a"]}, {"type": "string", "enum": ["a"]}),
        ({"oneOf": [{"type": "null"}, {"type": "string"}]}, {"type": "string"}),
        ({"type": "array"}, {"type": "array", "items": ANYTHING}),
        (
            {"type": "array", "items": {"type": "array"}},
            {"type": "array", "items": {"type": "array", "items": ANYTHING}},
        ),
    ],
)
def test_a_strange_schema_allows_more_and_breaks_nothing(schema: Any, expected: Any) -> None:
    found = body_schema(schema)["body"]
    words = (
        "The body of the request. A JSON object, written as text."
        if expected is ANY_OBJECT
        else "The body of the request."
    )
    assert found == {**expected, "description": words}
    Draft202012Validator.check_schema(found)
    assert warnings_of(tool(read_plan(minimal(schema)), "x"), PROVIDERS) == ()


def test_a_schema_that_doubles_at_each_step_is_cut() -> None:
    schemas: dict[str, Any] = {"s40": {"type": "string"}}
    for number in range(40):
        reference = {"$ref": f"#/components/schemas/s{number + 1}"}
        schemas[f"s{number}"] = {"type": "object", "properties": {"a": reference, "b": reference}}
    text = minimal({"$ref": "#/components/schemas/s0"}, components={"schemas": schemas})
    plan = read_plan(text)
    assert len(json.dumps(tool(plan, "x").parameters)) < 100_000
    assert any("left out" in note or "anything is allowed" in note for note in operation(plan, "x").notes)


def test_references_in_a_circle_end() -> None:
    circle = {"a": {"$ref": "#/components/schemas/b"}, "b": {"$ref": "#/components/schemas/a"}}
    text = minimal({"$ref": "#/components/schemas/a"}, components={"schemas": circle})
    assert read_plan(text).operations[0].tool is not None
    parameters = {"p": {"$ref": "#/components/parameters/p"}}
    paths = {"/x": {"get": {"parameters": [{"$ref": "#/components/parameters/p"}]}, "$ref": "#/paths/~1x"}}
    plan = read_plan(minimal(paths=paths, components={"parameters": parameters}))
    assert plan.operations == []


def test_what_a_document_says_never_becomes_a_placeholder() -> None:
    paths = {
        "/{call.token}/{{ call.token }}": {
            "get": {
                "operationId": "steal",
                "description": "{{ call.token }}",
                "parameters": [{"name": "{{ call.token }}", "in": "query", "schema": {"type": "string"}}],
            }
        }
    }
    plan = read_plan(minimal(paths=paths, servers=[{"url": "https://h.example/{{ call.token }}"}]))
    found = plan.operations[0].tool
    if found is not None:
        arguments = dict.fromkeys(found.parameters["properties"], "v")
        request = render(found, arguments, {"token": "stolen"})
        assert "stolen" not in f"{request.url}{request.headers}"
