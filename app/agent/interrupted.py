"""How a turn is remembered that was interrupted after something had been done in it. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage

from app.agent.actions import ActionTaken
from app.agent.history import TurnMessages
from app.agent.output import Answered

# In the place of the answer.
NOTE: Final = (
    "(This turn was interrupted: the caller heard no answer and was asked nothing. What the results of tools say has "
    "been done is done, and is not to be done again; nothing else was. Tell the caller so when it matters.)"
)
_OPEN: Final = (
    "It was on its way when the turn was interrupted, and how it ended is not known here. It may well be done: do not "
    "call it again with the same arguments unless the caller wants it twice."
)
_NOT_DONE: Final = "It was not carried out: the turn was interrupted before."
_CANCELLED: Final = "It was broken off when the turn was interrupted; there is no result."
# Characters of arguments and of a result, where a turn is told in short.
_SHOWN: Final = 400


@dataclass(frozen=True, slots=True)
class CallLeft:
    """A call with consequences.

    Attributes:
        state: ``done``: there is a result, be it a failure; ``open``: its request is on its way, or was broken off;
            ``not_begun``: it was never sent.
    """

    call_id: str
    state: Literal["done", "open", "not_begun"]
    message: ToolMessage | None = None


def interrupted_turn(
    text: str, said: Sequence[BaseMessage], left: Sequence[CallLeft], provider: str, confirmed: Sequence[str]
) -> TurnMessages:
    """The turn as it will be remembered.

    Args:
        text: The caller's words.
        said: What model and tools had added. Every call in it gets a result, as all providers demand.
        left: The calls with consequences, in the order in which they were made.
        confirmed: Fingerprints of the confirmations that were used.
    """
    messages: list[BaseMessage] = [HumanMessage(text)]
    unanswered: dict[str, ToolCall] = {}
    results = {each.call_id: each for each in left}
    done: list[str] = []
    for message in said:
        if isinstance(message, AIMessage) and message.tool_calls:
            messages += [_result(call, results) for call in unanswered.values()]
            unanswered = {call["id"] or "": call for call in message.tool_calls}
            done += [_in_short(call, results) for call in message.tool_calls if (call["id"] or "") in results]
            messages.append(message)
        elif isinstance(message, ToolMessage):
            unanswered.pop(message.tool_call_id, None)
            messages.append(_as_it_came(message))
    messages += [_result(call, results) for call in unanswered.values()]
    messages.append(AIMessage(NOTE))
    return TurnMessages.of(messages, provider, "\n".join((NOTE, *done)), confirmed=confirmed)


def _as_it_came(message: ToolMessage) -> ToolMessage:
    """What was promised for the end of the turn did not happen."""
    if isinstance(message.artifact, ActionTaken | Answered):
        return message.model_copy(update={"content": _NOT_DONE, "artifact": None})
    return message


def _words(left: CallLeft | None) -> str:
    if left is None:
        return _CANCELLED
    return _OPEN if left.state == "open" else _NOT_DONE


def _result(call: ToolCall, results: dict[str, CallLeft]) -> ToolMessage:
    left = results.get(call["id"] or "")
    if left is not None and left.message is not None:
        return left.message
    return ToolMessage(_words(left), tool_call_id=call["id"] or "", name=call["name"], status="error")


def _in_short(call: ToolCall, results: dict[str, CallLeft]) -> str:
    left = results[call["id"] or ""]
    result = left.message.text if left.message is not None else _words(left)
    return f"{call['name']} {_cut(json.dumps(call['args'], default=str, ensure_ascii=False))}: {_cut(result)}"


def _cut(text: Any) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."
