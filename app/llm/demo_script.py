"""What the demo model says: a script over the conversation, without a network, a clock or chance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import BaseMessage

from app.llm.demo_arguments import Filling, choose_for_human, fill
from app.llm.demo_talk import BYE, GOODBYE, TRANSFER, WHO, Conversation, speak
from app.llm.demo_words import humanise, topics, word_result

CONNECTING = "I am connecting you now. Please hold the line."

_MAX_WAIT = 60.0
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "eight": 8, "ten": 10, "twenty": 20}
_THINK = re.compile(r"\b(?:think|wait|denk\w*|warte)\b.*?\b(\d+(?:\.\d+)?|" + "|".join(_NUMBERS) + r")\s*se[ck]", re.I)
_HANGUP_WORDS = {"hangup", "hang", "goodbye", "bye", "end"}
_TRANSFER_WORDS = {"transfer", "handover", "forward", "human", "escalate"}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the demo model calls."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the demo model does next: it speaks, or it calls a tool, or both.

    Attributes:
        wait: Seconds to wait before it begins.
    """

    text: str = ""
    tool_call: ToolCall | None = None
    wait: float = 0.0


def answer(messages: Sequence[BaseMessage], tools: Sequence[Mapping[str, Any]], choice: Any = None) -> Reply:
    """The next step.

    Args:
        tools: In OpenAI's form: ``{"type": "function", "function": {"name", "description", "parameters"}}``.
        choice: None or "auto": may call a tool; "any": must; a tool's name: must call that one.
    """
    told = Conversation.read(messages)
    functions = [tool.get("function", tool) for tool in tools]
    if choice not in (None, "auto", "none", False):
        return _forced(told, functions, choice)
    if told.results:
        return Reply(_word_results(told.results))
    wait = _wait(told.said)
    if wait:
        return Reply(
            f"I have thought about it for {wait:g} second{'' if wait == 1 else 's'}, as you asked. What else can I do?",
            wait=wait,
        )
    if functions and choice != "none":
        reply = _act(told, functions)
        if reply is not None:
            return reply
    return Reply(speak(told))


# -- tools


def _act(told: Conversation, functions: Sequence[Mapping[str, Any]]) -> Reply | None:
    """A call of one of the tools, or the question for what it still needs; None when no tool fits."""
    for pattern, words, spoken in ((BYE, _HANGUP_WORDS, GOODBYE), (TRANSFER, _TRANSFER_WORDS, CONNECTING)):
        if pattern.search(told.said) and not WHO.search(told.said):
            for function in functions:
                if words & set(humanise(function["name"]).split()):
                    return Reply(spoken, ToolCall(function["name"], _action_arguments(function, told.said)))
    # A caller who was asked for a detail answers with the detail alone.
    asked = bool(told.earlier) and told.last_answer.startswith("For that I need")
    said = f"{told.earlier[-1]} {told.said}" if asked else told.said
    matched = _match(functions, said, told.said)
    if matched is None:
        return None
    filling = fill(_parameters(matched), said)
    if filling.missing:
        # What was told earlier about the same thing still holds: "and when does it arrive?"
        about = [text for text in reversed(told.earlier) if _match([matched], text, text)]
        filling = fill(_parameters(matched), " ".join([said, *about]))
    if filling.missing:
        return Reply(_ask_for(filling))
    return Reply(tool_call=ToolCall(matched["name"], filling.values))


def _match(functions: Sequence[Mapping[str, Any]], said: str, now: str) -> Mapping[str, Any] | None:
    spoken = topics(said)
    best: tuple[int, Mapping[str, Any]] | None = None
    for function in functions:
        # Words of the name weigh most: a description also tells what the tool is not for.
        score = 3 * len(topics(humanise(function["name"])) & spoken)
        names = " ".join(humanise(name) for name in _parameters(function).get("properties") or {})
        score += 2 * len(topics(names) & spoken) + len(topics(function.get("description") or "") & spoken)
        if function["name"].lower() in now.lower():
            score += 6
        if score >= 3 and (best is None or score > best[0]):
            best = (score, function)
    return best[1] if best else None


def _ask_for(filling: Filling) -> str:
    names = [humanise(name) for name in filling.missing]
    listed = " and the ".join(([", the ".join(names[:-1])] if names[:-1] else []) + names[-1:])
    return f"For that I need the {listed}. Please tell me."


def _action_arguments(function: Mapping[str, Any], said: str) -> dict[str, Any]:
    schema = _parameters(function)
    arguments = fill(schema, said, forced=True).values
    # Nobody was named: somebody who asks for a human wants one who can help, not the first of the list.
    for name, part in (schema.get("properties") or {}).items():
        values = part.get("enum")
        if values and fill({"properties": {name: part}}, said).values.get(name) is None:
            arguments[name] = choose_for_human(values)
    return arguments


def _forced(told: Conversation, functions: Sequence[Mapping[str, Any]], choice: Any) -> Reply:
    """The tool that must be called. A tool that fits the question goes first; then, and when none fits, the last one:
    structured output is bound as the last tool, with "any" as the choice."""
    if not functions:
        return Reply(speak(told))
    name = choice.get("function", choice).get("name") if isinstance(choice, Mapping) else choice
    named = next((f for f in functions if f["name"] == name), None)
    called = {result[0] for result in told.results}
    others = [f for f in functions[:-1] if f["name"] not in called]
    if named is None and others and not told.results:
        reply = _act(told, others)
        if reply is not None and reply.tool_call is not None:
            return reply
    function = named or functions[-1]
    words = _word_results(told.results) if told.results else speak(told)
    said = " ".join(filter(None, [told.said, *(result[1] for result in told.results)]))
    filling = fill(_parameters(function), said if told.results else told.said, forced=True, answer=words)
    return Reply(tool_call=ToolCall(function["name"], filling.values), wait=_wait(told.said))


def _word_results(results: Iterable[tuple[str, str, bool]]) -> str:
    spoken = []
    for name, content, ok in results:
        words = set(humanise(name).split())
        if words & _HANGUP_WORDS:
            spoken.append(GOODBYE)
        elif words & _TRANSFER_WORDS:
            spoken.append(CONNECTING)
        elif not ok:
            spoken.append("I am sorry, I could not look that up just now. Please try again later.")
        else:
            spoken.append(word_result(content))
    return " ".join(spoken)


def _parameters(function: Mapping[str, Any]) -> Mapping[str, Any]:
    return function.get("parameters") or {}


def _wait(said: str) -> float:
    match = _THINK.search(said)
    if match is None:
        return 0.0
    word = match.group(1).lower()
    return min(float(_NUMBERS.get(word) or word), _MAX_WAIT)
