"""``python -m bench.yardstick``: the same dialplan contract, written the straightforward way. It is what the gateway is
measured beside.

It is meant to be fair: nothing here is slow on purpose, and it answers the same calls with the same variables. It is
what the documentation of each library shows first: ARI events over a WebSocket and requests over HTTP with aiohttp's
defaults, prompt and tools from the database and the conversation from Redis on every turn, ChatOpenAI and create_agent
made for every turn, asyncio's own event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from typing import Any

import aiohttp
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, messages_from_dict, messages_to_dict
from langchain_core.tools import StructuredTool
from langchain_openai import ChatOpenAI
from redis.asyncio import Redis
from sqlalchemy import JSON, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_FALLBACK = "I am sorry, I cannot answer right now. Please try again in a moment."
_TIMEOUT = 10.0
_EXPIRY = 86_400
_MODEL = "gpt-6-luna"


class Base(DeclarativeBase):
    """The tables."""


class PromptRow(Base):
    """A prompt."""

    __tablename__ = "prompts"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    content: Mapped[str]


class ToolRow(Base):
    """A tool: an HTTP GET whose URL has the arguments' names in braces."""

    __tablename__ = "tools"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str]
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    url: Mapped[str]


class Yardstick:
    """The application. ``settings``: what ``main`` reads from the environment."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._ari = f"{settings['ari_url']}/ari"
        self._engine = create_async_engine(settings["database_url"])
        self._sessions = async_sessionmaker(self._engine)
        self._redis = Redis.from_url(settings["redis_url"])
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve calls until cancelled."""
        await self._fill_database()
        login = aiohttp.encode_basic_auth(self._settings["ari_username"], self._settings["ari_password"])
        self._asterisk = aiohttp.ClientSession(headers={"Authorization": login})
        self._web = aiohttp.ClientSession()
        try:
            async with self._asterisk.ws_connect(
                f"{self._ari}/events", params={"app": self._settings["app"]}
            ) as socket:
                print("ready", flush=True)
                async for message in socket:
                    event = message.json()
                    if event["type"] == "StasisStart":
                        task = asyncio.create_task(self._serve(event))
                        self._tasks.add(task)
                        task.add_done_callback(self._tasks.discard)
        finally:
            await self._asterisk.close()
            await self._web.close()
            await self._redis.aclose()
            await self._engine.dispose()

    async def _serve(self, event: dict[str, Any]) -> None:
        begun = time.monotonic()
        channel = event["channel"]["id"]
        arguments = dict(argument.split("=", 1) for argument in event["args"])
        conversation = arguments.get("UNIQUEID", channel)
        try:
            async with asyncio.timeout(_TIMEOUT):
                answer, turn = await self._answer(conversation, await self._words(channel))
            status, error = "OK", ""
        except TimeoutError:
            answer, turn, status, error = _FALLBACK, 0, "TIMEOUT", "timeout"
        except Exception as problem:  # noqa: BLE001 - the call must go on, whatever failed
            print(f"turn failed: {problem!r}", flush=True)
            answer, turn, status, error = _FALLBACK, 0, "ERROR", type(problem).__name__
        variables = {
            "AI_STATUS": status,
            "AI_RESPONSE": answer[:4000],
            "AI_RESPONSE_COUNT": "1",
            "AI_RESPONSE_1": answer[:1000],
            "AI_ACTION": "",
            "AI_ACTION_DATA": "",
            "AI_ERROR": error,
            "AI_MODEL_USED": f"openai:{_MODEL}",
            "AI_PROMPT_VERSION": "1",
            "AI_TURN": str(turn),
            "AI_LATENCY_MS": str(round((time.monotonic() - begun) * 1000)),
        }
        with contextlib.suppress(aiohttp.ClientResponseError):  # the caller hung up
            for name, value in variables.items():
                await self._post(f"channels/{channel}/variable", variable=name, value=value)
            await self._post(f"channels/{channel}/continue")

    async def _words(self, channel: str) -> str:
        url = f"{self._ari}/channels/{channel}/variable"
        async with self._asterisk.get(url, params={"variable": "USER_INPUT"}, raise_for_status=True) as response:
            return str((await response.json())["value"])

    async def _post(self, path: str, **body: str) -> None:
        async with self._asterisk.post(f"{self._ari}/{path}", json=body, raise_for_status=True):
            pass

    async def _answer(self, conversation: str, words: str) -> tuple[str, int]:
        async with self._sessions() as session:
            prompt = (await session.scalars(select(PromptRow).where(PromptRow.name == "receptionist"))).one()
            tools = (await session.scalars(select(ToolRow))).all()
        key = f"conversation:{conversation}"
        stored = await self._redis.lrange(key, 0, -1)
        history = messages_from_dict([json.loads(item) for item in stored])
        model = ChatOpenAI(
            model=_MODEL,
            base_url=self._settings["openai_url"],
            api_key="bench",
            use_responses_api=False,
        )
        agent = create_agent(model, [self._tool(row) for row in tools], system_prompt=prompt.content)
        messages: list[Any] = [*history, HumanMessage(words)]
        result = await agent.ainvoke({"messages": messages})
        new = result["messages"][len(history) :]
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.rpush(key, *(json.dumps(item) for item in messages_to_dict(new)))
            pipeline.expire(key, _EXPIRY)
            await pipeline.execute()
        turn = 1 + sum(isinstance(message, HumanMessage) for message in history)
        return str(result["messages"][-1].text), turn

    def _tool(self, row: ToolRow) -> StructuredTool:
        url = row.url

        async def call(**arguments: Any) -> str:
            async with self._web.get(url.format(**arguments), raise_for_status=True) as response:
                return await response.text()

        return StructuredTool(name=row.name, description=row.description, args_schema=row.parameters, coroutine=call)

    async def _fill_database(self) -> None:
        async with self._engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with self._sessions.begin() as session:
            session.add(PromptRow(name="receptionist", content=self._settings["prompt"]))
            for tool in self._settings["tools"]:
                session.add(ToolRow(**tool))


async def _main() -> None:
    running = asyncio.current_task()
    assert running is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await Yardstick(json.loads(os.environ["YARDSTICK"])).run()


if __name__ == "__main__":
    asyncio.run(_main())
