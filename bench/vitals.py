"""What the kernel knows of a process, and what the gateway says of its event loop."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")

# Bucket lines of the histogram, such as ...lag_seconds_bucket{le="0.005"} 812.0
_LAG_BUCKET = re.compile(r'^asterisk_ai_event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)
_LAG_MAX = re.compile(r"^asterisk_ai_event_loop_lag_max_seconds (\S+)$", re.MULTILINE)


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads so far, in steps of 10 ms: ``/proc/<pid>/stat``, see proc(5)."""
    # The name in parentheses may hold spaces; what follows it is numbers.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def own_cpu_seconds() -> float:
    """CPU time so far of this process and of everything that it started, ended or not."""
    usage = os.times()
    total = usage.user + usage.system + usage.children_user + usage.children_system
    for pid in _descendants(os.getpid()):
        with contextlib.suppress(OSError):  # it ended a moment ago
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(field) for field in fields[11:15]) / _TICKS
    return total


def _descendants(pid: int) -> list[int]:
    found = [pid]
    for parent in found:  # grows while we walk
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found[1:]


def rss_mb(pid: int) -> float:
    """Resident memory in MB (10^6 bytes)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ProcessLookupError(pid)


def open_files(pid: int) -> int:
    """Open file descriptors."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@dataclass(frozen=True, slots=True)
class Machine:
    """CPU time of all processors so far, in seconds.

    Attributes:
        busy: Used by anybody, the host of a virtual machine included: time that it steals is time we do not have.
        ours: Used by this process and what it started.
    """

    busy: float
    ours: float
    total: float

    @classmethod
    def now(cls) -> Machine:
        """From ``/proc/stat`` and the processes."""
        ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        idle = ticks[3] + ticks[4]
        return cls((sum(ticks) - idle) / _TICKS, own_cpu_seconds(), sum(ticks) / _TICKS)

    def others_since(self, before: Machine) -> float:
        """Share of the machine, 0 to 1, that was used by what is not ours."""
        passed = self.total - before.total
        others = (self.busy - before.busy) - (self.ours - before.ours)
        return min(1.0, max(0.0, others / passed)) if passed else 0.0


@dataclass(frozen=True, slots=True)
class Lag:
    """The gateway's own account of its event loop's lag since its start.

    Attributes:
        buckets: Upper bound in ms -> how many probes stayed within it (cumulative).
        longest: ms.
    """

    buckets: dict[float, float]
    longest: float

    @classmethod
    def read(cls, metrics: str) -> Lag:
        """From the text of ``/metrics``."""
        buckets = {float(bound) * 1_000: float(count) for bound, count in _LAG_BUCKET.findall(metrics)}
        longest = _LAG_MAX.search(metrics)
        return cls(buckets, float(longest[1]) * 1_000 if longest else 0.0)

    def worst_since(self, before: Lag) -> float:
        """The longest lag between ``before`` and now, in ms: exact if it is the longest of all, else the upper bound of
        the highest bucket that filled."""
        if self.longest > before.longest:
            return self.longest
        previous, worst = 0.0, 0.0
        for bound, count in sorted(self.buckets.items()):
            grown = count - before.buckets.get(bound, 0.0)
            if grown > previous:
                worst = bound
            previous = grown
        return min(worst, self.longest)
