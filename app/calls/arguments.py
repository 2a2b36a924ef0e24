"""Reading the arguments of ``Stasis(app,KEY=VALUE,...)``: strings in, a :class:`CallArguments` out, no I/O.

Asterisk splits the argument string at commas before we see it, and callers speak commas. So an argument that does not
begin with a key continues the value before it, with its comma put back. What Asterisk does to the string first
(unquoted quotes and backslashes are stripped, an unbalanced quote or bracket swallows what follows) cannot be undone
here; ``USER_INPUT_URI`` or the channel variable ``USER_INPUT`` carry every character.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

KNOWN_KEYS = frozenset({"UNIQUEID", "USER_INPUT", "USER_INPUT_URI", "AI_PROMPT_NAME", "AI_MODEL", "AI_TIMEOUT"})

# The longest deadline that a call may ask for: nobody listens to silence for longer.
LONGEST_TIMEOUT = 300.0

_KEY = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]{0,63})=")


@dataclass(frozen=True, slots=True)
class CallArguments:
    """What the dialplan asked for; None or empty where it said nothing.

    Attributes:
        conversation: ``UNIQUEID``.
        text: The caller's words; None: they are in the channel variable ``USER_INPUT``.
        timeout: Seconds.
        variables: All other keys, in lower case, as the prompt's template and the tools name them.
        ignored: What could not be used, as sentences for the log.
    """

    conversation: str | None = None
    text: str | None = None
    prompt: str | None = None
    model: str | None = None
    timeout: float | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    ignored: Sequence[str] = ()


def parse_arguments(args: Sequence[str]) -> CallArguments:
    """Read the ``args`` of a StasisStart event. Never fails: what makes no sense is ignored, and named."""
    values, ignored = _split(args)
    timeout, complaint = _timeout(values.get("AI_TIMEOUT", ""))
    if complaint:
        ignored.append(complaint)
    text = decode_uri(values.get("USER_INPUT_URI", "")) or values.get("USER_INPUT", "")
    return CallArguments(
        conversation=_word(values, "UNIQUEID"),
        text=text.strip() or None,
        prompt=_word(values, "AI_PROMPT_NAME"),
        model=_word(values, "AI_MODEL"),
        timeout=timeout,
        variables={name.lower(): value for name, value in values.items() if name not in KNOWN_KEYS},
        ignored=tuple(ignored),
    )


def decode_uri(value: str) -> str:
    """The reverse of the dialplan's ``URIENCODE()``; bytes that are no UTF-8 become U+FFFD."""
    return unquote_to_bytes(value).decode("utf-8", "replace")


def _word(values: Mapping[str, str], key: str) -> str | None:
    return values.get(key, "").strip() or None


def _split(args: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Collect values by key, putting back the commas inside values.

    The first of two equal keys wins and the second is taken as speech, so that words which happen to look like an
    argument cannot replace what the dialplan set before them.
    """
    values: dict[str, str] = {}
    ignored: list[str] = []
    current: str | None = None
    for number, arg in enumerate(args, 1):
        key = _key_of(arg, current)
        if key is not None and key not in values:
            current = key
            values[key] = arg.split("=", 1)[1]
        elif current is not None:
            values[current] += "," + arg
        elif arg.strip():
            # Without the words themselves: they may be a caller's, and this goes to the log.
            ignored.append(f"argument {number} of Stasis() has no KEY= before it; write USER_INPUT=...")
    return values, ignored


def _key_of(arg: str, current: str | None) -> str | None:
    """The key with which an argument begins, if it begins with one.

    Inside what the caller said, only capitals make a key: "solve x=5, y=3" is speech.
    """
    match = _KEY.match(arg)
    if match is None:
        return None
    key = match[1]
    if key.upper() in KNOWN_KEYS:
        return key.upper()
    if current == "USER_INPUT" and not key.isupper():
        return None
    return key


def _timeout(text: str) -> tuple[float | None, str | None]:
    """Seconds, and a complaint. A value that is no number costs the caller nothing: the configured deadline holds."""
    text = text.strip()
    if not text:
        return None, None
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if not 0 < seconds <= LONGEST_TIMEOUT:
        return None, (
            f"AI_TIMEOUT={text[:40]} is not a number of seconds between 0 and {LONGEST_TIMEOUT:g}; "
            "the prompt's or the installation's deadline is used"
        )
    return seconds, None
