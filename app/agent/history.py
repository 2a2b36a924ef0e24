"""What the agent remembers of a conversation: whole finished turns, written as JSON, and read within a budget."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    ToolMessage,
    message_to_dict,
    messages_from_dict,
)
from langchain_core.messages.utils import count_tokens_approximately

_FORMAT = 1
_FINGERPRINTS = ("asked", "confirmed")
_CHARS_A_TOKEN = 4  # as count_tokens_approximately counts


@dataclass(frozen=True, slots=True)
class TurnMessages:
    """One finished turn. The value that the conversation memory stores; its messages are never changed.

    Attributes:
        messages: The caller's words first, then everything that the model and its tools said, the answer last.
        tokens: A rough count, made once, since trimming needs it in every later turn.
        provider: Whose model answered. Another provider's model gets the turn without what only the first understands.
        answer: What the caller heard.
        asked: Fingerprints of calls of tools about which the caller was asked; see :mod:`app.agent.confirmation`.
        confirmed: Of those that were carried out upon a yes.
    """

    messages: tuple[BaseMessage, ...]
    tokens: int
    provider: str
    answer: str
    asked: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        messages: Sequence[BaseMessage],
        provider: str,
        answer: str,
        *,
        asked: Sequence[str] = (),
        confirmed: Sequence[str] = (),
    ) -> TurnMessages:
        """From the messages of a run, without what the next turn does not need (token counts, artifacts)."""
        kept = tuple(_slim(message) for message in messages)
        return cls(kept, count_tokens_approximately(kept), provider, answer, tuple(asked), tuple(confirmed))

    @property
    def gist(self) -> tuple[BaseMessage, ...]:
        """What was said and answered, without tool calls and without what belongs to one provider."""
        return (self.messages[0], AIMessage(self.answer))


def _slim(message: BaseMessage) -> BaseMessage:
    if isinstance(message, AIMessage):
        # Content blocks are read by their provider's rules, which this field names.
        origin = message.response_metadata.get("model_provider")
        metadata = {"model_provider": origin} if origin else {}
        return message.model_copy(update={"response_metadata": metadata, "usage_metadata": None})
    if isinstance(message, ToolMessage) and message.artifact is not None:
        return message.model_copy(update={"artifact": None})
    return message


class TurnCodec:
    """How a turn is written down: LangChain's own form of messages, so that Gemini's thought signatures survive."""

    def dumps(self, turn: TurnMessages) -> bytes:
        """As JSON."""
        value: dict[str, Any] = {
            "v": _FORMAT,
            "provider": turn.provider,
            "tokens": turn.tokens,
            "answer": turn.answer,
            "messages": [message_to_dict(message) for message in turn.messages],
        }
        # Only where there are any. An instance of an earlier release passes over them, and so does not spoil a turn.
        value |= {name: list(found) for name in _FINGERPRINTS if (found := getattr(turn, name))}
        try:
            return orjson.dumps(value, default=_as_text)
        except TypeError:
            # Half a surrogate pair in what was said, or arguments that a model nested 300 deep: dearer, but written.
            return json.dumps(value, default=_as_text, ensure_ascii=False).encode("utf-8", "replace")

    def loads(self, data: bytes) -> TurnMessages:
        """The reverse.

        Raises:
            ValueError: these bytes are no turn that this version can read.
        """
        try:
            value = orjson.loads(data)
            if value["v"] != _FORMAT:
                raise ValueError(f"a turn of format {value['v']}")  # noqa: TRY301 - one place says what is wrong
            messages = tuple(messages_from_dict(value["messages"]))
            if not messages or not isinstance(messages[0], HumanMessage):
                raise ValueError("it does not begin with what the caller said")  # noqa: TRY301
            asked, confirmed = (tuple(str(each) for each in value.get(name, ())) for name in _FINGERPRINTS)
            tokens = int(value["tokens"])
            return TurnMessages(messages, tokens, str(value["provider"]), str(value["answer"]), asked, confirmed)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a turn: {error}") from error


def _as_text(value: Any) -> str:
    """Bytes in a provider's extra fields (signatures) come as Base64 already; anything else is for people only."""
    return str(value)


def recall(turns: Sequence[TurnMessages], max_tokens: int, provider: str) -> list[BaseMessage]:
    """The newest turns that fit into ``max_tokens``, oldest first, for a model of ``provider``.

    Whole turns only, so a tool result is never without its call and the first message is always the caller's. Of the
    turns of another provider the gist is kept, since Gemini refuses tool calls that it did not sign itself; of the
    newest turn too when the whole is too long, and no more of that than fits: without it the model would not know what
    it answered a moment ago.
    """
    kept: list[Sequence[BaseMessage]] = []
    room = max_tokens
    for turn in reversed(turns):
        messages, tokens = turn.messages, turn.tokens
        if turn.provider != provider or (not kept and tokens > room):
            messages = turn.gist
            tokens = count_tokens_approximately(messages)
        if tokens > room:
            if kept:
                break
            messages = _cut(messages, room)
        room -= tokens
        kept.append(messages)
    return [message for messages in reversed(kept) for message in messages]


def _cut(messages: Sequence[BaseMessage], tokens: int) -> tuple[BaseMessage, ...]:
    """The beginnings of texts that together are too long."""
    most = tokens * _CHARS_A_TOKEN // len(messages)
    return tuple(
        message if len(message.text) <= most else message.model_copy(update={"content": f"{message.text[:most]} ..."})
        for message in messages
    )
