"""What the model sees of a response, by what the operator says of it."""

from __future__ import annotations

import threading
from typing import Any

import orjson
import pytest

from app.tools.backend import Response
from app.tools.definition import ToolDefinition
from app.tools.errors import ToolInvalid, ToolResultUnusable, ToolStatusError
from app.tools.execution import ToolExecutor
from app.tools.results import failure_words, in_words, note_of, words_of
from app.tools.validation import parse_definition
from tests.tools.conftest import context, raw_server, response

ITEMS = {"items": [{"id": 1, "name": "Tea", "secret": "x1"}, {"id": 2, "name": "Cup", "secret": "x2"}]}
XML = b"<o><i n='1'>Tea</i><i n='2'>Cup</i></o>"


def made(url: str = "http://x.example/", **result: Any) -> ToolDefinition:
    data = {"name": "t", "description": "d", "request": {"url": url}, "result": result}
    return parse_definition(data, id=1, version=1)


def came(body: Any, kind: str = "application/json", status: int = 200) -> Response:
    return Response(status, kind, None, body if isinstance(body, bytes) else orjson.dumps(body))


@pytest.mark.parametrize(
    ("result", "answer", "shown"),
    [
        ({"select": "items[].name"}, came(ITEMS), '["Tea","Cup"]'),
        ({"select": "items[0].name"}, came(ITEMS), "Tea"),
        ({"select": "length(items)"}, came(ITEMS), "2"),
        ({"select": 'o.i[]."#text"'}, came(XML, "text/xml; charset=utf-8"), '["Tea","Cup"]'),
        ({"template": "{{ result.o.i | length }} things"}, came(XML, "application/xml"), "2 things"),
        (
            {"select": "items", "template": "{% for i in result %}{{ i.id }}: {{ i.name }}. {% endfor %}"},
            came(ITEMS),
            "1: Tea. 2: Cup.",
        ),
        ({"template": "It is done ({{ status }})."}, came(b"", "", 204), "It is done (204)."),
        ({"template": "Page: {{ result }}"}, came(b"<html><h1>Hi</h1>", "text/html"), "Page: # Hi"),
        ({"template": "Says {{ result }}"}, came(b" plain ", "text/plain"), "Says plain"),
        ({"statuses": {"204": "Booked."}}, came(b"", "", 204), "Booked."),
        ({}, came(XML, "text/xml"), XML.decode()),
        ({}, came(b'{ "a" : [1, 2] }'), '{"a":[1,2]}'),
    ],
)
def test_it_is_selected_and_put_into_words(result: dict[str, Any], answer: Response, shown: str) -> None:
    assert in_words(made(**result), answer) == shown


@pytest.mark.parametrize("select", ["items[?id > `9`]", "items[9:]"])
def test_an_empty_selection_says_so(select: str) -> None:
    assert "found nothing" in in_words(made(select=select), came(ITEMS))


@pytest.mark.parametrize("select", ["nothing", "items[0].nothing", "{a: b, c: d}"])
async def test_a_name_that_is_not_there_is_not_taken_for_no_data(select: str) -> None:
    definition = made(select=select)
    text = in_words(definition, came(ITEMS))
    assert text == "The request succeeded, but nothing of its answer can be shown here."
    note = await note_of(definition, came(ITEMS), text)
    assert note == "The selection matched nothing in this response. At its top it has the names items."


def test_nothing_selected_of_nothing_is_no_data() -> None:
    assert "found nothing" in in_words(made(select="items[0].name"), came({"items": []}))


async def test_an_empty_wording_is_told_with_the_names_that_there_are() -> None:
    definition = made(template="{{ result.itemz }}")
    text = in_words(definition, came(ITEMS))
    assert "can be shown" in text
    assert "The wording is empty" in await note_of(definition, came(ITEMS), text)


@pytest.mark.parametrize(
    ("result", "answer", "why"),
    [
        ({"select": "a"}, came(b"<html>log in", "text/html"), "not the JSON or XML"),
        ({"select": "a"}, came(b"{broken"), "not the JSON or XML"),
        ({"select": "a"}, came(b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "text/xml"), "DTD"),
        ({"select": "sum(items[].name)"}, came(ITEMS), r"sum\(\) does not take"),
        ({"template": "{{ result.items + 1 }}"}, came({"items": "x"}), "line 1 fails"),
        ({"select": "a"}, came(b'"' + b"x" * 1_100_000 + b'"'), "up to 1,000,000"),
    ],
)
def test_what_does_not_fit_is_said_to_the_operator_and_not_shown_to_the_model(
    result: dict[str, Any], answer: Response, why: str
) -> None:
    with pytest.raises(ToolResultUnusable, match=why) as caught:
        in_words(made(**result), answer)
    assert caught.value.for_model.startswith("t was carried out")


@pytest.mark.parametrize(
    ("status", "words"), [(404, "No such order."), (500, "Down."), (503, "Busy."), (400, "did not accept")]
)
def test_statuses_have_the_operators_words(status: int, words: str) -> None:
    tool = made(statuses={"404": "No such order.", "5xx": "Down.", "503": "Busy."})
    assert words in failure_words(tool, came(b"secret", "text/plain", status))


def test_where_the_operator_selects_errors_are_not_shown_as_they_are() -> None:
    assert "internals" in failure_words(made(), came(b"internals", "text/plain", 400))
    assert "internals" not in failure_words(made(select="a"), came(b"internals", "text/plain", 400))


@pytest.mark.parametrize(
    ("result", "field"),
    [
        ({"select": "a b"}, "result.select"),
        ({"template": "{{ x }}"}, "result.template"),
        ({"statuses": {"4x": "?"}}, "result.statuses"),
    ],
)
def test_mistakes_are_said_beside_their_fields(result: dict[str, Any], field: str) -> None:
    with pytest.raises(ToolInvalid) as caught:
        made(**result)
    assert caught.value.field == field


async def test_what_takes_long_is_done_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[bool] = []

    def noted(tool: ToolDefinition, answer: Response) -> str:
        threads.append(threading.current_thread() is threading.main_thread())
        return in_words(tool, answer)

    monkeypatch.setattr("app.tools.results.in_words", noted)
    page = b"<html>" + b"<p>x" * 2_000
    for tool, answer in (
        (made(), came(ITEMS)),
        (made(), came([ITEMS] * 2_000)),
        (made(select="items"), came(ITEMS)),
        (made(), came(page, "text/html")),
    ):
        await words_of(tool, answer)
    assert threads == [True, False, False, False]


async def test_the_executor_shows_it_to_the_model(executor: ToolExecutor) -> None:
    async with raw_server(response(orjson.dumps(ITEMS))) as server:
        tool = made(server.url, select="items[].name", statuses={"404": "Nothing."}, max_bytes=300)
        assert (await executor.run(tool, {}, context())).text == '["Tea","Cup"]'
        server.answer = response(b"{}", status="404 Not Found")
        with pytest.raises(ToolStatusError) as caught:
            await executor.run(tool, {}, context())
        assert caught.value.for_model == "Nothing."
        server.answer = response(orjson.dumps({"items": [{"name": "x" * 20}] * 500}))
        text = (await executor.run(tool, {}, context())).text
        assert "[cut: the first 13 of 500." in text
