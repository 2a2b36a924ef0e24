"""Runs tools: the model's arguments are checked and completed, the call is carried out within its limits, and what came
of it is put into words for the model."""

from __future__ import annotations

import asyncio
import codecs
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import structlog

from app.core.metrics import TOOL_CALLS, TOOL_SECONDS
from app.tools.arguments import ArgumentSchema
from app.tools.backend import Backend, Recognises, Response, ToolCall
from app.tools.behaviour.governor import Governor, ToolState
from app.tools.bound import bind
from app.tools.definition import AnyRequest, CallContext, RequestSpec, ToolDefinition, ToolResult
from app.tools.errors import ToolFailure, ToolStatusError, ToolTimeout, ToolUnreachable
from app.tools.exchange import ExchangeObserver
from app.tools.http import HttpBackend, where
from app.tools.reading.charsets import decoded
from app.tools.results import failure_words, note_of, words_of
from app.tools.secrets import SHORTEST_FOR_MODELS, SecretMask, secrets_in

_log = structlog.get_logger(__name__)

_MAX_COMPILED: Final = 512


@dataclass(frozen=True, slots=True)
class _Compiled:
    definition: ToolDefinition
    schema: ArgumentSchema
    # What stands in the request itself; each response names what else was sent.
    secrets: frozenset[str | int]


class RunsTools(Protocol):
    """Who answers a model's calls of tools: :class:`ToolExecutor`, or what stands in for it."""

    async def run(
        self,
        tool: ToolDefinition,
        arguments: Mapping[str, Any],
        context: CallContext,
        *,
        observer: ExchangeObserver | None = None,
    ) -> ToolResult:
        """The result of one call; ``observer`` is told of what is sent, where anything is. Raises ToolFailure."""
        ...


class ToolExecutor:
    """Shared by all turns.

    Args:
        http: Carries out HTTP tools; None: one that may connect anywhere.
        others: The backends of the other kinds. All are closed by :meth:`aclose`.
    """

    def __init__(
        self, http: Backend | None = None, *, others: Mapping[type[AnyRequest], Backend] | None = None
    ) -> None:
        self._backends: dict[type[AnyRequest], Backend] = {RequestSpec: http or HttpBackend(), **(others or {})}
        self._governor = Governor()
        self._compiled: OrderedDict[tuple[int, int], _Compiled] = OrderedDict()

    async def run(
        self,
        tool: ToolDefinition,
        arguments: Mapping[str, Any],
        context: CallContext,
        *,
        observer: ExchangeObserver | None = None,
    ) -> ToolResult:
        """Call ``tool``; cancelling it closes its connection.

        The call may take the tool's timeout or what is left until ``context.deadline``, whichever is shorter, with all
        its repeats; one of ``commit_on_interrupt`` the tool's timeout.

        Args:
            observer: Is told of each exchange, with what is secret in it.

        Raises:
            ToolFailure: one of :mod:`app.tools.errors`; ``for_model`` is what the model should be told.
        """
        started = time.perf_counter()
        log = _log.bind(tool=tool.name, turn_id=context.turn_id)
        try:
            compiled = self._compile(tool)
            completed = compiled.schema.complete(tool.name, bind(tool, arguments, context.variables))
            response = await self._within_time(tool, completed, context, observer)
            mask = SecretMask((*compiled.secrets, *response.hidden), shortest=SHORTEST_FOR_MODELS)
            # Some servers say a wrong key back. Before anything is cut, lest half of it stays.
            response = _masked(response, mask)
            _refuse_status(tool, response)
            text = await words_of(tool, response)
            note = mask.text(await note_of(tool, response, text)) if observer is not None else ""
            text = mask.text(text)
        except ToolFailure as failure:
            TOOL_CALLS.labels(outcome=failure.code).inc()
            log.warning("tool.failed", error=failure.code, detail=str(failure), elapsed_ms=_milliseconds_since(started))
            raise
        elapsed = _milliseconds_since(started)
        TOOL_CALLS.labels(outcome="ok").inc()
        TOOL_SECONDS.observe(elapsed / 1000)
        log.debug("tool.answered", status=response.status, bytes=len(response.body), elapsed_ms=elapsed)
        return ToolResult(text=text, status=response.status, elapsed_ms=elapsed, note=note)

    def states(self) -> list[ToolState]:
        """The tools that are down, failing or at work, by name."""
        return self._governor.states()

    async def aclose(self) -> None:
        """Close the kept connections. Calls in flight fail."""
        for backend in self._backends.values():
            await backend.aclose()

    def _compile(self, tool: ToolDefinition) -> _Compiled:
        found = self._compiled.get(tool.key)
        # A draft that an operator tries has no version yet: the same key with another content is another tool.
        if found is None or (found.definition is not tool and found.definition != tool):
            schema = ArgumentSchema(tool.parameters, bound=tool.bound)
            found = _Compiled(tool, schema, frozenset(secrets_in(tool.request).values()))
            self._compiled[tool.key] = found
        self._compiled.move_to_end(tool.key)
        if len(self._compiled) > _MAX_COMPILED:
            self._compiled.popitem(last=False)
        return found

    async def _within_time(
        self,
        tool: ToolDefinition,
        arguments: Mapping[str, Any],
        context: CallContext,
        observer: ExchangeObserver | None,
    ) -> Response:
        now = asyncio.get_running_loop().time()
        ends = min(now + tool.request.timeout, context.deadline)
        if tool.behaviour.commit_on_interrupt and ends > now:
            # It is finished also when the turn is over; but it does not begin after its end.
            ends = now + tool.request.timeout
        backend = self._backends.get(type(tool.request))
        if backend is None:
            raise ToolUnreachable(
                f"{tool.name}: this installation cannot call tools of its kind",
                for_model=f"{tool.name} cannot be used. Go on without it, and tell the caller so.",
            )
        call = ToolCall(tool, arguments, context, uuid.uuid4().hex, ends)
        try:
            if ends <= now:
                raise TimeoutError  # noqa: TRY301 - a timeout in the past would still open a connection
            async with asyncio.timeout_at(ends):
                return await self._governor.run(
                    call,
                    lambda: backend.call(call, observer),
                    identity=(lambda: backend.identity(call)) if isinstance(backend, Recognises) else None,
                )
        except TimeoutError as error:
            raise ToolTimeout(
                f"{tool.name}: no complete answer from {where(tool)} within {max(0.0, ends - now):.1f} s",
                for_model=f"{tool.name} did not answer in time. Go on without it, and tell the caller so.",
            ) from error


def _masked(response: Response, mask: SecretMask) -> Response:
    charset = (response.charset or "").lower()
    wide = charset.startswith(("utf-16", "utf16", "utf-32", "utf32"))
    if not wide and not response.body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return replace(response, body=mask.data(response.body))
    # No ASCII within, so no secret would be found in the bytes.
    text = mask.text(decoded(response.body, charset if wide else "utf-16"))
    return replace(response, body=text.encode(errors="replace"), charset="utf-8")


def _refuse_status(tool: ToolDefinition, response: Response) -> None:
    if 200 <= response.status < 300:
        return
    raise ToolStatusError(
        f"{tool.name}: HTTP {response.status} from {where(tool)}{response.note}",
        for_model=failure_words(tool, response),
    )


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
