"""Documents that real services publish: whole ones, as they are, and what providers make of their tools."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from langchain_anthropic.chat_models import convert_to_anthropic_tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_google_genai._function_utils import convert_to_genai_function_declarations

from app.tools.adapter import HttpTool
from app.tools.definition import ToolDefinition
from app.tools.execution import ToolExecutor
from app.tools.openapi.operations import Plan, read_plan
from app.tools.provider_rules import warnings_of

LOCK = Path(__file__).with_name("published.lock")
# Kept beside the lab's, so that a second run fetches nothing.
CACHE = Path(__file__).parents[3] / ".lab" / "published"

# Package, the document within, and how many operations it has (and with that, tools).
PUBLISHED = {
    "airflow": ("apache_airflow_core", "airflow/api_fastapi/core_api/openapi/v2-rest-api-generated.yaml", 128),
    "langgraph": ("langgraph_api", "openapi.json", 64),
    "mlserver": ("mlserver", "mlserver/rest/openapi/dataplane.json", 15),
}


@pytest.fixture(scope="session")
def packages() -> Path:
    """The packages, checked against their hashes by pip."""
    CACHE.mkdir(parents=True, exist_ok=True)
    arguments = [
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
        f"--dest={CACHE}",
        f"--requirement={LOCK}",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return CACHE


@pytest.fixture(params=PUBLISHED)
def published(packages: Path, request: pytest.FixtureRequest) -> tuple[Plan, int]:
    """A document's plan, and how many operations it has."""
    package, member, operations = PUBLISHED[request.param]
    (wheel,) = packages.glob(f"{package}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(member).decode()
    return read_plan(text, base_url="https://api.example"), operations


def test_every_operation_of_a_published_document_becomes_a_tool(published: tuple[Plan, int]) -> None:
    plan, operations = published
    assert len(plan.operations) == operations
    assert [(each.id, each.notes) for each in plan.operations if each.tool is None] == []
    tools = [each.tool for each in plan.operations if each.tool is not None]
    assert len({each.name for each in tools}) == operations


def test_the_providers_take_the_tools_of_a_published_document(published: tuple[Plan, int]) -> None:
    tools = [each.tool for each in published[0].operations if each.tool is not None]
    # What "every" is told of is a missing description, which no provider refuses.
    refused = [
        (tool.name, warning)
        for tool in tools
        for warning in warnings_of(tool, ("openai", "gemini", "anthropic", "local"))
        if warning.provider != "every"
    ]
    assert refused == []


def test_the_libraries_of_the_providers_pass_their_parameters_on(published: tuple[Plan, int]) -> None:
    for tool in (each.tool for each in published[0].operations):
        assert tool is not None
        Draft202012Validator.check_schema(dict(tool.parameters))
        offered = HttpTool(tool, ToolExecutor())
        names = set(tool.parameters["properties"])
        assert set(convert_to_openai_tool(offered)["function"]["parameters"]["properties"]) == names
        assert set(convert_to_anthropic_tool(offered)["input_schema"]["properties"]) == names
        assert _given_to_gemini(tool, offered) == names


def _given_to_gemini(tool: ToolDefinition, offered: HttpTool) -> set[str]:
    (made,) = convert_to_genai_function_declarations([offered])
    (declaration,) = made.function_declarations or []
    assert declaration.name == tool.name
    return set(declaration.parameters.properties or ()) if declaration.parameters is not None else set()
