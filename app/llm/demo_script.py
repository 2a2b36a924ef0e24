"""What the demo model says: a script over the conversation, without a network, a clock or chance."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from app.llm.demo_arguments import Filling, choose_for_human, fill
from app.llm.demo_words import humanise, sentences, topics, word_result

WHO_I_AM = "I am the built-in demo model of this gateway: I follow a script and am not a language model."

_MAX_WAIT = 60.0
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "eight": 8, "ten": 10, "twenty": 20}
_THINK = re.compile(r"\b(?:think|wait|denk\w*|warte)\b.*?\b(\d+(?:\.\d+)?|" + "|".join(_NUMBERS) + r")\s*se[ck]", re.I)
_HELLO = re.compile(
    r"^\W*(hello|hi|hey|good (?:morning|afternoon|evening|day)|hallo|guten (?:tag|morgen|abend))\b", re.I
)
_BYE = re.compile(
    r"\b(good ?bye|bye|hang up|see you|that(?:'s| is| was) all|end the call|tschüss|auf wieder(?:hören|sehen))\b", re.I
)
_TRANSFER = re.compile(
    r"\b(transfer|put me through|connect me|forward me|"
    r"(?:speak|talk|chat) (?:to|with)|human|operator|real person|verbinden?|menschen|mitarbeiter)\b",
    re.I,
)
_WHO = re.compile(
    r"\b(who are you|what are you|are you (?:a |an )?(?:human|robot|bot|ai|real|machine)|wer bist du)\b", re.I
)
_THANKS = re.compile(r"\b(thanks|thank you|danke)\b", re.I)
_HELP = re.compile(r"\b(what can you do|help me|help|was kannst du)\b", re.I)
_MY_IS = re.compile(r"\bmy ([a-z]+(?: [a-z]+){0,2}) is ([^.,!?;]+?)(?= and |[.,!?;]|$)", re.I)
_CALL_ME = re.compile(r"\b(?:call me|i am called|ich heiße|mein name ist) ([^\W\d_][\w'-]*)", re.I)
_ASK_MY = re.compile(
    r"\bwhat(?:'s| is| was) my ([a-z]+(?: [a-z]+){0,2})|\b(who am i|wie heiße ich|wie ist mein name)\b", re.I
)
_ASK_SAID = re.compile(r"\bwhat (?:did|have) i (?:just )?(?:say|said|ask|asked|tell|told)", re.I)
_INSTRUCTION = re.compile(
    r"^(you are|you're|answer|do not|don't|never|always|keep|use|if |when the caller|be |speak|reply|respond|your )",
    re.I,
)
_HANGUP_WORDS = {"hangup", "hang", "goodbye", "bye", "end"}
_TRANSFER_WORDS = {"transfer", "handover", "forward", "human", "escalate"}
_GERMAN = re.compile(r"\b(hallo|guten|ich|wie|wer|bitte|danke|tschüss|haben|auf wieder\w+|heiße)\b", re.I)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the demo model calls."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the demo model does next: it speaks, or it calls a tool.

    Attributes:
        wait: Seconds to wait before it begins.
    """

    text: str = ""
    tool_call: ToolCall | None = None
    wait: float = 0.0


@dataclass(slots=True)
class Conversation:
    """The messages, sorted by what the script asks of them."""

    instructions: str = ""
    earlier: list[str] = field(default_factory=list)  # what the caller said before this turn
    said: str = ""  # what the caller says now
    last_answer: str = ""  # the model's last words before this turn
    results: list[tuple[str, str, bool]] = field(default_factory=list)  # tool, result, ok: of this turn

    @classmethod
    def read(cls, messages: Sequence[BaseMessage]) -> Conversation:
        """Sort ``messages``; the last human one begins the turn."""
        told = cls()
        names: dict[str, str] = {}
        for message in messages:
            if isinstance(message, SystemMessage):
                told.instructions += str(message.text) + "\n"
            elif isinstance(message, HumanMessage):
                if told.said:
                    told.earlier.append(told.said)
                told.said = str(message.text)
                told.results = []
            elif isinstance(message, AIMessage):
                names.update({call["id"] or "": call["name"] for call in message.tool_calls})
                if message.text and not message.tool_calls:
                    told.last_answer = str(message.text)
            elif isinstance(message, ToolMessage):
                name = message.name or names.get(message.tool_call_id, "")
                told.results.append((name, str(message.text), message.status != "error"))
        return told


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
    return Reply(_speak(told))


# -- tools


def _act(told: Conversation, functions: Sequence[Mapping[str, Any]]) -> Reply | None:
    """A call of one of the tools, or the question for what it still needs; None when no tool fits."""
    for pattern, words in ((_BYE, _HANGUP_WORDS), (_TRANSFER, _TRANSFER_WORDS)):
        if pattern.search(told.said):
            for function in functions:
                if words & set(humanise(function["name"]).split()):
                    return Reply(tool_call=ToolCall(function["name"], _action_arguments(function, told.said)))
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
        return Reply(_speak(told))
    name = choice.get("function", choice).get("name") if isinstance(choice, Mapping) else choice
    named = next((f for f in functions if f["name"] == name), None)
    called = {result[0] for result in told.results}
    others = [f for f in functions[:-1] if f["name"] not in called]
    if named is None and others and not told.results:
        reply = _act(told, others)
        if reply is not None and reply.tool_call is not None:
            return reply
    function = named or functions[-1]
    words = _word_results(told.results) if told.results else _speak(told)
    said = " ".join(filter(None, [told.said, *(result[1] for result in told.results)]))
    filling = fill(_parameters(function), said if told.results else told.said, forced=True, answer=words)
    return Reply(tool_call=ToolCall(function["name"], filling.values), wait=_wait(told.said))


