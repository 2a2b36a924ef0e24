"""What is asked of a contender: which words, at which rate."""

from __future__ import annotations

from dataclasses import dataclass, replace

TOOL = "look_up_order"

# In pieces of 5 characters, about what a model's tokens are: 24 of them.
_PIECE = 5
_ANSWER = (
    "We are open from nine in the morning until six in the evening, Monday to Friday, "
    "and on Saturdays until one in the day."
)


@dataclass(frozen=True, slots=True)
class Workload:
    """Many calls of one kind.

    Attributes:
        rate: New calls a second. At 5 each call has ended before the next begins.
        model_ms: What the stub waits before each of its answers.
        tool: Whether the model calls a tool before it answers: two requests to the model, one to the tool's server.
        gap_ms: Between two pieces of the answer, as a real model sends them: each wakes the gateway. 0: all at once.
    """

    rate: float
    calls: int
    model_ms: int = 0
    tool: bool = False
    gap_ms: int = 0

    @property
    def words(self) -> str:
        """What each caller says: directions for the stub."""
        words = f"stub:piece={_PIECE} stub:delay={self.model_ms}ms stub:gap={self.gap_ms}ms "
        return words + (f'stub:tool={TOOL}{{"order_id":"A1042"}}' if self.tool else f"stub:say={_ANSWER}")

    @property
    def expected(self) -> str:
        """A word of the right answer."""
        return "shipped" if self.tool else "Saturdays"

    @property
    def waits_ms(self) -> int:
        """What the stub waits by intent in one turn."""
        # The stub waits after each piece, and after the one that names the role.
        pieces = 1 + -(-len(_ANSWER) // _PIECE)
        return self.model_ms * (2 if self.tool else 1) + pieces * self.gap_ms

    @property
    def kind(self) -> str:
        """For people."""
        more = (", tool" if self.tool else "") + (f", a piece every {self.gap_ms} ms" if self.gap_ms else "")
        return f"{self.model_ms} ms model{more}"

    @property
    def pace(self) -> str:
        """For people."""
        return "one by one" if self.rate <= SERIAL else f"{self.rate:g}/s"


SERIAL = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run measures.

    Attributes:
        main: For the gateway and the yardstick, in turns.
        once_from: Rate from which the yardstick is measured in the first round only: it cannot keep up, and what has
            piled up takes it long.
        variants: For the gateway in its other configurations.
    """

    rounds: int
    main: tuple[Workload, ...]
    variants: tuple[Workload, ...]
    variant_rounds: int
    once_from: float = 100.0


def _kinds(rates: dict[float, int], model_ms: int, *, tool: bool) -> list[Workload]:
    return [Workload(rate, calls, model_ms, tool) for rate, calls in rates.items()]


_SECONDS = {SERIAL: 20, 20.0: 60, 50.0: 200, 100.0: 400}
FULL = Plan(
    rounds=3,
    main=(
        *_kinds(_SECONDS, 0, tool=False),
        *_kinds(_SECONDS, 0, tool=True),
        *_kinds({3.0: 15, 50.0: 200, 100.0: 400}, 200, tool=False),
        *_kinds({50.0: 200}, 200, tool=True),
    ),
    variants=(
        Workload(SERIAL, 25),
        Workload(50, 200),
        Workload(50, 200, tool=True),
        Workload(100, 400),
        Workload(20, 80, gap_ms=4),
    ),
    variant_rounds=2,
)
QUICK = Plan(
    rounds=1,
    main=(
        Workload(SERIAL, 20),
        Workload(50, 150),
        Workload(50, 150, tool=True),
        Workload(50, 150, 200),
        Workload(100, 300),
    ),
    variants=(Workload(50, 150),),
    variant_rounds=1,
)
SMOKE = Plan(
    rounds=1,
    main=tuple(replace(Workload(20, 4), model_ms=ms, tool=tool) for ms, tool in ((0, False), (50, True))),
    variants=(),
    variant_rounds=0,
)
