"""Every channel is given back, whatever happens. Time is virtual; Asterisk is the fake that is held to the real one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.agent.events import ActionRequested, AgentEvent, Done, TextDelta, ToolFinished, ToolStarted, Usage
from app.agent.turn import TurnRequest
from app.ari.errors import AriReplaced, AriRequestFailed, AriTimeout, AriUnavailable
from app.ari.events import CallerId
from app.ari.requests import Request
from app.ari.testing import FakeAri
from app.calls.supervisor import RELEASE_WITHIN, CallSupervisor
from app.core.metrics import REGISTRY
from app.core.settings import Settings
from app.llm.errors import ProviderUnauthorized
from app.prompts.errors import PromptNotFound
from app.prompts.prompt import Prompt
from tests.virtual_time import virtual_time

Script = Callable[[TurnRequest], AsyncGenerator[AgentEvent, None]]


def answer(text: str, *before: AgentEvent, delay: float = 0.0) -> Script:
    """An agent that says ``text`` after ``delay`` seconds."""

    async def run(turn: TurnRequest) -> AsyncGenerator[AgentEvent, None]:
        for event in before:
            yield event
        await asyncio.sleep(delay)
        yield TextDelta(text)
        yield Done(text=text, model="test:model", turn=1, usage=Usage(), steps=1)

    return run


class ScriptedAgent:
    """Answers every turn by a script, and counts what becomes of it."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.turns: list[TurnRequest] = []
        self.cancelled = 0

    async def run(self, turn: TurnRequest) -> AsyncGenerator[AgentEvent, None]:
        self.turns.append(turn)
        events = self.script(turn)
        try:
            async for event in events:
                yield event
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            await events.aclose()


class OnePrompt:
    """A catalog of one prompt."""

    prompt = Prompt(id=1, name="main", version=3, content="You help.", fallback="**Please** hold the line.")

    def get(self, name: str | None) -> Prompt:
        if name in (None, "main"):
            return self.prompt
        raise PromptNotFound(f"There is no prompt {name!r}.")


class House:
    """A supervisor at a fake Asterisk."""

    def __init__(self, script: Script, **settings: Any) -> None:
        self.settings = Settings(_env_file=None, **settings)
        self.agent = ScriptedAgent(script)
        self.supervisor = CallSupervisor(self.settings, self.agent, OnePrompt())
        self.ari = FakeAri(self.supervisor)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[House]:
        running = asyncio.ensure_future(self.supervisor.run(self.ari))
        await asyncio.sleep(0)
        try:
            yield self
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def back(self, channel: str, within: float = 30.0) -> dict[str, str]:
        """The channel's variables, once it is back in the dialplan."""
        async with asyncio.timeout(within):
            while self.ari.channels[channel].in_app:
                await asyncio.sleep(0.001)
        return self.ari.channels[channel].variables


@virtual_time
async def test_a_question_is_answered() -> None:
    async with House(answer("It is **open**.")).open() as house:
        house.ari.enter("1.1", "UNIQUEID=abc", "USER_INPUT=hello", caller=CallerId(name="Ada", number="100"))
        variables = await house.back("1.1")
    assert variables["AI_STATUS"] == "OK"
    assert variables["AI_RESPONSE"] == "It is open."
    assert variables["AI_MODEL_USED"] == "test:model"
    assert variables["AI_PROMPT_VERSION"] == "main:3"
    assert variables["AI_TURN"] == "1"
    (turn,) = house.agent.turns
    assert turn.text == "hello"
    assert turn.conversation == "02:00:00:00:00:01:abc"
    assert turn.variables["caller_number"] == "100"


@virtual_time
async def test_the_words_come_from_the_channel_variable_where_no_argument_has_them() -> None:
    async with House(answer("Yes.")).open() as house:
        house.ari.enter("1.1", variables={"USER_INPUT": 'he said "a, b" = c'})
        await house.back("1.1")
    assert house.agent.turns[0].text == 'he said "a, b" = c'
    assert house.agent.turns[0].conversation == "02:00:00:00:00:01:1.1"


