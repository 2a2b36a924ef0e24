"""What the demo model says when it calls no tool: greetings, what it was told, and sentences of its prompt."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from app.llm.demo_words import sentences, topics

WHO_I_AM = "I am the built-in demo model of this gateway: I follow a script and am not a language model."
GOODBYE = "Goodbye, and thank you for calling."

_HELLO = re.compile(
    r"^\W*(hello|hi|hey|good (?:morning|afternoon|evening|day)|hallo|guten (?:tag|morgen|abend))\b", re.I
)
BYE = re.compile(
    r"\b(good ?bye|bye|hang up|see you|that(?:'s| is| was) all|end the call|tschüss|auf wieder(?:hören|sehen))\b", re.I
)
TRANSFER = re.compile(
    r"\b(transfer|put me through|connect me|forward me|"
    r"(?:speak|talk|chat) (?:to|with)|human|operator|real person|verbinden?|menschen|mitarbeiter)\b",
    re.I,
)
WHO = re.compile(
    r"\b(who are you|what are you|are you (?:a |an )?(?:human|robot|bot|ai|real|machine)|wer bist du)\b", re.I
)
_THANKS = re.compile(r"\b(thanks|thank you|danke)\b", re.I)
_HELP = re.compile(r"\b(what can you do|help me|help|was kannst du)\b", re.I)
_MY_IS = re.compile(r"\bmy ([a-z]+(?: [a-z]+){0,2}) is ([^.,!?;]+?)(?= and |[.,!?;]|$)", re.I)
_CALL_ME = re.compile(r"\b(?:call me|i am called|ich heiße|mein name ist) ([^\W\d_][\w'-]*)", re.I)
_ASK_MY = re.compile(
    r"\bwhat(?:'s| is| was) my ([a-z]+(?: [a-z]+){0,2})|\b(who am i|wie heiße ich|wie ist mein name)\b", re.I
)
_REPEAT = re.compile(r"\b(repeat|say (?:that|it) again|pardon|wie bitte|wiederholen)\b", re.I)
_ASK_SAID = re.compile(r"\bwhat (?:did|have) i (?:just )?(?:say|said|ask|asked|tell|told)", re.I)
_INSTRUCTION = re.compile(
    r"^(you are|you're|your|what you|answer|do not|don't|never|always|keep|use|if|when|be|speak|reply|respond|say|ask|"
    r"plain|greet|introduce|offer|tell|give|stay|help|look|refer|ignore|begin|start|end|let|make|write|treat|no)\b"
    r"|\bthe caller\b",
    re.I,
)
_GERMAN = re.compile(r"\b(hallo|guten|ich|wie|wer|bitte|danke|tschüss|haben|auf wieder\w+|heiße)\b", re.I)


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


def speak(told: Conversation) -> str:
    """The answer to what was said last, in words alone."""
    said, german = told.said, bool(_GERMAN.search(told.said))
    facts = _facts([*told.earlier, told.said])
    asked = _ASK_MY.search(said)
    if asked:
        return _recall((asked.group(1) or "name").lower().strip(), facts, german)
    if _ASK_SAID.search(said):
        return f"You said: {told.earlier[-1]}" if told.earlier else "This is the first thing that you say to me."
    if _REPEAT.search(said) and told.last_answer:
        return told.last_answer
    if WHO.search(said):
        return f"{WHO_I_AM} Set an API key to put a real one in my place."
    if BYE.search(said):
        return "Auf Wiederhören!" if german else GOODBYE
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
    if TRANSFER.search(said):
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
        if score > best_score and not _INSTRUCTION.search(sentence):
            best, best_score = sentence, score
    if best is None or (best_score < 2 and len(asked) > 3):
        return None
    return best if best.endswith((".", "!", "?")) else best + "."


def _brief(said: str) -> str:
    text = " ".join(said.split())
    if len(text) > 120:
        text = text[:120].rsplit(" ", 1)[0] + " ..."
    return text if text.endswith((".", "!", "?")) else text + "."
