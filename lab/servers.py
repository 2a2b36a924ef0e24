"""Redis, PostgreSQL and MariaDB for the tests, from the lab's root: own folder, own port, gone with the test.

All methods block; from a coroutine call them by ``asyncio.to_thread``. Nothing survives ``stop``; ``kill`` and
``restart`` keep the data folder, as a crash and a reboot do.
"""

from __future__ import annotations

import abc
import contextlib
import itertools
import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from lab.entry import Way
from lab.errors import LabFailed
from lab.ports import free_port
from lab.process import Instance, Server
from lab.roots import FORKY, ensure


class RootServer(abc.ABC):
    """A server out of the root folder on a port of its own; the port stays the same over a restart.

    Attributes:
        host, port: Where it listens: TCP, loopback only.
    """

    kind: str  # names its folder
    user: str | None = None  # of the root, where the server refuses to run as root
    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.host = "127.0.0.1"
        self.port = free_port()
        self._instance: Instance | None = None
        self._server: Server | None = None

    @property
    @abc.abstractmethod
    def url(self) -> str:
        """Its address as clients take it."""

    @property
    def leash_pid(self) -> int | None:
        """Our child process; None while it is not running."""
        return self._server.leash_pid if self._server is not None else None

    def start(self) -> None:
        """Start it, and return when it answers.

        Raises:
            LabMissing, LabFailed: As for ``Asterisk.start``.
        """
        if self._server is None:
            self._instance = Instance(ensure(FORKY), self.kind)
            self._prepare()
            self._server = Server(self._instance, self._argv(), user=self._run_as())
        self._server.start()
        self._server.wait_until(self._answers, 30, "answer")

    def stop(self) -> None:
        """End it and remove its folder."""
        if self._server is not None:
            self._server.stop(how=self.stop_signal)
        if self._instance is not None:
            self._instance.remove()
        self._instance = self._server = None

    def kill(self) -> None:
        """End it at once; ``restart`` brings it back with what it had written."""
        self._started().kill()

    def restart(self) -> None:
        """End it (if it runs) and start it again with its data."""
        self._started().stop(how=self.stop_signal)
        self.start()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers, like a machine that swaps or a cut cable."""
        self._started().pause()

    def resume(self) -> None:
        """Let it go on."""
        self._started().resume()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abc.abstractmethod
    def _argv(self) -> list[str]:
        """Its command line."""

    @abc.abstractmethod
    def _answers(self) -> bool:
        """Whether it is ready for clients."""

    def _prepare(self) -> None:  # noqa: B027 - most need nothing
        """Make what it needs before its first start."""

    def _started(self) -> Server:
        if self._server is None:
            raise LabFailed(f"{self.kind} was not started")
        return self._server

    @property
    def _here(self) -> str:
        """Its folder, as seen from inside the root."""
        assert self._instance is not None
        return self._instance.inside

    def _run_as(self) -> str | None:
        assert self._instance is not None
        return self.user if self._instance.root.entry.way is Way.ROOT else None

    def _make_folder(self, name: str) -> None:
        """A folder for its data, which belongs to the user that it runs as."""
        assert self._instance is not None
        folder = self._instance.folder / name
        folder.mkdir(mode=0o700)
        if user := self._run_as():
            os.chown(folder, *_ids(self._instance.root.path, user))

    def _run(self, argv: Sequence[str]) -> str:
        """Run a program of the root to its end; returns what it printed."""
        assert self._instance is not None
        root = self._instance.root
        environment = [
            "/usr/bin/env",
            "-i",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            f"HOME={self._here}",
            "LC_ALL=C.UTF-8",
        ]
        result = subprocess.run(
            root.entry.command(root.path, [*environment, *argv], user=self._run_as()),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd="/",
        )
        if result.returncode != 0:
            raise LabFailed(f"{argv[0]} failed with code {result.returncode}: {result.stdout}{result.stderr}")
        return result.stdout


class Redis(RootServer):
    """redis-server, in memory only: a restart begins empty.

    Args:
        password: What clients must present; None: nothing.
    """

    kind = "redis"

    def __init__(self, password: str | None = None) -> None:
        super().__init__()
        self.password = password

    @property
    def url(self) -> str:
        """``redis://...``, with the password if there is one."""
        return f"redis://{f':{self.password}@' if self.password else ''}{self.host}:{self.port}/0"

    def _argv(self) -> list[str]:
        password = ["--requirepass", self.password] if self.password else []
        fixed = ["--daemonize", "no", "--save", "", "--appendonly", "no", "--dir", self._here]
        return ["redis-server", "--bind", self.host, "--port", str(self.port), *fixed, *password]

    def _answers(self) -> bool:
        # "-NOAUTH" is an answer too.
        return _greeting(self.port, b"PING\r\n")[:1] in (b"+", b"-")


