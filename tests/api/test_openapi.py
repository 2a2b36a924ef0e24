"""The OpenAPI document is complete: whoever adds an operation, without all of this it fails here."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from typing import Any, Final

import jsonschema
import pytest
from fastapi import FastAPI

from app.api.access import is_open
from app.api.install import install

PROBLEM: Final = "application/problem+json"
CHANGING: Final = {"post", "put", "patch", "delete"}
# Load balancers want the whole state with the refusal, not a problem.
OWN_REFUSALS: Final = {("/readyz", "503")}
# Everybody who may sign in may these, so nobody is refused for the role.
FOR_ALL: Final = {"/metrics"}


@functools.cache
def document() -> dict[str, Any]:
    app = FastAPI(title="asterisk-ai", version="1.2.3", docs_url=None, redoc_url=None, openapi_url=None)
    install(app)
    return app.openapi()


def operations() -> Iterator[Any]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield pytest.param(path, method, operation, id=f"{method.upper()} {path}")


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema that a reference leads to."""
    while "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


each_operation = pytest.mark.parametrize(("path", "method", "operation"), list(operations()))


@each_operation
def test_it_says_what_it_does(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation.get("summary"), "give the route a summary"
    assert operation.get("description"), "give the function a docstring"
    known = {tag["name"] for tag in document()["tags"]}
    assert operation.get("tags"), "give the router tags"
    assert set(operation["tags"]) <= known, "describe the tag in app/api/install.py"


@each_operation
def test_its_failures_are_documented_as_problems(path: str, method: str, operation: dict[str, Any]) -> None:
    for status, answer in operation["responses"].items():
        if status[0] in "45" and (path, status) not in OWN_REFUSALS:
            schema = answer.get("content", {}).get(PROBLEM, {}).get("schema")
            assert schema == {"$ref": "#/components/schemas/Problem"}, f"{status} is not a problem"
            assert set(answer["content"]) == {PROBLEM}
    assert expected(path, method, operation) <= set(operation["responses"])


def expected(path: str, method: str, operation: dict[str, Any]) -> set[str]:
    """The failures that every operation of its kind has, whatever it does."""
    parameters = operation.get("parameters", [])
    statuses: set[str] = set()
    if not is_open(path):
        # Who signs in is looked up: wrong password, too many of them, no database. And a bug can be anywhere.
        statuses |= {"401", "429", "500", "503"}
        if path not in FOR_ALL:
            statuses.add("403")
    if method in CHANGING:
        # Another site's page; a body that is too large, or sent as a form could send it.
        statuses |= {"403", "413", "415"}
    if "requestBody" in operation:
        statuses |= {"400", "413", "415", "422"}
    if any(each["in"] in ("path", "query") for each in parameters):
        statuses.add("422")
    if any(each["in"] == "path" for each in parameters):
        statuses.add("404")
    if any(each["name"].lower() == "if-match" for each in parameters):
        statuses.add("412")
    return statuses


@each_operation
def test_its_answer_has_a_shape(path: str, method: str, operation: dict[str, Any]) -> None:
    good = {status: answer for status, answer in operation["responses"].items() if status[0] == "2"}
    assert good
    for status, answer in good.items():
        if status == "204":
            assert "content" not in answer
            continue
        assert answer.get("content"), f"say what {status} holds"
        for kind, content in answer["content"].items():
            schema = content.get("schema")
            assert schema, f"give {kind} a schema"
            if kind == "application/json":
                assert {"$ref", "type", "anyOf", "oneOf", "allOf"} & set(schema), "name the body's model"


@each_operation
def test_its_body_has_an_example_that_fits(path: str, method: str, operation: dict[str, Any]) -> None:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        given = list(named(content)) or resolved(schema).get("examples") or [composed(schema)]
        whole = {**copy.deepcopy(schema), "components": document()["components"]}
        for example in given:
            jsonschema.validate(example, whole, cls=jsonschema.Draft202012Validator)


def named(content: dict[str, Any]) -> Iterator[Any]:
    """The examples of a media type."""
    if "example" in content:
        yield content["example"]
    for each in content.get("examples", {}).values():
        yield each["value"]


def composed(schema: dict[str, Any]) -> Any:
    """The body that Swagger UI and Redoc put together of the fields' examples.

    Each field that is needed must have one, for they would write "string" there.
    """
    schema = resolved(schema)
    for word in ("examples", "enum"):
        if schema.get(word):
            return schema[word][0]
    for word in ("example", "default", "const"):
        if word in schema:
            return schema[word]
    if "properties" in schema:
        needed = schema.get("required", [])
        body = {}
        for name, field in schema["properties"].items():
            if name in needed:
                body[name] = composed(field)
            elif resolved(field).get("examples"):
                body[name] = resolved(field)["examples"][0]
        return body
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return composed(schema[word][0])
    if schema.get("type") == "array":
        return [composed(schema["items"])]
    if schema.get("type") == "boolean":
        return True
    raise AssertionError(f"give an example: {schema}")


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for methods in document()["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))


def test_nothing_is_in_the_document_twice_or_missing_its_problem() -> None:
    schemas = document()["components"]["schemas"]
    assert {"Problem", "FieldProblem"} <= set(schemas)
    assert not {"HTTPValidationError", "ValidationError"} & set(schemas)
