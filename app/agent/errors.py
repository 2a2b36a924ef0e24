"""What can go wrong in a turn besides its provider::

AgentError
├── TurnTimeout         the deadline passed
├── StepLimit           the model kept calling tools
├── EmptyAnswer         the model said nothing
├── TruncatedAnswer     the model was cut off (length) before it finished
└── InvalidOutput       the output does not match the prompt's output schema
"""

from __future__ import annotations

from app.core.errors import GatewayError


class AgentError(GatewayError):
    """A turn ended without an answer."""

    code = "agent_failed"


class TurnTimeout(AgentError):
    """The turn's deadline passed."""

    code = "turn_timeout"
    retryable = True


class StepLimit(AgentError):
    """The model used all the steps it may take and still called tools."""

    code = "step_limit"


class EmptyAnswer(AgentError):
    """The model ended its turn without a word."""

    code = "empty_answer"
    retryable = True


class TruncatedAnswer(AgentError):
    """The provider cut the answer off at its token limit or refused to go on."""

    code = "truncated_answer"


class InvalidOutput(AgentError):
    """The model's structured output does not match the prompt's output schema."""

    code = "invalid_output"
    retryable = True
