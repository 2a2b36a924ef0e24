"""The root of every error that the service raises on purpose.

Each room has one root of its own below :class:`GatewayError`::

    GatewayError
    ├── SettingsError               app.core.settings
    ├── ari.errors.AriError
    ├── db.errors.DatabaseError
    ├── llm.errors.ModelError
    ├── prompts.errors.PromptError
    ├── tools.errors.ToolError
    ├── memory.errors.MemoryFailure
    ├── accounts.errors.AccountError
    ├── history.errors.HistoryError
    ├── agent.errors.AgentError
    ├── calls.errors.CallError
    ├── calls.errors.DialplanInvalid
    └── rehearsal.errors.RehearsalError
"""

from __future__ import annotations


class GatewayError(Exception):
    """Something went wrong that the service has a word for.

    ``str(error)`` is a sentence for the operator: it says what happened and what to do. It may be logged and shown
    in the web interface, so it never holds a secret.

    Attributes:
        code: One stable snake_case word. It goes to ``AI_ERROR``, to logs and to metric labels.
        retryable: Whether the same request may work when it is tried again.
    """

    code: str = "internal_error"
    retryable: bool = False

    def __init__(self, message: str, *, retryable: bool | None = None) -> None:
        super().__init__(message)
        if retryable is not None:
            self.retryable = retryable


class SettingsError(GatewayError):
    """A setting is missing, malformed, or contradicts another one."""

    code = "settings_invalid"
