"""A scripted caller: dials an extension of the lab with given words, and returns what came back.

The calls are real SIP calls of SIPp. The words travel in headers, and the dialplan (``lab/etc/extensions.conf``) sends
every variable back as a text within the call.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote_from_bytes

from lab.asterisk import Asterisk
from lab.errors import LabFailed
from lab.ports import free_port
from lab.process import Instance, leash
from lab.roots import FORKY, ensure
from lab.sip import Call, read_calls

_SCENARIOS = Path(__file__).parent / "scenarios"

# Bytes of the caller's words in one header: percent-encoded at most three times as many, and one ${...} of the
# dialplan holds 4,095.
_WORDS_PER_HEADER = 1_200

# Asterisk reads headers into one expansion each, and the whole USER_INPUT passes through one as it grows.
MAX_WORDS = 4_095 + _WORDS_PER_HEADER


class End(enum.StrEnum):
    """How a call ended."""

    COMPLETED = "completed"  # answered, and Asterisk hung up after it sent everything
    HUNG_UP = "hung up"  # by the caller, as ``hangup_after`` asked
    TIMEOUT = "timeout"  # by the caller, because Asterisk had not after ``timeout``
    REFUSED = "refused"  # not answered: see ``code``
    FAILED = "failed"  # SIPp and Asterisk did not understand each other: see ``log``


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a call came to.

    Attributes:
        code: SIP status of the INVITE, such as 200, 404 or 503; 0 when Asterisk did not answer at all.
        variables: Every variable that the dialplan sent back, by name. Bytes that are no UTF-8 appear as surrogates
            (``errors="surrogateescape"``).
        milliseconds: From the INVITE to the first variable's arrival; 0 when none came.
        log: The SIP messages of a call that did not complete; empty otherwise.
    """

    end: End
    code: int
    variables: Mapping[str, str]
    milliseconds: float
    log: str = field(default="", repr=False)

    @property
    def status(self) -> str:
        """``AI_STATUS``; empty when the gateway did not set it."""
        return self.variables.get("AI_STATUS", "")

    @property
    def response(self) -> str:
        """``AI_RESPONSE``."""
        return self.variables.get("AI_RESPONSE", "")

    @property
    def parts(self) -> list[str]:
        """``AI_RESPONSE_1`` and so on."""
        count = int(self.variables.get("AI_RESPONSE_COUNT") or 0)
        return [self.variables[f"AI_RESPONSE_{number}"] for number in range(1, count + 1)]


