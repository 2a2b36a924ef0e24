"""What a form reads, and what it says."""

from __future__ import annotations

import base64

import httpx2
import pytest
from fastapi import FastAPI, Request
from jinja2 import DictLoader
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.api.access import needs
from app.api.problems import ProblemError
from app.core.permissions import Permission
from app.prompts.errors import PromptInvalid
from app.web.forms import Form
from app.web.pages import ENVIRONMENT, done, render
from tests.api.conftest import client_for

BROWSER = {"Origin": "http://service.test"}


class Body(BaseModel):
    name: str = Field(min_length=1, max_length=5)
    rooms: list[int] = []
    heat: float = Field(default=1, ge=0, le=2)


def test_what_was_typed_is_kept_with_plain_line_ends() -> None:
    form = Form([("text", "one\r\ntwo"), ("row", "a"), ("row", "b")])
    assert form.text("text") == "one\ntwo"
    assert form.many("row") == ["a", "b"]
    assert (form.optional("absent"), form.flag("row"), form.flag("absent")) == (None, True, False)


@pytest.mark.parametrize(("typed", "number"), [("8", 8.0), ("0,5", 0.5), (" ", None)])
def test_numbers_are_read_with_point_or_comma(typed: str, number: float | None) -> None:
    form = Form([("n", typed)])
    assert form.number("n") == number
    assert form.ok


@pytest.mark.parametrize("typed", ["eight", "nan", "1e999", "1.2.3"])
def test_what_is_no_number_is_said_beside_the_field(typed: str) -> None:
    form = Form([("n", typed)])
    assert form.number("n") is None
    assert "number" in form.errors["n"]


@pytest.mark.parametrize("typed", ["1.5", "9" * 30, "--1", "²"])
def test_what_is_no_whole_number_is_said(typed: str) -> None:
    form = Form([("n", typed)])
    assert form.whole("n") is None
    assert "whole" in form.errors["n"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [('{"a": 1,\n b}', "line 2"), ("[" * 100_000, "nested"), ('{"a": NaN}', "NaN"), ("1" * 5000, "not JSON")],
)
def test_broken_json_is_said_with_its_place(typed: str, said: str) -> None:
    form = Form([("meta", typed)])
    assert form.json("meta", {}) == {}
    assert said in form.errors["meta"]
    assert len(form.errors["meta"]) < 300


def test_all_fields_are_looked_at_before_the_page_shows_them() -> None:
    form = Form([("n", "x")])
    form.number("n")
    assert form.build(Body, {"name": "", "rooms": ["x"]}) is None
    assert set(form.errors) == {"n", "name", "rooms.0"}
    assert "needed" in form.errors["name"]


@pytest.mark.parametrize(("heat", "said"), [(9.5, "at most 2."), (-1, "at least 0.")])
def test_what_is_beyond_its_bounds_is_said_with_the_bound(heat: float, said: str) -> None:
    form = Form()
    assert form.build(Body, {"name": "x", "heat": heat}) is None
    assert form.errors == {"heat": f"Write a number that is {said}"}


async def test_a_refusal_is_noted_beside_its_field() -> None:
    form = Form()
    async with form.noting():
        raise PromptInvalid("The name is empty.", field="name")
    assert form.errors == {"name": "The name is empty."}
    form = Form()
    async with form.noting():
        raise ProblemError(409, "taken", "Somebody has it.")
    assert (form.errors, form.status) == ({"": "Somebody has it."}, 409)


