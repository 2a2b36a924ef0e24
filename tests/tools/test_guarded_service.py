"""The service as a process: its example works out of the box, and nothing else of this machine is open to tools."""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.ports import free_port
from lab.service import Service
from tests.fixtures.leaks import keep
from tests.tools.conftest import raw_server, response

PASSWORD = "only-for-tests"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service"), {"WEB_UI_PASSWORD": PASSWORD}) as running:
        keep(running)
        yield running


async def tried(service: Service, body: dict[str, Any]) -> dict[str, Any]:
    login = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": f"Basic {login}"}, timeout=20) as client:
        answer = await client.post(f"{service.url}/api/tools/try", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def draft(url: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {}}
    return {"name": "t", "description": "d", "parameters": parameters, "request": {"method": "GET", "url": url}}


async def test_the_tool_of_a_new_installation_works(service: Service) -> None:
    result = await tried(service, {"tool_id": 1, "arguments": {"order_id": "A1042"}})
    assert result["error"] is None
    assert result["response"]["status"] == 200
    assert "/api/example/orders/A1042" in result["request"]["url"]


@pytest.mark.parametrize("path", ["/api/users", "/healthz", "/api/example/../users", "/ui"])
async def test_the_service_itself_is_closed_to_tools(service: Service, path: str) -> None:
    for host in ("127.0.0.1", "127.0.0.2", "localhost"):
        url = service.url.replace("127.0.0.1", host) + path
        result = await tried(service, {"tool": draft(url), "arguments": {}})
        assert result["error"]["code"] == "tool_refused"
        assert "where this service itself listens" in result["error"]["detail"]
        assert result["request"] is None  # nothing was sent
        assert "127" not in result["for_model"]


async def test_another_port_of_this_machine_is_closed_too(service: Service) -> None:
    async with raw_server(response(b"{}")) as server:
        result = await tried(service, {"tool": draft(f"{server.url}/x"), "arguments": {}})
        assert result["error"]["code"] == "tool_refused"
        assert f"add 127.0.0.1:{server.port} to TOOLS_ALLOWED_HOSTS" in result["error"]["detail"]
        assert result["request"] is None
        assert server.connections == 0


async def test_under_a_web_server_of_ones_own_its_port_is_closed_as_well(tmp_path: Path) -> None:
    port = free_port()
    starter = tmp_path / "started_otherwise.py"
    starter.write_text(
        f"import uvicorn\nif __name__ == '__main__':\n    uvicorn.run('app.main:app', port={port}, log_config=None)\n"
    )
    settings = {
        "WEB_UI_PASSWORD": PASSWORD,
        "WEB_PORT": str(free_port()),
        "TOOLS_ALLOWED_HOSTS": "127.0.0.1",
        "PYTHONPATH": ":".join([str(tmp_path), *sys.path]),
    }
    other = Service(tmp_path, settings, module="started_otherwise")
    other.url = f"http://127.0.0.1:{port}"
    async with other as running:
        for _ in range(50):
            try:
                result = await tried(running, {"tool": draft(f"{running.url}/healthz"), "arguments": {}})
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.1)
        assert result["error"]["code"] == "tool_refused"
        assert "where this service itself listens" in result["error"]["detail"]