@virtual_time
async def test_nothing_in_the_arguments_replaces_what_is_known_of_the_channel() -> None:
    async with House(answer("Yes.")).open() as house:
        caller = CallerId(name="Ada", number="100")
        house.ari.enter("1.1", "USER_INPUT=hi", "CALLER_NUMBER=999", "CUSTOMER=4711", caller=caller)
        await house.back("1.1")
    variables = house.agent.turns[0].variables
    assert (variables["caller_number"], variables["customer"]) == ("100", "4711")


@virtual_time
async def test_no_words_are_no_input() -> None:
    async with House(answer("Yes.")).open() as house:
        house.ari.enter("1.1", "UNIQUEID=1", "USER_INPUT= ")
        variables = await house.back("1.1")
    assert (variables["AI_STATUS"], variables["AI_ERROR"]) == ("NO_INPUT", "no_input")
    assert variables["AI_RESPONSE"] == "Please hold the line."
    assert house.agent.turns == []


@virtual_time
async def test_an_unknown_prompt_is_no_prompt() -> None:
    async with House(answer("Yes."), ai_fallback_sentence="Sorry.").open() as house:
        house.ari.enter("1.1", "USER_INPUT=x", "AI_PROMPT_NAME=nobody")
        variables = await house.back("1.1")
    assert (variables["AI_STATUS"], variables["AI_ERROR"]) == ("NO_PROMPT", "prompt_not_found")
    assert variables["AI_RESPONSE"] == "Sorry."


@virtual_time
async def test_the_channel_is_back_at_the_deadline() -> None:
    async with House(answer("late", delay=60)).open() as house:
        begun = asyncio.get_running_loop().time()
        house.ari.enter("1.1", "USER_INPUT=x", "AI_TIMEOUT=2")
        variables = await house.back("1.1")
        elapsed = asyncio.get_running_loop().time() - begun
    assert (variables["AI_STATUS"], variables["AI_ERROR"]) == ("TIMEOUT", "turn_timeout")
    assert variables["AI_RESPONSE"] == "Please hold the line."
    assert 2.0 <= elapsed <= 2.25
    assert house.agent.cancelled == 1


@virtual_time
async def test_reading_the_words_counts_against_the_deadline() -> None:
    async with House(answer("Yes."), ai_turn_timeout=1.5).open() as house:
        release = house.ari.hold()
        asyncio.get_running_loop().call_later(1.6, release)
        house.ari.enter("1.1", variables={"USER_INPUT": "x"})
        variables = await house.back("1.1")
    assert variables["AI_STATUS"] == "TIMEOUT"


@virtual_time
async def test_an_error_becomes_the_fallback_sentence_and_a_word() -> None:
    async def fails(turn: TurnRequest) -> AsyncGenerator[AgentEvent, None]:
        yield TextDelta("I beg")
        raise ProviderUnauthorized("The key is wrong.", provider="openai", status=401)

    async with House(fails).open() as house:
        house.ari.enter("1.1", "USER_INPUT=x")
        variables = await house.back("1.1")
    assert (variables["AI_STATUS"], variables["AI_ERROR"]) == ("ERROR", "provider_unauthorized")
    assert variables["AI_RESPONSE"] == "Please hold the line."


@virtual_time
async def test_a_bug_becomes_the_fallback_sentence_too_and_reaches_no_other_call() -> None:
    async def bug(turn: TurnRequest) -> AsyncGenerator[AgentEvent, None]:
        if turn.text == "bug":
            raise ZeroDivisionError
        await asyncio.sleep(1)
        yield Done(text="Fine.", model="m", turn=1, usage=Usage(), steps=1)

    async with House(bug).open() as house:
        house.ari.enter("1.1", "USER_INPUT=well")
        house.ari.enter("1.2", "USER_INPUT=bug")
        assert (await house.back("1.2"))["AI_STATUS"] == "ERROR"
        assert (await house.back("1.1"))["AI_RESPONSE"] == "Fine."


