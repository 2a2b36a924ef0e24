"""The decision after each message of the model: pure."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, ToolCall, ToolMessage

from app.agent.actions import action_tools
from app.agent.errors import InvalidOutput, TruncatedAnswer
from app.agent.output import OutputSchema
from app.agent.steps import CUT_REASONS, Left, Rules, decide, finish_reason, whole_message
from app.prompts.prompt import Action
from tests.agent.scripted import call

PLENTY = Left(10.0, 1)
ACTIONS = Rules(actions=action_tools([Action("hangup")], ["get_order"]))
OUTPUT = Rules(output=OutputSchema({"type": "object", "properties": {"n": {"type": "integer"}}}))


def calls(*names: str) -> list[ToolCall]:
    return [ToolCall(name=name, args={}, id=f"id_{name}", type="tool_call") for name in names]


def test_langchain_completes_cut_json_and_we_do_not() -> None:
    cut = call("get_order", '{"order_id": "A1')
    assert cut.tool_calls[0]["args"] == {"order_id": "A1"}  # the trap
    message = whole_message([cut, AIMessageChunk(content="", chunk_position="last")])
    assert message.tool_calls == []
    assert message.invalid_tool_calls[0]["args"] == '{"order_id": "A1'


def test_good_calls_beside_a_broken_one_stay() -> None:
    message = whole_message([call("a", {"x": 1}, "1", 0), call("b", "[1]", "2", 1), call("c", "", "3", 2)])
    assert [each["name"] for each in message.tool_calls] == ["a", "c"]
    step = decide(message, Rules(), PLENTY)
    repaired, result = step.messages
    assert isinstance(repaired, AIMessage)
    assert [each["id"] for each in repaired.tool_calls] == ["1", "3", "2"]
    assert isinstance(result, ToolMessage)
    assert (result.tool_call_id, result.status) == ("2", "error")


@pytest.mark.parametrize("reason", sorted(CUT_REASONS))
def test_every_reason_for_a_cut_is_an_error(reason: str) -> None:
    for metadata in ({"finish_reason": reason.upper()}, {"stop_reason": reason}):
        with pytest.raises(TruncatedAnswer, match=reason):
            decide(AIMessage("x", tool_calls=calls("a"), response_metadata=metadata), Rules(), PLENTY)


@pytest.mark.parametrize("reason", ["stop", "STOP", "tool_calls", "end_turn", "tool_use", "FinishReason.STOP", None])
def test_the_reasons_of_a_whole_message_are_none(reason: str | None) -> None:
    message = AIMessage("x", response_metadata={"finish_reason": reason})
    assert decide(message, Rules(), PLENTY).messages == [message]
    assert finish_reason(message) not in CUT_REASONS


def test_an_action_with_words_ends_the_turn_unless_other_tools_are_called() -> None:
    assert decide(AIMessage("Bye.", tool_calls=calls("end_call")), ACTIONS, PLENTY).jump == "end"
    assert decide(AIMessage("", tool_calls=calls("end_call")), ACTIONS, PLENTY).jump is None
    step = decide(AIMessage("Bye.", tool_calls=calls("end_call", "get_order")), ACTIONS, PLENTY)
    assert step.jump is None
    assert [each.tool_call_id for each in step.messages if isinstance(each, ToolMessage)] == ["id_end_call"]


def test_no_action_hides_a_tool_of_the_operators() -> None:
    actions = action_tools(
        [Action("get_order"), Action("Ünicode word"), Action("1st"), Action("transfer")], ["get_order"]
    )
    assert list(actions) == ["action_get_order", "_nicode_word", "action_1st", "transfer_call"]
    assert actions["_nicode_word"].action == "Ünicode word"


def test_a_mistake_in_the_output_is_told_without_what_was_said() -> None:
    secret = AIMessage(
        "", tool_calls=[ToolCall(name="answer", args={"say": "x", "n": "my PIN"}, id="1", type="tool_call")]
    )
    step = decide(secret, OUTPUT, PLENTY)
    assert step.corrects
    assert "'my PIN' is not of type 'integer'" in step.messages[1].text
    for left in (Left(10.0, 0), Left(0.5, 1)):
        with pytest.raises(InvalidOutput, match=r"n \(type\)") as caught:
            decide(secret, OUTPUT, left)
        assert "PIN" not in str(caught.value)
