"""Turns for the tests: short texts, and a codec for them."""

from __future__ import annotations

from typing import Final


class TextCodec:
    """A turn is a text; one that begins with ``!`` cannot be read back, one with ``?`` cannot be written."""

    def dumps(self, turn: str) -> bytes:
        """See the interface."""
        if turn.startswith("?"):
            raise TypeError("unwritable")
        return turn.encode()

    def loads(self, data: bytes) -> str:
        """See the interface."""
        text = data.decode()
        if text.startswith("!"):
            raise ValueError("unreadable")
        return text


CODEC: Final = TextCodec()
