"""Where the time of a turn went, as bars that add up. No I/O.

What is recorded lies within each other (a model's try holds the tools that it called), and people want parts that do
not: so the tools are taken out of the model's time, it is cut at its first words, and what no part explains is a part.
Tools that ran at once are the one exception: each bar has its whole time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.history.records import TurnDetail

Kind = Literal["asterisk", "memory", "model", "model-rest", "tool", "rest"]
Interval = tuple[float, float]  # milliseconds from the turn's beginning: from, to

SCALE: Final = 1000
_THINNEST: Final = 3.0  # of SCALE: what took no time is still to be seen
# Parts are rounded to a tenth of a millisecond each.
_NOTHING: Final = 0.15


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of the time, in one or several pieces.

    Attributes:
        name: Of the model or the tool; empty for the others.
        start_ms: From the turn's beginning until its first piece.
        elapsed_ms: Of all its pieces.
        pieces: Where each begins and how wide it is, of :data:`SCALE`.
    """

    kind: Kind
    label: str
    name: str
    start_ms: float
    elapsed_ms: float
    pieces: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Waterfall:
    """All bars in the order of their beginnings; the last is what no part explains."""

    total_ms: float
    bars: tuple[Bar, ...]


def waterfall(turn: TurnDetail) -> Waterfall:
    """The parts of a turn's time; without any where nothing was measured."""
    spans = turn.spans
    total = max([float(turn.summary.elapsed_ms), *(_interval(span)[1] for span in spans)])
    if not spans or total <= 0:
        return Waterfall(total, ())
    parts = sorted(_parts(spans, answered=turn.summary.status == "OK"), key=lambda part: part[3][0][0])
    rest = _without([(0.0, total)], [piece for part in parts for piece in part[3]])
    if _length(rest) > _NOTHING:
        parts.append(("rest", "Everything else", "", rest))
    return Waterfall(total, tuple(_bar(*part, total) for part in parts))


_Part = tuple[Kind, str, str, Sequence[Interval]]


def _parts(spans: Sequence[Mapping[str, Any]], *, answered: bool) -> Iterable[_Part]:
    tools = [_interval(span) for span in spans if span["part"] == "tool"]
    first_text = next((_interval(span)[1] for span in spans if span["part"] == "first_text"), None)
    for span in spans:
        whole, name = _interval(span), str(span["name"])
        match span["part"]:
            case "ari":
                yield "asterisk", "Asterisk: read the caller's words", "", [whole]
            case "delivery":
                yield "asterisk", "Asterisk: hand the answer over", "", [whole]
            case "memory":
                words = {"load": "Memory: recall the conversation", "save": "Memory: keep the turn"}
                yield "memory", words.get(name, "Memory"), "", [whole]
            case "tool":
                yield "tool", "Tool", name, [whole]
            case "action":
                yield "tool", "Action", name, [whole]
            case "confirmation":
                yield "tool", "Tool: waits for the caller's yes", name, [whole]
            case "filler":
                yield "tool", "Filler sentence, for a voice to say, of", name, [whole]
            case "model":
                yield from _model(whole, name, tools, first_text, answered=answered)


def _model(
    whole: Interval, name: str, tools: Sequence[Interval], first_text: float | None, *, answered: bool
) -> Iterable[_Part]:
    working = _without([whole], tools)
    if not working:
        return
    if first_text is None or not whole[0] <= first_text <= whole[1]:
        yield "model", "Model" if answered else "Model: waited for an answer", name, working
        return
    before, after = _without(working, [(first_text, whole[1])]), _without(working, [(whole[0], first_text)])
    if before:
        yield "model", "Model: until its first words", name, before
    if after:
        yield "model-rest", "Model: the rest of its words", name, after


def _interval(span: Mapping[str, Any]) -> Interval:
    start = max(0.0, float(span["start_ms"]))
    return start, start + max(0.0, float(span["elapsed_ms"]))


def _without(pieces: Sequence[Interval], taken: Sequence[Interval]) -> list[Interval]:
    """What is left of the pieces; one without length that nothing covers stays."""
    left = list(pieces)
    for begin, end in taken:
        cut: list[Interval] = []
        for start, stop in left:
            if end <= start or begin >= stop:
                cut.append((start, stop))
                continue
            cut += [piece for piece in ((start, begin), (end, stop)) if piece[1] > piece[0]]
        left = cut
    return left


def _length(pieces: Sequence[Interval]) -> float:
    return sum(stop - start for start, stop in pieces)


def _bar(kind: Kind, label: str, name: str, pieces: Sequence[Interval], total: float) -> Bar:
    def drawn(piece: Interval) -> Interval:
        width = max((piece[1] - piece[0]) / total * SCALE, _THINNEST)
        return round(min(piece[0] / total * SCALE, SCALE - width), 1), round(width, 1)

    return Bar(
        kind, label, name, round(pieces[0][0], 1), round(_length(pieces), 1), tuple(drawn(each) for each in pieces)
    )