@virtual_time
async def test_markdown_without_a_word_is_an_empty_answer() -> None:
    async with House(answer("***")).open() as house:
        house.ari.enter("1.1", "USER_INPUT=x")
        variables = await house.back("1.1")
    assert (variables["AI_STATUS"], variables["AI_ERROR"]) == ("ERROR", "empty_answer")


@virtual_time
async def test_a_caller_who_hangs_up_cancels_the_model() -> None:
    async with House(answer("late", delay=60)).open() as house:
        house.ari.enter("1.1", "USER_INPUT=x")
        await asyncio.sleep(0.5)
        assert house.supervisor.status.active == 1
        house.ari.hang_up("1.1")
        await asyncio.sleep(0.01)
        assert house.supervisor.status.active == 0
        assert house.agent.cancelled == 1
    assert house.ari.asked("POST", "variables") == []


@virtual_time
async def test_a_caller_who_hangs_up_at_once_is_no_error() -> None:
    async with House(answer("x")).open() as house:
        house.ari.enter("1.1", "USER_INPUT=x")
        house.ari.hang_up("1.1")
        await asyncio.sleep(0.01)
        assert house.supervisor.status.active == 0
        assert house.supervisor.status.served == 1


@virtual_time
async def test_an_action_goes_back_with_the_answer_that_asked_for_it() -> None:
    script = answer(
        "I put you through.",
        ToolStarted("1", "transfer_call", {"target": "200"}),
        ToolFinished("1", "transfer_call", True, "ok", None, 1.0),
        ActionRequested("hangup", ""),
        ActionRequested("transfer", "200"),
    )
    async with House(script).open() as house:
        house.ari.enter("1.1", "USER_INPUT=x")
        variables = await house.back("1.1")
    assert (variables["AI_ACTION"], variables["AI_ACTION_DATA"]) == ("transfer", "200")


@virtual_time
async def test_an_action_of_a_turn_that_failed_never_happens() -> None:
    async def script(turn: TurnRequest) -> AsyncGenerator[AgentEvent, None]:
        yield ActionRequested("hangup", "")
        await asyncio.sleep(60)

    async with House(script).open() as house:
        house.ari.enter("1.1", "USER_INPUT=x", "AI_TIMEOUT=1")
        variables = await house.back("1.1")
    assert (variables["AI_STATUS"], variables["AI_ACTION"]) == ("TIMEOUT", "")


@virtual_time
async def test_over_the_limit_a_call_is_busy_at_once_and_the_others_go_on() -> None:
    async with House(answer("Done.", delay=1), ai_max_calls=2, ai_fallback_sentence="All busy.").open() as house:
        for number in (1, 2, 3):
            house.ari.enter(f"1.{number}", "USER_INPUT=x")
        busy = await house.back("1.3", within=0.1)
        assert (busy["AI_STATUS"], busy["AI_ERROR"], busy["AI_RESPONSE"]) == ("BUSY", "too_many_calls", "All busy.")
        assert (await house.back("1.1"))["AI_STATUS"] == "OK"
        assert (await house.back("1.2"))["AI_STATUS"] == "OK"
        house.ari.enter("1.4", "USER_INPUT=x")
        assert (await house.back("1.4"))["AI_STATUS"] == "OK"


@virtual_time
async def test_a_channel_that_comes_again_is_a_new_turn() -> None:
    async with House(answer("Yes.")).open() as house:
        for _ in range(3):
            house.ari.enter("1.1", "USER_INPUT=x")
            await house.back("1.1")
            await asyncio.sleep(0.01)
        assert house.supervisor.status.served == 3
        assert house.supervisor.status.active == 0


@virtual_time
async def test_an_answer_waits_for_asterisk_to_come_back() -> None:
    async with House(answer("Yes.", delay=1)).open() as house:
        house.ari.enter("1.1", "USER_INPUT=x")
        await asyncio.sleep(0.5)
        house.ari.disconnect(reachable=False)
        await asyncio.sleep(5)
        assert house.ari.channels["1.1"].in_app
        house.ari.connect()
        variables = await house.back("1.1", within=1)
    assert (variables["AI_STATUS"], variables["AI_RESPONSE"]) == ("OK", "Yes.")


