"""What is known of a turn while it runs: its caller may read it at any time, also where the turn fails or is
cancelled, and no event tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from app.agent.events import ModelStep, Timing, ToolFinished, Usage


class _Reader(Protocol):
    steps: int

    @property
    def usage(self) -> Usage: ...


@dataclass(slots=True)
class Progress:
    """Filled by :meth:`app.agent.agent.Agent.run`.

    Attributes:
        model: ``provider:model`` that is tried, or was last; empty before the first.
        usage: Of that model's finished messages. It is complete when the model's try has ended.
        first_text_ms: From the agent's start until that model's first text; None while there is none.
        timings: Parts that have ended, in the order of their ends, however they ended.
        steps: That model's messages so far.
        late: Calls of tools that were finished after the turn was interrupted, with the milliseconds from the turn's
            beginning until then.
    """

    model: str = ""
    usage: Usage = field(default_factory=Usage)
    first_text_ms: float | None = None
    timings: list[Timing] = field(default_factory=list)
    steps: list[ModelStep] = field(default_factory=list)
    late: list[tuple[ToolFinished, float]] = field(default_factory=list)
    _expected: int = 0  # calls that are being finished though the turn is over
    _settled: list[Callable[[], None]] = field(default_factory=list)
    _asked_at: float = 0.0  # since when the model is at its message
    _started: float = 0.0

    def begin(self) -> None:
        """The turn begins."""
        self._started = asyncio.get_running_loop().time()

    def ms(self) -> float:
        """Milliseconds since the beginning, to a tenth."""
        return round((asyncio.get_running_loop().time() - self._started) * 1000, 1)

    def asked_for_ms(self) -> float:
        """Milliseconds since the model was asked last, or since the last node of the graph had finished."""
        return self.ms() - self._asked_at

    @contextmanager
    def measure(self, part: Literal["memory", "model"], name: str) -> Iterator[None]:
        """Measure the block, however it ends."""
        start = self.ms()
        try:
            yield
        finally:
            self.timings.append(Timing(part, name, start, round(self.ms() - start, 1)))

    @contextmanager
    def attempt(self, model: str, reader: _Reader) -> Iterator[None]:
        """One model's try, which forgets what the one before it came to."""
        self.model, self.usage, self.first_text_ms = model, Usage(), None
        self.steps, self._asked_at = [], self.ms()
        with self.measure("model", model):
            try:
                yield
            finally:
                self.usage = reader.usage

    def text(self) -> None:
        """The model wrote some; only the first time counts."""
        if self.first_text_ms is None:
            self.first_text_ms = self.ms()

    def node(self, reader: _Reader) -> None:
        """A node of the graph has finished: the model with a message, or a tool, after which the model is asked."""
        now = self.ms()
        if reader.steps > len(self.steps):
            before = self.steps
            spent = Usage(
                reader.usage.input_tokens - sum(each.usage.input_tokens for each in before),
                reader.usage.output_tokens - sum(each.usage.output_tokens for each in before),
            )
            self.steps.append(ModelStep(self._asked_at, round(now - self._asked_at, 1), spent))
        self._asked_at = now

    def expect(self) -> None:
        """The turn was interrupted, and one of its calls is finished nevertheless."""
        self._expected += 1

    def finished_late(self, event: ToolFinished | None) -> None:
        """One of these is over; None: nobody knows how."""
        self._expected -= 1
        if event is not None:
            self.late.append((event, self.ms()))
        if not self._expected:
            told, self._settled = self._settled, []
            for each in told:
                each()

    def when_settled(self, told: Callable[[], None]) -> None:
        """Call ``told``, which must not raise, when no call of the turn is under way any more; at once, if none is."""
        if self._expected:
            self._settled.append(told)
        else:
            told()