def _word_results(results: Iterable[tuple[str, str, bool]]) -> str:
    spoken = []
    for name, content, ok in results:
        words = set(humanise(name).split())
        if words & _HANGUP_WORDS:
            spoken.append("Goodbye, and thank you for calling.")
        elif words & _TRANSFER_WORDS:
            spoken.append("I am connecting you now. Please hold the line.")
        elif not ok:
            spoken.append("I am sorry, I could not look that up just now. Please try again later.")
        else:
            spoken.append(word_result(content))
    return " ".join(spoken)


def _parameters(function: Mapping[str, Any]) -> Mapping[str, Any]:
    return function.get("parameters") or {}


# -- words


def _speak(told: Conversation) -> str:
    said, german = told.said, bool(_GERMAN.search(told.said))
    facts = _facts([*told.earlier, told.said])
    asked = _ASK_MY.search(said)
    if asked:
        return _recall((asked.group(1) or "name").lower().strip(), facts, german)
    if _ASK_SAID.search(said):
        return f"You said: {told.earlier[-1]}" if told.earlier else "This is the first thing that you say to me."
    if _WHO.search(said):
        return f"{WHO_I_AM} Set an API key to put a real one in my place."
    if _BYE.search(said):
        return "Auf Wiederhören!" if german else "Goodbye, and thank you for calling."
    known = _from_instructions(told.instructions, said)
    if known:
        return known
    new = _facts([said])
    if new:
        return _note(new, german)
    if _HELLO.search(said):
        return _greet(facts.get("name"), german, first=not told.earlier)
    if _THANKS.search(said):
        return "Gern geschehen." if german else "You are welcome. Is there anything else?"
    if _HELP.search(said):
        return (
            f"{WHO_I_AM} I remember what you tell me about yourself, find sentences in my prompt, "
            "call the tools that I was given, and transfer you or hang up."
        )
    if _TRANSFER.search(said):
        return "I have nobody to transfer you to: this prompt allows no transfer."
    return f"You said: {_brief(said)} {WHO_I_AM} Ask me about what is in my prompt, or tell me your name."


def _facts(texts: Iterable[str]) -> dict[str, str]:
    """What the caller told of himself, the latest last: ``my name is Ada``."""
    facts: dict[str, str] = {}
    for text in texts:
        for match in _MY_IS.finditer(text):
            facts[match.group(1).lower()] = match.group(2).strip()
        for match in _CALL_ME.finditer(text):
            facts["name"] = match.group(1)
    return facts


def _recall(what: str, facts: Mapping[str, str], german: bool) -> str:
    value = facts.get(what)
    if value is None:
        if german and what == "name":
            return "Das haben Sie mir noch nicht gesagt."
        return f"You have not told me your {what} yet."
    if german and what == "name":
        return f"Sie heißen {value}."
    return f"Your {what} is {value}."


def _note(facts: Mapping[str, str], german: bool) -> str:
    if "name" in facts:
        return f"Freut mich, {facts['name']}!" if german else f"Nice to meet you, {facts['name']}. How can I help?"
    return "I will remember that " + " and ".join(f"your {k} is {v}" for k, v in facts.items()) + "."


def _greet(name: str | None, german: bool, *, first: bool) -> str:
    if german:
        return f"Hallo{' ' + name if name else ''}! Ich bin das eingebaute Demo-Modell. Wie kann ich helfen?"
    hello = f"Hello {name}!" if name else "Hello!"
    return f"{hello} {WHO_I_AM} How can I help?" if first else f"{hello} How can I help?"


def _from_instructions(instructions: str, said: str) -> str | None:
    """The sentence of the prompt that shares most words with the question; one is enough when it is a statement."""
    asked = topics(said)
    if not asked or not instructions:
        return None
    best, best_score = None, 0
    for sentence in itertools.islice(sentences(instructions), 500):
        score = len(asked & topics(sentence))
        if score > best_score and not _INSTRUCTION.match(sentence):
            best, best_score = sentence, score
    if best is None or (best_score < 2 and len(asked) > 3):
        return None
    return best if best.endswith((".", "!", "?")) else best + "."


def _wait(said: str) -> float:
    match = _THINK.search(said)
    if match is None:
        return 0.0
    word = match.group(1).lower()
    return min(float(_NUMBERS.get(word) or word), _MAX_WAIT)


def _brief(said: str) -> str:
    text = " ".join(said.split())
    if len(text) > 120:
        text = text[:120].rsplit(" ", 1)[0] + " ..."
    return text if text.endswith((".", "!", "?")) else text + "."