@virtual_time
async def test_a_request_that_asterisk_did_not_answer_is_tried_again() -> None:
    async with House(answer("Yes.")).open() as house:
        house.ari.fail(AriTimeout("slow"), ending="variables")
        house.ari.fail(AriUnavailable("gone"), ending="continue")
        house.ari.enter("1.1", "USER_INPUT=x")
        assert (await house.back("1.1", within=2))["AI_STATUS"] == "OK"


@virtual_time
async def test_variables_that_asterisk_refuses_do_not_keep_the_channel() -> None:
    async with House(answer("Yes.")).open() as house:
        refusal = AriRequestFailed("too large", status=413, method="POST", uri="channels/1.1/variables")
        house.ari.fail(refusal, ending="variables")
        house.ari.enter("1.1", "USER_INPUT=x")
        variables = await house.back("1.1", within=2)
    assert (variables["AI_STATUS"], variables["AI_ERROR"]) == ("ERROR", "ari_request_failed")


@virtual_time
async def test_channels_of_before_a_restart_are_released() -> None:
    house = House(answer("Yes."))
    house.ari.enter("0.9", "USER_INPUT=x", silently=True)
    async with house.open():
        variables = await house.back("0.9", within=1)
    assert (variables["AI_STATUS"], variables["AI_ERROR"]) == ("RELEASED", "turn_lost")
    assert variables["AI_RESPONSE"]
    assert house.agent.turns == []


@virtual_time
async def test_a_channel_whose_event_never_came_is_released_within_seconds() -> None:
    async with House(answer("Yes.")).open() as house:
        await asyncio.sleep(10)
        house.ari.enter("1.1", "USER_INPUT=\udcff", silently=True)
        assert (await house.back("1.1", within=2.1))["AI_STATUS"] == "RELEASED"


@virtual_time
async def test_a_turn_in_progress_is_not_taken_for_an_orphan_after_a_reconnect() -> None:
    async with House(answer("Yes.", delay=8)).open() as house:
        house.ari.enter("1.1", "USER_INPUT=x")
        await asyncio.sleep(1)
        house.ari.disconnect()
        house.ari.connect()
        assert (await house.back("1.1"))["AI_STATUS"] == "OK"


@virtual_time
async def test_a_stop_lets_turns_end_and_releases_the_rest() -> None:
    async def script(turn: TurnRequest) -> AsyncGenerator[AgentEvent, None]:
        await asyncio.sleep(float(turn.text))
        yield Done(text="Yes.", model="m", turn=1, usage=Usage(), steps=1)

    async with House(script, ai_turn_timeout=60).open() as house:
        house.ari.enter("1.1", "USER_INPUT=2")
        house.ari.enter("1.2", "USER_INPUT=50")
        draining = asyncio.ensure_future(house.supervisor.drain(5))
        await asyncio.sleep(0.1)
        house.ari.enter("1.3", "USER_INPUT=1")
        assert (await house.back("1.3", within=0.1))["AI_STATUS"] == "RELEASED"
        assert (await house.back("1.1", within=3))["AI_STATUS"] == "OK"
        late = await house.back("1.2", within=4)
        assert (late["AI_STATUS"], late["AI_ERROR"]) == ("RELEASED", "service_stopping")
        await draining
        assert house.supervisor.status.active == 0


@virtual_time
async def test_a_stop_waits_for_callers_whom_it_refused() -> None:
    async with House(answer("Yes.", delay=1)).open() as house:
        house.ari.answer_delay = 0.02
        house.ari.enter("1.1", "USER_INPUT=x")
        draining = asyncio.ensure_future(house.supervisor.drain(5))
        await asyncio.sleep(1.03)  # in the middle of the two requests that give the first one back
        house.ari.enter("1.2", "USER_INPUT=x")
        await draining
        assert not house.ari.channels["1.2"].in_app
        assert house.ari.channels["1.2"].variables["AI_STATUS"] == "RELEASED"


