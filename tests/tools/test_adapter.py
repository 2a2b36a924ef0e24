"""A tool as LangChain calls it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import orjson
import pytest
from langchain_core.utils.function_calling import convert_to_openai_tool

from app.core.metrics import REGISTRY
from app.tools.adapter import CALL_CONTEXT, HttpTool, ToolOutcome
from app.tools.definition import RequestSpec, ToolDefinition
from app.tools.execution import ToolExecutor
from tests.tools.conftest import context, raw_server, response, tool


def tool_call(**arguments: Any) -> dict[str, Any]:
    return {"type": "tool_call", "name": "look_up", "args": arguments, "id": "c1"}


async def test_parameters_may_have_the_names_that_langchain_uses_itself(executor: ToolExecutor) -> None:
    names = ("config", "run_manager", "self", "input", "callbacks", "type", "id")
    async with raw_server(response(b"[1]")) as server:
        adapted = HttpTool(tool(server.url, {name: {"type": "string"} for name in names}, method="POST"), executor)
        config = {"configurable": {CALL_CONTEXT: context()}}
        message = await adapted.ainvoke(tool_call(**dict.fromkeys(names, "x")), cast("Any", config))
        assert orjson.loads(server.body) == dict.fromkeys(names, "x")
    assert (message.text, message.tool_call_id, message.status) == ("[1]", "c1", "success")
    assert message.artifact.ok


async def test_a_failure_becomes_a_message_with_words() -> None:
    class Broken(ToolExecutor):
        async def run(self, *args: Any, **kwargs: Any) -> Any:
            raise KeyError("a bug")

    def counted() -> float:
        return REGISTRY.get_sample_value("asterisk_ai_tool_calls_total", {"outcome": "internal_error"}) or 0.0

    before = counted()
    adapted = HttpTool(tool("http://127.0.0.1:9/x"), Broken())
    message = await adapted.ainvoke(tool_call(), cast("Any", {"configurable": {CALL_CONTEXT: context()}}))
    assert message.status == "error"
    assert isinstance(message.artifact, ToolOutcome)
    assert message.artifact.error == "internal_error"
    assert "a bug" not in message.text
    assert counted() == before + 1


async def test_cancellation_passes_through(executor: ToolExecutor) -> None:
    async with raw_server(None) as server:
        adapted = HttpTool(tool(server.url), executor)
        config = {"configurable": {CALL_CONTEXT: context()}}
        task = asyncio.ensure_future(adapted.ainvoke(tool_call(), cast("Any", config)))
        await server.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_a_schema_without_properties_is_offered_with_them() -> None:
    definition = ToolDefinition(1, 1, "now", "Tells the time.", {"type": "object"}, RequestSpec("GET", "http://h/"))
    adapted = HttpTool(definition, ToolExecutor())
    assert adapted.args == {}
    offered = convert_to_openai_tool(adapted)["function"]
    assert (offered["name"], offered["parameters"]) == ("now", {"type": "object", "properties": {}})


async def test_what_was_sent_is_noted_with_its_secrets_masked(executor: ToolExecutor) -> None:
    secret = "Bearer top-secret-key"
    async with raw_server(response(b"{}", status="404 Not Found")) as server:
        definition = tool(server.url + "/{{ id }}", {"id": {"type": "string"}}, headers={"Authorization": secret})
        config = {"configurable": {CALL_CONTEXT: context()}}
        message = await HttpTool(definition, executor).ainvoke(tool_call(id="A1"), cast("Any", config))
    noted = message.artifact
    assert (noted.request.method, noted.request.url, noted.http_status) == ("GET", f"{server.url}/A1", 404)
    assert "top-secret-key" not in str(noted)
    refused = await HttpTool(definition, executor).ainvoke(tool_call(id=5), cast("Any", config))
    assert (refused.artifact.request, refused.artifact.http_status) == (None, None)
