"""Functions of an installed package as tools: found by their entry points, called through the real executor."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.tools.definition import CallContext, PythonCall, ToolDefinition
from app.tools.errors import ToolFailure, ToolTimeout
from app.tools.execution import ToolExecutor
from app.tools.python.backend import MAX_THREADS_EACH, PythonBackend, PythonToolBusy
from app.tools.python.registry import GROUP, PythonTools

PAGE = Path(__file__).parents[3] / "docs" / "python-tools.md"
SOURCE = '''
import asyncio, dataclasses, enum, threading
from typing import Literal, Optional
from app.tools.python.api import CallInfo, ToolError

class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"

@dataclasses.dataclass
class Guest:
    name: str
    age: Optional[int] = None

def book(size: Size, guests: list[Guest], floor: Literal[1, 2] = 1):
    """Books a table.

    Args:
        size: How large
            it is to be.
        guests (list): Who comes.
    """
    return [size.name, guests[0].name, floor]

async def slow(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "awake"

release = threading.Event()
def hang():
    release.wait(20)

def fails():
    raise ValueError("the password is hunter22")

def many(*things): ...

async def leaves():
    raise SystemExit(3)

async def gives_up():
    raise asyncio.CancelledError
'''
# Imports that wait for a system which does not answer.
STUCK = "import threading, tests.tools.python.test_python_tools as t\nt.RELEASE.wait(20)\ndef tool(): ..."
RELEASE = threading.Event()
RELEASE.set()


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PythonTools]:
    example = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    announced = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    assert 'opening_hours = "acme_tools:opening_hours"' in announced
    (tmp_path / "acme_tools.py").write_text(example)
    (tmp_path / "acme_more.py").write_text(SOURCE)
    (tmp_path / "acme_stuck.py").write_text(STUCK)
    (tmp_path / "acme_broken.py").write_text("import no_such_module_at_all")
    entries = ["opening_hours = acme_tools:opening_hours", "broken = acme_broken:tool", "gone = acme_more:gone"]
    entries += [
        f"{name} = acme_more:{name}" for name in ("book", "slow", "hang", "fails", "many", "leaves", "gives_up")
    ]
    entries.append("stuck = acme_stuck:tool")
    folder = tmp_path / "acme_tools-1.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-tools\nVersion: 1.2\n")
    (folder / "entry_points.txt").write_text(f"[{GROUP}]\n" + "\n".join(entries))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert any(each.name == "acme-tools" for each in distributions())
    yield PythonTools()
    if "acme_more" in sys.modules:
        sys.modules["acme_more"].release.set()
    for name in ("acme_tools", "acme_more", "acme_broken", "acme_stuck"):
        sys.modules.pop(name, None)


def tool(entry: str, parameters: Any = None, timeout: float = 5.0) -> ToolDefinition:
    schema = parameters or {"type": "object", "properties": {}}
    return ToolDefinition(1, 1, "a_tool", "Does it.", schema, PythonCall(entry, timeout))


async def run(tools: PythonTools, entry: str, arguments: dict[str, Any], timeout: float = 5.0) -> str:
    executor = ToolExecutor(others={PythonCall: PythonBackend(tools)})
    context = CallContext("turn-1", {"caller_number": "17"}, asyncio.get_running_loop().time() + 20)
    try:
        return (await executor.run(tool(entry, timeout=timeout), arguments, context)).text
    finally:
        await executor.aclose()


async def test_the_example_of_the_documentation_works_as_it_is_written(tools: PythonTools) -> None:
    (found,) = [each for each in tools.all() if each.name == "opening_hours"]
    assert (found.package, found.version, found.problem) == ("acme-tools", "1.2", "")
    assert found.function is not None
    assert found.function.description.startswith("Says when a branch is open.")
    assert found.function.parameters == {
        "type": "object",
        "properties": {
            "branch": {"type": "string", "description": "The town"},
            "day": {"type": "integer", "default": 1},
        },
        "required": ["branch"],
    }
    text = await run(tools, "opening_hours", {"branch": "Ashby"})
    assert orjson.loads(text) == {"branch": "Ashby", "open": "9 to 18", "asked by": "17"}
    with pytest.raises(ToolFailure) as refused:
        await run(tools, "opening_hours", {"branch": "Rome"})
    assert refused.value.for_model == "There is no branch in Rome. Ask the caller for another town."


def test_what_cannot_be_used_is_listed_with_the_reason(tools: PythonTools) -> None:
    problems = {each.name: each.problem for each in tools.all() if each.problem}
    assert set(problems) == {"broken", "gone", "many"}
    assert "no_such_module_at_all" in problems["broken"]
    assert "things" in problems["many"]


async def test_types_become_a_schema_and_arguments_become_the_types(tools: PythonTools) -> None:
    found = tools.get("book")
    assert found is not None
    assert found.function is not None
    schema = found.function.parameters
    assert schema["required"] == ["size", "guests"]
    assert schema["properties"]["floor"] == {"default": 1, "enum": [1, 2], "type": "integer"}
    assert schema["properties"]["size"]["description"] == "How large it is to be."
    assert found.function.description == "Books a table."
    assert await run(tools, "book", {"size": "large", "guests": [{"name": "Ada"}]}) == '["LARGE","Ada",1]'
    with pytest.raises(ToolFailure, match="guests"):
        await run(tools, "book", {"size": "large", "guests": "Ada"})


async def test_an_async_function_is_cancelled_at_its_timeout(tools: PythonTools) -> None:
    assert await run(tools, "slow", {"seconds": 0}) == "awake"
    with pytest.raises(ToolTimeout):
        await run(tools, "slow", {"seconds": 30}, timeout=0.1)


async def test_a_function_that_hangs_is_busy_after_some_calls_and_holds_up_no_other(tools: PythonTools) -> None:
    executor = ToolExecutor(others={PythonCall: PythonBackend(tools)})
    context = CallContext("turn-1", {}, asyncio.get_running_loop().time() + 20)
    calls = [executor.run(tool("hang", timeout=0.2), {}, context) for _ in range(MAX_THREADS_EACH)]
    assert all(isinstance(each, ToolTimeout) for each in await asyncio.gather(*calls, return_exceptions=True))
    with pytest.raises(PythonToolBusy):
        await executor.run(tool("hang", timeout=0.2), {}, context)
    context = CallContext("turn-1", {}, asyncio.get_running_loop().time() + 20)
    with pytest.raises(ToolFailure, match="branch"):
        await executor.run(tool("opening_hours"), {}, context)
    sys.modules["acme_more"].release.set()
    for thread in threading.enumerate():
        if thread.name == "tool hang":
            await asyncio.to_thread(thread.join, 5)
    await asyncio.sleep(0)
    await executor.aclose()


async def test_an_error_tells_the_model_nothing_of_itself(tools: PythonTools) -> None:
    with pytest.raises(ToolFailure) as failed:
        await run(tools, "fails", {})
    assert "hunter22" not in str(failed.value) + failed.value.for_model
    assert "ValueError" in str(failed.value)


async def test_a_function_that_nobody_announces_is_a_failure_with_words(tools: PythonTools) -> None:
    with pytest.raises(ToolFailure, match="no installed package announces it"):
        await run(tools, "nothing", {})


@pytest.mark.parametrize("entry", ["leaves", "gives_up"])
async def test_a_function_that_would_end_the_process_or_the_turn_only_fails(tools: PythonTools, entry: str) -> None:
    with pytest.raises(ToolFailure) as caught:
        await run(tools, entry, {})
    assert caught.value.code == "python_tool_failed"


async def test_a_package_whose_import_hangs_takes_no_thread_from_the_service(tools: PythonTools) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(2))
    backend = PythonBackend(tools)
    executor = ToolExecutor(others={PythonCall: backend})
    context = CallContext("turn-1", {}, loop.time() + 20)
    assert tools.get("book") is not None
    RELEASE.clear()
    try:
        for _ in range(MAX_THREADS_EACH):
            with pytest.raises(ToolTimeout):
                await executor.run(tool("stuck", timeout=0.1), {}, context)
        with pytest.raises(PythonToolBusy):
            await executor.run(tool("stuck", timeout=0.1), {}, context)
        async with asyncio.timeout(1):
            await asyncio.to_thread(lambda: None)  # a password, a catalogue, a page
            given = {"size": "small", "guests": [{"name": "Ann"}]}
            await executor.run(tool("book", {"type": "object"}), given, context)
    finally:
        RELEASE.set()


async def test_a_package_whose_import_hangs_is_listed_with_the_others(tools: PythonTools) -> None:
    impatient = PythonTools(import_seconds=0.3)
    RELEASE.clear()
    try:
        found = {each.name: each for each in await asyncio.to_thread(impatient.all)}
    finally:
        RELEASE.set()
    assert "not ended within 0.3 s" in found["stuck"].problem
    assert found["book"].function is not None
    async with asyncio.timeout(5):
        while impatient.loaded("stuck") is None:
            await asyncio.sleep(0.01)
    stuck = await asyncio.to_thread(impatient.get, "stuck")
    assert stuck is not None
    assert stuck.function is not None