class Caller:
    """Calls one Asterisk of the lab. Calls may run side by side; each is a SIPp of its own.

    Args:
        asterisk: A started one.
    """

    def __init__(self, asterisk: Asterisk) -> None:
        self._asterisk = asterisk
        self._instance = Instance(ensure(FORKY), "caller")
        self._numbers = itertools.count(1)

    def close(self) -> None:
        """Remove the files of the calls."""
        self._instance.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def call(
        self,
        extension: str,
        *,
        say: str | bytes | None = None,
        conversation: str | None = None,
        prompt: str | None = None,
        model: str | None = None,
        ai_timeout: float | None = None,
        arguments: str | None = None,
        raw_arguments: str | bytes | None = None,
        out: Sequence[str] = (),
        headers: Mapping[str, str | bytes] | None = None,
        timeout: float = 20,
        hangup_after: float | None = None,
    ) -> CallResult:
        """Dial, say, listen until Asterisk hangs up.

        Args:
            say: The caller's words, up to ``MAX_WORDS`` bytes; bytes may be anything but NUL, valid UTF-8 or not.
            conversation, prompt, model, ai_timeout: ``UNIQUEID``, ``AI_PROMPT_NAME``, ``AI_MODEL``, ``AI_TIMEOUT``.
            arguments: More arguments of ``Stasis()``: ``KEY=value,KEY=value``.
            raw_arguments: For extension 104: all of them.
            out: Variables to send back beside the usual ones, such as ``AI_OUT_INTENT``.
            headers: More headers; values are percent-encoded on the way.
            timeout: Seconds without a word from Asterisk after which the caller gives up.
            hangup_after: Seconds after which the caller hangs up by intent.

        Raises:
            LabFailed: SIPp could not run. A call that fails is a result, not an error.
        """
        lines = _headers(
            {
                "X-Conversation": conversation,
                "X-Prompt": prompt,
                "X-Model": model,
                "X-Timeout": None if ai_timeout is None else f"{ai_timeout:g}",
                "X-Args": arguments,
                "X-Raw-Args": raw_arguments,
                "X-Out": "&".join(out) or None,
                **(headers or {}),
            },
            say,
        )
        patience = timeout if hangup_after is None else hangup_after
        name = f"call-{next(self._numbers)}"
        scenario = (_SCENARIOS / "call.xml").read_text()
        scenario = scenario.replace("@HEADERS@", lines).replace("@PATIENCE_MS@", str(round(patience * 1_000)))
        (self._instance.folder / f"{name}.xml").write_text(scenario)
        output = await self._sipp(name, extension, "-m", "1", "-recv_timeout", str(round(timeout * 1_000)))
        log = self._log(name)
        if not log:
            raise LabFailed(f"SIPp did not call: {output}")
        (call,) = read_calls(log).values()
        end = _end(call, by_intent=hangup_after is not None)
        with contextlib.suppress(OSError):
            (self._instance.folder / f"{name}.xml").unlink()
            (self._instance.folder / f"{name}.log").unlink()
        return CallResult(
            end=end,
            code=call.code,
            variables={key: value.decode("utf-8", "surrogateescape") for key, value in call.texts.items()},
            milliseconds=(call.first_text - call.invited) * 1_000 if call.first_text else 0.0,
            log="" if end in (End.COMPLETED, End.HUNG_UP) else f"{output}\n{log.decode('utf-8', 'replace')}",
        )

    def _log(self, name: str) -> bytes:
        try:
            return (self._instance.folder / f"{name}.log").read_bytes()
        except OSError:
            return b""

    async def _sipp(self, name: str, extension: str, *options: str) -> str:
        """Run SIPp to its end with ``<name>.xml``, which writes ``<name>.log``; returns what it printed."""
        inside = self._instance.inside
        # One message at a time: SIPp otherwise reads the next before the script has answered the last, and calls it
        # unexpected.
        argv = ["sipp", f"{self._asterisk.host}:{self._asterisk.sip_port}", "-s", extension]
        argv += ["-i", "127.0.0.1", "-p", str(free_port()), "-nostdin", "-max_recv_loops", "1"]
        argv += ["-sf", f"{inside}/{name}.xml", "-trace_msg", "-message_file", f"{inside}/{name}.log", *options]
        root = self._instance.root
        # stdin is the leash: when it closes, because we were cancelled or killed, SIPp is killed.
        process = await asyncio.create_subprocess_exec(
            *root.entry.command(root.path, leash(argv, f"{inside}/{name}.pid", cwd=inside)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            output = await process.stdout.read()
        finally:
            process.stdin.close()
            await process.wait()
        return output.decode("utf-8", "replace")


def _headers(values: Mapping[str, str | bytes | None], say: str | bytes | None) -> str:
    """Header lines for a scenario: everything but letters and digits percent-encoded, so SIPp finds nothing in it."""
    words = _bytes(say or b"")
    if len(words) > MAX_WORDS:
        raise ValueError(f"the dialplan of the lab takes at most {MAX_WORDS} bytes of words, not {len(words)}")
    lines = [(name, _bytes(value)) for name, value in values.items() if value is not None]
    lines += [
        ("X-User-Input", words[start : start + _WORDS_PER_HEADER]) for start in range(0, len(words), _WORDS_PER_HEADER)
    ]
    # SIPp drops a line that is empty after its indentation, so there is always one.
    return "\n".join(f"      {name}: {quote_from_bytes(value, safe='')}" for name, value in lines) or "      X-Lab: 1"


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")


def _end(call: Call, *, by_intent: bool) -> End:
    if call.code >= 300:
        return End.REFUSED
    if call.code == 0 or not call.ended_by:
        return End.FAILED
    if call.ended_by == "asterisk":
        return End.COMPLETED
    return End.HUNG_UP if by_intent else End.TIMEOUT
