"""The rows and the targets, from cells."""

from __future__ import annotations

from bench.leak import Held, complaints
from bench.measure import GATEWAY, YARDSTICK, Cell
from bench.report import Row, targets
from bench.workloads import FULL, QUICK, SERIAL, Workload


def cell(
    name: str, workload: Workload, overheads: list[float], *, number: int = 1, failed: int = 0, others: float = 0.0
) -> Cell:
    return Cell(
        contender=name,
        workload=workload,
        round=number,
        overheads=overheads,
        failed=failed,
        statuses={},
        cpu_ms=5.0,
        rss_mb=150.0,
        lag_ms=12.0,
        asterisk_ms=2.0,
        stub_ms=1.0,
        rate=workload.rate,
        others=others,
    )


def test_one_disturbed_round_of_three_moves_neither_median_nor_tail_but_shows_as_the_worst() -> None:
    workload = Workload(50, 2)
    row = Row.of(
        GATEWAY,
        workload,
        [
            cell(GATEWAY, workload, [5.0, 6.0], number=1),
            cell(GATEWAY, workload, [500.0, 900.0], number=2, failed=1),
            cell(GATEWAY, workload, [5.0, 7.0], number=3),
        ],
    )
    assert (row.p50, row.p99, row.worst) == (6.0, 7.0, 900.0)
    assert (row.calls, row.failed) == (6, 1)


def test_a_round_that_shared_the_machine_counts_only_when_there_is_no_other() -> None:
    workload = Workload(50, 2)
    alone = cell(GATEWAY, workload, [5.0, 6.0], number=1)
    shared = cell(GATEWAY, workload, [500.0, 900.0], number=2, failed=1, others=0.6)
    row = Row.of(GATEWAY, workload, [alone, shared])
    assert (row.worst, row.failed, row.calls, row.rounds, row.disturbed) == (6.0, 0, 2, 1, False)
    assert (row.aside_calls, row.aside_failed, row.aside_lag_ms) == (2, 1, 12.0)
    row = Row.of(GATEWAY, workload, [shared])
    assert (row.worst, row.failed, row.rounds, row.disturbed) == (900.0, 1, 1, True)


def row(name: str, rate: float, *, p50: float, p99: float, tool: bool = False, failed: int = 0) -> Row:
    workload = Workload(rate, 10, tool=tool)
    return Row(name, workload, p50, p99, p99, p99, 10, failed, 5.0, 150.0, 12.0, rate)


def test_targets_are_judged_by_ratios() -> None:
    table = [
        row(GATEWAY, 50, p50=5, p99=20),
        row(YARDSTICK, 50, p50=20, p99=150),
        row(GATEWAY, 50, p50=11, p99=30, tool=True),
        row(GATEWAY, 100, p50=8, p99=40, failed=1),
    ]
    found = {target.name: target.reached for target in targets(table, {GATEWAY: 155.0})}
    assert found == {
        "median overhead at most half of the yardstick's (50/s)": True,
        "p99 at most a tenth of the yardstick's (50/s)": False,
        "100 calls a second without a failed call": False,
        "a turn with a tool call at most twice one without (50/s)": False,
        "no stall of the event loop over 50 ms": True,
        "idle under 200 MB": True,
    }


def test_failures_of_rounds_that_do_not_count_are_told() -> None:
    workload = Workload(100, 2)
    cells = [
        cell(GATEWAY, workload, [5.0, 6.0]),
        cell(GATEWAY, workload, [9.0, 9.0], number=2, failed=1, others=0.6),
    ]
    told = {target.name: target.measured for target in targets([Row.of(GATEWAY, workload, cells)], {})}
    assert told["100 calls a second without a failed call"] == "0 of 2 failed; 1 of 2 in disturbed rounds"


def test_what_was_not_measured_is_no_target() -> None:
    assert list(targets([], {})) == []


def test_the_plans_measure_what_the_targets_need() -> None:
    for plan in (FULL, QUICK):
        kinds = {(each.rate, each.model_ms, each.tool) for each in plan.main}
        assert kinds >= {(SERIAL, 0, False), (50, 0, False), (50, 0, True), (100, 0, False), (50, 200, False)}


def test_a_tool_call_makes_the_model_wait_twice() -> None:
    assert Workload(50, 1, 200).waits_ms == 200
    assert Workload(50, 1, 200, tool=True).waits_ms == 400


def test_an_answer_piece_by_piece_waits_between_them() -> None:
    workload = Workload(20, 1, gap_ms=4)
    text = workload.words.partition("stub:say=")[2]
    assert workload.waits_ms == 4 * (1 + len([text[start : start + 5] for start in range(0, len(text), 5)]))


def held(calls: int, rss: float, *, tasks: int = 5, channels: int = 0, files: int = 30, turns: int = 0) -> Held:
    return Held(calls, {"calls": tasks}, channels, files, rss, {"app.calls.call.Call": turns})


def test_what_is_left_behind_is_named() -> None:
    steady = [held(calls, 160 + calls / 1_000) for calls in range(0, 1_001, 100)]
    assert list(complaints(steady)) == []
    growing = [held(calls, 160 + calls / 100) for calls in range(0, 1_001, 100)]
    assert [*complaints(growing)] == ["memory grows by 10.0 MB for each 1,000 calls"]
    found = list(complaints([held(0, 160), held(1_000, 160, tasks=7, channels=1, files=40, turns=900)]))
    assert found == [
        "tasks: 2 more of calls",
        "1 channels are still in Asterisk",
        "10 more open files",
        "objects: 900 more of app.calls.call.Call",
    ]
