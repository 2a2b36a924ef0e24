"""Events of the Asterisk REST Interface as typed, immutable objects.

Only fields that the product reads are declared: others are skipped while decoding, so that new fields of a newer
Asterisk do no harm. A type without a class here becomes an :class:`UnknownEvent`, which holds the whole message.
Field names are Asterisk's own (``events.json`` and ``channels.json`` under ``/ari/api-docs``).

The structs are frozen and hold no reference cycles, so the garbage collector need not see them (``gc=False``).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec


class CallerId(msgspec.Struct, frozen=True, gc=False):
    """Name and number, both empty when unknown."""

    name: str = ""
    number: str = ""


class DialplanPosition(msgspec.Struct, frozen=True, gc=False):
    """Where a channel is in the dialplan; ``app_data`` is the unsplit argument of the application that runs."""

    context: str = ""
    exten: str = ""
    priority: int = 0
    app_name: str = ""
    app_data: str = ""


class ChannelSnapshot(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A channel as it was when the event happened. The handle that acts on one is :class:`app.ari.handles.Channel`.

    Attributes:
        state: ``Down``, ``Ring``, ``Ringing``, ``Up``, ...
        creationtime: ISO 8601 with milliseconds and offset, such as ``2026-11-22T09:25:48.813+0000``.
        channelvars: Only what ``channelvars`` in ari.conf, or ``report_events``, asks Asterisk to add.
    """

    id: str
    name: str = ""
    state: str = ""
    protocol_id: str = ""
    caller: CallerId = CallerId()
    connected: CallerId = CallerId()
    dialplan: DialplanPosition = DialplanPosition()
    accountcode: str = ""
    language: str = ""
    creationtime: str = ""
    channelvars: dict[str, Any] = {}


