"""One server that speaks the three wire formats, on one port.

What it answers is decided, in this order, by: the script that a test set; ``stub:`` words in the last user message;
``stub:`` words in the model's name (``openai:stub:status=500``); the default, which repeats what was said.
``stub:`` words in the instructions change the default: a prompt may name the answer, and the caller its delay.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web

from lab.providers.answer import DRIP_GAP, HUGE_TEXT, Answer, BadDirective, from_words
from lab.providers.anthropic_wire import AnthropicWire
from lab.providers.gemini_wire import GeminiWire
from lab.providers.openai_wire import OpenAIWire
from lab.providers.wires import Ask, Events, Wire

# A key with this value is refused by all three.
WRONG_KEY = "wrong-key"

_PAGE = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>"
_ENDLESS_LIMIT = 512_000_000  # bytes; a client that reads this much without stopping has failed anyway


@dataclass(slots=True)
class Recorded:
    """A request that was received. Times are those of the event loop, in seconds.

    Attributes:
        body: Decoded; empty where it was not JSON.
        answered_at: When the last byte of the answer was written; None: it never was.
        closed_at: When the client closed the connection before that; None: it did not.
    """

    wire: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    received_at: float
    answered_at: float | None = None
    closed_at: float | None = None
    closed: asyncio.Event = field(default_factory=asyncio.Event)


class StubProviders:
    """The server. ``async with StubProviders() as stub:`` starts it on a free port.

    Attributes:
        default: The answer when nothing else is asked for.
        requests: The last thousand requests for an answer, oldest first.
        connections: How many TCP connections have been accepted.
    """

    def __init__(self, default: Answer | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.default = default or Answer()
        self.requests: deque[Recorded] = deque(maxlen=1000)
        self.host, self.port = host, port
        self._connections: set[int] = set()
        self._script: deque[Answer] = deque()
        self._count = 0
        self._arrived = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self._openai, self._gemini, self._anthropic = OpenAIWire(), GeminiWire(), AnthropicWire()

    # -- addresses, as the settings want them

    @property
    def url(self) -> str:
        """For ``GEMINI_BASE_URL`` and ``ANTHROPIC_BASE_URL``."""
        return f"http://{self.host}:{self.port}"

    @property
    def openai_url(self) -> str:
        """For ``OPENAI_BASE_URL``."""
        return f"{self.url}/v1"

    @property
    def connections(self) -> int:
        """TCP connections that brought a request so far."""
        return len(self._connections)

    # -- control

    def script(self, answers: Iterable[Answer]) -> None:
        """The next requests get these answers, in this order; then the default again."""
        self._script = deque(answers)

    async def received(self, number: int) -> None:
        """Wait until ``number`` requests have been received since the start."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self._count >= number)

    async def start(self) -> None:
        """Listen; afterwards ``port`` is the real one."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._on_openai)
        app.router.add_post("/v1/messages", self._on_anthropic)
        app.router.add_post("/{version:v1beta|v1}/models/{call:[^/]+:[^/]+}", self._on_gemini)
        app.router.add_get("/v1/models", self._on_models)
        app.router.add_get("/{version:v1beta|v1}/models/{model}", self._on_model)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, keepalive_timeout=600, shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close everything, answers in progress too."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # -- routes

    async def _on_openai(self, request: web.Request) -> web.StreamResponse:
        return await self._on_ask(request, self._openai)

    async def _on_anthropic(self, request: web.Request) -> web.StreamResponse:
        return await self._on_ask(request, self._anthropic)

    async def _on_gemini(self, request: web.Request) -> web.StreamResponse:
        return await self._on_ask(request, self._gemini)

    async def _on_models(self, request: web.Request) -> web.StreamResponse:
        self._note_connection(request)
        return web.json_response({"object": "list", "data": [{"id": "stub", "object": "model"}], "has_more": False})

    async def _on_model(self, request: web.Request) -> web.StreamResponse:
        self._note_connection(request)
        name = request.match_info["model"]
        return web.json_response({"id": name, "name": f"models/{name}", "type": "model", "display_name": name})

    async def _on_ask(self, request: web.Request, wire: Wire) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        self._note_connection(request)
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            return _json(400, wire.error(400, "The body is not JSON."))
        record = Recorded(wire.name, request.path, dict(request.headers), body, loop.time())
        self.requests.append(record)
        self._count += 1
        async with self._arrived:
            self._arrived.notify_all()
        if _is_wrong_key(request):
            return _json(401, wire.error(401, f"Incorrect API key provided: {WRONG_KEY}"))
        ask = wire.read(body, request.path)
        try:
            answer = self._choose(ask)
        except BadDirective as error:
            return _json(400, wire.error(400, str(error)))
        try:
            response = await _answer(request, wire, ask, answer)
        except (asyncio.CancelledError, ConnectionResetError):
            record.closed_at = loop.time()
            record.closed.set()
            raise
        record.answered_at = loop.time()
        return response

    def _choose(self, ask: Ask) -> Answer:
        if self._script:
            answer = self._script.popleft()
        else:
            base = from_words(ask.told, self.default) or self.default
            answer = from_words(ask.text, base) or from_words(ask.model, base) or base
            if ask.results:
                # What was asked for has been called; now it is told.
                answer = replace(answer, tool_calls=())
        if answer.fault == "huge":
            answer = replace(answer, text=HUGE_TEXT)
        elif answer.fault == "drip":
            answer = replace(answer, gap=answer.gap or DRIP_GAP, piece=1)
        elif answer.fault == "empty":
            answer = replace(answer, text="")
        if answer.text is None and not answer.tool_calls:
            said = f"The tool says: {' and '.join(ask.results)}" if ask.results else f"You said: {ask.text}"
            answer = replace(answer, text=said[:2000])
        return answer

    def _note_connection(self, request: web.Request) -> None:
        self._connections.add(id(request.protocol))


async def _answer(request: web.Request, wire: Wire, ask: Ask, answer: Answer) -> web.StreamResponse:
    if answer.delay:
        await asyncio.sleep(answer.delay)
    if answer.status != 200:
        headers = {} if answer.retry_after is None else {"Retry-After": f"{answer.retry_after:g}"}
        said = answer.text if answer.text and not answer.text.startswith("You said") else f"Stub error {answer.status}."
        return _json(answer.status, wire.error(answer.status, said), headers)
    match answer.fault:
        case "hang":
            await asyncio.sleep(3600)
        case "close":
            _abort(request)
            return web.Response()
        case "html":
            return web.Response(body=_PAGE, content_type="text/html")
    if not ask.stream:
        return _whole(request, wire, ask, answer)
    return await _stream(request, wire, ask, answer)


def _whole(request: web.Request, wire: Wire, ask: Ask, answer: Answer) -> web.StreamResponse:
    body = wire.whole(answer, ask)
    match answer.fault:
        case "half" | "unfinished" | "nonsense":
            body = body[: len(body) // 2]
        case "nothing":
            body = b""
        case "error_event":
            body = wire.error(500, "The server had an error")
    return _json(200, body)


async def _stream(request: web.Request, wire: Wire, ask: Ask, answer: Answer) -> web.StreamResponse:
    events = wire.events(answer, ask)
    match answer.fault:
        case "half" | "unfinished":
            events = Events(events.head[: max(1, len(events.head) // 2 + 1)], [])
        case "nonsense":
            events = Events([*events.head[:1], wire.nonsense()], events.tail)
        case "error_event":
            events = Events([*events.head[:2], wire.error_event()], [])
        case "nothing":
            events = Events([], [])
    if not answer.gap and answer.fault not in ("half", "endless"):
        # One write: what a fast server's bytes look like when they arrive, and cheap enough for a load test.
        return web.Response(body=b"".join(events.head + events.tail), content_type="text/event-stream")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for event in events.head:
        await response.write(event)
        if answer.gap:
            await asyncio.sleep(answer.gap)
    if answer.fault == "half":
        await asyncio.sleep(0.01)
        _abort(request)
        return response
    if answer.fault == "endless":
        await _endless(response, events.head[-1], answer.gap)
    for event in events.tail:
        await response.write(event)
    await response.write_eof()
    return response


async def _endless(response: web.StreamResponse, event: bytes, gap: float) -> None:
    batch = event if gap else event * 200
    for _ in range(_ENDLESS_LIMIT // len(batch)):
        await response.write(batch)
        await asyncio.sleep(gap)


def _json(status: int, body: bytes, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _is_wrong_key(request: web.Request) -> bool:
    headers = request.headers
    sent = (headers.get("Authorization", ""), headers.get("x-api-key", ""), headers.get("x-goog-api-key", ""))
    return any(value.endswith(WRONG_KEY) for value in sent)
