"""Measuring one contender under one workload, and a whole run of them in rounds."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from typing import Any, Protocol, TypeVar

from bench.contenders import Contender, Ground, gateway, yardstick
from bench.figures import overheads
from bench.vitals import Machine, cpu_seconds, rss_mb
from bench.workloads import SERIAL, Plan, Workload
from lab.caller import End, LoadResult
from lab.errors import LabFailed

Progress = Callable[[str], None]

GATEWAY = "gateway"  # with Redis, as the yardstick has it
YARDSTICK = "yardstick"

# Share of the machine in use by others from which a measurement is set aside (if there is a better one), and below
# which the machine counts as quiet.
DISTURBED = 0.10
_QUIET = 0.05
_LOOK = 0.4  # seconds


class Measured(Protocol):
    """Something that was measured while others may have used the machine."""

    @property
    def others(self) -> float:
        """Their share of it."""


T = TypeVar("T", bound=Measured)


@dataclass(frozen=True, slots=True)
class Cell:
    """One contender under one workload in one round.

    Attributes:
        overheads: For each call with an answer, ms: see ``bench.figures.overheads``.
        failed: Calls without ``AI_STATUS=OK``, whatever the reason.
        statuses: How often each ``AI_STATUS`` came.
        cpu_ms: CPU time of the contender's process for each call.
        rss_mb: Its memory afterwards.
        lag_ms: The longest lag of its event loop, 0 where it does not say.
        asterisk_ms, stub_ms: CPU time of these for each call.
        rate: Answered calls a second.
        others: Share of the machine that was used meanwhile by what is not part of the benchmark.
    """

    contender: str
    workload: Workload
    round: int
    overheads: Sequence[float]
    failed: int
    statuses: dict[str, int]
    cpu_ms: float
    rss_mb: float
    lag_ms: float
    asterisk_ms: float
    stub_ms: float
    rate: float
    others: float

    @property
    def undisturbed(self) -> bool:
        """Whether the machine was ours."""
        return self.others <= DISTURBED

    def record(self) -> dict[str, Any]:
        """For the JSON file."""
        return {**asdict(self), "overheads": [round(each, 3) for each in self.overheads]}


@dataclass(frozen=True, slots=True)
class Baseline:
    """The same calls without the gateway (extension 199), at one rate."""

    times: Sequence[float]
    extra_seconds: float  # that SIPp needs beside the calls' own
    others: float


class Bench:
    """Measures on one ground, and keeps what it measured.

    Args:
        patience: Seconds that may be spent, over the whole run, on waiting for a quiet machine and on measuring again.

    Attributes:
        cells: In the order in which they were measured.
        idle: Resident memory of each contender before its first call, MB.
    """

    def __init__(self, ground: Ground, progress: Progress, *, patience: float = 0.0) -> None:
        self._ground = ground
        self._patience = patience
        self._progress = progress
        self._number = 0
        self.cells: list[Cell] = []
        self.baselines: list[tuple[float, Baseline]] = []
        self.idle: dict[str, float] = {}

    async def run(self, plan: Plan) -> None:
        """The main contenders in turns, then the gateway's other configurations."""
        ground = self._ground
        async with AsyncExitStack() as stack:
            ours = await stack.enter_async_context(gateway(ground, GATEWAY, redis=True))
            theirs = await stack.enter_async_context(yardstick(ground))
            await self._rounds([ours, theirs], plan.main, plan.rounds, once_from=plan.once_from)
        if plan.variant_rounds:
            async with AsyncExitStack() as stack:
                contenders = [
                    await stack.enter_async_context(gateway(ground, "in_process")),
                    await stack.enter_async_context(
                        gateway(ground, "langchain_client", settings={"OPENAI_CLIENT": "langchain"})
                    ),
                    await stack.enter_async_context(gateway(ground, "no_uvloop", uvloop=False)),
                ]
                await self._rounds(contenders, plan.variants, plan.variant_rounds)

    async def compare(self, contenders: list[Contender], workloads: Sequence[Workload], rounds: int) -> None:
        """Some contenders beside each other, in turns."""
        await self._rounds(contenders, workloads, rounds)

    async def _rounds(
        self,
        contenders: list[Contender],
        workloads: Sequence[Workload],
        rounds: int,
        *,
        once_from: float = math.inf,
    ) -> None:
        for contender in contenders:
            self.idle[contender.name] = contender.idle_mb
            await self.warm(contender, workloads)
        for number in range(1, rounds + 1):
            baselines: dict[float, Baseline] = {}
            for workload in workloads:
                rate = max(workload.rate, SERIAL)
                if rate not in baselines:
                    calls = max((w.calls for w in workloads if w.rate == rate), default=20)
                    baselines[rate] = await self._quietly(partial(self.baseline, rate, calls))
                    self.baselines.append((rate, baselines[rate]))
                # Who begins changes from round to round.
                for contender in contenders if number % 2 else contenders[::-1]:
                    if contender.name == YARDSTICK and number > 1 and workload.rate >= once_from:
                        continue
                    self._progress(f"round {number}: {contender.name}, {workload.kind}, {workload.pace}")
                    measure = partial(self.cell, contender, workload, number, baselines[rate])
                    self.cells.append(await self._quietly(measure))

    async def _quietly(self, measure: Callable[[], Awaitable[T]]) -> T:
        """Measure while nothing else uses the machine, as far as patience goes; the least disturbed attempt counts."""
        best: T | None = None
        while True:
            await self._quiet()
            begun = time.monotonic()
            found = await measure()
            if best is None or found.others < best.others:
                best = found
            if best.others <= DISTURBED or self._patience <= 0:
                return best
            self._patience -= time.monotonic() - begun

    async def _quiet(self) -> None:
        while True:
            before = Machine.now()
            await asyncio.sleep(_LOOK)
            if Machine.now().others_since(before) <= _QUIET or self._patience <= 0:
                return
            self._patience -= _LOOK

    async def warm(self, contender: Contender, workloads: Sequence[Workload]) -> None:
        """See that it answers rightly, and let it pay what only the first calls pay.

        Raises:
            LabFailed: A call went wrong.
        """
        self._progress(f"warming {contender.name}")
        await self._ground.direct_calls_to(contender.app)
        for tool in sorted({workload.tool for workload in workloads}):
            workload = Workload(20, 20, tool=tool)
            result = await self._ground.caller.call("100", say=workload.words, conversation=self._conversation())
            if result.end is not End.COMPLETED or result.status != "OK" or workload.expected not in result.response:
                raise LabFailed(f"{contender.name} gave {result.status!r} {result.response!r} {result.log[-2000:]}")
            await self._load("100", workload)

    async def baseline(self, rate: float, calls: int) -> Baseline:
        """Calls to extension 199."""
        workload = Workload(rate, calls)
        begun, machine = time.monotonic(), Machine.now()
        result = await self._load("199", workload)
        extra = max(0.0, time.monotonic() - begun - calls / rate)
        measured = Baseline(result.milliseconds, extra, Machine.now().others_since(machine))
        if result.failed:
            raise LabFailed(f"{result.failed} calls without the gateway failed: this machine is too busy\n{result.log}")
        return measured

    async def cell(self, contender: Contender, workload: Workload, number: int, baseline: Baseline) -> Cell:
        """Measure."""
        await self._ground.direct_calls_to(contender.app)
        pids = (contender.child.pid, self._ground.asterisk.server.pid, self._ground.stub.pid)
        lag, machine, cpu, begun = await contender.lag(), Machine.now(), [*map(cpu_seconds, pids)], time.monotonic()
        result = await self._load("100", workload)
        seconds = time.monotonic() - begun - baseline.extra_seconds
        used = [(cpu_seconds(pid) - before) * 1_000 / workload.calls for pid, before in zip(pids, cpu, strict=True)]
        others = Machine.now().others_since(machine)
        answered = result.statuses["OK"]
        return Cell(
            contender=contender.name,
            workload=workload,
            round=number,
            overheads=overheads(result.milliseconds, baseline=baseline.times, model=workload.waits_ms),
            failed=workload.calls - answered,
            statuses=dict(result.statuses),
            cpu_ms=used[0],
            rss_mb=rss_mb(contender.child.pid),
            lag_ms=(await contender.lag()).worst_since(lag),
            asterisk_ms=used[1],
            stub_ms=used[2],
            rate=answered / max(seconds, workload.calls / workload.rate),
            others=others,
        )

    async def _load(self, extension: str, workload: Workload) -> LoadResult:
        # Conversations of their own: no history, for every contender alike.
        names = [self._conversation() for _ in range(workload.calls)]
        return await self._ground.caller.load(
            extension, rate=workload.rate, calls=workload.calls, say=workload.words, conversations=names
        )

    def _conversation(self) -> str:
        self._number += 1
        return f"bench-{self._number}"


def merged(cells: Sequence[Cell]) -> dict[tuple[str, Workload], list[Cell]]:
    """The rounds of each contender and workload together, in the order of their first appearance."""
    found: dict[tuple[str, Workload], list[Cell]] = {}
    for cell in cells:
        found.setdefault((cell.contender, cell.workload), []).append(cell)
    return found


def typical(cells: Sequence[Cell], figure: Callable[[Cell], float]) -> float:
    """The median over the rounds: one round that something else on the machine disturbed does not count."""
    return median(figure(cell) for cell in cells)
