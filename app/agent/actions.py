"""What the model may do in a call, as tools that only take the request down.

It happens after the turn, and only when the turn ends well; so nothing has to be undone when a caller hangs up or the
deadline passes. What the model names is checked here against the operator's allow-list, whatever the schema said to it:
providers drop what they do not know of a schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.agent.builtin import ANSWER, BuiltinTool
from app.agent.events import ActionRequested
from app.prompts.action_rules import MAX_DIGITS, MAX_VALUE, allow_list
from app.prompts.allowed import Allowed, any_of
from app.prompts.prompt import ARI, KINDS, LEAVING, QUESTIONS, TOOL_NAMES, Action
from app.tools.arguments import ArgumentSchema
from app.tools.errors import ArgumentsInvalid

# How many actions one turn may come to. A caller waits for them, and a model in a circle asks for more and more.
MOST_ACTIONS: Final = 5

_DESCRIPTIONS: Final[Mapping[str, str]] = {
    "hangup": "Ends the call. Use it when the caller says goodbye or wants nothing more; say goodbye as well.",
    "transfer": "Transfers the caller. Use it when the caller asks for it or you cannot help; say so as well.",
    "leave": "Hands the call over to another part of the phone system; say so as well.",
    "dtmf": "Sends DTMF digits into the call, as if they were typed on a telephone.",
    "set_variable": "Notes a value in the call for the phone system.",
    "play": "Plays a recorded sound to the caller.",
    "hold": "Puts the caller on hold with music, or takes the caller back.",
    "extension_state": "Tells whether an extension is free, busy, ringing or away.",
    "queue_state": "Tells how many callers wait in a queue, and how many of its agents are free.",
    "originate": "Has the phone system place another call, beside this one.",
}
# The argument that the allow-list is about.
_PARAMETERS: Final[Mapping[str, str]] = {
    "dtmf": "digits",
    "set_variable": "name",
    "play": "sound",
    "extension_state": "extension",
    "queue_state": "queue",
    "originate": "endpoint",
}
_MOST_SHOWN = 20
_LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class ActionTaken:
    """A request that was taken down; the artifact of its ToolMessage."""

    action: str
    data: str
    via: str = "dialplan"
    place: str = ""
    caller_id: str = ""


class ActionTool:
    """One action of a prompt. ``tool`` is what the model is offered."""

    def __init__(self, action: Action, taken_names: frozenset[str]) -> None:
        self.action = action.name
        self._of = action
        self._allowed = allow_list(action)
        name = tool_name(action, taken_names)
        schema = schema_of(action, self._allowed)
        description = action.description or _DESCRIPTIONS.get(action.name, f"Asks the phone system to: {action.name}.")
        self.tool = BuiltinTool(name, description, schema)
        self._arguments = ArgumentSchema(schema)

    def take(self, arguments: Mapping[str, Any]) -> ActionTaken:
        """The request that these arguments make.

        Raises:
            ArgumentsInvalid: they name what is not allowed.
        """
        data = self.checked(arguments)
        return ActionTaken(self.action, data, self._of.via, self._of.place, self._of.caller_id)

    def checked(self, arguments: Mapping[str, Any]) -> str:
        """The action's data, allowed. Raises ArgumentsInvalid."""
        completed = self._arguments.complete(self.tool.name, arguments)
        if self.action == "hold":
            return "on" if completed["on"] else "off"
        if not self._allowed:
            return ""
        value = str(completed[_parameter(self._of)])
        if self.action == "play":
            value = value.removeprefix("sound:")
        if self.action == "set_variable":
            return self._assignment(value, str(completed["value"]))
        if not any_of(self._allowed, value):
            raise self._refused()
        return value

    def _assignment(self, name: str, value: str) -> str:
        # One line: what a dialplan shows or writes down stays one entry.
        assignment = f"{name}={_LINE_BREAKS.sub(' ', value).strip()}"
        if assignment not in self._of.targets and name not in self._of.targets:
            raise self._refused()
        return assignment

    def _refused(self) -> ArgumentsInvalid:
        # Nothing of the value: what a caller said does not belong into logs that keep errors.
        return ArgumentsInvalid(
            f"{self.tool.name} was asked for something that is not on the prompt's list for {self.action}",
            for_model=f"{self.tool.name} was not called: this is not allowed. Allowed: {shown(self._of.targets)}. "
            "Choose one of these, or tell the caller that you cannot do it.",
        )


def action_tools(actions: Sequence[Action], tool_names: Sequence[str]) -> dict[str, ActionTool]:
    """The prompt's actions by the names under which the model calls them; none hides a tool of the operator's.

    Questions are not among them: see :func:`app.agent.desk.question_tools`.
    """
    found: dict[str, ActionTool] = {}
    for action in actions:
        if is_question(action):
            continue
        made = ActionTool(action, frozenset((*tool_names, *found, ANSWER)))
        found[made.tool.name] = made
    return found


