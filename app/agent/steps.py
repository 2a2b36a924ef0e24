"""What follows from one message of the model: a pure decision, taken between the model and the tools of the graph.

Here a cut message is refused before any of its tool calls can run, calls of the agent's own tools are answered, and
malformed calls are made into something that every provider accepts in the next request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    InvalidToolCall,
    ToolCall,
    ToolMessage,
    message_chunk_to_message,
)
from langchain_core.messages.ai import add_ai_message_chunks

from app.agent.actions import ActionTool, told
from app.agent.builtin import ANSWER
from app.agent.errors import InvalidOutput, TruncatedAnswer
from app.agent.output import OutputSchema
from app.llm.completion import is_object
from app.tools.adapter import ToolOutcome
from app.tools.errors import ArgumentsInvalid

# How the providers say that a message is not whole, lower-cased: OpenAI, Anthropic, Gemini and those that imitate them.
CUT_REASONS = frozenset(
    {
        "length",
        "max_tokens",
        "max_output_tokens",
        "model_context_window_exceeded",
        "content_filter",
        "refusal",
        "safety",
        "recitation",
        "blocklist",
        "prohibited_content",
        "spii",
        "malformed_response",
        "language",
        "other",
        "error",
        "abort",
        "insufficient_system_resource",
    }
)
# Gemini's words for a tool call that it could not write down; nothing of it arrives.
_LOST_CALL = frozenset({"malformed_function_call", "unexpected_tool_call"})
# Seconds that must be left for another request, after an answer that cannot be used.
MIN_CORRECTION_SECONDS = 1.0


class UnreadableCall(ValueError):
    """The model called a tool in a form that cannot be read, and was told so once or there is no time for it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a configuration of the agent lets the model do, besides the operator's HTTP tools."""

    actions: Mapping[str, ActionTool] = field(default_factory=dict)
    output: OutputSchema | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Attributes:
    messages: What is added to the conversation: the model's message first, then results that are known already.
    jump: Where the graph goes without looking at the messages; None: to the tools that are called, or to the end.
    corrects: Whether the model is asked to correct its message, which a turn does once.
    repeat: There is nothing to add; the same request is made again.
    """

    messages: list[BaseMessage]
    jump: Literal["end", "model"] | None = None
    corrects: bool = False
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """What the turn has left for corrections: seconds until its deadline, and how many."""

    seconds: float
    corrections: int

    @property
    def enough(self) -> bool:
        """Whether the model may be asked to correct itself."""
        return self.corrections > 0 and self.seconds >= MIN_CORRECTION_SECONDS


def decide(message: AIMessage, rules: Rules, left: Left) -> Step:
    """What follows from ``message``, the model's reply.

    Raises:
        TruncatedAnswer: the provider cut it off.
        InvalidOutput: the output does not match its schema, and was corrected once or there is no time for it.
        UnreadableCall: a tool was called with arguments that are no JSON object; likewise.
    """
    reason = finish_reason(message)
    if reason in CUT_REASONS:
        raise TruncatedAnswer(
            f"The provider ended the answer early ({reason}). If this happens often, raise AI_MAX_OUTPUT_TOKENS or ask "
            "for shorter answers in the prompt."
        )
    if reason in _LOST_CALL:
        if message.text.strip() or not left.enough:
            raise UnreadableCall("it called a tool in a form that cannot be read")
        return Step([], corrects=True, repeat=True)
    message, results = _repaired(message)
    if results and not left.enough:
        names = ", ".join(sorted({str(result.name) for result in results}))
        raise UnreadableCall(f"it called {names} with arguments that are no JSON object")
    if not message.tool_calls:
        return _without_calls(message, rules, left)
    malformed = {result.tool_call_id for result in results}
    waiting = [call for call in message.tool_calls if _is_external(call, rules) and call["id"] not in malformed]
    answered, corrects = False, bool(malformed)
    refused = bool(malformed)
    for call in message.tool_calls:
        if call["id"] in malformed or _is_external(call, rules):
            continue
        result, mistake = _own_result(call, rules, waiting=bool(waiting) or bool(malformed))
        answered = answered or (call["name"] == ANSWER and result.status == "success")
        refused = refused or result.status == "error"
        if call["name"] == ANSWER and result.status == "error" and not waiting:
            _allow_correction(left, mistake)
            corrects = True
        results.append(result)
    said_all = rules.output is None and not waiting and not refused and bool(message.text.strip())
    return Step([message, *results], jump="end" if answered or said_all else None, corrects=corrects)


def whole_message(chunks: Sequence[AIMessageChunk]) -> AIMessage:
    """The message that streamed as ``chunks``.

    LangChain completes cut JSON on its way (``{"id": "A1`` becomes ``{"id": "A1"}``), whatever the reason of the cut.
    Here a call's arguments are a JSON object as the provider sent them, or the call is among ``invalid_tool_calls``.
    """
    merged = add_ai_message_chunks(chunks[0], *chunks[1:]) if len(chunks) > 1 else chunks[0]
    message = cast("AIMessage", message_chunk_to_message(merged))
    broken = [chunk for chunk in merged.tool_call_chunks if not is_object(chunk["args"] or "")]
    if not broken:
        return message
    keep = {chunk["id"] for chunk in merged.tool_call_chunks} - {chunk["id"] for chunk in broken}
    invalid = [
        InvalidToolCall(name=chunk["name"], args=chunk["args"], id=chunk["id"], error=None, type="invalid_tool_call")
        for chunk in broken
    ]
    calls = [call for call in message.tool_calls if call["id"] in keep]
    return message.model_copy(update={"tool_calls": calls, "invalid_tool_calls": invalid})


def finish_reason(message: AIMessage) -> str:
    """Why the provider ended the message, lower-cased; empty where it did not say."""
    metadata = message.response_metadata
    reason = metadata.get("finish_reason") or metadata.get("stop_reason") or ""
    return str(reason).rpartition(".")[2].lower()  # Gemini's may come as "FinishReason.MAX_TOKENS"


def _is_external(call: ToolCall, rules: Rules) -> bool:
    return call["name"] not in rules.actions and not (rules.output is not None and call["name"] == ANSWER)


def _repaired(message: AIMessage) -> tuple[AIMessage, list[ToolMessage]]:
    """Calls whose arguments are no JSON object, as calls without arguments that were answered with an error."""
    if not message.invalid_tool_calls:
        return message, []
    calls, results = list(message.tool_calls), []
    for number, invalid in enumerate(message.invalid_tool_calls):
        name, call_id = invalid.get("name") or "unknown_tool", invalid.get("id") or f"malformed_{number}"
        calls.append(ToolCall(name=name, args={}, id=call_id, type="tool_call"))
        words = f"{name} was not called: its arguments are no JSON object. Call it again with correct JSON."
        results.append(_failed(name, call_id, words, "tool_arguments_invalid"))
    # Providers build the next request from these fields too, and would send the malformed text again.
    extra = {name: value for name, value in message.additional_kwargs.items() if name != "tool_calls"}
    update = {"tool_calls": calls, "invalid_tool_calls": [], "additional_kwargs": extra, "content": message.text}
    return message.model_copy(update=update), results


def _own_result(call: ToolCall, rules: Rules, *, waiting: bool) -> tuple[ToolMessage, str]:
    """The result of a built-in tool, and what is wrong in words that repeat nothing that was said."""
    name, call_id = call["name"], call["id"] or ""
    try:
        if rules.output is not None and name == ANSWER:
            if waiting:
                words = f"{ANSWER} was not accepted: call it alone, after the results of the other tools."
                return _failed(name, call_id, words, "answer_too_early"), words
            answer = rules.output.accept(call["args"])
            return ToolMessage("Said to the caller.", tool_call_id=call_id, name=name, artifact=answer), ""
        taken = rules.actions[name].take(call["args"])
    except ArgumentsInvalid as error:
        return _failed(name, call_id, error.for_model, error.code), str(error)
    return ToolMessage(told(taken), tool_call_id=call_id, name=name, artifact=taken), ""


def _failed(name: str, call_id: str, words: str, error: str) -> ToolMessage:
    outcome = ToolOutcome(ok=False, error=error, elapsed_ms=0.0)
    return ToolMessage(words, tool_call_id=call_id, name=name, status="error", artifact=outcome)


def _without_calls(message: AIMessage, rules: Rules, left: Left) -> Step:
    if rules.output is None or not message.text.strip():
        return Step([message])
    arguments = rules.output.accept_text(message.text)
    if arguments is None:
        words = f"Give this answer by calling the tool {ANSWER}, with all its fields."
        _allow_correction(left, f"the model did not call the tool {ANSWER}")
        return Step([message, HumanMessage(words)], jump="model", corrects=True)
    call = ToolCall(name=ANSWER, args=arguments, id="answer_as_text", type="tool_call")
    result, _ = _own_result(call, rules, waiting=False)
    return Step([message.model_copy(update={"content": "", "tool_calls": [call]}), result], jump="end")


def _allow_correction(left: Left, mistake: str) -> None:
    if not left.enough:
        raise InvalidOutput(f"The output does not match the prompt's output schema: {mistake}")
