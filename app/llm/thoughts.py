"""Takes out what a model thinks aloud before it answers: ``<think>...</think>`` at the beginning of its text.

Servers with a parser for it send it apart; vLLM without ``--reasoning-parser`` and older versions of Ollama do not, and
a caller would hear it all.
"""

from __future__ import annotations

_OPENS, _CLOSES = "<think>", "</think>"


class ThoughtFilter:
    """Text in, at any boundary; the same without thoughts out."""

    def __init__(self) -> None:
        self._held = ""  # the beginning of the text, or the end of a thought, that may be a part of a mark
        self._thinks: bool | None = None  # None: the beginning has not been seen yet

    def feed(self, text: str) -> str:
        """What of ``text`` may go on."""
        if self._thinks is False:
            return text
        self._held += text
        if self._thinks is None:
            start = self._held.lstrip()
            if not start.startswith(_OPENS):
                return "" if _OPENS.startswith(start) else self.end()
            self._thinks, self._held = True, start.removeprefix(_OPENS)
        _, closed, after = self._held.partition(_CLOSES)
        if not closed:
            self._held = self._held[-len(_CLOSES) :]
            return ""
        self._thinks, self._held = False, ""
        return after.lstrip()

    def end(self) -> str:
        """What is held back, when nothing follows. A thought without an end is no answer."""
        held, self._held = self._held, ""
        if self._thinks:
            return ""
        self._thinks = False
        return held
