"""A real Asterisk of the lab: an instance with its own folder and its own ports."""

from __future__ import annotations

import asyncio
import base64
import http.client
import secrets
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from lab.commands import lab_command
from lab.errors import LabFailed
from lab.ports import free_port, rtp_range
from lab.process import Instance, Server
from lab.roots import BULLSEYE, FORKY, ensure, tail

# 22.10 and 16.28, by the name of the Debian release that they come from.
Version = Literal["forky", "bullseye"]

_CONFIGURATION = Path(__file__).parent / "etc"
_RECIPES = {"forky": FORKY, "bullseye": BULLSEYE}

# Files that Asterisk misses with an error in its log, and whose defaults are right.
_AT_DEFAULTS = ("acl", "ccss", "cel", "features", "indications", "pjproject", "udptl", "websocket_client")


class Asterisk:
    """An Asterisk that lives as long as this object is started.

    ``start``, ``stop``, ``kill`` and ``restart`` block (under 2 s); ``async with`` runs them in a thread. The ports and
    the password stay the same over a restart, so that clients can come back.

    Args:
        version: ``forky`` for Asterisk 22, ``bullseye`` for 16.
        app: Name of the Stasis application that the dialplan calls.
        absolute_timeout: ``TIMEOUT(absolute)`` of the dialplan's calls, in seconds: Asterisk ends them then.
        sip_port, http_port: Fixed ports, for a lab that people use by hand. None: free ones.
        start_timeout: Seconds until ARI must answer. It takes half a second; two on a busy machine.
    """

    username = "gateway"

    def __init__(
        self,
        version: Version = "forky",
        *,
        app: str = "ai_ari_app",
        absolute_timeout: int = 60,
        sip_port: int | None = None,
        http_port: int | None = None,
        start_timeout: float = 30,
    ) -> None:
        self.version = version
        self.app = app
        self.absolute_timeout = absolute_timeout
        self.start_timeout = start_timeout
        self.password = secrets.token_hex(12)
        self.host = "127.0.0.1"
        self.sip_port = sip_port or free_port()
        self.http_port = http_port or free_port()
        self._rtp = rtp_range()
        self._instance: Instance | None = None
        self._server: Server | None = None

    @property
    def http_url(self) -> str:
        """Base URL of ARI, without ``/ari``: what ``ASTERISK_ARI_URL`` wants."""
        return f"http://{self.host}:{self.http_port}"

    @property
    def instance(self) -> Instance:
        """Its folder inside the root."""
        if self._instance is None:
            raise LabFailed("Asterisk was not started")
        return self._instance

    @property
    def server(self) -> Server:
        """Its process: ``pid``, ``pause()``, ``resume()``, ..."""
        if self._server is None:
            raise LabFailed("Asterisk was not started")
        return self._server

    @property
    def leash_pid(self) -> int | None:
        """Our child process; None while it is not running."""
        return self._server.leash_pid if self._server is not None else None

    def start(self) -> None:
        """Start it, and return when ARI answers.

        Raises:
            LabMissing: This machine cannot run the lab; the message says what to type.
            LabFailed: It did not come up; with the end of its log.
        """
        if self._instance is None:
            self._instance = Instance(ensure(_RECIPES[self.version]), "asterisk")
            self._write_configuration()
            argv = ["asterisk", "-f", "-C", f"{self._instance.inside}/etc/asterisk.conf"]
            self._server = Server(self._instance, argv)
        self.server.start()
        try:
            self.server.wait_until(self._ari_answers, self.start_timeout, "answer over ARI")
        except LabFailed as error:
            raise LabFailed(f"{error}\n{self.log_tail()}") from None

    def stop(self) -> None:
        """End it in order and remove its folder. Calls are hung up."""
        if self._server is not None:
            self._server.stop()
        if self._instance is not None:
            self._instance.remove()
        self._instance = self._server = None

    def kill(self) -> None:
        """End it as a power cut would; ``restart`` brings it back."""
        self.server.kill()

    def restart(self) -> None:
        """End it (if it runs) and start it again: same ports, same users, no calls."""
        self.server.stop()
        self.start()

    def cli(self, command: str) -> str:
        """What Asterisk's command line answers, such as to ``core show channels``."""
        root = self.instance.root
        result = subprocess.run(
            root.entry.command(root.path, [*self._client(), "-rx", command]),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=20,
        )
        if result.returncode != 0:
            raise LabFailed(f"asterisk -rx {command!r} failed: {result.stdout}{result.stderr}\n{self.log_tail()}")
        return result.stdout

    def console(self) -> str:
        """What to type for Asterisk's command line; ``-rx 'COMMAND'`` in place of ``-rvvv`` for one answer."""
        root = self.instance.root
        return root.entry.typed(root.path, [*self._client(), "-rvvv"])

    def channels(self) -> int:
        """How many channels are up: 0 when nothing was left behind."""
        return int(self.cli("core show channels count").split()[0])

    def log_tail(self, lines: int = 25) -> str:
        """The end of Asterisk's own log: notices, warnings, errors."""
        return tail(self.instance.folder / "log" / "messages.log", lines)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    def _client(self) -> list[str]:
        return ["asterisk", "-C", f"{self.instance.inside}/etc/asterisk.conf"]

    def _write_configuration(self) -> None:
        """Fill the placeholders of ``lab/etc`` into the instance's own files."""
        instance = self.instance
        for name in ("etc", "run", "log", "spool", "db", "keys", "lib"):
            (instance.folder / name).mkdir()
        values = {
            "HERE": instance.inside,
            "MODULES": f"/{modules_folder(instance.root.path)}",
            "APP": self.app,
            "ABSOLUTE_TIMEOUT": str(self.absolute_timeout),
            "USERNAME": self.username,
            "PASSWORD": self.password,
            "BIND": self.host,
            "CALLERS": self.host,
            "SIP_PORT": str(self.sip_port),
            "HTTP_PORT": str(self.http_port),
            "RTP_FIRST": str(self._rtp[0]),
            "RTP_LAST": str(self._rtp[1]),
        }
        for name in _AT_DEFAULTS:
            (instance.folder / "etc" / f"{name}.conf").write_text("; at its defaults\n")
        for template in _CONFIGURATION.glob("*.conf"):
            text = template.read_text()
            for name, value in values.items():
                text = text.replace(f"@{name}@", value)
            if template.name == "modules.conf":
                text = self._only_existing(text)
            (instance.folder / "etc" / template.name).write_text(text)

    def _only_existing(self, modules: str) -> str:
        root = self.instance.root.path
        folder = root / modules_folder(root)
        lines = modules.splitlines(keepends=True)
        return "".join(
            line for line in lines if not line.startswith("load") or (folder / line.split("=")[1].strip()).exists()
        )

    def _ari_answers(self) -> bool:
        token = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        connection = http.client.HTTPConnection(self.host, self.http_port, timeout=2)
        try:
            connection.request("GET", "/ari/asterisk/info", headers={"Authorization": f"Basic {token}"})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def modules_folder(root: Path) -> Path:
    """Where Debian put Asterisk's modules, relative to ``root``: newer releases name the machine's architecture in it.

    Raises:
        LabFailed: Nowhere.
    """
    found = [*root.glob("usr/lib/*/asterisk/modules"), *root.glob("usr/lib/asterisk/modules")]
    if not found:
        raise LabFailed(f"{root} holds no modules of Asterisk. To build it anew, type: {lab_command('clean')}")
    return found[0].relative_to(root)
