"""The fake answers as Asterisk 22 does: the same story, told to both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.ari.client import AriClient
from app.ari.errors import AriRequestFailed
from app.ari.events import ChannelDestroyed, StasisEnd, StasisStart
from app.ari.testing import FakeAri
from tests.ari.conftest import call, connected
from tests.ari.listening import Heard

EVENTS = frozenset({"StasisStart", "StasisEnd", "ChannelDestroyed", "PlaybackFinished"})


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.lab)])
async def served(request: pytest.FixtureRequest, heard: Heard) -> AsyncIterator[tuple[AriClient, str]]:
    """A client and a channel in its application."""
    if request.param == "fake":
        fake = FakeAri(heard)
        fake.connect()
        fake.enter("c", "test")
        yield fake, "c"
        return
    async with (
        connected(request.getfixturevalue("asterisk"), heard, events=EVENTS) as ari,
        call(ari, heard) as channel_id,
    ):
        yield ari, channel_id


async def test_a_call_goes_the_same_way(served: tuple[AriClient, str], heard: Heard) -> None:
    ari, channel_id = served
    channel = ari.channel(channel_id)

    async def refusal(method: str, path: str, **given: Any) -> tuple[str, int, str]:
        with pytest.raises(AriRequestFailed) as caught:
            await ari.request(method, path.format(channel_id), **given)
        return type(caught.value).__name__, caught.value.status, str(caught.value).rpartition(": ")[2]

    start = heard.of(StasisStart, channel_id)[0]
    assert (start.args, start.channel.state, start.application) == (("test",), "Up", ari.config.app)
    assert channel_id in (await ari.app_inventory()).channel_ids
    await channel.set_variables({"A": "1", "B": ""})
    assert [await channel.get_variable(name) for name in ("A", "B", "C")] == ["1", "", None]
    assert await refusal("GET", "channels/{}/variable", query={"variable": "C"}) == (
        "AriNotFound",
        404,
        "404 Provided variable was not found.",
    )
    assert await refusal("GET", "nonsense") == ("AriNotFound", 404, "404 Resource not found.")
    assert await refusal("POST", "channels/nobody/continue") == ("AriNotFound", 404, "404 Channel not found.")
    assert await refusal("GET", "channels/nobody/variable", query={"variable": "C"}) == (
        "AriNotFound",
        404,
        "404 Provided channel was not found.",
    )
    assert await refusal(
        "POST", f"applications/{ari.config.app}/subscription", query={"eventSource": "channel:nobody"}
    ) == ("AriConflict", 422, "422 Event source does not exist.")
    assert (await ari.request("GET", f"channels/{channel_id}"))["id"] == channel_id
    await channel.answer()
    await channel.ring()
    await channel.dtmf("1")
    playback = await channel.play("sound:digits/1", "a-playback")
    assert await playback.finished(5.0)
    assert await refusal("DELETE", "playbacks/a-playback") == ("AriNotFound", 404, "404 Playback not found.")

    await channel.subscribe()
    await channel.continue_in_dialplan("lab", "no-such-extension", 1)
    await heard.event(StasisEnd, channel_id)
    await heard.until(lambda: heard.of(ChannelDestroyed, channel_id) or isinstance(ari, FakeAri))
    if isinstance(ari, FakeAri):
        assert await refusal("POST", "channels/{}/continue") == (
            "AriConflict",
            409,
            "409 Channel not in Stasis application.",
        )
        ari.hang_up(channel_id)
    await asyncio.sleep(0)
    assert len(heard.of(ChannelDestroyed, channel_id)) == 1
    assert await refusal("POST", "channels/{}/answer") == ("AriNotFound", 404, "404 Channel not found.")
    assert await refusal("DELETE", "channels/{}") == ("AriNotFound", 404, "404 Channel not found.")
    assert channel_id not in (await ari.app_inventory()).channel_ids
