"""How a turn ends: what the caller hears and the dialplan is told, from the agent's last event or an error. Pure.

Calls end so, and so do rehearsals, which thereby show what a call would get.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.agent.errors import EmptyAnswer, TurnTimeout
from app.agent.events import ActionRequested, Done
from app.calls.errors import NoInput
from app.calls.outcome import Outcome, Status
from app.calls.speakable import speakable
from app.core.errors import GatewayError
from app.core.settings import Settings
from app.prompts.errors import PromptNotFound
from app.prompts.prompt import Prompt

# The last resort, where an operator emptied every fallback sentence: silence is no answer.
DEFAULT_FALLBACK = "I am sorry, I cannot answer right now."


def answered(prompt: Prompt, done: Done, actions: Sequence[ActionRequested], latency_ms: int) -> Outcome:
    """The outcome of a turn that the agent finished.

    Raises:
        EmptyAnswer: nothing of the answer can be spoken.
    """
    text = speakable(done.text)
    if not text:
        raise EmptyAnswer(f"none of the {len(done.text)} characters of the answer can be spoken")
    return Outcome(
        status=Status.OK,
        text=text,
        actions=tuple(actions),
        output=done.output or {},
        output_schema=prompt.output_schema or {},
        model=done.model,
        prompt_version=version_of(prompt),
        turn=done.turn,
        latency_ms=latency_ms,
    )


def failed(settings: Settings, prompt: Prompt | None, error: GatewayError, latency_ms: int) -> Outcome:
    """The outcome of a turn that failed. None: the prompt was not found."""
    return Outcome(
        status=status_of(error),
        text=fallback(settings, prompt),
        error=error.code,
        detail=str(error),
        output_schema=(prompt and prompt.output_schema) or {},
        prompt_version=version_of(prompt) if prompt else "",
        latency_ms=latency_ms,
    )


def fallback(settings: Settings, prompt: Prompt | None = None) -> str:
    """What the caller hears instead of an answer."""
    for sentence in (prompt.fallback if prompt else None, settings.ai_fallback_sentence):
        if sentence and (text := speakable(sentence)):
            return text
    return DEFAULT_FALLBACK


def status_of(error: GatewayError) -> Status:
    """The word for ``AI_STATUS``."""
    match error:
        case NoInput():
            return Status.NO_INPUT
        case PromptNotFound():
            return Status.NO_PROMPT
        case TurnTimeout():
            return Status.TIMEOUT
        case _:
            return Status.ERROR


def version_of(prompt: Prompt) -> str:
    """``AI_PROMPT_VERSION``; a draft, which calls never use, has no number."""
    return f"{prompt.name}:{prompt.version or 'draft'}"
