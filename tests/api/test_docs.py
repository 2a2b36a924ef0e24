"""The document about the API."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx2
from fastapi import FastAPI


async def test_the_document_is_drawn_once_and_never_on_the_loop_that_serves_calls(
    client: httpx2.AsyncClient, app: FastAPI
) -> None:
    threads: list[int] = []
    original = app.openapi

    def drawing() -> dict[str, Any]:
        threads.append(threading.get_ident())
        return original()

    app.openapi = drawing  # type: ignore[method-assign]
    answers = await asyncio.gather(*(client.get("/openapi.json") for _ in range(3)))
    assert [answer.status_code for answer in answers] == [200] * 3
    assert answers[0].headers["content-type"] == "application/json"
    assert "/api/calls" in answers[0].json()["paths"]
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()