class PlaybackSnapshot(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A playback. ``target_uri`` is ``channel:ID`` or ``bridge:ID``; ``state`` ends as ``done`` or ``failed``."""

    id: str
    media_uri: str = ""
    target_uri: str = ""
    state: str = ""


class BridgeSnapshot(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A bridge, with the ids of the channels in it."""

    id: str
    bridge_type: str = ""
    name: str = ""
    channels: tuple[str, ...] = ()


class RecordingSnapshot(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A live recording. ``duration`` is in seconds; ``cause`` says why it failed."""

    name: str
    target_uri: str = ""
    state: str = ""
    format: str = ""
    duration: int | None = None
    cause: str | None = None


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What all events share.

    Attributes:
        application: Our application's name.
        timestamp: ISO 8601 with milliseconds and offset, by Asterisk's clock.
        asterisk_id: The server's entity id.
    """

    application: str = ""
    timestamp: str = ""
    asterisk_id: str = ""

    @property
    def event_type(self) -> str:
        """Asterisk's name for it."""
        return type(self).__name__

    def channel_ids(self) -> tuple[str, ...]:
        """Channels that this is about; usually one. :meth:`AriClient.listen` goes by it."""
        return ()


class _Tagged(Event, frozen=True, gc=False, kw_only=True, tag_field="type", tag=True):
    """An event whose class is named after its ``type``."""


class ChannelEvent(_Tagged, frozen=True, gc=False, kw_only=True):
    """About one channel."""

    channel: ChannelSnapshot

    def channel_ids(self) -> tuple[str, ...]:
        return (self.channel.id,)


class StasisStart(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """A channel entered the application. From here until :class:`StasisEnd` it is ours to act on.

    Attributes:
        args: The arguments of ``Stasis()`` behind the application's name, split at commas by Asterisk.
        replace_channel: The channel whose place it took in a transfer.
    """

    args: tuple[str, ...] = ()
    replace_channel: ChannelSnapshot | None = None


class StasisEnd(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """A channel left the application: it continues in the dialplan, or was hung up."""


class ChannelCreated(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """A channel was made."""


class ChannelDestroyed(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """A channel is gone. Comes after :class:`StasisEnd` only for channels that were subscribed to.

    Attributes:
        cause: Q.850 cause code; 16 is normal clearing.
    """

    cause: int = 0
    cause_txt: str = ""


class ChannelHangupRequest(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """Somebody hung up. The channel stays in the application until it notices."""

    cause: int = 0
    soft: bool = False


class ChannelStateChange(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """The channel's state changed, such as from ``Ring`` to ``Up``."""


class ChannelDtmfReceived(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """A key was pressed and released. ``duration_ms`` is milliseconds."""

    digit: str
    duration_ms: int = 0


class ChannelVarset(_Tagged, frozen=True, gc=False, kw_only=True):
    """A variable was set; a global one when there is no channel."""

    variable: str
    value: str = ""
    channel: ChannelSnapshot | None = None

    def channel_ids(self) -> tuple[str, ...]:
        return (self.channel.id,) if self.channel is not None else ()


class ChannelDialplan(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """The channel runs another dialplan application."""

    dialplan_app: str = ""
    dialplan_app_data: str = ""


class ChannelHold(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """The peer put the call on hold."""


class ChannelUnhold(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """The peer took the call back."""


class ChannelTalkingStarted(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """``TALK_DETECT`` heard speech begin."""


class ChannelTalkingFinished(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """``TALK_DETECT`` heard speech end. ``duration`` is milliseconds."""

    duration: int = 0


class ChannelEnteredBridge(_Tagged, frozen=True, gc=False, kw_only=True):
    """A channel was added to a bridge."""

    bridge: BridgeSnapshot
    channel: ChannelSnapshot | None = None

    def channel_ids(self) -> tuple[str, ...]:
        return (self.channel.id,) if self.channel is not None else ()


class ChannelLeftBridge(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """A channel left a bridge."""

    bridge: BridgeSnapshot


class BridgeCreated(_Tagged, frozen=True, gc=False, kw_only=True):
    """A bridge was made."""

    bridge: BridgeSnapshot


class BridgeDestroyed(_Tagged, frozen=True, gc=False, kw_only=True):
    """A bridge is gone."""

    bridge: BridgeSnapshot


class Dial(_Tagged, frozen=True, gc=False, kw_only=True):
    """A dial operation changed. ``dialstatus`` is empty while it begins, then ``RINGING``, ``ANSWER``, ``BUSY``, ..."""

    peer: ChannelSnapshot
    caller: ChannelSnapshot | None = None
    dialstatus: str = ""
    dialstring: str = ""

    def channel_ids(self) -> tuple[str, ...]:
        return (self.peer.id,) if self.caller is None else (self.peer.id, self.caller.id)


class PlaybackEvent(_Tagged, frozen=True, gc=False, kw_only=True):
    """About one playback, and so about the channel it is heard on."""

    playback: PlaybackSnapshot

    def channel_ids(self) -> tuple[str, ...]:
        kind, _, target = self.playback.target_uri.partition(":")
        return (target,) if kind == "channel" else ()


class PlaybackStarted(PlaybackEvent, frozen=True, gc=False, kw_only=True):
    """A playback began to be heard."""


class PlaybackContinuing(PlaybackEvent, frozen=True, gc=False, kw_only=True):
    """A playback goes on with its next medium."""


class PlaybackFinished(PlaybackEvent, frozen=True, gc=False, kw_only=True):
    """A playback ended: ``done`` when heard or stopped, ``failed`` when the caller hung up or a file is missing."""


class RecordingEvent(_Tagged, frozen=True, gc=False, kw_only=True):
    """About one live recording."""

    recording: RecordingSnapshot

    def channel_ids(self) -> tuple[str, ...]:
        kind, _, target = self.recording.target_uri.partition(":")
        return (target,) if kind == "channel" else ()


class RecordingStarted(RecordingEvent, frozen=True, gc=False, kw_only=True):
    """A recording began."""


class RecordingFinished(RecordingEvent, frozen=True, gc=False, kw_only=True):
    """A recording was stored."""


class RecordingFailed(RecordingEvent, frozen=True, gc=False, kw_only=True):
    """A recording failed; ``recording.cause`` says why."""


class ApplicationReplaced(_Tagged, frozen=True, gc=False, kw_only=True):
    """Another client registered our application's name and gets its events from now on."""


class UnknownEvent(Event, frozen=True, kw_only=True):
    """An event of a type that has no class here.

    Attributes:
        type: Asterisk's name for it.
        raw: The whole message.
    """

    type: str
    raw: dict[str, Any]

    @property
    def event_type(self) -> str:
        return self.type

    def channel_ids(self) -> tuple[str, ...]:
        channel = self.raw.get("channel")
        identity = channel.get("id") if isinstance(channel, dict) else None
        return (identity,) if isinstance(identity, str) else ()


KnownEvent: TypeAlias = (
    StasisStart
    | StasisEnd
    | ChannelCreated
    | ChannelDestroyed
    | ChannelHangupRequest
    | ChannelStateChange
    | ChannelDtmfReceived
    | ChannelVarset
    | ChannelDialplan
    | ChannelHold
    | ChannelUnhold
    | ChannelTalkingStarted
    | ChannelTalkingFinished
    | ChannelEnteredBridge
    | ChannelLeftBridge
    | BridgeCreated
    | BridgeDestroyed
    | Dial
    | PlaybackStarted
    | PlaybackContinuing
    | PlaybackFinished
    | RecordingStarted
    | RecordingFinished
    | RecordingFailed
    | ApplicationReplaced
)
