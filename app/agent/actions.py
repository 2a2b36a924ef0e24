"""What the model may ask the dialplan to do, as tools that only take the request down.

The dialplan acts on it after the turn, and only when the turn ends well; so nothing has to be undone when a caller
hangs up or the deadline passes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.agent.builtin import ANSWER, BuiltinTool
from app.prompts.prompt import Action
from app.tools.arguments import ArgumentSchema

# The contract's action words, and what their tools are called: models know these names.
_TOOL_NAMES = {"hangup": "end_call", "transfer": "transfer_call"}
_DESCRIPTIONS = {
    "hangup": "Ends the call. Use it when the caller says goodbye or wants nothing more; say goodbye as well.",
    "transfer": "Transfers the caller. Use it when the caller asks for it or you cannot help; say so as well.",
}


@dataclass(frozen=True, slots=True)
class ActionTaken:
    """A request that was taken down; the artifact of its ToolMessage."""

    action: str
    data: str


class ActionTool:
    """One action of a prompt. ``tool`` is what the model is offered."""

    def __init__(self, action: Action, taken_names: frozenset[str]) -> None:
        self.action = action.name
        name = _TOOL_NAMES.get(action.name) or re.sub(r"[^a-zA-Z0-9_-]", "_", action.name)[:50] or "_"
        if name[0] in "-0123456789" or name in taken_names:
            name = f"action_{name}"
        schema: dict[str, Any] = {"type": "object", "properties": {}}
        if action.targets:
            target = {"type": "string", "enum": list(action.targets), "description": "Where to, or what with."}
            schema = {"type": "object", "properties": {"target": target}, "required": ["target"]}
        description = action.description or _DESCRIPTIONS.get(action.name, f"Asks the phone system to: {action.name}.")
        self.tool = BuiltinTool(name, description, schema)
        self._arguments = ArgumentSchema(schema)

    def take(self, arguments: Mapping[str, Any]) -> ActionTaken:
        """The request that these arguments make.

        Raises:
            ArgumentsInvalid: the target is not one of those allowed.
        """
        completed = self._arguments.complete(self.tool.name, arguments)
        return ActionTaken(self.action, str(completed.get("target", "")))


def action_tools(actions: Sequence[Action], tool_names: Sequence[str]) -> dict[str, ActionTool]:
    """The prompt's actions by the names under which the model calls them; none hides a tool of the operator's."""
    found: dict[str, ActionTool] = {}
    for action in actions:
        made = ActionTool(action, frozenset((*tool_names, *found, ANSWER)))
        found[made.tool.name] = made
    return found