@virtual_time
async def test_a_stop_ends_in_time_while_asterisk_is_away() -> None:
    async with House(answer("Yes.", delay=1)).open() as house:
        house.ari.enter("1.1", "USER_INPUT=x")
        await asyncio.sleep(0.5)
        house.ari.disconnect(reachable=False)
        await asyncio.sleep(1)
        begun = asyncio.get_running_loop().time()
        await house.supervisor.drain(5)
        assert asyncio.get_running_loop().time() - begun <= 5 + RELEASE_WITHIN + 0.01


@virtual_time
async def test_a_takeover_is_raised_as_what_it_is() -> None:
    house = House(answer("late", delay=60))
    running = asyncio.ensure_future(house.supervisor.run(house.ari))
    await asyncio.sleep(0)
    house.ari.enter("1.1", "USER_INPUT=x")
    await asyncio.sleep(0.1)
    house.ari.replace()
    with pytest.raises(AriReplaced):
        await running
    assert house.supervisor.status.active == 0


def stubborn(seconds: float) -> Script:
    """An agent that answers nothing, and takes so long to end when it is cancelled."""

    async def run(turn: TurnRequest) -> AsyncGenerator[AgentEvent, None]:
        try:
            await asyncio.sleep(600)
            yield TextDelta("")
        finally:
            await asyncio.sleep(seconds)

    return run


def deaf(seconds: float) -> Script:
    """An agent that does not hear that it is cancelled, again and again."""

    async def run(turn: TurnRequest) -> AsyncGenerator[AgentEvent, None]:
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)
        yield TextDelta("")

    return run


@virtual_time
@pytest.mark.parametrize("script", [stubborn(20), deaf(20)], ids=["stubborn", "deaf"])
async def test_work_that_does_not_end_when_it_is_cancelled_does_not_keep_the_caller(script: Script) -> None:
    async with House(script).open() as house:
        begun = asyncio.get_running_loop().time()
        house.ari.enter("1.1", "USER_INPUT=x", "AI_TIMEOUT=2")
        variables = await house.back("1.1")
        assert asyncio.get_running_loop().time() - begun <= 2.25
        assert (variables["AI_STATUS"], variables["AI_ERROR"]) == ("TIMEOUT", "turn_timeout")
        assert variables["AI_RESPONSE"] == "Please hold the line."
        assert house.supervisor.status.active == 0


@virtual_time
@pytest.mark.parametrize("script", [stubborn(20), deaf(20)], ids=["stubborn", "deaf"])
async def test_work_that_does_not_end_keeps_neither_a_hang_up_nor_a_stop(script: Script) -> None:
    async with House(script, ai_turn_timeout=60).open() as house:
        house.ari.enter("1.1", "USER_INPUT=x")
        house.ari.enter("1.2", "USER_INPUT=x")
        await asyncio.sleep(1)
        house.ari.hang_up("1.1")
        await asyncio.sleep(0.2)
        assert house.supervisor.status.active == 1
        await house.supervisor.drain(1)
        assert house.ari.channels["1.2"].variables["AI_STATUS"] == "RELEASED"


@virtual_time
@pytest.mark.parametrize("times", [1, 2])
async def test_variables_that_asterisk_refuses_leave_nothing_of_the_turn_before(times: int) -> None:
    async with House(answer("Yes.")).open() as house:
        refusal = AriRequestFailed("no", status=500, method="POST", uri="channels/1.1/variables")
        house.ari.fail(refusal, ending="variables", times=times)
        house.ari.enter("1.1", "USER_INPUT=x", variables={"AI_RESPONSE": "old", "AI_ACTION": "transfer"})
        variables = await house.back("1.1", within=0.5)
        if times == 1:
            assert (variables["AI_RESPONSE"], variables["AI_ACTION"]) == (house.settings.ai_fallback_sentence, "")


@virtual_time
async def test_an_odd_answer_to_the_stock_taking_takes_no_call_with_it() -> None:
    async with House(answer("Yes.", delay=3)).open() as house:
        house.ari.fail(ValueError("odd"), method="GET", ending="ai_ari_app", times=2)
        house.ari.enter("1.1", "USER_INPUT=x")
        assert (await house.back("1.1"))["AI_STATUS"] == "OK"
        house.ari.enter("1.2", silently=True)
        assert (await house.back("1.2", within=2.5))["AI_STATUS"] == "RELEASED"


