"""The one place that decides whether a failed connection is passing or final, and says it in the operator's words."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

import aiohttp

from app.ari.config import AriConfig
from app.ari.errors import AriError, AriReplaced, AriUnauthorized


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about it.

    Attributes:
        message: A sentence for the operator: what happened, and what to do.
        final: Stop; trying again would do harm.
        slow: Passing, but a person has to mend it: begin with the longest wait.
        expected: False: a fault of ours, to be logged with its stack.
    """

    message: str
    final: bool = False
    slow: bool = False
    expected: bool = True


def judge(error: BaseException, config: AriConfig) -> Verdict:
    """Judge why an attempt or a connection ended.

    Only a takeover by another client is final: two that reconnect would take the calls from each other for ever.
    Everything else passes, a wrong password included: somebody corrects ari.conf and reloads it, and a service that had
    given up would have to be found and restarted.
    """
    url = config.url
    match error:
        case AriReplaced():
            return Verdict(str(error), final=True)
        case AriUnauthorized():
            return Verdict(str(error), slow=True)
        case AriError():
            return Verdict(str(error))
        case aiohttp.WSServerHandshakeError():
            return _refused(error.status, config)
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return Verdict(f"TLS with {url} failed: {error}. Check the certificate, or use http:// .", slow=True)
        case aiohttp.InvalidURL():
            return Verdict(f"ASTERISK_ARI_URL {url} is no address. It looks like http://127.0.0.1:8088 .", slow=True)
        case TimeoutError():
            return Verdict(
                f"{url} did not answer in {config.connect_timeout:g} s. Check the address, the firewall and Asterisk."
            )
        case aiohttp.ClientError() | OSError():
            return Verdict(
                f"Cannot reach {url}: {_reason(error)}. "
                "Is Asterisk running, with enabled = yes and this address in http.conf?"
            )
        case _:
            return Verdict(f"Unexpected {type(error).__name__}: {error}", slow=True, expected=False)


def _reason(error: BaseException) -> str:
    """The operating system's own words, such as "Connection refused": aiohttp's are for those who read its code."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, OSError) and cause.errno and cause.errno > 0 and not isinstance(cause, socket.gaierror):
        return os.strerror(cause.errno)
    return str(cause) or type(cause).__name__


def _refused(status: int, config: AriConfig) -> Verdict:
    match status:
        case 401 | 403:
            return Verdict(
                f"Asterisk at {config.url} refuses the ARI user {config.username!r} ({status}). Compare "
                "ASTERISK_ARI_USERNAME and ASTERISK_ARI_PASSWORD with ari.conf; after a change type: "
                "asterisk -rx 'module reload res_ari.so'. Trying again until it is mended.",
                slow=True,
            )
        case 404:
            return Verdict(
                f"{config.url} answers, but has no /ari/events. Check enabled = yes in ari.conf and that "
                "res_ari_events is loaded. ASTERISK_ARI_URL ends before /ari, and has the prefix of http.conf if set.",
                slow=True,
            )
        case _:
            return Verdict(f"{config.url} refuses the event socket with status {status}.")
