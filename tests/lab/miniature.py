"""The smallest ARI application: it answers a call with the caller's own words. It proves the lab, not the gateway."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp

from lab.asterisk import Asterisk

# From StasisStart and the channel's USER_INPUT to the variables to set.
Answer = Callable[[dict[str, Any], str], Mapping[str, str]]


def echo(event: dict[str, Any], words: str) -> Mapping[str, str]:
    """The caller's words back, and the arguments as they arrived."""
    return {
        "AI_STATUS": "OK",
        "AI_RESPONSE": words,
        "AI_RESPONSE_COUNT": "2",
        "AI_RESPONSE_1": "one, two",
        "AI_RESPONSE_2": "three",
        "AI_OUT_ARGS": "|".join(event["args"]),
    }


@contextlib.asynccontextmanager
async def application(asterisk: Asterisk, answer: Answer = echo, *, delay: float = 0) -> AsyncIterator[list[str]]:
    """Registered while the block runs, thinks ``delay`` seconds; yields the types of the events that arrived."""
    seen: list[str] = []
    headers = {"Authorization": aiohttp.encode_basic_auth(asterisk.username, asterisk.password)}
    url = f"{asterisk.http_url}/ari"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(f"{url}/events", params={"app": asterisk.app}) as socket,
        asyncio.TaskGroup() as tasks,
    ):

        async def read() -> None:
            async for message in socket:
                event = message.json()
                seen.append(event["type"])
                if event["type"] == "StasisStart":
                    tasks.create_task(_answer(session, url, event, answer, delay))

        reader = tasks.create_task(read())
        yield seen
        reader.cancel()


async def _answer(
    session: aiohttp.ClientSession, url: str, event: dict[str, Any], answer: Answer, delay: float
) -> None:
    await asyncio.sleep(delay)
    channel = f"{url}/channels/{event['channel']['id']}"
    async with session.get(f"{channel}/variable", params={"variable": "USER_INPUT"}) as response:
        words = (await response.json())["value"] if response.status == 200 else ""
    for name, value in answer(event, words).items():
        async with session.post(f"{channel}/variable", json={"variable": name, "value": value}) as response:
            if response.status == 404:  # the caller hung up
                return
            response.raise_for_status()
    async with session.post(f"{channel}/continue"):
        pass
