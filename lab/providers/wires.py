"""What the three wire formats have in common, for the server to speak them alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from lab.providers.answer import Answer


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, as far as the stub cares.

    Attributes:
        text: The last thing the user said.
        results: What the tools answered since then.
        told: The instructions.
    """

    model: str
    stream: bool
    text: str
    results: tuple[str, ...]
    told: str = ""


@dataclass(frozen=True, slots=True)
class Events:
    """A streamed answer: ``head`` without what ends it, which is ``tail``."""

    head: list[bytes]
    tail: list[bytes]


class Wire(Protocol):
    """One provider's protocol."""

    name: str

    def read(self, body: dict[str, Any], path: str) -> Ask:
        """What is asked."""
        ...

    def events(self, answer: Answer, ask: Ask) -> Events:
        """The answer, streamed."""
        ...

    def whole(self, answer: Answer, ask: Ask) -> bytes:
        """The answer in one body."""
        ...

    def error(self, status: int, message: str) -> bytes:
        """The body of an error."""
        ...

    def nonsense(self) -> bytes:
        """An event whose data is not JSON."""
        ...

    def error_event(self) -> bytes:
        """An error in the middle of a stream."""
        ...


def text_of(content: Any) -> str:
    """The text of a message's content: a string, or a list of parts."""
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text") or "") for part in content or () if isinstance(part, dict)).strip()


def cut(arguments: bytes) -> bytes:
    """Arguments that stop in the middle of the last value."""
    return arguments[:-3] if len(arguments) > 6 else b'{"order_id": "A1'
