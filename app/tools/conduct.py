"""What a turn has to say about calls of tools with consequences, and of slow ones. The agent implements it; a tool that
has no such mark never asks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from app.tools.definition import ToolDefinition

T = TypeVar("T")

# Outcomes of a call that was not carried out: it waits for the caller's yes, or can never get one.
CONFIRMATION_NEEDED = "confirmation_needed"
CONFIRMATION_IMPOSSIBLE = "confirmation_impossible"


@dataclass(frozen=True, slots=True)
class Held:
    """Why a call is not carried out now.

    Attributes:
        code: :data:`CONFIRMATION_NEEDED`, which is no failure, or :data:`CONFIRMATION_IMPOSSIBLE`.
        for_model: What the model is told.
    """

    code: str
    for_model: str

    @property
    def ok(self) -> bool:
        """Whether all is as it should be."""
        return self.code == CONFIRMATION_NEEDED


class Conduct(Protocol):
    """Of one turn."""

    def admit(self, tool: ToolDefinition, arguments: Mapping[str, Any]) -> Held | None:
        """Whether a tool that needs a confirmation may be called; None: it may, and the confirmation is used up.

        Args:
            arguments: Checked, with defaults, and without the bound parameters.
        """
        ...

    def filler(self, tool: ToolDefinition, call_id: str) -> AbstractContextManager[None]:
        """Around a call of a tool with a filler sentence."""
        ...

    async def carry_out(
        self, tool: ToolDefinition, call_id: str, work: Callable[[], Coroutine[Any, Any, T]], begun: Callable[[], bool]
    ) -> T:
        """The result of a call with consequences.

        Args:
            work: Makes the call; never raises but by cancellation.
            begun: Whether its request is on its way, so that taking it back is no longer possible.

        Raises:
            asyncio.CancelledError: the turn was cancelled. A tool of ``commit_on_interrupt`` whose request had begun
                goes on nevertheless.
        """
        ...
