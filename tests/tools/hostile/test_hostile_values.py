"""The table: every hostile value in every place of a request, through the real executor to a server that keeps the
bytes. Around the value nothing may differ from the request with a harmless one; in its place it must read back as what
it was. Or the call is refused, and not a byte is sent."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from app.tools.definition import ToolDefinition
from app.tools.errors import ArgumentsInvalid, CallUnfit, ToolFailure
from app.tools.execution import ToolExecutor
from app.tools.validation import parse_definition
from tests.tools.conftest import context
from tests.tools.hostile.conftest import Recorder
from tests.tools.hostile.places import HARMLESS, PLACES, Place
from tests.tools.hostile.values import OBJECTS, SECRET, SIZES, TEXTS, TRAVERSAL

SOURCES = ("argument", "call", "bound")
PAIRS = [(place, source) for place in PLACES for source in SOURCES if source == "argument" or not place.argument_only]


def tool_of(place: Place, source: str, server: str) -> ToolDefinition:
    placeholder = "{{ call.V }}" if source == "call" else "{{ v }}"
    request = json.loads(json.dumps(place.request).replace("VALUE", placeholder))
    return parse_definition(
        {
            "name": "look_up",
            "description": "Looks something up.",
            "parameters": {"type": "object", "properties": {"v": {}}},
            "bound": {"v": "{{ call.V }}"} if source == "bound" else {},
            "request": {"url": server + place.url.replace("VALUE", placeholder), **request},
        }
    )


def unvaried(raw: bytes) -> tuple[bytes, bytes]:
    """Head and body without what follows from the content: its length, and the boundary of the parts."""
    head, _, body = raw.partition(b"\r\n\r\n")
    boundary = re.search(rb"boundary=([0-9a-z-]+)", head)
    if boundary:
        assert body.count(b"--" + boundary[1]) == 4  # the value makes no further one
        head, body = head.replace(boundary[1], b"B"), body.replace(boundary[1], b"B")
    return re.sub(rb"(?i)(content-length: )\d+", rb"\1N", head), body


def read_back(place: Place, usual: bytes, raw: bytes) -> Any:
    """The value in its place, after all around it was found to be as usual."""
    usual_head, usual_body = unvaried(usual)
    head, body = unvaried(raw)
    marker = f'"{HARMLESS}"'.encode() if place.typed else HARMLESS.encode()
    in_head = marker in usual_head
    assert usual.count(marker) == 1
    if in_head:
        assert body == usual_body
    else:
        assert head == usual_head
    where, usually = (head, usual_head) if in_head else (body, usual_body)
    before, _, after = usually.partition(marker)
    assert where.startswith(before)
    assert where.endswith(after)
    assert len(where) >= len(before) + len(after)
    value = where[len(before) : len(where) - len(after)]
    assert place.written.fullmatch(value)
    if place.whole is not None:
        place.whole(head_of(raw), raw.partition(b"\r\n\r\n")[2])
        assert_same_structure(place, usual, raw, place.read(value))
    return place.read(value)


def head_of(raw: bytes) -> bytes:
    return raw.partition(b"\r\n\r\n")[0] + b"\r\n"


def assert_same_structure(place: Place, usual: bytes, raw: bytes, value: Any) -> None:
    """A whole parser sees the harmless body with one value changed, and nothing else."""
    assert place.whole is not None
    seen = place.whole(head_of(raw), raw.partition(b"\r\n\r\n")[2])
    expected = place.whole(head_of(usual), usual.partition(b"\r\n\r\n")[2])
    written = value
    if place.name == "file name":
        # Parsers leave the escapes of browsers as they are.
        written = value.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    assert repr(seen) == repr(_changed(expected, written))


def _changed(value: Any, to: Any) -> Any:
    if isinstance(value, str):
        return to if value == HARMLESS else value.replace(HARMLESS, to) if HARMLESS in value else value
    if isinstance(value, bytes):
        return value.replace(HARMLESS.encode(), to.encode()) if HARMLESS.encode() in value else value
    if isinstance(value, dict):
        return {name: _changed(each, to) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_changed(each, to) for each in value)
    return value


def expected_of(place: Place, value: Any) -> Any:
    """What the place holds of a value that is no text: JSON with its type, or as text."""
    if place.typed or isinstance(value, str):
        return value
    if value is None:
        return ""
    return value if isinstance(value, list | dict) else {True: "true", False: "false"}.get(value, str(value))


async def sent(executor: ToolExecutor, recorder: Recorder, tool: ToolDefinition, source: str, value: Any) -> bytes:
    """The bytes of one call. Raises ToolFailure."""
    if source == "argument":
        await executor.run(tool, {"v": value}, context(30))
    else:
        await executor.run(tool, {"v": "the model's"}, context(30, V=value))
    return recorder.taken()


async def tried(
    executor: ToolExecutor, recorder: Recorder, tool: ToolDefinition, source: str, value: Any
) -> bytes | ToolFailure:
    try:
        return await sent(executor, recorder, tool, source, value)
    except ToolFailure as failure:
        return failure


@pytest.mark.parametrize(("place", "source"), PAIRS, ids=[f"{place.name}-{source}" for place, source in PAIRS])
async def test_a_hostile_value_stays_in_its_place_or_is_refused(
    recorder: Recorder, armed: ToolExecutor, place: Place, source: str
) -> None:
    tool = tool_of(place, source, recorder.url)
    usual = await sent(armed, recorder, tool, source, HARMLESS)
    secrets = usual.count(SECRET.encode())
    through, wrong = 0, []
    for name, text in TEXTS.items():
        raw = await tried(armed, recorder, tool, source, text)
        if isinstance(raw, ToolFailure):
            assert recorder.taken() == b"", name
            assert isinstance(raw, ArgumentsInvalid if source == "argument" else CallUnfit), name
            assert SECRET not in str(raw) + raw.for_model
            assert len(raw.for_model) < 400
            continue
        through += 1
        try:
            assert read_back(place, usual, raw) == text
            assert raw.count(SECRET.encode()) == secrets
        except (AssertionError, ValueError, SyntaxError) as error:
            wrong.append((name, type(error).__name__, str(error)[:300]))
    assert wrong == []
    # Refusing everything would be no art: what cannot be sent at all is a small part.
    assert through > len(TEXTS) * (0.3 if "segment" in place.name or place.name == "file name" else 0.75)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
async def test_a_hostile_object_stays_in_its_place_or_is_refused(
    recorder: Recorder, armed: ToolExecutor, place: Place
) -> None:
    tool = tool_of(place, "argument", recorder.url)
    usual = await sent(armed, recorder, tool, "argument", HARMLESS)
    repeats = place.name in ("query without a place", "form", "part", "file")
    for name, value in OBJECTS.items():
        if repeats and (value is None or isinstance(value, list)):
            continue  # the field is there as often as the list is long, which is what the operator wrote
        raw = await tried(armed, recorder, tool, "argument", value)
        if isinstance(raw, ToolFailure):
            assert recorder.taken() == b"", name
            continue
        assert raw.count(SECRET.encode()) == usual.count(SECRET.encode()), name
        assert raw.count(b"\r\n\r\n") == usual.count(b"\r\n\r\n"), name
        assert head_of(raw).count(b"\r\n") == head_of(usual).count(b"\r\n"), name
        found = read_back(place, usual, raw)
        expected = expected_of(place, value)
        assert (json.loads(found) if not place.typed and isinstance(value, list | dict) else found) == expected, name


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("place", PLACES[:3], ids=lambda place: place.name)
async def test_nothing_leads_to_another_path(
    recorder: Recorder, armed: ToolExecutor, place: Place, source: str
) -> None:
    tool = tool_of(place, source, recorder.url)
    dots_in_a_name = {"dots", "dot", "three dots", "a trailing space", "a leading space", "leaders", "two dot leader"}
    for name, text in TRAVERSAL.items():
        if place.name == "part of a path segment" and (name in dots_in_a_name | {"encoded dots"} or ";" in text):
            continue  # x-...json is a name like any other
        with pytest.raises(ToolFailure):
            await sent(armed, recorder, tool, source, text)
    assert recorder.taken() == b""


async def test_what_is_not_named_by_the_operator_goes_nowhere(recorder: Recorder, armed: ToolExecutor) -> None:
    for method in ("GET", "POST", "REPORT"):
        tool = parse_definition(
            {
                "name": "look_up",
                "description": "Looks something up.",
                "parameters": {"type": "object", "properties": {"v": {}}},
                "bound": {},
                "request": {"method": method, "url": recorder.url + "/a"},
            }
        )
        await armed.run(tool, {"v": "1"}, context())
        usual = recorder.taken()
        await armed.run(tool, {"v": "1", "admin": "1", "__proto__": {"x": 1}, "v[]": 2}, context())
        assert recorder.taken() == usual


async def test_a_megabyte_arrives_whole_where_it_may_and_never_from_a_model(
    recorder: Recorder, armed: ToolExecutor
) -> None:
    place = next(each for each in PLACES if each.name == "string in JSON")
    for text in (SIZES["1 MB"], SIZES["1 MB of braces"]):
        from_call = tool_of(place, "call", recorder.url)
        usual = await sent(armed, recorder, from_call, "call", HARMLESS)
        assert read_back(place, usual, await sent(armed, recorder, from_call, "call", text)) == text
        for source in ("argument", "bound"):
            with pytest.raises(ToolFailure):
                await sent(armed, recorder, tool_of(place, source, recorder.url), source, text)
