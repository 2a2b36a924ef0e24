"""A scripted caller: dials an extension of the lab with given words, and returns what came back.

The calls are real SIP calls of SIPp. The words travel in headers, and the dialplan (``lab/etc/extensions.conf``) sends
every variable back as a text within the call.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from lab.errors import LabFailed
from lab.sip import Call, read_calls
from lab.sipp import Callee, Sipp, header_lines, word_headers


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
        digits: DTMF that came, as SIP INFO.
        ended_by: Who sent the BYE: ``asterisk``, ``caller``, or empty.
    """

    end: End
    code: int
    variables: Mapping[str, str]
    milliseconds: float
    log: str = field(default="", repr=False)
    digits: str = ""
    ended_by: str = ""

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


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What many calls came to.

    Attributes:
        completed: Calls that were answered, got their texts and were hung up on, whatever ``AI_STATUS`` said.
        failed: The others.
        statuses: How often each ``AI_STATUS`` came; empty for calls that the gateway did not serve.
        milliseconds: For each call with an answer, from its INVITE to the arrival of ``AI_STATUS``.
        log: SIPp's complaints; empty when there are none.
    """

    completed: int
    failed: int
    statuses: Counter[str]
    milliseconds: Sequence[float]
    log: str = field(default="", repr=False)


class Caller:
    """Calls one Asterisk of the lab. Calls may run side by side; each is a SIPp of its own.

    Args:
        asterisk: A started one.
    """

    def __init__(self, asterisk: Callee) -> None:
        self._sipp = Sipp(asterisk)

    def close(self) -> None:
        """Remove the files of the calls."""
        self._sipp.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
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
        """Dial, say, listen until Asterisk hangs up. Cancelled, the caller falls silent without hanging up.

        Args:
            say: The caller's words, up to ``lab.sipp.MAX_WORDS`` bytes; bytes may be anything but NUL, UTF-8 or not.
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
        given = {
            "X-Conversation": conversation,
            "X-Prompt": prompt,
            "X-Model": model,
            "X-Timeout": None if ai_timeout is None else f"{ai_timeout:g}",
            "X-Args": arguments,
            "X-Raw-Args": raw_arguments,
            "X-Out": "&".join(out) or None,
            **(headers or {}),
        }
        words = "".join(f"\n      {line}" for line in word_headers(say))
        patience = timeout if hangup_after is None else hangup_after
        run = await self._sipp.run(
            "call",
            extension,
            *("-m", "1", "-trace_msg", "-message_file", "messages.log"),
            *("-recv_timeout", str(round(timeout * 1_000))),
            values={"HEADERS": header_lines(given) + words, "PATIENCE_MS": str(round(patience * 1_000))},
        )
        messages = run.files.get("messages.log", b"")
        calls = list(read_calls(messages).values())
        if not calls:
            raise LabFailed(f"SIPp did not call. It says:\n{run.output}")
        call = calls[0]
        end = _end(call, by_intent=hangup_after is not None)
        return CallResult(
            end=end,
            code=call.code,
            variables={name: value.decode("utf-8", "surrogateescape") for name, value in call.texts.items()},
            milliseconds=(call.first_text - call.invited) * 1_000 if call.first_text else 0.0,
            digits=call.digits,
            ended_by=call.ended_by,
            log="" if end in (End.COMPLETED, End.HUNG_UP) else f"{run.output}\n{messages.decode('utf-8', 'replace')}",
        )

    async def load(
        self,
        extension: str,
        *,
        rate: float,
        calls: int,
        say: str | Sequence[str] = "hello",
        conversations: Sequence[str] | None = None,
        headers: Mapping[str, str | bytes] | None = None,
        timeout: float = 20,
    ) -> LoadResult:
        """Place ``calls`` calls, ``rate`` new ones a second, from one SIPp.

        The dialplan sends back only ``AI_STATUS`` and the beginning of ``AI_RESPONSE`` to these.

        Args:
            say: What each caller says, up to 1,200 bytes; of several, one after another, and from the beginning again.
            conversations: Keys of the conversations, likewise. None: each call is one of its own.
            headers: More headers for all calls, such as ``X-Model``.
            timeout: Seconds that one answer may take.
        """
        texts = [say] if isinstance(say, str) else list(say)
        keys = [f"load-{number}" for number in range(calls)] if conversations is None else list(conversations)
        rows = [f"{word_headers(texts[number % len(texts)])[0]};{keys[number % len(keys)]};" for number in range(calls)]
        run = await self._sipp.run(
            "load",
            extension,
            *("-m", str(calls), "-r", f"{rate:g}", "-l", str(calls), "-recv_timeout", str(round(timeout * 1_000))),
            *("-trace_rtt", "-rtt_freq", "1", "-trace_logs", "-log_file", "statuses.log"),
            *("-trace_err", "-error_file", "errors.log"),
            values={"HEADERS": header_lines(headers or {})},
            injection="\n".join(["SEQUENTIAL", *rows, ""]),
        )
        if "Successful call" not in run.output:
            raise LabFailed(f"SIPp did not call. It says:\n{run.output}")
        times = next((content for name, content in run.files.items() if name.endswith("_rtt.csv")), b"")
        statuses = run.files.get("statuses.log", b"").decode("utf-8", "replace").splitlines()
        completed = _counter(run.output, "Successful call")
        return LoadResult(
            completed=completed,
            failed=calls - completed,
            statuses=Counter(line.strip() for line in statuses),
            milliseconds=[float(line.split(";")[1]) for line in times.decode().splitlines()[1:]],
            log=run.files.get("errors.log", b"").decode("utf-8", "replace"),
        )


def _end(call: Call, *, by_intent: bool) -> End:
    if call.code >= 300:
        return End.REFUSED
    if call.code == 0 or not call.ended_by:
        return End.FAILED
    if call.ended_by == "asterisk":
        return End.COMPLETED
    return End.HUNG_UP if by_intent else End.TIMEOUT


def _one_header(words: str) -> str:
    lines = word_headers(words)
    if len(lines) != 1:
        raise ValueError("under load, a caller says something, and not more than fits one header")
    return lines[0]


def _counter(output: str, name: str) -> int:
    """The cumulative value of a counter on the last of SIPp's screens."""
    lines = [line for line in output.splitlines() if line.strip().startswith(name)]
    return int(lines[-1].split("|")[2]) if lines else 0