@virtual_time
async def test_an_orphan_that_is_not_taken_back_holds_up_no_other() -> None:
    async with House(answer("Yes.")).open() as house:
        house.ari.fail(AriTimeout("slow"), ending="1.1/variables", times=100)
        house.ari.fail(AriTimeout("slow"), ending="1.3/variables", times=100)
        for number in (1, 2, 3, 4):
            house.ari.enter(f"1.{number}", silently=True)
        for free in ("1.2", "1.4"):
            assert (await house.back(free, within=2.5))["AI_STATUS"] == "RELEASED"


@virtual_time
async def test_a_channel_that_comes_again_without_having_left_gets_its_second_answer() -> None:
    async with House(answer("one", delay=1)).open() as house:
        house.ari.enter("1.1", "USER_INPUT=x")
        await asyncio.sleep(0.5)
        house.agent.script = answer("two", delay=1)
        house.ari.enter("1.1", "USER_INPUT=y")
        assert (await house.back("1.1"))["AI_RESPONSE"] == "two"
        assert house.agent.cancelled == 1


@virtual_time
async def test_a_continue_whose_answer_was_lost_does_not_end_the_next_turn() -> None:
    async with House(answer("one")).open() as house:
        carry = house.ari._carry
        lost = asyncio.Event()

        async def lose_once(request: Request) -> Any:
            found = await carry(request)
            if request.path.endswith("continue") and not lost.is_set():
                lost.set()
                await asyncio.sleep(5)
                raise AriTimeout("slow")
            return found

        house.ari._carry = lose_once  # type: ignore[method-assign]
        house.ari.enter("1.1", "USER_INPUT=x")
        await lost.wait()
        house.agent.script = answer("two", delay=8)
        await asyncio.sleep(1)
        house.ari.enter("1.1", "USER_INPUT=y")
        begun = asyncio.get_running_loop().time()
        assert (await house.back("1.1"))["AI_RESPONSE"] == "two"
        assert asyncio.get_running_loop().time() - begun >= 8


@virtual_time
async def test_a_call_that_comes_before_the_connection_is_set_up_has_the_same_conversation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House(answer("Yes."))
    connect = house.ari.connect
    monkeypatch.setattr(house.ari, "connect", lambda: asyncio.get_running_loop().call_later(0.05, connect))
    async with house.open():
        house.ari.enter("1.1", "UNIQUEID=abc", "USER_INPUT=x")
        await house.back("1.1")
    assert house.agent.turns[0].conversation == "02:00:00:00:00:01:abc"


@virtual_time
async def test_every_turn_that_fails_is_counted_by_its_word_and_none_that_was_abandoned() -> None:
    def count(error: str) -> float:
        return REGISTRY.get_sample_value("asterisk_ai_turn_errors_total", {"error": error}) or 0.0

    before = {word: count(word) for word in ("too_many_calls", "turn_timeout")}
    async with House(answer("late", delay=60), ai_max_calls=1).open() as house:
        house.ari.enter("1.1", "USER_INPUT=x", "AI_TIMEOUT=1")
        house.ari.enter("1.2", "USER_INPUT=x")
        await house.back("1.1")
        house.ari.enter("1.3", "USER_INPUT=x", "AI_TIMEOUT=1")
        house.ari.hang_up("1.3")
        await asyncio.sleep(2)
    assert {word: count(word) - was for word, was in before.items()} == {"too_many_calls": 1, "turn_timeout": 1}


@pytest.mark.parametrize("sentence", ["", "***", "   "])
def test_silence_is_never_the_fallback(sentence: str) -> None:
    @virtual_time
    async def run() -> None:
        async with House(answer(""), ai_fallback_sentence=sentence).open() as house:
            house.ari.enter("1.1", "USER_INPUT=x", "AI_PROMPT_NAME=nobody")
            assert len((await house.back("1.1"))["AI_RESPONSE"]) > 5

    run()
