"""What is remembered: codec and trimming."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage

from app.agent.history import TurnCodec, TurnMessages, recall
from app.tools.adapter import ToolOutcome

SIGNATURE = "c2lnbmF0dXJl"


def tool_turn(text: str = "Where is it?", result: str = "{}", provider: str = "gemini") -> TurnMessages:
    call = ToolCall(name="look_up", args={"id": "Ü1"}, id="c1", type="tool_call")
    blocks: list[str | dict[str, str | dict[str, str]]] = [
        {"type": "text", "text": "Let me see.", "extras": {"signature": SIGNATURE}}
    ]
    messages: list[BaseMessage] = [
        HumanMessage(text),
        AIMessage(
            content=blocks,
            tool_calls=[call],
            additional_kwargs={"__gemini_function_call_thought_signatures__": {"c1": SIGNATURE}},
            response_metadata={"model_provider": "google_genai", "finish_reason": "STOP"},
            usage_metadata={"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
        ),
        ToolMessage(result, tool_call_id="c1", name="look_up", artifact=ToolOutcome(True, None, 1.0)),
        AIMessage("It is here."),
    ]
    return TurnMessages.of(messages, provider, "It is here.")


def plain_turn(text: str, provider: str = "gemini") -> TurnMessages:
    return TurnMessages.of([HumanMessage(text), AIMessage(f"re {text}")], provider, f"re {text}")


def test_a_turn_survives_being_written_with_signatures_and_without_what_nobody_needs() -> None:
    turn = tool_turn()
    again = TurnCodec().loads(TurnCodec().dumps(turn))
    assert again == turn
    spoken = again.messages[1]
    assert isinstance(spoken, AIMessage)
    assert spoken.additional_kwargs["__gemini_function_call_thought_signatures__"] == {"c1": SIGNATURE}
    assert spoken.content[0]["extras"] == {"signature": SIGNATURE}  # type: ignore[index]
    assert spoken.response_metadata == {"model_provider": "google_genai"}
    assert spoken.usage_metadata is None
    result = again.messages[2]
    assert isinstance(result, ToolMessage)
    assert result.artifact is None


def test_what_json_cannot_hold_is_written_all_the_same() -> None:
    deep: dict[str, object] = {}
    for _ in range(300):
        deep = {"a": deep}
    call = ToolCall(name="look_up", args=deep, id="c1", type="tool_call")
    said = [HumanMessage("half a pair \ud83d"), AIMessage("", tool_calls=[call]), ToolMessage("no", tool_call_id="c1")]
    again = TurnCodec().loads(TurnCodec().dumps(TurnMessages.of([*said, AIMessage("Hm.")], "p", "Hm.")))
    assert again.messages[0].text == "half a pair ?"
    assert isinstance(again.messages[1], AIMessage)
    assert again.messages[1].tool_calls == [call]


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"v": 2}', b'{"v": 1, "messages": []}', b"\xff", b'{"v": 1, "messages": 5}']
)
def test_what_is_no_turn_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a turn"):
        TurnCodec().loads(data)


def test_the_newest_turns_that_fit_are_recalled_whole_and_in_order() -> None:
    turns = [plain_turn("one"), tool_turn(), plain_turn("three")]
    room = turns[1].tokens + turns[2].tokens
    messages = recall(turns, room, "gemini")
    assert messages == [*turns[1].messages, *turns[2].messages]
    assert recall(turns, room - 1, "gemini") == list(turns[2].messages)
    assert recall(turns, 10_000, "gemini")[0].text == "one"
    assert recall([], 100, "gemini") == []


def test_of_a_newest_turn_that_is_too_long_the_gist_is_kept_and_leaves_room_for_older_ones() -> None:
    messages = recall([plain_turn("one"), tool_turn(result="x" * 8_000)], 500, "gemini")
    assert [type(each) for each in messages] == [HumanMessage, AIMessage] * 2
    assert [each.text for each in messages] == ["one", "re one", "Where is it?", "It is here."]


def test_an_answer_of_any_length_stays_within_the_budget() -> None:
    answer = "word " * 20_000
    turn = TurnMessages.of([HumanMessage("Tell me all."), AIMessage(answer)], "gemini", answer)
    for provider in ("gemini", "openai"):
        question, gist = recall([plain_turn("one"), turn], 500, provider)
        assert question.text == "Tell me all."
        assert gist.text.startswith("word word")
        assert len(gist.text) <= 500 * 4


def test_turns_of_another_provider_count_by_what_is_kept_of_them() -> None:
    turns = [plain_turn("one"), tool_turn(result="x" * 8_000), plain_turn("three")]
    assert [each.text for each in recall(turns, 500, "openai")][:3] == ["one", "re one", "Where is it?"]


def test_another_provider_gets_the_gist_of_a_turn() -> None:
    messages = recall([tool_turn(), plain_turn("two", "openai")], 10_000, "openai")
    assert [each.text for each in messages] == ["Where is it?", "It is here.", "two", "re two"]
    assert not any(isinstance(each, AIMessage) and each.tool_calls for each in messages)
