"""What an operator typed for actions: every mistake by its row and field, such as ``actions.2.targets``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from app.db.values import text_problem
from app.models.names import NAME_LENGTH
from app.prompts.allowed import (
    CONTEXT,
    EXTENSION,
    Allowed,
    PatternWrong,
    digits_line,
    endpoint_line,
    extension_line,
    place_line,
    sound_line,
)
from app.prompts.errors import PromptInvalid
from app.prompts.prompt import ARI, DIALPLAN, KINDS, TOOL_NAMES, Action

MAX_ACTIONS: Final = 50
MAX_TARGETS: Final = 200
MAX_TEXT_BYTES: Final = 4_000
# A model may send so many digits at once; each takes a fifth of a second.
MAX_DIGITS: Final = 32
# A word of the operator's own is a part of the dialplan: the documented one looks for the extension do-WORD, and
# FILTER() leaves nothing else of it.
_OWN_WORD: Final = re.compile(r"[a-z0-9_]{1,40}")
# The tools by the words that they stand for: who types one means the other.
_KIND_OF_TOOL: Final = {tool: kind for kind, tool in TOOL_NAMES.items()}
# The tool by which a prompt with an output schema is answered.
_ANSWER: Final = "answer"
# Characters of a value that a model sets.
MAX_VALUE: Final = 500

# What these kinds may do is bounded by nothing but their lists, so that an empty one cannot be meant.
_LISTED: Final[Mapping[str, str]] = {
    "transfer": "List whom the AI may transfer to, one a line: 200, _2XX, or 200@from-internal.",
    "leave": "List where the AI may leave the call to, one a line: 700@ivr, or ivr,700,1.",
    "dtmf": "List the digits that the AI may send, one a line: 1, 1234#, or a pattern such as _XXXX#.",
    "set_variable": "List the channel variables that the AI may set, one a line: DEPARTMENT, or DEPARTMENT=sales.",
    "play": "List the sounds that the AI may play, one a line: queue-thankyou, or custom/* for a folder.",
    "extension_state": "List the extensions that the AI may ask for, one a line, with the context of their hints: "
    "200@from-internal, or _2XX@from-internal.",
    "queue_state": "List the queues that the AI may ask for, one a line.",
    "originate": "List whom the AI may call, one a line: PJSIP/200, Local/200@from-internal, or PJSIP/_2XX.",
}

_VARIABLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
# Variables by which Asterisk runs a command, widens what a call may do, or says what is so. In capital letters.
_OWNED_WORDS: Final = """
ACCOUNTCODE ANSWEREDTIME BLINDTRANSFER BRIDGEPEER CHANNEL CONTEXT DIALEDPEERNAME DIALEDTIME DIALSTATUS DYNAMIC_FEATURES
DYNAMIC_PEERNAME EPOCH EXTEN FORWARD_CONTEXT FORWARDERNAME GOTO_ON_BLINDXFR HANGUPCAUSE HINT INVALID_EXTEN LOCAL_CHANNEL
MIXMONITOR_EXEC MONITOR_EXEC MONITOR_EXEC_ARGS MONITOR_FILENAME PRIORITY QUEUE_PRIO SIPTRANSFER SPYGROUP STASISSTATUS
SYSTEMNAME SYSTEMSTATUS TRANSFER_CONTEXT TRANSFERERNAME UNIQUEID USER_INPUT
"""
_OWNED: Final = frozenset(_OWNED_WORDS.split())
_OWNED_BEGINNINGS: Final = ("AI_", "GOSUB_", "MACRO_", "RTPAUDIOQOS", "SIPADDHEADER", "AST_", "ARI_", "VM_")
_DIGITS: Final = re.compile(rf"[0-9A-D*#]{{1,{MAX_DIGITS}}}")
_SOUND: Final = re.compile(r"/?[A-Za-z0-9_.-]{1,80}(/[A-Za-z0-9_.-]{1,80}){0,9}")
_QUEUE: Final = re.compile(r"[A-Za-z0-9_.-]{1,79}")
_ENDPOINT: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{1,19}/[A-Za-z0-9_*#+.@:-]{1,120}(/n)?")
_PRIORITY: Final = re.compile(r"[1-9][0-9]{0,3}")
_CALLER_ID: Final = re.compile(r"[^\x00-\x1f\x7f\"\\,;<>$`]{0,60}( ?<[0-9A-Za-z*#+]{1,40}>)?")


def action_problems(actions: Sequence[Action]) -> Iterator[PromptInvalid]:
    """All that is wrong, of each field of a row the first thing."""
    if len(actions) > MAX_ACTIONS:
        yield PromptInvalid(f"There are more than {MAX_ACTIONS} actions.", field="actions")
        return
    seen: set[str] = set()
    for number, action in enumerate(actions):
        for field, message in _of_one(action, seen):
            yield PromptInvalid(message, field=f"actions.{number}.{field}")
        seen.add(action.name)


def _of_one(action: Action, seen: set[str]) -> Iterator[tuple[str, str]]:
    if not action.name.strip() or len(action.name) > NAME_LENGTH:
        yield "name", f"An action needs a name of at most {NAME_LENGTH} characters: it becomes AI_ACTION."
    elif action.name in seen:
        yield "name", f"The action {action.name} is there twice: put all its lines into one list."
    elif problem := text_problem(action.name, max_bytes=MAX_TEXT_BYTES):
        yield "name", f"The name {problem}."
    elif problem := _word_problem(action.name):
        yield "name", problem
    if problem := text_problem(action.description, max_bytes=MAX_TEXT_BYTES):
        yield "description", f"The description {problem}."
    if action.via not in (DIALPLAN, ARI):
        yield "via", "An action is done by the dialplan (dialplan) or by the service (ari)."
    elif action.via == ARI and action.name not in KINDS:
        yield "via", f"Only the dialplan knows what {action.name or 'this'} means: choose the dialplan."
    for line in action.targets:
        if problem := _line_problem(action, line):
            yield "targets", problem
            break
    else:
        if len(action.targets) > MAX_TARGETS:
            yield "targets", f"The list has more than {MAX_TARGETS} lines; a pattern such as _2XX stands for many."
        elif not action.targets and action.name in _LISTED:
            yield "targets", _LISTED[action.name]
        elif action.targets and action.name in ("hangup", "hold"):
            yield "targets", f"{action.name} takes no list; leave it empty."
    if problem := _place_problem(action):
        yield "place", problem
    if not _CALLER_ID.fullmatch(action.caller_id):
        yield "caller_id", "Write a number such as 100, or a name and a number: Example Ltd <100>."


def _word_problem(name: str) -> str | None:
    if name in KINDS:
        return None
    if kind := _KIND_OF_TOOL.get(name):
        return f"{name} is what the model calls the action {kind}: write {kind}, or choose another word."
    if name == _ANSWER:
        return f"{name} is the model's own tool for answers: choose another word."
    if not _OWN_WORD.fullmatch(name):
        return (
            "A word of your own has only small letters a to z, digits and underscores, at most 40, such as "
            "send_brochure: the dialplan looks it up."
        )
    return None


def _line_problem(action: Action, line: str) -> str | None:
    """What is wrong with one line of the allow-list."""
    if problem := text_problem(line, max_bytes=MAX_TEXT_BYTES):
        return f"A line of the list {problem}."
    if not line.strip() and action.name in KINDS:
        return "A line of the list is empty."
    check = _CHECKS.get(action.name)
    try:
        return check(action, line) if check is not None else None
    except PatternWrong as error:
        return f"{error}."


def _transfer(action: Action, line: str) -> str | None:
    extension_line(line)
    extension, _, context = line.partition("@")
    if action.via == DIALPLAN and not line.startswith("_"):
        return None  # the dialplan may give it any name
    return _extension_problem(line, extension, context, with_context="@" in line)


def _leave(_: Action, line: str) -> str | None:
    place_line(line)
    if "," not in line:
        extension, _at, context = line.partition("@")
        return _extension_problem(line, extension, context, with_context="@" in line)
    context, _comma, rest = line.partition(",")
    extension, _comma, priority = rest.partition(",")
    if not _PRIORITY.fullmatch(priority):
        return f"{line}: write it as context,extension,priority, such as ivr,700,1."
    return _extension_problem(line, extension, context, with_context=True)


def _extension_problem(line: str, extension: str, context: str, *, with_context: bool) -> str | None:
    if not extension:
        return f"{line}: the extension is missing; write 200, _2XX, 200@context or _2XX@context."
    if not extension.startswith("_") and not EXTENSION.fullmatch(extension):
        return f"{line}: {extension} is no extension; write 200, _2XX, 200@context or _2XX@context."
    if with_context and not context:
        return f"{line}: the context is missing; write it with one, such as {extension}@from-internal."
    if with_context and not CONTEXT.fullmatch(context):
        return f"{line}: {context} is no context; letters, digits, dashes and underscores name one."
    return None


def _dtmf(_: Action, line: str) -> str | None:
    if line.startswith("_"):
        digits_line(line)
        return None
    return None if _DIGITS.fullmatch(line) else f"{line}: digits are 0 to 9, *, # and A to D, at most {MAX_DIGITS}."


def _set_variable(_: Action, line: str) -> str | None:
    name, _equals, value = line.partition("=")
    if not _VARIABLE.fullmatch(name):
        return (
            f"{name}: a variable is named with letters, digits and underscores, and begins with a letter. Functions "
            "such as CALLERID(num), and names with an underscore in front, are not for the AI to set."
        )
    if name.upper() in _OWNED or name.upper().startswith(_OWNED_BEGINNINGS):
        return f"{name} belongs to Asterisk or to this service; choose a name of your own."
    if len(value) > MAX_VALUE:
        return f"{name}: the value has more than {MAX_VALUE} characters."
    return None


def _play(_: Action, line: str) -> str | None:
    name = line.removeprefix("sound:")
    folder = name.removesuffix("/*")
    if not _SOUND.fullmatch(folder) or ".." in folder.split("/") or name == "*":
        return f"{line}: name a sound as Playback() does, such as custom/welcome, or a whole folder: custom/*."
    sound_line(line)
    return None


def _extension_state(_: Action, line: str) -> str | None:
    extension, at, context = line.partition("@")
    extension_line(line)
    if not at:
        return f"{line}: add the context of its hint, such as {line}@from-internal (FreePBX: {line}@ext-local)."
    return _extension_problem(line, extension, context, with_context=True)


def _queue_state(_: Action, line: str) -> str | None:
    return None if _QUEUE.fullmatch(line) else f"{line}: name a queue as queues.conf does; a pattern is not possible."


def _originate(_: Action, line: str) -> str | None:
    endpoint_line(line)
    if _ENDPOINT.fullmatch(line) or "/_" in line:
        technology, _slash, rest = line.partition("/")
        trunk = rest.partition("@")[2]
        if _ENDPOINT.fullmatch(f"{technology}/1") and (not trunk or _ENDPOINT.fullmatch(f"PJSIP/1@{trunk}")):
            return None
    return f"{line}: write it as Dial() does: PJSIP/200, Local/200@from-internal, or with a pattern PJSIP/_2XX@trunk."


def _place_problem(action: Action) -> str | None:
    if action.name != "originate":
        return "Only originate has a place where the call goes." if action.place else None
    if not action.place:
        return (
            "Write where the call goes once it is answered: an extension and its context, such as 200@from-internal."
            if action.via == ARI
            else None
        )
    extension, at, context = action.place.partition("@")
    if not at or not EXTENSION.fullmatch(extension) or extension.startswith("_") or not CONTEXT.fullmatch(context):
        return f"{action.place}: write an extension and its context, such as 200@from-internal."
    return None


_CHECKS: Final[Mapping[str, Callable[[Action, str], str | None]]] = {
    "transfer": _transfer,
    "leave": _leave,
    "dtmf": _dtmf,
    "set_variable": _set_variable,
    "play": _play,
    "extension_state": _extension_state,
    "queue_state": _queue_state,
    "originate": _originate,
}

_LINES: Final[Mapping[str, Callable[[str], Allowed]]] = {
    "transfer": extension_line,
    "leave": place_line,
    "dtmf": digits_line,
    "play": sound_line,
    "extension_state": extension_line,
    "originate": endpoint_line,
}


def allow_list(action: Action) -> tuple[Allowed, ...]:
    """The action's targets, ready to be asked. A line that this version does not understand permits only itself: it was
    kept by an earlier one, to which it was no pattern."""
    read = _LINES.get(action.name, Allowed)
    found = []
    for line in action.targets:
        try:
            found.append(read(line))
        except PatternWrong:
            found.append(Allowed(line))
    return tuple(found)
