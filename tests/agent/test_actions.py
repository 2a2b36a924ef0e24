"""What the model may ask for: its schema, and the list that is asked once more whatever the schema said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import ToolMessage

from app.agent.actions import MOST_ACTIONS, ActionTaken, action_tools, in_order, told
from app.agent.events import ToolFinished, ToolStarted
from app.calls.errors import CannotTell
from app.prompts.prompt import Action
from app.tools.errors import ArgumentsInvalid
from app.tools.validation import RESERVED_NAMES
from tests.agent.conftest import MakeBench
from tests.agent.scripted import call, run, turn

ALL = (
    Action("hangup"),
    Action("transfer", targets=("_2XX", "sales@main")),
    Action("leave", targets=("ivr,700,1",)),
    Action("dtmf", targets=("_XX#",)),
    Action("set_variable", targets=("NOTE", "DEPARTMENT=sales", "DEPARTMENT=support")),
    Action("play", targets=("sound:hi", "custom/*")),
    Action("hold"),
    Action("originate", targets=("PJSIP/200",), via="ari", place="1@x", caller_id="AI <1>"),
)
TOOLS = action_tools(ALL, ())


@pytest.mark.parametrize(
    ("tool", "arguments", "data"),
    [
        ("end_call", {}, ""),
        ("transfer_call", {"target": "233"}, "233"),
        ("transfer_call", {"target": "sales@main"}, "sales@main"),
        ("continue_call_at", {"target": "ivr,700,1"}, "ivr,700,1"),
        ("send_dtmf", {"digits": "12#"}, "12#"),
        ("set_call_variable", {"name": "NOTE", "value": "two\nlines"}, "NOTE=two lines"),
        ("set_call_variable", {"name": "DEPARTMENT", "value": "sales"}, "DEPARTMENT=sales"),
        ("play_sound", {"sound": "sound:custom/x"}, "custom/x"),
        ("hold_call", {}, "on"),
        ("hold_call", {"on": False}, "off"),
        ("place_call", {"endpoint": "PJSIP/200"}, "PJSIP/200"),
    ],
)
def test_what_is_listed_may_be_asked_for(tool: str, arguments: dict[str, Any], data: str) -> None:
    taken = TOOLS[tool].take(arguments)
    assert taken.data == data
    assert tool in RESERVED_NAMES


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("transfer_call", {"target": "+900123"}),
        ("transfer_call", {"target": "233@main"}),
        ("transfer_call", {"target": "233,1"}),
        ("transfer_call", {}),
        ("transfer_call", {"target": 233}),
        ("continue_call_at", {"target": "ivr,700,2"}),
        ("send_dtmf", {"digits": "12"}),
        ("set_call_variable", {"name": "DEPARTMENT", "value": "billing"}),
        ("set_call_variable", {"name": "CALLERID(num)", "value": "1"}),
        ("set_call_variable", {"name": "NOTE", "value": "x" * 501}),
        ("play_sound", {"sound": "custom/../../etc/passwd"}),
        ("place_call", {"endpoint": "PJSIP/900"}),
    ],
)
def test_nothing_else_is(tool: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ArgumentsInvalid) as caught:
        TOOLS[tool].take(arguments)
    assert "+900123" not in str(caught.value)  # what was said stays out of logs


def test_the_action_brings_what_the_operator_fixed() -> None:
    taken = TOOLS["place_call"].take({"endpoint": "PJSIP/200"})
    assert taken == ActionTaken("originate", "PJSIP/200", "ari", "1@x", "AI <1>")


def test_of_those_that_leave_the_last_counts_and_comes_last() -> None:
    taken = [
        ActionTaken("transfer", "1"),
        ActionTaken("dtmf", "1"),
        ActionTaken("hangup", ""),
        ActionTaken("dtmf", "1"),
    ]
    assert [(each.action, each.data) for each in in_order(taken)] == [("dtmf", "1"), ("hangup", "")]


def test_what_sets_a_state_is_done_as_it_was_asked_for_last() -> None:
    taken = [
        ActionTaken("hold", "on"),
        ActionTaken("set_variable", "NOTE=a"),
        ActionTaken("hold", "off"),
        ActionTaken("set_variable", "NOTE=b"),
        ActionTaken("set_variable", "OTHER=a"),
        ActionTaken("hold", "on"),
        ActionTaken("set_variable", "NOTE=a"),
    ]
    assert [(each.action, each.data) for each in in_order(taken)] == [
        ("set_variable", "OTHER=a"),
        ("hold", "on"),
        ("set_variable", "NOTE=a"),
    ]


def test_there_are_never_too_many_and_the_one_that_leaves_is_among_them() -> None:
    taken = [ActionTaken("hangup", ""), *(ActionTaken("dtmf", str(n)) for n in range(9))]
    assert len(in_order(taken)) == MOST_ACTIONS
    assert in_order(taken)[-1].action == "hangup"


def test_an_action_of_an_old_version_without_a_list_is_as_it_was() -> None:
    old = action_tools([Action("play"), Action("queue_state")], ())
    assert old["play_sound"].take({}).data == ""
    assert old["queue_state"].take({}).data == ""


# -- questions


QUESTIONS = (
    Action("extension_state", targets=("_2XX@people",)),
    Action("queue_state", targets=("support",)),
)


class Desk:
    def __init__(self, answer: str | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []

    async def ask(self, kind: str, target: str) -> str:
        self.asked.append((kind, target))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_a_question_is_answered_within_the_turn(bench: MakeBench) -> None:
    made = bench([call("extension_state", {"extension": "200@people"})], ["She is free."])
    desk = Desk("200 is free.")
    events, done = await run(made.agent, replace(turn(actions=QUESTIONS), desk=desk))
    assert desk.asked == [("extension_state", "200@people")]
    assert [type(each) for each in events][:2] == [ToolStarted, ToolFinished]
    assert made.requests[1][-1].text == "200 is free."
    assert done.text == "She is free."


@pytest.mark.parametrize(
    ("desk", "arguments", "words", "error"),
    [
        (Desk(CannotTell("no hint")), {"queue": "support"}, "cannot tell it now", "cannot_tell"),
        (Desk(RuntimeError("bug")), {"queue": "support"}, "cannot tell it now", "internal_error"),
        (Desk("x"), {"queue": "sales"}, "'sales' is not one of", "tool_arguments_invalid"),
        (None, {"queue": "support"}, "rehearsal", None),
    ],
)
async def test_a_question_that_cannot_be_answered_leaves_the_turn_alone(
    bench: MakeBench, desk: Desk | None, arguments: dict[str, Any], words: str, error: str | None
) -> None:
    made = bench([call("queue_state", arguments)], ["I do not know."])
    events, done = await run(made.agent, replace(turn(actions=QUESTIONS), desk=desk))
    result = made.requests[1][-1]
    assert isinstance(result, ToolMessage)
    assert words in result.text
    assert [each.error for each in events if isinstance(each, ToolFinished)] == [error]
    assert done.text == "I do not know."


@pytest.mark.parametrize(
    ("action", "via", "words"),
    [
        ("hangup", "dialplan", "after your words"),
        ("dtmf", "dialplan", "after your words"),
        ("dtmf", "ari", "before your words are spoken"),
        ("play", "ari", "before your words are spoken"),
        ("transfer", "ari", "your words are not spoken before it"),
        ("hangup", "ari", "your words are not spoken before it"),
    ],
)
def test_the_model_is_told_what_becomes_of_its_words(action: str, via: str, words: str) -> None:
    assert words in told(ActionTaken(action, "1", via))
