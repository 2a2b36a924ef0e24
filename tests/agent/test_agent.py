"""The agent on a scripted model: events, memory, deadlines, fallback."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage

from app.agent.errors import EmptyAnswer, InvalidOutput, StepLimit, TruncatedAnswer, TurnTimeout
from app.agent.events import ActionRequested, TextDelta, ToolFinished, ToolStarted, Usage
from app.llm.errors import ProviderRateLimited, ProviderTimeout, ProviderUnavailable
from app.prompts.errors import PromptTemplateError
from app.prompts.prompt import Action
from tests.agent.conftest import MakeBench
from tests.agent.scripted import call, finish, run, scripted, turn
from tests.tools.conftest import raw_server, response, tool

STRING = {"type": "string"}


async def test_text_streams_and_the_turn_is_remembered(bench: MakeBench) -> None:
    made = bench(["Hel", "lo ", "Ann.", finish("stop", tokens=7)], ["Again."])
    events, done = await run(made.agent, turn("I am Ann", variables={"caller": "Ann"}))
    assert events == [TextDelta("Hel"), TextDelta("lo "), TextDelta("Ann.")]
    assert (done.text, done.turn, done.model, done.steps) == ("Hello Ann.", 1, "first:m", 1)
    assert done.usage == Usage(7, 1)
    assert done.first_text_ms is not None
    _, done = await run(made.agent, turn("Who am I?"))
    assert done.turn == 2
    kinds = [(type(each), each.text) for each in made.requests[1]]
    assert kinds == [
        (SystemMessage, "You serve ."),
        (HumanMessage, "I am Ann"),
        (AIMessage, "Hello Ann."),
        (HumanMessage, "Who am I?"),
    ]
    assert made.models.succeeded_with
    assert made.models.built == 1


async def test_a_graph_serves_all_prompts_that_differ_in_text_only_and_the_model_is_bound_once(
    bench: MakeBench,
) -> None:
    made = bench(["a"], ["b"], ["c"], tools=(tool("http://127.0.0.1:9/x"),))
    for version in (1, 2):
        await run(made.agent, turn(version=version, content=f"v{version} {{{{ caller }}}}", variables={"caller": "B"}))
    assert [request[0].text for request in made.requests] == ["v1 B", "v2 B"]
    assert made.models.built == 1
    assert made.models.by_name["first"].bound["times"] == 1
    await run(made.agent, turn(temperature=0.5))
    assert made.models.built == 2


async def test_turns_that_share_a_graph_at_the_same_time_share_nothing_else(bench: MakeBench) -> None:
    async with raw_server(lambda request: response(request.split(b" ")[1])) as server:
        definition = tool(server.url + "/{{ call.caller }}")
        script = [[0.01, call("look_up")]] * 30 + [[0.01, "Done."]] * 30
        made = bench(*script, tools=(definition,))

        async def one(number: int) -> None:
            request = turn(conversation=f"c{number}", variables={"caller": f"n{number}"})
            events, _ = await run(made.agent, request)
            assert [each.result for each in events if isinstance(each, ToolFinished)] == [f"/n{number}"]
            messages = made.memory.kept[f"c{number}"][0].messages
            assert messages[2].text == f"/n{number}"

        await asyncio.gather(*(one(number) for number in range(30)))
        assert made.models.built == 1
        assert {request[0].text for request in made.requests} == {f"You serve n{number}." for number in range(30)}


async def test_without_a_conversation_nothing_is_remembered(bench: MakeBench) -> None:
    made = bench(["a"])
    assert (await run(made.agent, turn(conversation=None)))[1].turn == 1
    assert made.memory.kept == {}


async def test_a_tool_turn_tells_its_story_and_is_kept_whole(bench: MakeBench) -> None:
    async with raw_server(response(b'{"state": "sent"}')) as server:
        definition = tool(server.url + "/o/{{ id }}?n={{ call.CALLERID }}", {"id": STRING}, required=["id"])
        made = bench(["Let me see.", call("look_up", {"id": "A1"})], ["It was ", "sent."], tools=(definition,))
        events, done = await run(made.agent, turn(variables={"CALLERID": "12"}))
        assert server.request_line == "GET /o/A1?n=12 HTTP/1.1"
    assert events[:2] == [TextDelta("Let me see."), ToolStarted("c1", "look_up", {"id": "A1"})]
    finished = events[2]
    assert isinstance(finished, ToolFinished)
    assert (finished.ok, finished.result, finished.error) == (True, '{"state":"sent"}', None)
    assert finished.elapsed_ms > 0
    assert events[3:] == [TextDelta("\nIt was "), TextDelta("sent.")]
    assert (done.text, done.steps) == ("It was sent.", 2)
    kept = made.memory.kept["c"][0].messages
    assert [type(each) for each in kept] == [HumanMessage, AIMessage, ToolMessage, AIMessage]
    assert made.requests[1][-1].text == '{"state":"sent"}'


async def test_parallel_tools_run_at_the_same_time(bench: MakeBench) -> None:
    both = asyncio.Barrier(2)

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.wait_for(both.wait(), 2)
        writer.write(response(b"{}", extra="Connection: close\r\n"))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(slow, "127.0.0.1", 0)
    definition = tool(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x", {"id": STRING})
    calls = [call("look_up", {"id": "1"}, "a", 0), call("look_up", {"id": "2"}, "b", 1)]
    made = bench(calls, ["Done."], tools=(definition,))
    events, done = await run(made.agent, turn())
    assert [type(each) for each in events] == [ToolStarted, ToolStarted, ToolFinished, ToolFinished, TextDelta]
    assert all(each.ok for each in events if isinstance(each, ToolFinished))
    assert done.text == "Done."
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    ("broken", "error", "words"),
    [
        (call("look_up", {"id": 5}), "tool_arguments_invalid", "id: 5 is not of type 'string'"),
        (call("look_up", '{"id": "A1'), "tool_arguments_invalid", "no JSON object"),
        (call("nothing", {}), "tool_not_found", "not a valid tool"),
        (call("look_up", {"id": "1"}), "tool_unreachable", "cannot be reached"),
    ],
    ids=["wrong type", "malformed", "unknown tool", "unreachable"],
)
async def test_a_failure_of_a_tool_is_told_to_the_model_and_the_turn_goes_on(
    bench: MakeBench, broken: AIMessageChunk, error: str, words: str
) -> None:
    definition = tool("http://127.0.0.1:9/{{ id }}", {"id": STRING})
    made = bench([broken, finish("tool_calls")], ["Sorry."], tools=(definition,))
    events, done = await run(made.agent, turn())
    assert [type(each) for each in events] == [ToolStarted, ToolFinished, TextDelta]
    finished = events[1]
    assert isinstance(finished, ToolFinished)
    assert (finished.ok, finished.error) == (False, error)
    assert words in finished.result
    last = made.requests[1][-1]
    assert isinstance(last, ToolMessage)
    assert words in last.text
    previous = made.requests[1][-2]
    assert isinstance(previous, AIMessage)
    assert [each["id"] for each in previous.tool_calls] == ["c1"]
    assert done.text == "Sorry."


@pytest.mark.parametrize("reason", ["length", "MAX_TOKENS", "max_tokens", "content_filter", "FinishReason.SAFETY"])
async def test_a_cut_message_is_no_answer_and_its_tool_calls_never_run(bench: MakeBench, reason: str) -> None:
    async with raw_server(response(b"{}")) as server:
        definition = tool(server.url + "/x", {"id": STRING})
        made = bench([call("look_up", '{"id": "A'), finish(reason)], ["Half an", finish(reason)], tools=(definition,))
        for _ in range(2):
            with pytest.raises(TruncatedAnswer):
                await run(made.agent, turn())
        assert server.connections == 0
    assert made.memory.kept == {}


@pytest.mark.parametrize("script", [[], [" \n "], [finish("stop")]])
async def test_an_answer_without_a_word_is_an_error(bench: MakeBench, script: list[Any]) -> None:
    made = bench(script or [""])
    with pytest.raises(EmptyAnswer):
        await run(made.agent, turn())
    assert made.memory.kept == {}


async def test_one_moment_before_a_tool_is_no_answer(bench: MakeBench) -> None:
    made = bench(["One moment.", call("nothing")], [""], tools=(tool("http://127.0.0.1:9/x"),))
    with pytest.raises(EmptyAnswer):
        await run(made.agent, turn())


async def test_the_step_limit_allows_that_many_rounds_and_no_more(bench: MakeBench) -> None:
    async with raw_server(response(b"{}")) as server:
        definition = tool(server.url + "/x")
        made = bench(*[[call("look_up")]] * 2, ["Done."], *[[call("look_up")]] * 3, tools=(definition,), ai_max_steps=2)
        assert (await run(made.agent, turn()))[1].text == "Done."
        assert len(server.requests) == 2
        with pytest.raises(StepLimit, match="AI_MAX_STEPS"):
            await run(made.agent, turn())
        assert len(server.requests) == 4


async def test_the_deadline_ends_a_model_that_hangs_and_a_tool_that_hangs(bench: MakeBench) -> None:
    async with raw_server(None) as server:
        made = bench([60.0, "late"], [call("look_up")], [0.1, "late"], tools=(tool(server.url + "/x"),))
        for _ in range(2):
            before = asyncio.get_running_loop().time()
            with pytest.raises(TurnTimeout):
                await run(made.agent, turn(seconds=0.2))
            assert 0.15 < asyncio.get_running_loop().time() - before < 0.4
        await asyncio.wait_for(server.closed_by_peer.wait(), 1)
    assert made.models.by_name["first"].closed
    assert [type(error) for _, error in made.models.failures] == [
        ProviderTimeout
    ]  # the tool's fault is not the model's
    assert made.memory.kept == {}


async def test_the_deadline_never_cancels_the_callers_own_work(bench: MakeBench) -> None:
    made = bench(["a", 60.0])
    async with aclosing(made.agent.run(turn(seconds=0.05))) as events:
        await anext(events)
        await asyncio.sleep(0.1)  # the deadline passes here, outside of the agent
        with pytest.raises(TurnTimeout):
            await anext(events)


async def test_an_answer_that_comes_at_once_does_not_hold_up_the_loop(bench: MakeBench) -> None:
    made = bench(["word "] * 4_000)
    turns_of_the_loop = 0

    async def count() -> None:
        nonlocal turns_of_the_loop
        while True:
            await asyncio.sleep(0)
            turns_of_the_loop += 1

    counter = asyncio.create_task(count())
    _, done = await run(made.agent, turn())
    counter.cancel()
    assert len(done.text) == 4_000 * 5 - 1
    assert turns_of_the_loop > 400


async def test_cancelling_a_turn_closes_stream_and_request_and_leaves_nothing(bench: MakeBench) -> None:
    async with raw_server(None) as server:
        made = bench(["x", 60.0], [call("look_up")], tools=(tool(server.url + "/x"),))
        task = asyncio.create_task(run(made.agent, turn()))
        await made.models.by_name["first"].asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert made.models.by_name["first"].closed == [True]
        task = asyncio.create_task(run(made.agent, turn()))
        await server.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.closed_by_peer.wait(), 1)
    assert made.memory.kept == {}


async def test_closing_the_generator_in_the_middle_closes_the_models_stream(bench: MakeBench) -> None:
    made = bench(["a", 60.0])
    async with aclosing(made.agent.run(turn())) as events:
        await anext(events)
    assert made.models.by_name["first"].closed == [True]
    assert made.memory.kept == {}


# -- fallback


@pytest.mark.parametrize("script", [[RuntimeError("refused")], [ProviderRateLimited("429", provider="first")], [""]])
async def test_the_second_model_answers_when_the_first_fails_before_its_first_word(
    bench: MakeBench, script: list[Any]
) -> None:
    made = bench(script, second=scripted(["Hello."]))
    _, done = await run(made.agent, turn())
    assert (done.text, done.model) == ("Hello.", "second:m")
    assert [str(each) for each in made.models.succeeded_with] == ["second:m"]
    if script != [""]:
        assert [str(ref) for ref, _ in made.models.failures] == ["first:m"]


async def test_a_first_model_that_hangs_leaves_time_for_the_second(bench: MakeBench) -> None:
    made = bench([60.0], second=scripted([0.1, "Hello."]))
    before = asyncio.get_running_loop().time()
    _, done = await run(made.agent, turn(seconds=2.0))
    assert done.model == "second:m"
    assert asyncio.get_running_loop().time() - before < 2.0
    assert isinstance(made.models.failures[0][1], ProviderTimeout)
    assert made.models.by_name["first"].closed == [True]


async def test_a_first_model_that_has_begun_keeps_the_whole_deadline(bench: MakeBench) -> None:
    made = bench(["Hel", 1.2, "lo."], second=scripted(["no"]))
    _, done = await run(made.agent, turn(seconds=1.8))
    assert (done.text, done.model) == ("Hello.", "first:m")


async def test_after_the_first_word_or_a_tool_a_failure_is_an_error(bench: MakeBench) -> None:
    made = bench(["Hel", RuntimeError("broke off")], second=scripted(["no"]))
    with pytest.raises(ProviderUnavailable):
        await run(made.agent, turn())
    made = bench([call("nothing")], [RuntimeError("broke off")], second=scripted(["no"]))
    made.tools.definitions = (tool("http://127.0.0.1:9/x"),)
    with pytest.raises(ProviderUnavailable):
        await run(made.agent, turn())


async def test_when_both_fail_the_second_error_is_raised_and_both_are_recorded(bench: MakeBench) -> None:
    made = bench([RuntimeError("a")], second=scripted([RuntimeError("b")]))
    with pytest.raises(ProviderUnavailable, match="second:m: b"):
        await run(made.agent, turn())
    assert len(made.models.failures) == 2


# -- actions


ACTIONS = (Action("hangup"), Action("transfer", targets=("sales", "support")), Action("send brochure"))


async def test_an_action_said_with_words_ends_the_turn_at_once(bench: MakeBench) -> None:
    made = bench(["Goodbye!", call("end_call")])
    events, done = await run(made.agent, turn(actions=ACTIONS))
    assert events == [TextDelta("Goodbye!"), ActionRequested("hangup", "")]
    assert (done.text, done.steps) == ("Goodbye!", 1)
    names = [each.name for each in made.models.by_name["first"].bound["tools"]]
    assert names == ["end_call", "transfer_call", "send_brochure"]


async def test_an_action_without_words_lets_the_model_speak_and_the_one_that_leaves_is_last(bench: MakeBench) -> None:
    made = bench([call("transfer_call", {"target": "sales"})], ["No, wait.", call("send_brochure")])
    events, done = await run(made.agent, turn(actions=ACTIONS))
    assert [each for each in events if isinstance(each, ActionRequested)] == [
        ActionRequested("send brochure", ""),
        ActionRequested("transfer", "sales"),
    ]
    assert done.text == "No, wait."


async def test_a_target_that_is_not_allowed_is_refused_in_words(bench: MakeBench) -> None:
    made = bench(["Hm.", call("transfer_call", {"target": "+900123"})], ["I cannot."])
    events, done = await run(made.agent, turn(actions=ACTIONS))
    assert [type(each) for each in events] == [TextDelta, ToolStarted, ToolFinished, TextDelta]
    assert "'+900123' is not one of ['sales', 'support']" in made.requests[1][-1].text
    assert done.text == "I cannot."


async def test_an_action_of_a_turn_that_fails_never_comes_out(bench: MakeBench) -> None:
    made = bench([call("end_call")], [RuntimeError("gone")])
    with pytest.raises(ProviderUnavailable):
        await anext(made.agent.run(turn(actions=ACTIONS)))


# -- output schema


SCHEMA = {"type": "object", "properties": {"intent": {"enum": ["buy", "other"]}}, "required": ["intent"]}


async def test_an_output_schema_costs_one_round_trip_and_gives_fields_and_words(bench: MakeBench) -> None:
    made = bench([call("answer", {"say": "Gladly.", "intent": "buy"})], ["x"])
    events, done = await run(made.agent, turn(output_schema=SCHEMA))
    assert events == []
    assert (done.text, done.output, done.steps, done.first_text_ms) == ("Gladly.", {"intent": "buy"}, 1, None)
    assert made.models.by_name["first"].bound["tool_choice"] == "any"
    assert made.memory.kept["c"][0].answer == "Gladly."


async def test_a_schema_with_words_of_its_own_keeps_them(bench: MakeBench) -> None:
    schema = {"type": "object", "properties": {"response": {"type": "string"}, "score": {"type": "integer"}}}
    made = bench([call("answer", {"response": "Hi.", "score": 3})])
    _, done = await run(made.agent, turn(output_schema=schema))
    assert (done.text, done.output) == ("Hi.", {"response": "Hi.", "score": 3})


@pytest.mark.parametrize(
    "wrong", [[call("answer", {"intent": "buy"})], [call("answer", {"say": "x", "intent": "sell"})], ["I say so."]]
)
async def test_wrong_output_is_corrected_once(bench: MakeBench, wrong: list[Any]) -> None:
    right = [call("answer", {"say": "Gladly.", "intent": "buy"}, "c2")]
    made = bench(wrong, right)
    events, done = await run(made.agent, turn(output_schema=SCHEMA))
    assert not [each for each in events if isinstance(each, TextDelta)]
    assert (done.text, done.output, done.steps) == ("Gladly.", {"intent": "buy"}, 2)
    made = bench(wrong, wrong, right)
    with pytest.raises(InvalidOutput):
        await run(made.agent, turn(output_schema=SCHEMA))
    made = bench(wrong, right)
    with pytest.raises(InvalidOutput):
        await run(made.agent, turn(output_schema=SCHEMA, seconds=0.5))


async def test_output_as_json_text_is_taken_from_models_that_do_not_call_tools(bench: MakeBench) -> None:
    made = bench(['```json\n{"say": "Gladly.", ', '"intent": "buy"}\n```'])
    events, done = await run(made.agent, turn(output_schema=SCHEMA))
    assert events == []
    assert (done.text, done.output) == ("Gladly.", {"intent": "buy"})


async def test_output_waits_for_other_tools_and_goes_with_an_action(bench: MakeBench) -> None:
    answer = call("answer", {"say": "Bye.", "intent": "other"}, "c2", 1)
    made = bench([call("nothing"), answer], [call("end_call"), answer])
    events, done = await run(made.agent, turn(output_schema=SCHEMA, actions=ACTIONS))
    assert events[-1] == ActionRequested("hangup", "")
    assert (done.text, done.steps) == ("Bye.", 2)


# -- the rest


async def test_a_prompt_that_cannot_be_rendered_says_so(bench: MakeBench) -> None:
    with pytest.raises(PromptTemplateError):
        await run(bench([]).agent, turn(content="{{ a"))


async def test_warming_up_touches_no_model_and_no_memory(bench: MakeBench) -> None:
    made = bench()
    prompt = turn().prompt
    await made.agent.warm([replace(prompt, model="nobody"), replace(prompt, content="{{"), prompt])
    assert (made.requests, made.memory.kept, made.models.built) == ([], {}, 1)


async def test_debug_mode_logs_every_step_in_the_marked_fields(
    bench: MakeBench, capsys: pytest.CaptureFixture[str]
) -> None:
    made = bench([call("nothing", {"id": "ID-1"})], ["Hi."], tools=(tool("http://127.0.0.1:9/x"),), debug_mode=True)
    await run(made.agent, turn("question"))
    lines = [line for line in capsys.readouterr().out.splitlines() if "ID-1" in line or "question" in line]
    assert lines
    assert all("messages=" in line or "tool_arguments=" in line for line in lines)


async def test_debug_mode_marks_what_a_tool_was_sent(bench: MakeBench, capsys: pytest.CaptureFixture[str]) -> None:
    async with raw_server(response(b"{}")) as server:
        definition = tool(server.url + "/x?q={{ id }}", {"id": {"type": "string"}})
        made = bench([call("look_up", {"id": "ID-1"})], ["Hi."], tools=(definition,), debug_mode=True)
        await run(made.agent, turn("question"))
    out = capsys.readouterr().out
    assert "ToolFinished" in out
    assert "request=" not in out


async def test_a_turn_that_fails_or_is_cancelled_leaves_where_its_time_went(bench: MakeBench) -> None:
    async with raw_server(response(b"{}")) as server:
        definition = tool(server.url + "/x")
        made = bench([call("look_up"), finish("tool_calls", tokens=7)], [9.0, "late"], tools=(definition,))
        late = turn(seconds=0.3)
        with pytest.raises(TurnTimeout):
            await run(made.agent, late)
    assert (late.progress.model, late.progress.usage) == ("first:m", Usage(7, 1))
    parts = {each.part: each for each in late.progress.timings}
    assert set(parts) == {"memory", "model"}
    assert 250 < parts["model"].elapsed_ms < 1000

    made = bench(["Hel", 9.0, "lo"])
    left = turn()
    running = asyncio.ensure_future(run(made.agent, left))
    await asyncio.sleep(0.1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert left.progress.first_text_ms is not None
    assert [each.part for each in left.progress.timings] == ["memory", "model"]
