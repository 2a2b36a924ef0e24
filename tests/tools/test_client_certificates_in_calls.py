"""Mutual TLS through the executor: the certificate is shown to the tool's server, and to no other."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from app.tools.auth.definition import Secret
from app.tools.errors import ToolUnreachable
from app.tools.execution import ToolExecutor
from app.tools.guard.rules import Policy
from app.tools.opening import open_executor
from app.tools.validation import parse_definition
from tests.tools.auth.test_authoriser import Pems, pems
from tests.tools.conftest import context

__all__ = ["pems"]


@asynccontextmanager
async def secured(pems: Pems, folder: Path, handler: Any) -> AsyncIterator[str]:
    """A server that wants a certificate of the company."""
    for name, text in (("server.pem", pems.server), ("ca.pem", pems.authority)):
        (folder / name).write_text(text)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.pem"))
    tls.load_cert_chain(str(folder / "server.pem"))
    tls.verify_mode = ssl.CERT_OPTIONAL
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def opened(pems: Pems) -> AsyncIterator[ToolExecutor]:
    stored = {"crt": pems.client, "key": pems.locked_key, "password": "open sesame", "ca": pems.authority}
    secrets = {name: Secret(value, 1) for name, value in stored.items()}
    executor = open_executor(Policy.parse("127.0.0.1"), secrets=lambda: secrets)
    try:
        yield executor
    finally:
        await executor.aclose()


def tool(url: str, **certificate: str) -> Any:
    fields = {"name": "t", "description": "d", "parameters": {"type": "object", "properties": {}}}
    shown = {"type": "none", "client_certificate": certificate} if certificate else {"type": "none"}
    return parse_definition({**fields, "request": {"url": url}, "authorisation": shown}, id=1)


ALL = {"certificate": "crt", "key": "key", "password": "password", "authority": "ca"}


async def shown(request: web.Request) -> web.Response:
    peer = request.transport.get_extra_info("peercert") if request.transport else None
    return web.json_response({"shown": bool(peer)})


async def test_the_certificate_is_shown_and_the_companys_authority_trusted(pems: Pems, tmp_path: Path) -> None:
    async with secured(pems, tmp_path, shown) as url, opened(pems) as executor:
        assert (await executor.run(tool(url, **ALL), {}, context())).text == '{"shown":true}'
        with pytest.raises(ToolUnreachable, match="certificate verify failed"):  # the usual authorities
            await executor.run(tool(url), {}, context())


async def test_a_redirect_to_another_server_takes_neither_certificate_nor_authority_along(
    pems: Pems, tmp_path: Path
) -> None:
    seen: list[str] = []

    async def never(request: web.Request) -> web.Response:
        seen.append(request.path)
        return await shown(request)

    async with secured(pems, tmp_path, never) as other:

        async def away(_request: web.Request) -> web.Response:
            raise web.HTTPFound(f"{other}/x")

        async with secured(pems, tmp_path, away) as url, opened(pems) as executor:
            with pytest.raises(ToolUnreachable, match="certificate verify failed"):
                await executor.run(tool(url, **ALL), {}, context())
    assert seen == []
