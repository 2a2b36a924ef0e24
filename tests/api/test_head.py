"""HEAD is GET without the body."""

from __future__ import annotations

import httpx2
import pytest


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/static/app.css", "/api/prompts/1", "/ui", "/api/nothing"])
async def test_head_has_the_headers_of_get_and_no_body(client: httpx2.AsyncClient, path: str) -> None:
    got, asked = await client.get(path), await client.head(path)
    assert asked.status_code == got.status_code
    assert asked.content == b""
    for name in ("content-length", "content-type", "etag", "cache-control"):
        assert asked.headers.get(name) == got.headers.get(name), name


async def test_head_needs_the_login_that_get_needs(stranger: httpx2.AsyncClient) -> None:
    response = await stranger.head("/api/prompts")
    assert response.status_code == 401
    assert response.content == b""
