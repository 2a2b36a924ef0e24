"""A prompt as a turn sees it: one published version, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# The built-in kinds of actions, by their words in AI_ACTION. Every other word is the operator's own.
LEAVING: Final = frozenset({"hangup", "transfer", "leave"})
QUESTIONS: Final = frozenset({"extension_state", "queue_state"})
KINDS: Final = LEAVING | QUESTIONS | {"dtmf", "set_variable", "play", "hold", "originate"}

# What the kinds' tools are called: models know these names.
TOOL_NAMES: Final[Mapping[str, str]] = {
    "hangup": "end_call",
    "transfer": "transfer_call",
    "leave": "continue_call_at",
    "dtmf": "send_dtmf",
    "set_variable": "set_call_variable",
    "play": "play_sound",
    "hold": "hold_call",
    "extension_state": "extension_state",
    "queue_state": "queue_state",
    "originate": "place_call",
}

DIALPLAN: Final = "dialplan"
ARI: Final = "ari"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that the model may do in a call; ``docs/actions.md`` describes every kind.

    Attributes:
        name: One of :data:`KINDS`, or a word of the operator's own; it becomes ``AI_ACTION``.
        description: When the model should ask for it.
        targets: The allow-list: what the model may name, exactly or by patterns (:mod:`app.prompts.allowed`). Empty:
            the action takes nothing.
        via: ``dialplan``: it becomes ``AI_ACTION``, and the dialplan does it; ``ari``: the service does it at the end
            of the turn. Questions are always answered over ARI, within the turn.
        place: Of ``originate`` over ARI: where the call goes once it is answered, ``extension@context``.
        caller_id: Of ``originate`` over ARI: what the called party sees; empty: what Asterisk makes of it.
    """

    name: str
    description: str = ""
    targets: tuple[str, ...] = ()
    via: str = DIALPLAN
    place: str = ""
    caller_id: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One version of a prompt. Immutable: a changed prompt is a new object with a new ``version``.

    Attributes:
        id: Identity of the prompt, stable over renames.
        version: Number of the version, from 1; it becomes ``AI_PROMPT_VERSION``.
        content: Jinja template over the call variables.
        metadata: The operator's own JSON, handed out as it is.
        model: ``provider`` or ``provider:model``; None: the installation's default.
        tools: Names of the tools it may use; None: all that are enabled.
        output_schema: JSON Schema (an object) of the fields that become ``AI_OUT_*``; None: plain answers.
        fallback: What the caller hears when the turn fails; None: the installation's sentence.
        timeout: Deadline in seconds; None: the installation's.
    """

    id: int
    name: str
    version: int
    content: str
    is_default: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    temperature: float | None = None
    tools: tuple[str, ...] | None = None
    actions: tuple[Action, ...] = ()
    output_schema: Mapping[str, Any] | None = None
    fallback: str | None = None
    timeout: float | None = None
    greeting: str | None = None

    @property
    def key(self) -> tuple[int, int]:
        """Identity of this version, for caches."""
        return (self.id, self.version)
