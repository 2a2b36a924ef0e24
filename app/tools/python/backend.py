"""Calls functions of installed packages: those that are async on the loop, others in threads."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import structlog
from pydantic_core import PydanticSerializationError, to_json

from app.tools.backend import Response, ToolCall
from app.tools.definition import PythonCall
from app.tools.errors import ArgumentsInvalid, ToolFailure
from app.tools.exchange import ExchangeObserver
from app.tools.python.api import CallInfo, ToolError
from app.tools.python.registry import PythonTools
from app.tools.python.signature import Function

# Threads at a time. A function that hangs keeps its thread, since Python cannot end one: so each has few of them, and
# all together have many more.
MAX_THREADS: Final = 32
MAX_THREADS_EACH: Final = 4

_log = structlog.get_logger(__name__)


class PythonToolFailed(ToolFailure):
    """The function failed; ``retryable`` is not set: nobody knows what it did before."""

    code = "python_tool_failed"


class PythonToolMissing(ToolFailure):
    """No package announces the function, or it cannot be imported."""

    code = "python_tool_missing"


class PythonToolBusy(ToolFailure):
    """Earlier calls of the function are still running."""

    code = "python_tool_busy"


class PythonBackend:
    """See :class:`app.tools.backend.Backend`."""

    def __init__(self, tools: PythonTools) -> None:
        self._tools = tools
        self._running: Counter[str] = Counter()

    @property
    def threads(self) -> int:
        """How many are at work, or hang."""
        return self._running.total()

    async def call(self, call: ToolCall, observer: ExchangeObserver | None) -> Response:
        """One call. Cancelling it cancels an async function; a thread goes on, and what it returns is dropped."""
        del observer  # nothing goes over a wire that we see
        request = call.tool.request
        assert isinstance(request, PythonCall)
        function = await self._function(call, request.entry)
        arguments = _arguments(call, function)
        info = (CallInfo(call.context.turn_id, dict(call.context.variables), call.key),) if function.wants_info else ()
        try:
            if function.is_async:
                value = await function.call(*info, **arguments)
            else:
                value = await self._in_thread(call, request.entry, lambda: function.call(*info, **arguments))
        except ToolError as error:
            raise PythonToolFailed(f"{call.tool.name}: {error.words}", for_model=error.words) from error
        except ToolFailure:
            raise
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _given_up():
                raise
            # Foreign code: its error is logged whole, and nobody but the log learns of it. One that would end the
            # process, or pass for the end of the turn, is an error like any other.
            _log.exception("python_tool.failed", tool=call.tool.name, entry=request.entry)
            raise PythonToolFailed(
                f"{call.tool.name}: {request.entry} raised {type(error).__name__}; the log has its trace",
                for_model=f"{call.tool.name} failed. Go on without it, and tell the caller so.",
            ) from error
        return await _response(call, value, request.max_response_bytes)

    async def aclose(self) -> None:
        """Nothing to close: threads that hang end with the process."""

    async def _function(self, call: ToolCall, entry: str) -> Function:
        found = self._tools.loaded(entry) or await self._in_thread(call, entry, lambda: self._tools.get(entry))
        if found is None or found.function is None:
            why = "no installed package announces it" if found is None else found.problem
            raise PythonToolMissing(
                f"{call.tool.name}: the function {entry} cannot be called: {why}",
                for_model=f"{call.tool.name} cannot be used. Go on without it, and tell the caller so.",
            )
        return found.function

    async def _in_thread(self, call: ToolCall, entry: str, run: Callable[[], Any]) -> Any:
        if self._running[entry] >= MAX_THREADS_EACH or self.threads >= MAX_THREADS:
            raise PythonToolBusy(
                f"{call.tool.name}: {self._running[entry]} calls of {entry} are still running ({self.threads} of all "
                "functions); one that never ends needs a restart of the service",
                for_model=f"{call.tool.name} is busy at the moment. Go on without it, or try again later.",
            )
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        context = contextvars.copy_context()

        def finish(value: Any, error: BaseException | None) -> None:
            self._running[entry] -= 1
            if done.done():
                return  # nobody waits any more
            if error is None:
                done.set_result(value)
            else:
                done.set_exception(error)

        def work() -> None:
            value: Any = None
            error: Exception | None = None
            try:
                value = context.run(run)
            except StopIteration as stop:  # a future cannot hold it
                error = RuntimeError(f"StopIteration: {stop}")
            except BaseException as raised:  # noqa: BLE001 - handed to who waits for it
                error = raised if isinstance(raised, Exception) else RuntimeError(f"{type(raised).__name__}: {raised}")
            with contextlib.suppress(RuntimeError):  # the service has stopped meanwhile
                loop.call_soon_threadsafe(finish, value, error)

        # Not a pool: at exit it would wait for those that hang.
        self._running[entry] += 1
        threading.Thread(target=work, name=f"tool {entry}", daemon=True).start()
        return await done


def _given_up() -> bool:
    """Whether somebody else cancels the call, and not the function itself."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _arguments(call: ToolCall, function: Function) -> dict[str, Any]:
    try:
        return function.arguments(call.arguments)
    except ValueError as error:
        words = f"{call.tool.name}: these arguments do not fit: {error}"
        raise ArgumentsInvalid(words, for_model=words) from None


async def _response(call: ToolCall, value: Any, most: int) -> Response:
    if isinstance(value, str):
        kind, data = "text/plain", value.encode(errors="replace")
    elif value is None:
        kind, data = "text/plain", b""
    else:
        try:
            kind, data = "application/json", await asyncio.to_thread(to_json, value)
        except (PydanticSerializationError, ValueError, RecursionError) as error:
            raise PythonToolFailed(
                f"{call.tool.name}: what the function returned is no JSON: {error}",
                for_model=f"{call.tool.name} failed. Go on without it, and tell the caller so.",
            ) from error
    if len(data) > most:
        raise PythonToolFailed(
            f"{call.tool.name}: the function returned {len(data):,} bytes; at most {most:,} are taken",
            for_model=f"{call.tool.name} found too much. Ask for less, or go on without it.",
        )
    return Response(200, kind, "utf-8", data)
