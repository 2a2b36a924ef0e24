"""Reads the stream of one run of the graph: items in, events out. No I/O, no clock.

Items are LangGraph's, for ``stream_mode=["messages", "updates", "custom"]``: ``("messages", (chunk, metadata))`` while
the model writes, ``("updates", {node: {"messages": [...]}})`` when a node has finished, and ``("custom", event)`` for
what a running tool has to say. An item of "updates" is handed out
before the next node begins, so an error raised here keeps the tools from running.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall, ToolMessage

from app.agent.actions import ActionTaken, in_order
from app.agent.errors import EmptyAnswer, StepLimit
from app.agent.events import ActionRequested, AgentEvent, TextDelta, ToolFinished, ToolSlow, ToolStarted, Usage
from app.agent.output import Answered
from app.tools.adapter import ToolOutcome

_MODEL = "model"  # the name that create_agent gives to its node


@dataclass(frozen=True, slots=True)
class Answer:
    """How a run ended. ``actions`` are those to be done, in order."""

    text: str
    output: Mapping[str, Any] | None
    actions: tuple[ActionRequested, ...] = ()


class StreamReader:
    """The state of one run.

    Attributes:
        alive: The model has given a first sign: a text, or the beginning of a tool call.
        committed: Something was handed out: a text, or a tool call.
        messages: What the run added to the conversation.
        steps: How many messages the model gave.
    """

    def __init__(self, max_rounds: int, *, structured: bool) -> None:
        self.alive = False
        self.committed = False
        self.messages: list[BaseMessage] = []
        self.steps = 0
        self._max_rounds = max_rounds
        self._structured = structured  # with an output schema the caller hears the output's text, nothing before it
        self._input_tokens = 0
        self._output_tokens = 0
        self._unanswered: dict[str, ToolCall] = {}  # calls of the last model message, by id
        self._not_announced = False  # whether ToolStarted is still due for them
        self._said = ""  # of the message that the model writes now
        self._earlier = ""  # the last text before it, said beside an action
        self._final = ""
        self._answered: Answered | None = None
        self._actions: list[ActionTaken] = []

    @property
    def usage(self) -> Usage:
        """Tokens of all model messages so far."""
        return Usage(self._input_tokens, self._output_tokens)

    @property
    def waits_for_tools(self) -> bool:
        """Whether tools are at work, and not the model."""
        return bool(self._unanswered)

    def feed(self, mode: str, payload: Any) -> Iterable[AgentEvent]:
        """The events that follow from one item.

        Raises:
            StepLimit: the model calls tools once more than ``max_rounds``.
        """
        if mode == "messages":
            chunk, metadata = payload
            # Sentences of middleware and tool results come through the same stream, and are not for the caller.
            if isinstance(chunk, AIMessageChunk) and metadata.get("langgraph_node") == _MODEL:
                return self._chunk(chunk)
            return ()
        if mode == "custom":
            # One that fell due in the moment in which its tool answered comes too late.
            return (payload,) if isinstance(payload, ToolSlow) and payload.call_id in self._unanswered else ()
        events: list[AgentEvent] = []
        for update in payload.values():
            for message in _messages_of(update):
                self.messages.append(message)
                if isinstance(message, AIMessage):
                    events += self._model_message(message)
                elif isinstance(message, ToolMessage):
                    events += self._result(message)
        if self._unanswered and self._not_announced:
            events += self._announce()
        return events

    def finish(self) -> Answer:
        """What the turn came to, after the stream has ended.

        Raises:
            EmptyAnswer: the model ended without a word.
        """
        actions = in_order(self._actions)
        if self._answered is not None:
            return Answer(self._answered.text, self._answered.fields, actions)
        # "Goodbye" said beside the action, and nothing after it, is an answer; "one moment" before a tool is none.
        text = self._final.strip() or (self._earlier.strip() if actions else "")
        if not text or self._structured:
            raise EmptyAnswer("The model ended its turn without a word.")
        return Answer(text, None, actions)

    def _chunk(self, chunk: AIMessageChunk) -> Iterable[AgentEvent]:
        text = chunk.text
        if text or chunk.tool_call_chunks:
            self.alive = True
        if not text or self._structured or not (self._said or text.strip()):
            return ()
        return (self._text(text),)

    def _text(self, text: str) -> TextDelta:
        # What the model said before its tools ran is a sentence of its own.
        apart = "\n" if not self._said and self.committed and self._earlier else ""
        self._said += text
        self.committed = True
        return TextDelta(apart + text)

    def _model_message(self, message: AIMessage) -> list[AgentEvent]:
        self.alive = True
        self.steps += 1
        if self.steps > self._max_rounds + 1:
            raise self._too_many()
        if message.usage_metadata is not None:
            self._input_tokens += message.usage_metadata["input_tokens"]
            self._output_tokens += message.usage_metadata["output_tokens"]
        events: list[AgentEvent] = []
        if not self._said and message.text.strip() and not self._structured:
            events.append(self._text(message.text))  # a model that does not stream
        self._said = ""
        self._final = message.text
        if message.tool_calls:
            self._earlier = message.text.strip() or self._earlier
        self._unanswered = {call["id"] or "": call for call in message.tool_calls}
        self._not_announced = True
        return events

    def _announce(self) -> list[AgentEvent]:
        """The calls that go to the tools node: those that the agent did not answer itself."""
        self._not_announced = False
        if self.steps > self._max_rounds:
            raise self._too_many()
        self.committed = True
        return [ToolStarted(call_id, call["name"], call["args"]) for call_id, call in self._unanswered.items()]

    def _result(self, message: ToolMessage) -> list[AgentEvent]:
        call = self._unanswered.pop(message.tool_call_id, None)
        match message.artifact:
            case Answered() as answered:
                self._answered = answered
                return []
            case ActionTaken() as action:
                self._actions.append(action)
                return []
            case ToolOutcome() as outcome:
                pass
            case _:  # the tools node's own words for a tool that does not exist
                outcome = ToolOutcome(ok=message.status != "error", error="tool_not_found", elapsed_ms=0.0)
        finished = finished_event(message, outcome)
        if self._not_announced and call is not None:  # refused before it came to the tools node
            return [ToolStarted(message.tool_call_id, finished.name, call["args"]), finished]
        return [finished]

    def _too_many(self) -> StepLimit:
        return StepLimit(
            f"The model called tools {self.steps} times without an answer; AI_MAX_STEPS allows {self._max_rounds}. "
            "Say in the prompt when it should stop, or raise the limit."
        )


def finished_event(message: ToolMessage, outcome: ToolOutcome) -> ToolFinished:
    """What a tool's message tells of its call."""
    return ToolFinished(
        message.tool_call_id,
        message.name or "",
        outcome.ok,
        message.text,
        outcome.error,
        outcome.elapsed_ms,
        outcome.request,
        outcome.http_status,
    )


def _messages_of(update: Any) -> Iterable[BaseMessage]:
    if isinstance(update, list):
        return [message for part in update for message in _messages_of(part)]
    if isinstance(update, Mapping):
        return update.get("messages") or ()
    return ()
