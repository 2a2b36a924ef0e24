"""The kinds of actions, in words for people who know telephony. For the prompt's form and its page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind.

    Attributes:
        word: What stands in ``AI_ACTION``.
        title: What it does.
        list: What its list holds; empty: it takes none.
        example: Lines of such a list.
        dialplan, ari: What happens, by who does it.
    """

    word: str
    title: str
    list: str
    example: str
    dialplan: str
    ari: str


KINDS: Final = (
    Kind(
        "hangup",
        "End the call",
        "",
        "",
        "Speak the answer, then Hangup().",
        "Ends the call at once: the answer is not spoken.",
    ),
    Kind(
        "transfer",
        "Transfer the caller",
        "Whom to: extensions, queues by the names your dialplan gives them, or patterns; for ARI with @context.",
        "200  _2XX  200@from-internal",
        "Speak the answer, then Goto() the extension in AI_ACTION_DATA.",
        "The call goes on at that extension at once; speak AI_RESPONSE there.",
    ),
    Kind(
        "leave",
        "Leave the call to another place of the dialplan",
        "Where to: extension@context, or context,extension,priority.",
        "700@ivr  ivr,700,1",
        "Goto(${AI_ACTION_DATA}).",
        "The call goes on there at once; speak AI_RESPONSE there.",
    ),
    Kind(
        "dtmf",
        "Send DTMF digits",
        "The digits 0-9 * # A-D, or patterns.",
        "1  1234#  _XXXX#",
        "SendDTMF(${AI_ACTION_DATA}).",
        "Sent before the answer is spoken, 0.2 seconds each.",
    ),
    Kind(
        "set_variable",
        "Set a channel variable",
        "Names, for any value of up to 500 characters, or single values.",
        "NOTE  DEPARTMENT=sales",
        "AI_ACTION_DATA is NAME=value: Set(${AI_ACTION_DATA}).",
        "Set before the call goes on.",
    ),
    Kind(
        "play",
        "Play a sound",
        "Sounds as Playback() names them, or a folder.",
        "queue-thankyou  custom/*",
        "Playback(${AI_ACTION_DATA}).",
        "Heard before the answer is spoken, and stopped at the turn's deadline.",
    ),
    Kind(
        "hold",
        "Put the caller on hold, and take back",
        "",
        "",
        "AI_ACTION_DATA is on or off: StartMusicOnHold() or StopMusicOnHold().",
        "Music on hold begins or ends.",
    ),
    Kind(
        "extension_state",
        "Ask whether an extension is free",
        "Extensions with the context of their hints (FreePBX: ext-local), or patterns.",
        "200@from-internal  _2XX@ext-local",
        "",
        "Answered within the turn, from EXTENSION_STATE().",
    ),
    Kind(
        "queue_state",
        "Ask how a queue is doing",
        "Queues as queues.conf names them.",
        "support",
        "",
        "Answered within the turn: callers waiting, agents free.",
    ),
    Kind(
        "originate",
        "Place another call",
        "Whom to call, as Dial() names them, or patterns.",
        "PJSIP/200  Local/200@from-internal  PJSIP/_2XX",
        "Originate(${AI_ACTION_DATA},exten,...), as you write it.",
        "Dialled beside this call; when it is answered, it goes on at the place you name.",
    ),
)
TITLES: Final = {kind.word: kind.title for kind in KINDS}
WAYS: Final = (("dialplan", "The dialplan"), ("ari", "The service (ARI)"))
PARTS: Final = {
    "name": "name",
    "description": "when",
    "targets": "targets",
    "via": "who does it",
    "place": "where the other call goes",
    "caller_id": "caller ID",
}
