"""One server inside a root: started, paused, killed and stopped by its process id, and never left behind.

The server runs under a leash: a shell beside it that reads from a pipe which only we hold. When we end in whatever
manner, ``kill -9`` included, the pipe closes and the shell kills the server. Unlike PR_SET_PDEATHSIG this survives
sudo, and does not fire when the *thread* that started the server ends.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.errors import LabFailed
from lab.roots import INSTANCES, Root, tail

# $1: file for the server's process id; $2: folder to run in. The rest: the server's command line. The pipe is standard
# input.
_LEASH = """
pidfile=$1; cd "$2" || exit 1; shift 2
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
echo "$server" >"$pidfile"
( read -r _; kill -KILL "$server" ) <&3 3<&- &
watcher=$!
exec 3<&-
wait "$server"; code=$?
kill "$watcher" 2>/dev/null
wait "$watcher" 2>/dev/null
exit "$code"
"""

_numbers = itertools.count(1)


def leash(argv: Sequence[str], pidfile: str, *, cwd: str, env: Mapping[str, str] | None = None) -> list[str]:
    """The command line, for use inside a root, that runs ``argv`` until its standard input closes."""
    variables = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": cwd, **(env or {})}
    environment = [f"{name}={value}" for name, value in variables.items()]
    return ["/usr/bin/env", "-i", *environment, "/bin/sh", "-c", _LEASH, "leash", pidfile, cwd, *argv]


class Instance:
    """A folder of its own inside a root, named after its owner: us.

    Attributes:
        folder: On the machine.
        inside: The same, as seen from inside the root.
    """

    def __init__(self, root: Root, kind: str) -> None:
        sweep(root.instances)
        self.root = root
        name = f"{kind}-{os.getpid()}-{next(_numbers)}"
        self.folder = root.instances / name
        self.inside = f"/{INSTANCES}/{name}"
        self.folder.mkdir()
        # mkdtemp's 0700 would lock out servers that run as another user.
        self.folder.chmod(0o755)

    def remove(self) -> None:
        """Delete the folder and everything in it. Symlinks are not followed."""
        shutil.rmtree(self.folder, ignore_errors=True)


def sweep(instances: Path) -> None:
    """Remove the folders of owners that ended without cleaning up."""
    for folder in instances.glob("*-*-*"):
        owner = re.fullmatch(r"[a-z]+-(\d+)-\d+", folder.name)
        if owner and not lives(int(owner[1])):
            shutil.rmtree(folder, ignore_errors=True)


def lives(pid: int) -> bool:
    """Whether there is a process of this id, anybody's."""
    return Path(f"/proc/{pid}").exists()


class Server:
    """A program that runs inside a root until it is stopped.

    All methods block, for at most the seconds that they name; from a coroutine call them by ``asyncio.to_thread``.
    """

    def __init__(
        self, instance: Instance, argv: Sequence[str], *, user: str | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self._instance = instance
        self._argv = list(argv)
        self._user = user
        self._env = env
        self._leash: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None  # of the server itself, while it runs
        self.log = instance.folder / "output.log"

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._leash is not None and self._leash.poll() is None

    @property
    def pid(self) -> int:
        """Its process id on this machine."""
        if self._pid is None:
            raise LabFailed(f"{self._argv[0]} is not running")
        return self._pid

    @property
    def leash_pid(self) -> int | None:
        """Our child process, which the server hangs on; None when it is not running."""
        return self._leash.pid if self._leash is not None and self.running else None

    def start(self) -> None:
        """Start it. Does not wait for more than its process id: see ``wait_ready``."""
        if self.running:
            raise LabFailed(f"{self._argv[0]} runs already")
        pidfile = self._instance.folder / "server.pid"
        pidfile.unlink(missing_ok=True)
        # Made by us and open to all, because the leash may run as another user.
        pidfile.touch()
        pidfile.chmod(0o666)
        inside = leash(self._argv, f"{self._instance.inside}/server.pid", cwd=self._instance.inside, env=self._env)
        command = self._instance.root.entry.command(self._instance.root.path, inside, user=self._user)
        with self.log.open("ab") as output:
            # A process group of its own: Ctrl-C in the terminal is for us, and we stop the servers in order.
            self._leash = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=output, stderr=output, process_group=0, cwd="/"
            )
        self._pid = None
        self.wait_until(lambda: pidfile.read_text().endswith("\n"), 10, "start")
        self._pid = int(pidfile.read_text())

    def wait_until(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        """Poll until ``condition`` holds.

        Raises:
            LabFailed: It ended, or ``timeout`` seconds passed; with the end of its log. It is killed then.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            ended = not self.running
            if ended or time.monotonic() > deadline:
                why = f"ended with code {self._code()}" if ended else f"took more than {timeout:g} s"
                self.kill()
                raise LabFailed(f"{self._argv[0]} {why} to {what}. Its log ends with:\n{self.tail()}")
            time.sleep(0.01)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server itself, not to its leash."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def stop(self, timeout: float = 5, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, and kill it when it has not within ``timeout`` seconds. Does nothing when it has ended."""
        if self._leash is None:
            return
        if self.running:
            self.resume()
            self.send(how)
            try:
                self._leash.wait(timeout)
            except subprocess.TimeoutExpired:
                self.send(signal.SIGKILL)
        self._let_go()

    def kill(self) -> None:
        """End it and its children at once, as a power cut would."""
        if self._leash is None:
            return
        if self.running and self._pid is not None:
            for pid in _family(self._pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._let_go()

    def pause(self) -> None:
        """Freeze it and its children: connections stay open, and nothing answers. Returns when all threads stand."""
        family = _family(self.pid)
        for pid in reversed(family):
            os.kill(pid, signal.SIGSTOP)
        # The signal is sent at once, but a thread that runs on the other core goes on until the kernel gets to it.
        deadline = time.monotonic() + 5
        while not all(map(_stands, family)) and time.monotonic() < deadline:
            time.sleep(0.001)

    def resume(self) -> None:
        """Let it go on after ``pause``; harmless without."""
        for pid in _family(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def tail(self, lines: int = 25) -> str:
        """The end of what it printed."""
        return tail(self.log, lines)

    def _code(self) -> int | None:
        return self._leash.poll() if self._leash is not None else None

    def _let_go(self) -> None:
        """Close the pipe, upon which the leash kills what may still live, and collect the leash."""
        assert self._leash is not None
        assert self._leash.stdin is not None
        self._leash.stdin.close()
        try:
            self._leash.wait(10)
        except subprocess.TimeoutExpired:
            self._leash.kill()
            self._leash.wait()
        self._pid = None


def _stands(pid: int) -> bool:
    """Whether every thread of a process is stopped (or the process is gone)."""
    try:
        states = [
            (task / "stat").read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").iterdir()
        ]
    except OSError:
        return not Path(f"/proc/{pid}").exists()
    return all(state in "Tt" for state in states)


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for parent in found:  # grows while we walk: children of children too
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found