class _Database(RootServer):
    """A database server that hands out databases."""

    def __init__(self) -> None:
        super().__init__()
        self._databases = itertools.count(1)

    def fresh(self) -> str:
        """A new, empty database; returns its address."""
        name = f"lab{next(self._databases)}"
        self._create(name)
        return self._address(name)

    @property
    def url(self) -> str:
        """The database ``lab``, shared by all who ask: see ``fresh``."""
        return self._address("lab")

    @abc.abstractmethod
    def _create(self, name: str) -> None: ...

    @abc.abstractmethod
    def _address(self, name: str) -> str: ...


class Postgres(_Database):
    """PostgreSQL. The user ``lab`` may do everything, and has no password."""

    kind = "postgres"
    user = "postgres"
    stop_signal = signal.SIGINT  # "fast": SIGTERM would wait for the clients to go

    def _argv(self) -> list[str]:
        options = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": f"{self._here}/data",
            "dynamic_shared_memory_type": "mmap",  # a root has no /dev/shm of its own
            "shared_buffers": "32MB",
            "fsync": "off",
            "full_page_writes": "off",
        }
        return [self._program("postgres"), "-D", f"{self._here}/data", *(f"--{k}={v}" for k, v in options.items())]

    def _prepare(self) -> None:
        self._make_folder("data")
        settings = ["--username=lab", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        self._run([self._program("initdb"), "-D", f"{self._here}/data", *settings])

    def start(self) -> None:
        """As ``RootServer.start``; the first time it also makes the database ``lab``."""
        first = self._server is None
        super().start()
        if first:
            self._create("lab")

    def _answers(self) -> bool:
        with contextlib.suppress(LabFailed):
            self._run(["pg_isready", "--quiet", "-h", self.host, "-p", str(self.port)])
            return True
        return False

    def _create(self, name: str) -> None:
        self._run(["createdb", "-h", self.host, "-p", str(self.port), "-U", "lab", name])

    def _address(self, name: str) -> str:
        return f"postgresql://lab@{self.host}:{self.port}/{name}"

    def _program(self, name: str) -> str:
        assert self._instance is not None
        root = self._instance.root.path
        found = sorted(root.glob(f"usr/lib/postgresql/*/bin/{name}"))
        if not found:
            raise LabFailed(f"no {name} in {root}; remove that folder to have it built again")
        return f"/{found[-1].relative_to(root)}"


class MariaDB(_Database):
    """MariaDB. The user ``lab`` with the password ``lab`` may do everything."""

    kind = "mariadb"
    user = "mysql"

    def _argv(self) -> list[str]:
        options = {
            "datadir": f"{self._here}/data",
            "tmpdir": f"{self._here}/data",
            "socket": f"{self._here}/data/mariadb.sock",
            "pid-file": f"{self._here}/data/mariadb.pid",
            "init-file": f"{self._here}/init.sql",
            "bind-address": self.host,
            "port": str(self.port),
            "innodb-buffer-pool-size": "32M",
            "innodb-log-file-size": "8M",
            # Nothing of it survives, and a disk that stands still for minutes must not fail a test.
            "innodb-flush-log-at-trx-commit": "0",
            "innodb-flush-method": "nosync",
            "innodb-doublewrite": "OFF",
            "debug-no-sync": "ON",
        }
        return ["mariadbd", "--no-defaults", "--skip-name-resolve", *(f"--{k}={v}" for k, v in options.items())]

    def _prepare(self) -> None:
        assert self._instance is not None
        self._make_folder("data")
        (self._instance.folder / "init.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS lab CHARACTER SET utf8mb4;\n"
            "CREATE USER IF NOT EXISTS lab@'127.0.0.1' IDENTIFIED BY 'lab';\n"
            "GRANT ALL ON *.* TO lab@'127.0.0.1';\n"
        )
        fixed = ["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal", "--skip-name-resolve"]
        self._run(["mariadb-install-db", *fixed, f"--datadir={self._here}/data", "--innodb-log-file-size=8M"])

    def _answers(self) -> bool:
        # A server that speaks first: its greeting names its version. Before it is ready it refuses the connection.
        return b"MariaDB" in _greeting(self.port)

    def _create(self, name: str) -> None:
        login = [f"--host={self.host}", f"--port={self.port}", "--user=lab", "--password=lab", "--protocol=tcp"]
        self._run(["mariadb", "--no-defaults", *login, f"--execute=CREATE DATABASE {name} CHARACTER SET utf8mb4"])

    def _address(self, name: str) -> str:
        return f"mysql://lab:lab@{self.host}:{self.port}/{name}"


def _greeting(port: int, question: bytes = b"") -> bytes:
    """The first bytes that a server sends, after ``question``; empty when it does not answer yet."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(question)
            return connection.recv(200)
    except OSError:
        return b""


def _ids(root: Path, user: str) -> tuple[int, int]:
    """User and group id of a user of the root."""
    for line in (root / "etc" / "passwd").read_text().splitlines():
        name, _, uid, gid, *_ = line.split(":")
        if name == user:
            return int(uid), int(gid)
    raise LabFailed(f"no user {user} in {root}; remove that folder to have it built again")