@pytest.fixture
def pages(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """With a form at /ui/try."""
    template = (
        '{% extends "base.html" %}{% from "forms.html" import area, choice, errors, field, flag, many %}'
        "{% block title %}T{% endblock %}{% block content %}{{ errors(form) }}"
        '{{ field(form, "name", "Name", help="Short.", required=true, attributes={"maxlength": 5}) }}'
        '{{ area(form, "text", "Text", language="json") }}{{ flag(form, "on", "On") }}'
        '{{ choice(form, "pick", "Pick", [("a", "A"), ("b", "B")]) }}'
        '{{ many(form, "rows", "Rows", [("1", "One"), ("2", "Two")]) }}{% endblock %}'
    )
    loader = ENVIRONMENT.loader
    assert loader is not None
    overlay = DictLoader({"try.html": template})

    def load(environment, name, globals=None):  # type: ignore[no-untyped-def]
        return (overlay if name == "try.html" else loader).load(environment, name, globals)

    monkeypatch.setattr(ENVIRONMENT, "loader", type("Both", (), {"load": staticmethod(load)})())

    @app.get("/ui/try")
    @needs(Permission.READ)
    async def show(request: Request) -> Response:
        return render(request, "try.html", form=Form.of({"name": "a", "rows": ["2"], "on": True, "pick": "b"}))

    @app.post("/ui/try")
    @needs(Permission.READ)
    async def take(request: Request) -> Response:
        form = await Form.read(request)
        if form.build(Body, {"name": form.text("name")}):
            return done(request, "/ui/try", f"Saved {form.text('name')} <b>.")
        return render(request, "try.html", status_code=form.status, form=form)

    return app


async def test_a_form_shows_errors_beside_fields_and_keeps_what_was_typed(pages: FastAPI) -> None:
    async with client_for(pages) as client:
        shown = (await client.get("/ui/try")).text
        assert 'value="a"' in shown
        assert '<option value="b" selected>' in shown
        sent = {"name": "too long", "text": '\n</textarea><script>"', "rows": ["1"]}
        answer = await client.post("/ui/try", data=sent, headers=BROWSER)
    assert answer.status_code == 422
    html = answer.text
    assert 'value="too long"' in html
    assert 'aria-invalid="true" aria-describedby="f-name-error f-name-help"' in html
    assert '<p class="wrong" id="f-name-error">At most 5 characters fit here.</p>' in html
    assert '<a href="#f-name">Name</a>' in html
    assert "<script>&#34;" not in html
    assert "\n\n&lt;/textarea&gt;&lt;script&gt;&#34;</textarea>" in html


async def test_a_message_is_shown_once_on_the_next_page(pages: FastAPI) -> None:
    async with client_for(pages) as client:
        answer = await client.post("/ui/try", data={"name": "ann"}, headers=BROWSER)
        assert (answer.status_code, answer.headers["location"]) == (303, "/ui/try")
        assert "Saved ann &lt;b&gt;." in (await client.get("/ui/try")).text
        assert "Saved" not in (await client.get("/ui/try")).text
        client.cookies.set("flash", "nonsense", path="/ui")
        assert (await client.get("/ui/try")).status_code == 200


async def test_a_form_that_no_browser_sent_is_refused(pages: FastAPI) -> None:
    async with client_for(pages) as client:
        assert (await client.post("/ui/try", data={"name": "ann"})).status_code == 403
        assert (await client.post("/ui/try", data={}, headers={"Origin": "http://evil.test"})).status_code == 403
        foreign = {"Sec-Fetch-Site": "cross-site", **BROWSER}
        assert (await client.post("/ui/try", data={"name": "ann"}, headers=foreign)).status_code == 403
        assert (await client.post("/ui/try", json={"name": "ann"}, headers=BROWSER)).status_code == 415
        form = await client.post("/api/prompts", data={"name": "ann"}, headers=BROWSER)
        assert form.status_code == 415


async def test_a_file_is_read_as_text(pages: FastAPI) -> None:
    @pages.post("/ui/file")
    @needs(Permission.READ)
    async def take(request: Request) -> dict[str, str]:
        return (await Form.read(request)).files

    async with client_for(pages) as client:
        good: httpx2.Response = await client.post(
            "/ui/file", files={"file": ("a.json", b"\xef\xbb\xbfhello")}, headers=BROWSER
        )
        assert good.json() == {"file": "hello"}
        bad = await client.post("/ui/file", files={"file": ("a.json", b"\xff\xfe")}, headers=BROWSER)
        assert bad.status_code == 400
        assert "UTF-8" in bad.text


async def test_a_long_message_in_any_script_fits_into_a_cookie(pages: FastAPI) -> None:
    async with client_for(pages) as client:
        request = Request({"type": "http", "scheme": "https", "headers": [], "path": "/ui", "query_string": b""})
        for letter in ("a", "é", "☎", "🎉", "\ud800"):
            cookie = done(request, "/ui", letter * 5_000).headers["set-cookie"]
            assert len(cookie) < 4_000
        deep = base64.urlsafe_b64encode(b"[" * 20_000).decode()
        assert (await client.get("/ui/try", headers={"Cookie": f"flash={deep}"})).status_code == 200
