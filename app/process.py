"""The service as a process: its log, its listening socket, its signals."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from app.core.errors import SettingsError
from app.core.logging import LineWriter, configure_logging
from app.core.settings import Settings

# Seconds that open web requests get when the service stops. They are short, and the calls wait for their own stop until
# these are done. All of it has to be over before Docker's ten seconds are.
WEB_STOP_WITHIN = 1

# Connections that may wait to be accepted, as uvicorn has it.
_BACKLOG = 2048


def start_logging(settings: Settings) -> LineWriter:
    """Set up the log as the settings have it. Whoever started the process closes it last."""
    return configure_logging(
        level="debug" if settings.debug_mode else settings.log_level,
        output=settings.log_format,
        speech=settings.log_speech,
        secrets=[value.get_secret_value() for value in settings.secrets()],
    )


def listen(settings: Settings) -> socket.socket:
    """The socket of the web interface, bound.

    It comes before anything else is opened: a second service that is started by mistake ends here, and does not first
    take the calls from the one that runs.

    Raises:
        SettingsError: the address cannot be had; says why and what to change.
    """
    host, port = settings.web_host, settings.web_port
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except socket.gaierror as error:
        raise SettingsError(
            f"WEB_HOST={host} is no address of this machine ({error.strerror or error}). "
            "Use 127.0.0.1, or 0.0.0.0 to listen on all of them"
        ) from None
    except OSError as error:
        raise SettingsError(
            f"the web interface cannot listen on {host}, port {port}: {error.strerror or error}. "
            "Is the service running already? If not, set WEB_PORT to another port"
        ) from None


@contextmanager
def at_stop_signal(callback: Callable[[], None]) -> Iterator[None]:
    """Within the block, call ``callback`` in the event loop as soon as the web server is told to stop.

    Applications are told only when all answers have ended, which is too late for those that end by being told. The
    server's own handlers stay in force; where there are none, or this is not the main thread, nothing is done.
    """
    loop = asyncio.get_running_loop()
    before: dict[int, Callable[[int, FrameType | None], Any]] = {}
    if threading.current_thread() is threading.main_thread():
        found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        before = {number: handler for number, handler in found.items() if callable(handler)}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(callback)
        before[number](number, frame)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(app: Any, listening: socket.socket) -> None:
    """Serve an ASGI application until SIGINT or SIGTERM."""
    import uvicorn

    # When it has shut down, uvicorn raises the signal that stopped it once more. By default that would end the process
    # on the spot, with the log's last lines unwritten.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=WEB_STOP_WITHIN)
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        return  # stopped by Ctrl-C, after everything was shut down
    if not server.started:
        sys.exit(1)  # the log says why
