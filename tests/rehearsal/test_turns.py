"""One turn without a telephone, on the real agent."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from app.agent.events import ActionRequested, TextDelta, ToolFinished, ToolStarted
from app.prompts.draft import PromptDraft
from app.prompts.errors import PromptInvalid, PromptNotFound
from app.prompts.prompt import Action
from app.rehearsal.choice import Draft, Published, ToolChoice, Version
from app.rehearsal.errors import RehearsalInvalid, RehearsalsBusy
from app.rehearsal.events import Started
from app.rehearsal.rehearsal import TurnPlan
from app.rehearsal.seats import MOST_TURNS
from lab.providers.answer import Answer, StubToolCall
from lab.providers.server import StubProviders
from tests.rehearsal.conftest import House, MakeHouse
from tests.tools.conftest import raw_server, response, tool

ID = {"id": {"type": "string"}}


async def test_the_demo_model_answers_where_no_key_is_set(demo: House) -> None:
    await demo.prompt()
    events, finished = await demo.play("hello")
    started = events[0]
    assert isinstance(started, Started)
    assert (started.prompt, started.version, started.model) == ("reception", 1, "demo:demo")
    assert "".join(each.text for each in events if isinstance(each, TextDelta)) == finished.text
    assert finished.returned["AI_STATUS"] == "OK"
    assert finished.returned["AI_PROMPT_VERSION"] == "reception:1"
    assert finished.returned["AI_RESPONSE"] == finished.outcome.text


async def test_tools_tokens_and_times_are_shown(house: House, stub: StubProviders) -> None:
    async with raw_server(response(b'{"state": "sent"}')) as server:
        await house.tools.create(tool(server.url + "/o/{{ id }}?n={{ call.caller }}", ID, required=["id"]), by="test")
        await house.prompt(content="You serve {{ caller }}.")
        stub.script([Answer(tool_calls=(StubToolCall("look_up", {"id": "A1"}),)), Answer(text="It was **sent**.")])
        events, finished = await house.play("Where is it?", variables={"caller": "Ann"})
        assert server.request_line == "GET /o/A1?n=Ann HTTP/1.1"
    started, call, result, *texts = events
    assert isinstance(started, Started)
    assert (started.instructions, started.tools) == ("You serve Ann.", ("look_up",))
    assert isinstance(call, ToolStarted)
    assert call.arguments == {"id": "A1"}
    assert isinstance(result, ToolFinished)
    assert result.result == '{"state":"sent"}'
    assert texts
    assert (finished.text, finished.outcome.text) == ("It was **sent**.", "It was sent.")
    assert (finished.usage.input_tokens, [each.input_tokens for each in finished.step_usage]) == (50, [25, 25])
    assert [(each.name, each.arguments) for each in finished.tools] == [("look_up", {"id": "A1"})]
    first, second = [span for span in finished.spans if span.part == "step"]
    tool_span = next(span for span in finished.spans if span.part == "tool")
    assert first.start_ms + first.elapsed_ms <= tool_span.start_ms + 5
    assert tool_span.start_ms + tool_span.elapsed_ms <= second.start_ms + 5
    assert {span.part for span in finished.spans} == {"memory", "model", "step", "tool", "first_text"}


async def test_an_action_and_output_fields_become_variables(house: House, stub: StubProviders) -> None:
    await house.prompt(actions=(Action("transfer", targets=("sales",)),))
    stub.script([Answer(text="I connect you.", tool_calls=(StubToolCall("transfer_call", {"target": "sales"}),))])
    events, finished = await house.play("A person, please.")
    assert ActionRequested("transfer", "sales") in events
    assert (finished.returned["AI_ACTION"], finished.returned["AI_ACTION_DATA"]) == ("transfer", "sales")
    schema = {"type": "object", "properties": {"intent": {"type": "string"}}}
    stub.script([Answer(tool_calls=(StubToolCall("answer", {"say": "Yes.", "intent": "greet"}),))])
    _, finished = await house.play("Hi", prompt=Draft(PromptDraft("x", "y", output_schema=schema)))
    assert (finished.returned["AI_OUT_INTENT"], finished.outcome.text) == ("greet", "Yes.")


async def test_a_failure_ends_as_it_does_in_a_call(house: House, stub: StubProviders) -> None:
    await house.prompt(fallback="Later, please.", timeout=0.4)
    stub.script([Answer(status=500)])
    _, finished = await house.play("hello")
    assert (finished.returned["AI_STATUS"], finished.returned["AI_RESPONSE"]) == ("ERROR", "Later, please.")
    assert finished.returned["AI_ERROR"] == "provider_unavailable"
    assert finished.outcome.detail
    assert finished.text == ""
    stub.script([Answer(fault="hang")])
    _, finished = await house.play("hello")
    assert (finished.outcome.status, finished.outcome.error) == ("TIMEOUT", "turn_timeout")
    assert finished.outcome.latency_ms < 600
    assert [span.part for span in finished.spans if span.part != "memory"] == ["model"]
    _, finished = await house.play("  ")
    assert (finished.outcome.status, finished.outcome.text) == ("NO_INPUT", "Later, please.")
    _, finished = await house.play("hello", prompt=Draft(PromptDraft("x", "y", model="nobody:x")))
    assert (finished.outcome.status, finished.outcome.error) == ("ERROR", "unknown_model")


async def test_what_somebody_tries_out_is_no_news_of_a_providers_health(house: House, stub: StubProviders) -> None:
    await house.prompt()
    stub.script([Answer(status=500)])
    await house.play("hello")
    status = next(each for each in house.models.statuses() if each.name == "openai")
    assert (status.last_error, status.last_success) == (None, None)
    await house.play("hello")
    status = next(each for each in house.models.statuses() if each.name == "openai")
    assert status.last_success is not None


async def test_an_older_version_the_newest_or_a_draft_answers_and_calls_know_nothing_of_it(
    house: House, stub: StubProviders
) -> None:
    prompt_id = await house.prompt(content="One.")
    await house.prompts.save(prompt_id, PromptDraft("reception", "Two."), by="t", expected_version=1, publish=False)
    told = []
    draft = Draft(PromptDraft("reception", "Three, {{ who }}."))
    for choice in (Published(), Published("RECEPTION"), Version(prompt_id, 1), Version(prompt_id), draft):
        _, finished = await house.play("hello", prompt=choice, variables={"who": "Ann"})
        told.append((stub.requests[-1].body["messages"][0]["content"], finished.returned["AI_PROMPT_VERSION"]))
    assert told == [
        ("One.", "reception:1"),
        ("One.", "reception:1"),
        ("One.", "reception:1"),
        ("Two.", "reception:2"),
        ("Three, Ann.", "reception:draft"),
    ]
    assert [(each.name, each.content) for each in house.prompt_catalog.all()] == [("reception", "One.")]
    assert (await house.prompts.versions(prompt_id)).total == 2


async def test_two_drafts_of_a_tool_never_share_anything(house: House, stub: StubProviders) -> None:
    await house.prompt()
    async with raw_server(response(b"{}")) as server:
        for path in ("/one", "/two", "/one"):
            stub.script([Answer(tool_calls=(StubToolCall("look_up", {"id": "A"}),)), Answer(text="Done.")])
            choice = ToolChoice(names=(), drafts=(replace(tool(server.url + path, ID), id=0, version=0),))
            await house.play("go", tools=choice)
            offered = stub.requests[-1].body["tools"]
            assert [each["function"]["name"] for each in offered] == ["look_up"]
            assert server.request_line.startswith(f"GET {path}")
    assert house.tool_catalog.all() == ()


async def test_tools_are_chosen_by_name_or_left_out(house: House, stub: StubProviders) -> None:
    await house.prompt()
    record = await house.tools.create(tool("http://127.0.0.1:9/x"), by="test")
    await house.tools.set_enabled(record.definition.id, False, by="test")
    await house.play("go")
    assert "tools" not in stub.requests[-1].body
    await house.play("go", tools=ToolChoice(names=("look_up",)))
    assert len(stub.requests[-1].body["tools"]) == 1
    await house.play("go", tools=ToolChoice(names=("look_up",), off=True))
    assert "tools" not in stub.requests[-1].body
    with pytest.raises(RehearsalInvalid) as caught:
        await house.play("go", tools=ToolChoice(names=("nobody",)))
    assert caught.value.field == "tools"


async def test_what_does_not_exist_is_said_before_the_first_event(house: House) -> None:
    with pytest.raises(PromptNotFound):
        await house.play("hello")
    with pytest.raises(PromptNotFound):
        await house.play("hello", prompt=Version(7, 1))
    await house.prompt()
    with pytest.raises(PromptInvalid) as invalid:
        await house.play("hello", prompt=Draft(PromptDraft("x", "{{ oh")))
    assert invalid.value.field == "content"
    with pytest.raises(RehearsalInvalid) as unknown:
        await house.play("hello", model="nobody:x")
    assert unknown.value.field == "model"


async def test_a_conversation_is_remembered_by_its_key_only(house: House, stub: StubProviders) -> None:
    await house.prompt()
    await house.play("I am Ann", conversation="playground:a:1")
    _, finished = await house.play("Who?", conversation="playground:a:1")
    assert finished.returned["AI_TURN"] == "2"
    assert "I am Ann" in str(stub.requests[-1].body)
    await house.play("Who?", conversation="playground:b:1")
    assert "I am Ann" not in str(stub.requests[-1].body)
    await house.play("Who?")
    assert len(stub.requests[-1].body["messages"]) == 2


async def test_columns_side_by_side_do_not_disturb_each_other(house: House, stub: StubProviders) -> None:
    prompt_id = await house.prompt(content="One.")
    await house.prompts.save(prompt_id, PromptDraft("reception", "Two."), by="t", expected_version=1, publish=False)
    stub.default = Answer(delay=0.2)
    plans = [
        {"prompt": Version(prompt_id, 1), "conversation": "playground:a:1"},
        {"prompt": Version(prompt_id, 2), "conversation": "playground:a:2"},
        {"prompt": Draft(PromptDraft("d", "Three.")), "conversation": "playground:a:3", "model": "demo"},
    ]
    loop = asyncio.get_running_loop()
    began = loop.time()
    results = await asyncio.gather(*(house.play("hello", **plan) for plan in plans))
    assert loop.time() - began < 0.39
    assert [finished.model.partition(":")[0] for _, finished in results] == ["openai", "openai", "demo"]
    assert {each.body["messages"][0]["content"] for each in stub.requests} == {"One.", "Two."}


async def test_closing_it_cancels_the_model_call_and_leaves_no_memory(house: House, stub: StubProviders) -> None:
    await house.prompt()
    stub.default = Answer(text="word " * 200, gap=0.05)
    async with aclosing(house.rehearsal.turn(TurnPlan("go", conversation="playground:a:1"))) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break
    await asyncio.wait_for(stub.requests[-1].closed.wait(), 2)
    assert (await house.memory.load("playground:a:1")).count == 0


async def test_there_is_room_for_some_and_calls_go_first(house: House, stub: StubProviders) -> None:
    await house.prompt()
    stub.default = Answer(text="Slow.", delay=0.3)
    playing = [asyncio.create_task(house.play("hello")) for _ in range(MOST_TURNS)]
    await asyncio.sleep(0)
    with pytest.raises(RehearsalsBusy, match="12 turns of the playground"):
        await house.play("one too many")
    await asyncio.gather(*playing)
    house.full = True
    with pytest.raises(RehearsalsBusy, match="calls go first"):
        await house.play("hello")
    house.full = False
    assert (await house.play("hello"))[1].outcome.status == "OK"


async def test_when_the_service_stops_they_end(house: House, stub: StubProviders) -> None:
    await house.prompt()
    stub.default = Answer(fault="hang")
    playing = asyncio.create_task(house.play("hello"))
    while not stub.requests:
        await asyncio.sleep(0.01)
    house.rehearsal.close()
    with pytest.raises(asyncio.CancelledError):
        await playing
    with pytest.raises(RehearsalsBusy, match="stopping"):
        await house.play("hello")


async def test_drafts_never_push_the_graphs_of_calls_out(open_house: MakeHouse) -> None:
    house: House = await open_house()
    await house.prompt()
    await house.agent.warm_prompts(house.prompt_catalog.all())
    compiled = house.agent._graphs.compiled
    for number in range(30):
        await house.play("hello", prompt=Draft(PromptDraft("d", "x", temperature=number / 100)))
    assert len(house.agent._rehearsed_graphs._kept) == 24
    await house.agent.warm_prompts(house.prompt_catalog.all())
    assert house.agent._graphs.compiled == compiled
