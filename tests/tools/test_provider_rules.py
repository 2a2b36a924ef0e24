"""What providers would not take: our rules, held against what their libraries make of a schema."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_anthropic.chat_models import convert_to_anthropic_tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_google_genai._function_utils import convert_to_genai_function_declarations

from app.tools.adapter import HttpTool
from app.tools.execution import ToolExecutor
from app.tools.provider_rules import SchemaWarning, warnings_of
from app.tools.validation import parse_definition
from tests.tools.conftest import tool

ALL = ("openai", "gemini", "anthropic", "local", "demo")


def told(properties: dict[str, Any], provider: str, **top: Any) -> list[SchemaWarning]:
    definition = tool("http://h/x", properties)
    definition.parameters.update(top)  # type: ignore[attr-defined]
    return [each for each in warnings_of(definition, ALL) if each.provider == provider]


@pytest.mark.parametrize(
    ("method", "behaviour", "fields"),
    [
        ("GET", {"retries": 2, "cache_seconds": 5}, []),
        ("PUT", {"retries": 2}, []),
        ("POST", {"retries": 2, "cache_seconds": 5}, ["behaviour.retries", "behaviour.cache_seconds"]),
        ("REPORT", {"retries": 2}, ["behaviour.retries"]),
        ("POST", {"retries": 2, "repeatable": True}, []),
        ("POST", {}, []),
    ],
)
def test_settings_without_effect_are_warned_of(method: str, behaviour: dict[str, Any], fields: list[str]) -> None:
    data = {
        "name": "t",
        "description": "d",
        "request": {"url": "http://h/x", "method": method},
        "behaviour": behaviour,
    }
    found = warnings_of(parse_definition(data), ALL)
    assert [each.field for each in found if each.provider == "every"] == fields


def gemini_gets(schema: dict[str, Any]) -> Any:
    """What Gemini is sent of one property."""
    definition = tool("http://h/x", {"it": schema})
    (made,) = convert_to_genai_function_declarations([HttpTool(definition, ToolExecutor())])
    (declaration,) = made.function_declarations or []
    assert declaration.parameters is not None
    assert declaration.parameters.properties is not None
    return declaration.parameters.properties["it"].model_dump(exclude_none=True, mode="json")


def test_a_plain_schema_is_taken_by_all() -> None:
    properties = {
        "order": {"type": "string", "description": "d", "pattern": "^A"},
        "count": {"type": "integer", "description": "d", "minimum": 1},
        "tags": {"type": "array", "items": {"type": "string"}, "description": "d"},
        "kind": {"type": "string", "enum": ["a"], "description": "d"},
        "place": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "d"}},
            "required": ["city"],
            "description": "d",
        },
        "either": {"anyOf": [{"type": "string"}, {"type": "integer"}], "description": "d"},
    }
    assert warnings_of(tool("http://h/x", properties), ALL) == ()


def test_a_parameter_without_description_concerns_every_provider() -> None:
    (warning,) = warnings_of(tool("http://h/x", {"a": {"type": "string"}}), ALL)
    assert (warning.provider, warning.field) == ("every", "parameters.properties.a")


def test_nobody_who_is_not_configured_warns() -> None:
    definition = tool("http://h/x", {"a": {"enum": [1], "description": "d"}})
    assert warnings_of(definition, ("demo", "openai")) == ()
    assert [each.provider for each in warnings_of(definition, ("gemini",))] == ["gemini"]


@pytest.mark.parametrize("word", ["oneOf", "anyOf", "allOf"])
def test_combinations_at_the_top_are_refused(word: str) -> None:
    top = {word: [{"required": ["a"]}]}
    for provider in ("openai", "anthropic", "local"):
        assert [each.field for each in told({}, provider, **top)] == [f"parameters.{word}"]
    # The libraries pass it on, so it is the provider that refuses.
    definition = tool("http://h/x", {})
    made = HttpTool(definition, ToolExecutor())
    assert made.args_schema is not None
    made.args_schema[word] = [{}]  # type: ignore[index]
    assert word in convert_to_openai_tool(made)["function"]["parameters"]
    assert word in convert_to_anthropic_tool(made)["input_schema"]


@pytest.mark.parametrize(
    ("provider", "schema", "words"),
    [
        ("openai", {"type": "array"}, "items"),
        ("gemini", {"type": "array"}, "items"),
        ("gemini", {"type": "integer", "enum": [1]}, "enum"),
        ("gemini", {"type": "string", "enum": ["", "a"]}, "empty"),
        ("gemini", {"const": "a"}, "const"),
        ("gemini", {"type": ["string", "integer"]}, "several types"),
        ("gemini", {"oneOf": [{"type": "integer"}]}, "anyOf"),
        ("gemini", {"allOf": [{"type": "integer"}]}, "one schema"),
        ("gemini", {"type": "string", "not": {"const": "a"}}, "not told of not"),
        ("gemini", {"type": "object"}, "without properties"),
        ("gemini", {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]}, "required"),
    ],
)
def test_a_property_that_is_not_taken_is_told(provider: str, schema: dict[str, Any], words: str) -> None:
    found = told({"it": schema}, provider)
    assert any(words in each.message and each.field == "parameters.properties.it" for each in found), found


def test_names_that_are_not_taken_are_told() -> None:
    assert len(told({"a b": {"type": "string"}}, "anthropic")) == 1
    assert len(told({"a.b": {"type": "string"}}, "gemini")) == 1
    assert told({"a.b": {"type": "string"}}, "anthropic") == []


def test_a_recursive_schema_is_told_and_ends() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
    found = told({"it": {"$ref": "#/$defs/node"}}, "gemini", **{"$defs": {"node": node}})
    assert {each.field for each in found} == {"parameters.properties.it", "parameters.$defs.node.properties.next"}


# What the rules for Gemini say of its library. Where one of these fails after an update, the rule may go.


def test_the_library_of_gemini_raises_at_an_enum_of_numbers() -> None:
    with pytest.raises(ValueError, match="enum"):
        gemini_gets({"type": "integer", "enum": [1]})


@pytest.mark.parametrize(
    "schema",
    [{"oneOf": [{"type": "integer"}]}, {"allOf": [{"type": "integer"}]}, {"const": 7}],
)
def test_the_library_of_gemini_makes_a_text_of_what_it_does_not_know(schema: dict[str, Any]) -> None:
    assert gemini_gets(schema)["type"] == "STRING"


def test_the_library_of_gemini_takes_null_in_anyof_only() -> None:
    assert gemini_gets({"type": ["integer", "null"]})["type"] == "STRING"
    got = gemini_gets({"anyOf": [{"type": "integer"}, {"type": "null"}]})
    assert (got["type"], got["nullable"]) == ("INTEGER", True)


def test_the_library_of_gemini_keeps_anyof_and_drops_not() -> None:
    got = gemini_gets({"anyOf": [{"type": "string"}, {"type": "integer"}]})
    assert [option["type"] for option in got["any_of"]] == ["STRING", "INTEGER"]
    assert "not" not in str(gemini_gets({"type": "string", "not": {"const": "a"}}))


def test_the_library_of_gemini_makes_a_text_of_an_object_without_properties() -> None:
    assert gemini_gets({"type": "object"})["type"] == "STRING"
