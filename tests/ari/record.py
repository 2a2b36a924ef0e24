"""Records what real Asterisks say, for the tests of the protocol: ``python -m tests.ari.record`` (needs the lab).

Writes ``recorded/asterisk-22.json`` and ``recorded/asterisk-16.json``: the messages of one event socket, exactly as
they came, but for the server's id, and for all but the first few of each type that the dialplan causes. The requests
are numbered from 1, as :class:`AriProtocol` numbers its own.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp

from lab.asterisk import Asterisk, Version

RECORDED = Path(__file__).parent / "recorded"
_ENTITY = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


async def record(version: Version) -> list[str]:
    """One call: it comes, gets a variable and a tone, continues, and is hung up."""
    messages: list[str] = []
    async with Asterisk(version) as asterisk:
        credentials = aiohttp.encode_basic_auth(asterisk.username, asterisk.password)
        base = f"{asterisk.http_url}/ari/"
        async with (
            aiohttp.ClientSession(headers={"Authorization": credentials}) as session,
            session.ws_connect(f"{base}events?app={asterisk.app}") as ws,
        ):

            async def read() -> None:
                seen: Counter[str] = Counter()
                async for message in ws:
                    kind = json.loads(message.data)["type"]
                    seen[kind] += 1
                    if kind in ("ChannelDialplan", "ChannelVarset", "Dial") and seen[kind] > 3:
                        continue
                    messages.append(_ENTITY.sub("02:00:00:00:00:01", message.data))

            async def ask(method: str, path: str, **body: Any) -> None:
                async with session.request(method, base + path, json=body or None) as response:
                    await response.read()
                await asyncio.sleep(0.1)

            reader = asyncio.create_task(read())
            await ask("POST", "channels", endpoint="Local/103@lab", app=asterisk.app, appArgs="a,b", channelId="one")
            await asyncio.sleep(0.8)
            await ask("POST", f"applications/{asterisk.app}/subscription?eventSource=channel:one")
            await ask("POST", "channels/one/variable", variable="WORD", value='grüße, "quoted"')
            await ask("POST", "channels/one/play/tone-1", media="tone:busy")
            await ask("DELETE", "playbacks/tone-1")
            await ask("POST", f"events/user/Weather?application={asterisk.app}&source=channel:one")
            for number, (method, uri) in enumerate(
                [
                    ("GET", "asterisk/ping"),
                    ("GET", "channels/nobody"),
                    ("POST", "channels/one/answer"),
                    ("GET", "channels/one/variable?variable=WORD"),
                ],
                start=1,
            ):
                frame = {"type": "RESTRequest", "transaction_id": str(number), "request_id": str(number)}
                await ws.send_str(json.dumps({**frame, "method": method, "uri": uri}))
            await asyncio.sleep(0.2)
            await ask("POST", "channels/one;2/continue")
            await ask("DELETE", "channels/one")
            async with session.ws_connect(f"{base}events?app={asterisk.app}"):
                await asyncio.sleep(0.1)
            await ws.close()
            await reader
    return messages


if __name__ == "__main__":
    for name, version in (("asterisk-22", "forky"), ("asterisk-16", "bullseye")):
        recorded = asyncio.run(record(version))  # type: ignore[arg-type]
        (RECORDED / f"{name}.json").write_text(json.dumps(recorded, indent=0, ensure_ascii=False) + "\n")
        print(name, len(recorded), "messages")
