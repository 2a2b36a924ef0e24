"""The pages, as a browser gets them."""

from __future__ import annotations

import re
from typing import Any, cast

import httpx2
import pytest
from fastapi import FastAPI

from app.api.parts import Parts
from app.prompts.draft import PromptDraft
from app.web.pages import ENVIRONMENT, FOLDER
from tests.api.conftest import Stub, waiting

PAGES = ["/ui", "/ui/prompts", "/ui/tools", "/ui/nothing", "/docs", "/redoc"]
SCRIPT = "<script>alert(1)</script>"


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_loads_everything_from_here_and_holds_no_inline_code(
    client: httpx2.AsyncClient, path: str
) -> None:
    html = (await client.get(path)).text
    loaded = re.findall(r'<(?:script|link|img)[^>]*?(?:src|href)="([^"]+)"', html)
    assert loaded
    for address in loaded:
        assert address.startswith("/static/")
        assert (await client.get(address)).status_code == 200, address
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert not re.search(r'\son\w+="|\sstyle="|<style', html)


async def test_the_root_leads_to_the_pages(client: httpx2.AsyncClient) -> None:
    response = await client.get("/")
    assert response.status_code == 307
    assert response.headers["location"] == "/ui"


async def test_script_in_a_name_is_text(client: httpx2.AsyncClient, parts: Parts) -> None:
    await parts.prompts.create(PromptDraft(name=SCRIPT, content="x"), by=SCRIPT)
    parts.ari = cast(Any, Stub(waiting(SCRIPT)))
    for path in ("/ui/prompts", "/ui"):
        html = (await client.get(path)).text
        assert SCRIPT not in html
        assert "&lt;script&gt;" in html


async def test_long_lists_have_pages(client: httpx2.AsyncClient, parts: Parts) -> None:
    for number in range(51):
        await parts.prompts.create(PromptDraft(name=f"prompt {number:02}", content="x"), by="admin", publish=number > 0)
    first = (await client.get("/ui/prompts")).text
    assert "1 to 50 of 52" in first
    assert "Draft" in first
    assert "51 to 52 of 52" in (await client.get("/ui/prompts?page=2")).text
    assert (await client.get("/ui/prompts?page=0")).status_code == 422


async def test_the_tools_are_listed(client: httpx2.AsyncClient) -> None:
    html = (await client.get("/ui/tools")).text
    assert "get_order_status" in html
    assert "/api/example/orders/{{ order_id }}" in html


async def test_files_outside_are_not_served(stranger: httpx2.AsyncClient) -> None:
    for path in ("/static/../pages.py", "/static/%2e%2e/pages.py", "/static/"):
        assert (await stranger.get(path)).status_code in (401, 404)


def test_every_template_escapes(app: FastAPI) -> None:
    assert ENVIRONMENT.autoescape is True
    for template in (FOLDER / "templates").rglob("*.html"):
        assert "|safe" not in template.read_text().replace(" ", "")


async def test_a_page_that_is_not_there_leads_to_those_that_are(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/ui/nothing")
    assert answer.status_code == 404
    assert "The menu above" in answer.text
    assert 'href="/ui/calls"' in answer.text
