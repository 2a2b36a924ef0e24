"""The form of a tool's parameters, its part without a page: schemas to rows and back, in a real browser's engine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, sync_playwright

from app.web.pages import FOLDER
from lab.requirements import must_not_be_missing

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
Run = Callable[..., Any]

# Each comes back from the form as it went in, to the letter.
TRICKY = {
    "nothing": "{}",
    "no properties": '{"type": "object"}',
    "every simple type": """{"type": "object", "properties": {
        "a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": "number"}, "d": {"type": "boolean"},
        "e": {"type": "array"}, "f": {"type": "object"}, "g": {}}}""",
    "names that are numbers keep their order": """{"type": "object", "properties": {
        "b": {"type": "string"}, "10": {"type": "string"}, "2": {"type": "string"}}, "required": ["10", "2"]}""",
    "names of JavaScript's own": """{"type": "object", "properties": {
        "__proto__": {"type": "string"}, "constructor": {"type": "string"}, "": {"type": "string"}}}""",
    "numbers that JavaScript would change": """{"type": "object", "properties": {
        "n": {"type": "number", "minimum": 1.0, "maximum": 12345678901234567890, "multipleOf": 1e-7,
        "default": -0}}}""",
    "words that the form does not know": """{"type": "object", "title": "T", "additionalProperties": false,
        "$defs": {"x": {"type": "string"}}, "properties": {"a": {"title": "A", "type": "string", "examples": ["x"],
        "x-mine": {"deep": [1, {"y": null}]}, "contentEncoding": "base64", "deprecated": true}}}""",
    "compositions": """{"type": "object", "properties": {
        "a": {"oneOf": [{"type": "string"}, {"type": "integer"}], "description": "either"},
        "b": {"$ref": "#/$defs/b"}, "c": {"anyOf": [{}]}, "d": {"not": {}}, "e": {"const": 5}, "f": {"allOf": []}},
        "$defs": {"b": {"type": "string"}}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}""",
    "types that may be null, and lists of types": """{"type": "object", "properties": {
        "a": {"type": ["string", "null"], "default": null, "minLength": 2},
        "b": {"type": ["integer", "string"]}, "c": {"type": "null"}, "d": {"type": []}, "e": {"type": "madeup"}}}""",
    "schemas that are true or false": '{"type": "object", "properties": {"a": true, "b": false}}',
    "choices that are no plain lines": """{"type": "object", "properties": {
        "a": {"type": "string", "enum": [""]}, "b": {"enum": ["x", 1, null]}, "c": {"type": "string", "enum": [" x "]},
        "d": {"type": "integer", "enum": [1, 2.0]}, "e": {"enum": ["x", "y"], "default": "y"},
        "f": {"type": "string", "enum": ["two\\nlines"]}, "g": {"enum": []}, "h": {"type": "string",
        "enum": ["x", "x"]}}}""",
    "words at the wrong type": """{"type": "object", "properties": {"a": {"type": "integer", "minLength": 3,
        "pattern": "^a$"}, "b": {"type": "string", "minimum": 5, "minLength": "many", "description": 7}}}""",
    "odd defaults": """{"type": "object", "properties": {"a": {"type": "string", "default": ""},
        "b": {"type": "string", "default": 5}, "c": {"type": "boolean", "default": "yes"},
        "d": {"type": "object", "default": {"z": 1, "a": [1.50]}},
        "e": {"type": "string", "default": "two\\nlines"}}}""",
    "required that names others, twice, or nobody": """{"type": "object", "properties": {"a": {"type": "string"}},
        "required": ["gone", "a", "a", "other"]}""",
    "an empty required": '{"type": "object", "properties": {"a": {"type": "string"}}, "required": []}',
    "required of an old draft": """{"type": "object", "properties": {"a": {"type": "string", "required": true}},
        "required": true}""",
    "lists and objects within": """{"type": "object", "properties": {"items": {"type": "array", "minItems": 1,
        "uniqueItems": true, "items": {"type": "object", "additionalProperties": false, "required": ["sku", "zz"],
        "properties": {"sku": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string",
        "enum": ["x"]}}}}},
        "pair": {"type": "array", "items": [{"type": "string"}]}, "none": {"type": "array", "items": false},
        "strange": {"type": "object", "properties": []}}}""",
    "deeper than the form goes": '{"type": "object", "properties": {"a": ' * 8 + "{}" + "}}" * 8,
    "texts of all kinds": """{"type": "object", "properties": {"ü": {"type": "string",
        "description": "<script>\\u0007 \\ud83d\\ude00 \\ud800 \\u2028 \\\\ \\" \\/"}}}""",
    "not an object": '{"type": "string"}',
    "a list": "[1, 2]",
    "properties that are none": '{"type": "object", "properties": ["a"]}',
}


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """An empty page that has the scripts beside it."""
    if not CHROMIUM:
        say = pytest.fail if must_not_be_missing() else pytest.skip
        say("needs a browser: apt-get install chromium")

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix("http://pages.test/")
        if name:
            route.fulfill(body=(FOLDER / "static" / name).read_text(), content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html><title>Empty</title>", content_type="text/html")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.route("**/*", answer)
        page.goto("http://pages.test/")
        yield page
        browser.close()


@pytest.fixture
def run(page: Page) -> Run:
    """Runs the body of a function, with all that the two modules export at hand."""

    def run(body: str, **values: Any) -> Any:
        names = "parse, format, same, Raw, formOf, schemaOf, newRow, readNumber, readLines, shown"
        return page.evaluate(
            f"""async (values) => {{
                const modules = await Promise.all(["json-text", "schema-rows"].map((name) => import(`/${{name}}.js`)));
                const {{{names}}} = Object.assign({{}}, ...modules);
                const {{{", ".join(values)}}} = values;
                {body}
            }}""",
            values,
        )

    return run


def edited(run: Run, schema: str, change: str) -> Any:
    """The schema after a change of ``rows``."""
    text = run(
        f"const form = formOf(parse(text)); const rows = form.rows; {change}; return format(schemaOf(form));",
        text=schema,
    )
    return json.loads(text)


@pytest.mark.parametrize("name", TRICKY)
def test_a_schema_that_nobody_touched_comes_back_as_it_was(run: Run, name: str) -> None:
    went, came = run(
        "const schema = parse(text); return [format(schema), format(schemaOf(formOf(schema)))];", text=TRICKY[name]
    )
    assert went == came
    assert json.loads(came) == json.loads(TRICKY[name])


@pytest.mark.parametrize("name", [name for name in TRICKY if '"a"' in TRICKY[name] and "none" not in name])
def test_a_change_in_one_row_leaves_all_others_as_they_were(run: Run, name: str) -> None:
    before = json.loads(TRICKY[name])
    after = edited(run, TRICKY[name], "rows.find((row) => row.name === 'a').values.description = 'new words'")
    if before["properties"]["a"] is True:  # it has no place for words
        assert after == before
        return
    before["properties"]["a"]["description"] = "new words"
    assert after == before
    assert list(after["properties"]) == list(before["properties"])


def test_the_text_is_as_python_writes_it(run: Run) -> None:
    text = json.dumps({"a": [1, {}, [], {"b": "ü"}], "c": None, "d": True}, indent=2, ensure_ascii=False)
    assert run("return format(parse(text));", text=text) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1,}', "A comma stands before }, with nothing after it in line 1, column 9"),
        ('{\n"a" 1}', 'A colon is missing after the name: found "1" in line 2, column 5'),
        ('{"a": 1 "b": 2}', 'A comma or } is missing: found "\\""'),
        ("{'a': 1}", 'A name in double quotes is missing: found "\'"'),
        ('{"a": 1, "a": 2}', 'The name "a" is there twice'),
        ("", "A value is missing: found the end"),
        ("[1", "A comma or ] is missing: found the end"),
        ("[01]", "A comma or ] is missing"),
        ("{} {}", "The JSON ends here"),
        ('["a\nb"]', "A text is not closed, or has a line break"),
        ('["\\x"]', "a wrong \\ in it"),
        ("[" * 5000, "nested too deeply"),
    ],
)
def test_text_that_is_no_json_is_refused_in_words(run: Run, text: str, words: str) -> None:
    message = run("try { parse(text); } catch (error) { return error.message; }", text=text)
    assert words in message


SCHEMA = """{"type": "object", "properties": {
    "order": {"type": "string", "description": "The order", "pattern": "^[0-9]+$", "x-mine": 1},
    "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
    "count": {"type": "integer", "minimum": 1}}, "required": ["order", "elsewhere"], "additionalProperties": false}"""


def test_a_new_row_is_written_once_it_has_a_name(run: Run) -> None:
    assert edited(run, SCHEMA, "rows.push(newRow())") == json.loads(SCHEMA)
    after = edited(
        run,
        SCHEMA,
        "rows.push(Object.assign(newRow('yesno'), {name: 'urgent', required: true, values: {default: true}}))",
    )
    assert after["properties"]["urgent"] == {"type": "boolean", "default": True}
    assert after["required"] == ["order", "elsewhere", "urgent"]


def test_a_first_row_makes_the_object(run: Run) -> None:
    after = edited(run, "{}", "rows.push(Object.assign(newRow('choice'), {name: 'x', values: {enum: ['1', '2']}}))")
    assert after == {"type": "object", "properties": {"x": {"type": "string", "enum": ["1", "2"]}}}


def test_renaming_keeps_place_and_requirement(run: Run) -> None:
    after = edited(run, SCHEMA, "rows[0].name = 'number'")
    assert list(after["properties"]) == ["number", "kind", "count"]
    assert after["required"] == ["number", "elsewhere"]
    assert after["properties"]["number"]["x-mine"] == 1


def test_removing_a_row_removes_its_requirement_alone(run: Run) -> None:
    after = edited(run, SCHEMA, "form.rows = rows.slice(1)")
    assert list(after["properties"]) == ["kind", "count"]
    assert after["required"] == ["elsewhere"]


def test_a_row_can_be_moved_and_left_to_the_model(run: Run) -> None:
    after = edited(run, SCHEMA, "form.rows = [rows[2], rows[0], rows[1]]; rows[0].required = false")
    assert list(after["properties"]) == ["count", "order", "kind"]
    assert after["required"] == ["elsewhere"]


def test_another_type_drops_what_only_the_old_one_has_and_keeps_the_rest(run: Run) -> None:
    after = edited(run, SCHEMA, "rows[0].kind = 'whole'; rows[1].kind = 'text'; rows[2].kind = 'number'")
    assert after["properties"] == {
        "order": {"type": "integer", "description": "The order", "x-mine": 1},
        "kind": {"type": "string", "default": "a"},
        "count": {"type": "number", "minimum": 1},
    }


def test_another_type_and_back_is_no_change(run: Run) -> None:
    change = "rows[0].kind = 'whole'; schemaOf(form); rows[0].kind = 'text'"
    assert edited(run, SCHEMA, change) == json.loads(SCHEMA)


def test_a_composition_becomes_simple_only_when_it_is_told_to(run: Run) -> None:
    schema = '{"type": "object", "properties": {"a": {"oneOf": [{"type": "string"}], "title": "A"}, "b": true}}'
    after = edited(run, schema, "rows[0].kind = 'text'; rows[1].kind = 'any'")
    assert after["properties"] == {"a": {"type": "string", "title": "A"}, "b": {}}


def test_rows_within_lists_and_objects_are_written(run: Run) -> None:
    after = edited(
        run,
        '{"type": "object", "properties": {"lines": {"type": "array"}}}',
        """rows[0].item = newRow("object");
           rows[0].item.rows.push(Object.assign(newRow("whole"), {name: "n", required: true, values: {minimum: 1}}))""",
    )
    line = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
    assert after["properties"]["lines"] == {"type": "array", "items": line}


def test_an_emptied_field_is_taken_out(run: Run) -> None:
    after = edited(run, SCHEMA, "rows[0].values.description = undefined; rows[2].values.minimum = undefined")
    assert "description" not in after["properties"]["order"]
    assert after["properties"]["count"] == {"type": "integer"}


@pytest.mark.parametrize(
    ("typed", "text"),
    [("5", "5"), (" 0,5 ", "0.5"), ("007", "7"), ("1.50", "1.50"), ("12345678901234567890", "12345678901234567890")],
)
def test_numbers_are_taken_as_people_type_them(run: Run, typed: str, text: str) -> None:
    assert run("return format(readNumber(typed));", typed=typed) == text


def test_what_is_no_number_is_said(run: Run) -> None:
    wrong = run("return ['x', '1.5', '-1', '1e'].map((text) => readNumber(text, {whole: true, least: 0}));")
    assert wrong == [None, None, None, None]
    assert run("return readNumber('  ') === undefined;")


def test_allowed_values_stand_one_in_a_line(run: Run) -> None:
    assert run("return readLines(' a \\n\\nb\\na', 'choice');") == {"values": ["a", "b"]}
    assert run("return readLines('1\\n2', 'whole');") == {"values": [1, 2]}
    assert run("return readLines('1\\nx', 'whole');") == {"wrong": "x"}
