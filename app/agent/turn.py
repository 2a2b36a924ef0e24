"""What goes into a turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.agent.desk import CallDesk
from app.agent.progress import Progress
from app.prompts.prompt import Prompt
from app.tools.definition import ToolDefinition
from app.tools.execution import RunsTools


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What is different in a turn that nobody called for: drafts, chosen tools, recorded results.

    Such a turn leaves no trace among those of calls: its compiled graph is kept apart, and its failures are no news of
    a provider's health.

    Attributes:
        tools: What the model is offered; drafts among them have version 0. None: what the prompt selects.
        executor: Who answers the tools' calls; None: the one of calls, so that they really happen.
    """

    tools: tuple[ToolDefinition, ...] | None = None
    executor: RunsTools | None = None


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
        rehearsed: None: a turn of a call. The prompt of a rehearsed one may be in no catalog.
        desk: Who answers the model's questions about the telephone system (is an extension free, how long is a queue);
            None: nobody can, as in a rehearsal.
        progress: What is known of the turn so far; kept by the agent, for whoever asked for the turn.
    """

    conversation: str | None
    text: str
    prompt: Prompt
    deadline: float
    model: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    turn_id: str = ""
    rehearsed: Rehearsed | None = None
    desk: CallDesk | None = field(default=None, compare=False, repr=False)
    progress: Progress = field(default_factory=Progress, compare=False, repr=False)
