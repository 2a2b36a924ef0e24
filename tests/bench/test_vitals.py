"""What is read of processes and of the gateway's metrics."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from prometheus_client import generate_latest

from app.core.metrics import EVENT_LOOP_LAG, EVENT_LOOP_LAG_MAX, REGISTRY
from bench.vitals import Lag, Machine, cpu_seconds, open_files, own_cpu_seconds, rss_mb


def lag(longest: float, **counts: float) -> Lag:
    """``counts``: probes beyond each bucket's bound, cumulative, by ``ms5`` and so on."""
    return Lag({float(name.removeprefix("ms")): count for name, count in counts.items()}, longest)


def test_a_new_longest_lag_is_exact() -> None:
    assert lag(31.5, ms25=10, ms50=11).worst_since(lag(12.0, ms25=5, ms50=5)) == 31.5


def test_a_lag_that_is_not_the_longest_is_known_by_its_bucket() -> None:
    before, after = lag(80.0, ms5=10, ms25=10, ms50=10, ms100=11), lag(80.0, ms5=15, ms25=17, ms50=17, ms100=18)
    assert after.worst_since(before) == 25.0


def test_without_a_new_probe_there_is_no_lag() -> None:
    same = lag(80.0, ms5=10, ms100=11)
    assert same.worst_since(same) == 0.0


def test_the_metrics_of_the_gateway_are_understood() -> None:
    before = Lag.read(generate_latest(REGISTRY).decode())
    EVENT_LOOP_LAG.observe(0.02)
    EVENT_LOOP_LAG_MAX.set(before.longest / 1_000 + 1)
    after = Lag.read(generate_latest(REGISTRY).decode())
    assert after.buckets[25.0] - before.buckets[25.0] == 1
    assert after.longest == before.longest + 1_000
    EVENT_LOOP_LAG_MAX.set(before.longest / 1_000)


def test_a_process_that_works_uses_processor_time() -> None:
    before = cpu_seconds(os.getpid())
    _work(0.05)
    assert 0.03 <= cpu_seconds(os.getpid()) - before < 5


def test_what_we_and_our_children_use_is_not_put_down_to_others() -> None:
    before = own_cpu_seconds()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.2: pass"], check=True)
    assert 0.15 < own_cpu_seconds() - before < 5
    assert Machine(10.0, 6.0, 100.0).others_since(Machine(5.0, 4.0, 90.0)) == 0.3
    assert Machine(10.0, 6.0, 100.0).others_since(Machine(10.0, 5.9, 90.0)) == 0


def _work(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_memory_and_files_are_those_of_the_process() -> None:
    assert 10 < rss_mb(os.getpid()) < 10_000
    before = open_files(os.getpid())
    with open(os.devnull) as _file:
        assert open_files(os.getpid()) == before + 1
