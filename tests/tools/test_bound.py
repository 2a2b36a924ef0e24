"""Bound parameters: what becomes of call variables, and what the model sees of it all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from app.tools.arguments import ArgumentSchema
from app.tools.bound import bind, visible_parameters
from app.tools.definition import ToolDefinition
from app.tools.errors import ArgumentsInvalid, CallUnfit
from app.tools.provider_rules import warnings_of
from app.tools.validation import parse_definition

TEXT = {"type": "string", "description": "Anything."}


def bound_tool(
    parameters: Mapping[str, Any], bound: Mapping[str, Any], url: str = "https://shop.example/x"
) -> ToolDefinition:
    return parse_definition(
        {
            "name": "look_up",
            "description": "Looks something up.",
            "parameters": {"type": "object", **parameters},
            "bound": bound,
            "request": {"url": url},
        }
    )


def completed(tool: ToolDefinition, arguments: Mapping[str, Any], **variables: str) -> Mapping[str, Any]:
    return ArgumentSchema(tool.parameters, bound=tool.bound).complete(tool.name, bind(tool, arguments, variables))


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string"}, "0049", "0049"),
        ({}, "7", "7"),
        ({"type": "integer"}, " 42 ", 42),
        ({"type": "integer"}, "-7", -7),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "number"}, "12", 12),
        ({"type": "boolean"}, "Yes", True),
        ({"type": "boolean"}, "0", False),
        ({"type": "array"}, '["a", {"b": 1}]', ["a", {"b": 1}]),
        ({"type": "object"}, '{"a": "{{ call.other }}"}', {"a": "{{ call.other }}"}),
        ({"type": ["integer", "null"]}, "", None),
        ({"type": ["integer", "string"]}, "5", "5"),
        ({"$ref": "#/$defs/n"}, "5", 5),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "5", 5),
    ],
)
def test_a_call_variable_becomes_what_the_schema_wants(schema: dict[str, Any], text: str, value: Any) -> None:
    tool = bound_tool({"properties": {"x": schema}, "$defs": {"n": {"type": "integer"}}}, {"x": "{{ call.X }}"})
    assert completed(tool, {}, X=text, other="secret words")["x"] == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("integer", "five"),
        ("integer", "5.0"),
        ("integer", "\u0665"),
        ("integer", "9" * 19),
        ("integer", "9" * 5000),
        ("number", "nan"),
        ("number", "1e999"),
        ("number", "0x10"),
        ("boolean", "maybe"),
        ("array", '{"a": 1}'),
        ("object", "[1]"),
        ("object", "{" * 300),
        ("array", "[" * 300 + "]" * 300),
        ("string", "x" * 70_000),
    ],
)
def test_a_text_that_does_not_fit_names_the_parameter_to_the_operator_only(kind: str, text: str) -> None:
    tool = bound_tool({"properties": {"customer": {"type": kind}}}, {"customer": "{{ call.CRM_ID }}"})
    with pytest.raises(CallUnfit, match=r"customer takes \{\{ call\.crm_id \}\}") as caught:
        completed(tool, {}, CRM_ID=text)
    assert text[:50] not in str(caught.value)
    assert "customer" not in caught.value.for_model
    assert "CRM_ID" not in caught.value.for_model


def test_a_missing_call_variable_leaves_its_parameter_out_or_to_the_default() -> None:
    tool = bound_tool(
        {"properties": {"a": {"type": "integer"}, "b": {"type": "integer", "default": 3}, "c": {"type": "string"}}},
        {"a": "{{ call.A }}", "b": "{{ call.B }}", "c": "tel:{{ call.C }}"},
    )
    assert completed(tool, {"a": 9, "c": "mine"}, A="", B=" ") == {"b": 3}


def test_a_required_one_that_is_missing_is_the_operators_to_mend() -> None:
    tool = bound_tool({"properties": {"a": TEXT}, "required": ["a"]}, {"a": "{{ call.A }}"})
    with pytest.raises(CallUnfit, match=r"parameter a is missing, since this call has no \{\{ call\.a \}\}") as caught:
        completed(tool, {"a": "from the model"})
    assert "Go on without it" in caught.value.for_model


def test_what_is_bound_is_checked_and_the_model_hears_nothing_of_it() -> None:
    tool = bound_tool(
        {
            "properties": {"a": {"type": "string", "maxLength": 3}, "b": TEXT, "c": TEXT},
            "dependentRequired": {"b": ["c", "a"]},
            "anyOf": [{"required": ["c"]}, {"properties": {"a": {"const": "ok"}}}],
        },
        {"a": "{{ call.A }}"},
    )
    with pytest.raises(CallUnfit, match=r"a \(maxLength\)"):
        completed(tool, {}, A="too long")
    with pytest.raises(CallUnfit, match="dependentRequired"):
        completed(tool, {"b": "1", "c": "2"})
    with pytest.raises(ArgumentsInvalid, match="dependentRequired") as caught:
        completed(tool, {"b": "1"}, A="ok")
    assert "'c' is a dependency of 'b'" in caught.value.for_model
    with pytest.raises(ArgumentsInvalid) as caught:
        completed(tool, {}, A="xyz")
    assert "xyz" not in caught.value.for_model + str(caught.value)


def test_constants_keep_their_type_and_lists_take_call_variables() -> None:
    tool = bound_tool(
        {"properties": {"a": {"type": "integer"}, "b": {"type": "object"}}},
        {"a": 5, "b": {"from": ["{{ call.A }}", "{{ call.MISSING }}"], "n": 1, "none": "{{ call.MISSING }}"}},
    )
    assert completed(tool, {}, A="{{ call.B }}", B="no") == {"a": 5, "b": {"from": ["{{ call.B }}", None], "n": 1}}


def test_the_model_sees_a_valid_schema_that_speaks_of_no_bound_parameter() -> None:
    parameters = {
        "properties": {
            "order": {"$ref": "#/$defs/Text"},
            "customer": {"$ref": "#/$defs/CustomerId"},
            "friend": {"$ref": "#/properties/customer"},
            "tree": {"$ref": "#/properties/node"},
            "node": {"type": "object", "properties": {"next": {"$ref": "#/properties/node"}}},
        },
        "required": ["customer", "order"],
        "dependentRequired": {"customer": ["order"], "order": ["customer", "friend"]},
        "dependentSchemas": {"customer": {"required": ["order"]}, "order": {"required": ["customer"]}},
        "allOf": [{"$ref": "#/$defs/Base"}, {"required": ["friend"]}],
        "anyOf": [{"required": ["customer"]}, {"properties": {"customer": {"const": "1"}, "order": TEXT}}],
        "if": {"properties": {"customer": {"const": "x"}}},
        "then": {"required": ["order"]},
        "not": {"required": ["customer", "order"]},
        "minProperties": 2,
        "$defs": {
            "Text": {"type": "string"},
            "CustomerId": {"type": "string", "description": "CRM"},
            "Base": {"required": ["customer", "order"], "properties": {"customer": {}}},
            "OnlyOfCustomer": {"type": "integer"},
        },
    }
    tool = bound_tool(parameters, {"customer": "{{ call.C }}", "node": {"x": 1}})
    seen = visible_parameters(tool)
    Draft202012Validator.check_schema(seen)
    assert "customer" not in str(seen).replace("CustomerId", "")
    assert "node" not in str(seen["required"])
    assert list(seen["properties"]) == ["order", "friend", "tree"]
    assert seen["properties"]["friend"] == {"$ref": "#/$defs/CustomerId"}
    assert seen["allOf"] == [{"required": ["order"], "properties": {}}, {"required": ["friend"]}]
    assert set(seen["$defs"]) == {"Text", "CustomerId"}
    assert seen["minProperties"] == 0
    Draft202012Validator(seen).validate({"order": "1", "friend": "2"})
    assert tool.parameters["required"] == ["customer", "order"]  # the stored one is as it was


def test_providers_are_asked_about_what_the_model_sees() -> None:
    odd = {"type": "object", "description": "An object that nobody describes."}
    free, given = bound_tool({"properties": {"x": odd}}, {}), bound_tool({"properties": {"x": odd}}, {"x": {}})
    assert warnings_of(free, ["gemini"])
    assert not warnings_of(given, ["gemini"])


def test_a_bound_parameter_cannot_be_filled_by_the_model() -> None:
    tool = bound_tool({"properties": {"a": TEXT}}, {"a": "{{ call.A }}"}, "https://shop.example/{{ a }}")
    assert bind(tool, {"a": "the model's"}, {"A": "the call's"}) == {"a": "the call's"}
    assert bind(tool, {"a": "the model's"}, {}) == {}


def test_a_bound_call_variable_may_be_written_in_upper_case() -> None:
    tool = bound_tool({"properties": {"x": {"type": "string"}}}, {"x": "{{ call.CRM_ID }}"})
    assert completed(tool, {}, crm_id="7")["x"] == "7"
