"""What packages with tools import of this service, and nothing else of it: these names stay where they are.

A function is announced by an entry point in the group ``asterisk_ai.tools``; see ``docs/python-tools.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CallInfo", "ToolError"]


class ToolError(Exception):
    """Raise it where a call cannot be carried out for a reason that the model should know.

    Args:
        words: For the model, which says them to the caller in its own way. Nothing secret.
    """

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


@dataclass(frozen=True, slots=True)
class CallInfo:
    """The call in which a tool runs. A function whose first parameter is annotated with it gets it there; the model
    does not see that parameter.

    Attributes:
        turn_id: Of the turn, for your logs.
        variables: The call's, such as ``caller_number``, and those that the dialplan passes.
        idempotency_key: The same in each repeat of one call.
    """

    turn_id: str
    variables: Mapping[str, str]
    idempotency_key: str