def is_question(action: Action) -> bool:
    """Whether the model needs an answer within the turn. One without a list is a word of the operator's own, kept by a
    version from before there were questions."""
    return action.name in QUESTIONS and bool(action.targets)


def in_order(taken: Sequence[ActionTaken]) -> tuple[ActionRequested, ...]:
    """What is to be done of what the model asked for. One of an equal pair is enough; of those that set the same thing
    (hold, one variable) the last counts, and of those that end its part of the call, which is done last."""
    leaving = [each for each in taken if each.action in LEAVING][-1:]
    others: dict[object, ActionTaken] = {}
    for each in taken:
        if each.action in LEAVING:
            continue
        if (thing := _set_by(each)) is not None:
            others.pop(thing, None)
        others.setdefault(thing or each, each)
    kept = [*others.values()][: MOST_ACTIONS - len(leaving)]
    return tuple(
        ActionRequested(each.action, each.data, each.via, each.place, each.caller_id) for each in kept + leaving
    )


def _set_by(taken: ActionTaken) -> tuple[str, str] | None:
    """What an action sets, so that a later one makes it void."""
    if taken.action == "hold":
        return ("hold", "")
    return ("set_variable", taken.data.partition("=")[0]) if taken.action == "set_variable" else None


def told(taken: ActionTaken) -> str:
    """What the model is told of a request that was taken down: whether its words come before it, behind it, or not."""
    if taken.via != ARI:
        return "It happens after your words."
    if taken.action in LEAVING:
        return "It happens at the end of this turn, at once: your words are not spoken before it."
    return "It happens at the end of this turn, before your words are spoken."


def tool_name(action: Action, taken_names: frozenset[str]) -> str:
    """What its tool is called."""
    name = TOOL_NAMES.get(action.name) or re.sub(r"[^a-zA-Z0-9_-]", "_", action.name)[:50] or "_"
    return f"action_{name}" if name[0] in "-0123456789" or name in taken_names else name


def schema_of(action: Action, allowed: Sequence[Allowed]) -> dict[str, Any]:
    """JSON Schema of its tool's arguments: an enumeration where the list is exact, else its patterns in words."""
    if action.name == "hold":
        on = {"type": "boolean", "default": True, "description": "true: put on hold; false: take back."}
        return {"type": "object", "properties": {"on": on}}
    if not allowed:
        return {"type": "object", "properties": {}}
    name = _parameter(action)
    properties: dict[str, Any] = {name: _value_schema(action, allowed)}
    if action.name == "set_variable":
        properties["value"] = {"type": "string", "maxLength": MAX_VALUE, "description": "The value."}
    return {"type": "object", "properties": properties, "required": [*properties]}


def _value_schema(action: Action, allowed: Sequence[Allowed]) -> dict[str, Any]:
    if action.name == "set_variable":
        names = dict.fromkeys(line.partition("=")[0] for line in action.targets)
        fixed = [line for line in action.targets if "=" in line]
        words = f"The variable's name. Allowed values: {shown(fixed)}." if fixed else "The variable's name."
        return {"type": "string", "enum": [*names], "description": words}
    if all(line.expression is None for line in allowed):
        words = "Where to, or what with." if action.name not in KINDS else _WORDS.get(action.name, "Which one.")
        return {"type": "string", "enum": [line.text for line in allowed], "description": words}
    words = _WORDS.get(action.name, "Which one.")
    most = MAX_DIGITS if action.name == "dtmf" else 160
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": most,
        "description": f"{words} Allowed: {shown(action.targets)}. {_LEGEND}",
    }


_WORDS: Final[Mapping[str, str]] = {
    "transfer": "Where to.",
    "leave": "Where to.",
    "dtmf": "The digits, such as 123#.",
    "play": "The sound's name.",
    "extension_state": "The extension.",
    "queue_state": "The queue.",
    "originate": "Whom to call.",
}
_LEGEND: Final = (
    "A line that begins with _ is a pattern: leave the _ out; X is a digit 0-9, Z is 1-9, N is 2-9, [2-4] is one of "
    "these, . at the end is one or more digits, * behind / is any name."
)


def shown(lines: Sequence[str]) -> str:
    """An allow-list in a sentence."""
    more = f" and {len(lines) - _MOST_SHOWN} more" if len(lines) > _MOST_SHOWN else ""
    return ", ".join(lines[:_MOST_SHOWN]) + more


def _parameter(action: Action) -> str:
    return _PARAMETERS.get(action.name, "target")
