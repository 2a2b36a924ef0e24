"""Which features an Asterisk has: read from its version where that is certain, tried where it is not.

``apiVersion`` says nothing (10.0.0 all over 22.x), and distributions patch, so a feature counts only once it was seen.
"""

from __future__ import annotations

import re

# The release that brought REST over the WebSocket, for the branches that were open then. Later branches all have it.
_REST_OVER_WEBSOCKET_SINCE = {20: 14, 21: 9, 22: 4}
_NUMBERS = re.compile(r"\d+(?:\.\d+)+")


def short_version(text: str) -> str:
    """``22.10.1`` from ``22.10.1+dfsg+~cs6.17``; certified and development builds keep their whole name."""
    match = _NUMBERS.match(text)
    return match.group() if match else text


def surely_without_rest_over_websocket(version: str) -> bool:
    """Whether trying would only cost time. A version that cannot be read is tried.

    An Asterisk without the feature ignores text frames (tried on 16.28): a try does no harm, but waits in vain.
    """
    match = _NUMBERS.match(version)
    if not match:
        return False
    major, minor = (int(part) for part in match.group().split(".")[:2])
    if major > max(_REST_OVER_WEBSOCKET_SINCE):
        return False
    since = _REST_OVER_WEBSOCKET_SINCE.get(major)
    return since is None or minor < since
