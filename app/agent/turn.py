"""What goes into a turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.agent.progress import Progress
from app.prompts.prompt import Prompt


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """One utterance, and everything that is needed to answer it.

    Attributes:
        conversation: Key of the conversation's memory, made unique by the caller (a PBX prefix). None: no memory.
        text: What the caller said; not empty.
        prompt: The prompt to answer with.
        deadline: ``asyncio`` loop time at which the turn must be over. The agent gives up at it, and passes what is
            left of it to providers and tools.
        model: ``provider`` or ``provider:model`` that overrides the prompt's and the default; None: no override.
        variables: Call variables for the prompt's template and the tools' bound parameters.
        turn_id: Names this turn in logs and idempotency keys.
        progress: What is known of the turn so far; kept by the agent, for whoever asked for the turn.
    """

    conversation: str | None
    text: str
    prompt: Prompt
    deadline: float
    model: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    turn_id: str = ""
    progress: Progress = field(default_factory=Progress, compare=False, repr=False)
