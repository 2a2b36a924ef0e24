"""Token requests over HTTP, within bounds."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Final

import aiohttp
from yarl import URL

from app.tools.auth.protocol import TokenRequest, TokenResponse
from app.tools.results import Decompressor

# A token with all that some servers put into it has a few kilobytes.
MAX_RESPONSE_BYTES: Final = 65_536
_READ_BYTES: Final = 16_384


class HttpTransport:
    """Sends token requests with the tools' own HTTP client, so that the same guard decides where they may go.

    Args:
        session: The client's session; asked for at each request. It belongs to whoever gives it, keeps no cookies and
            does not decompress by itself.
    """

    def __init__(self, session: Callable[[], aiohttp.ClientSession]) -> None:
        self._session = session

    async def send(self, request: TokenRequest, *, tls: ssl.SSLContext | None) -> TokenResponse:
        """See :class:`app.tools.auth.tokens.TokenTransport`. Cancelling it closes the connection."""
        try:
            async with self._session().post(
                URL(request.url),
                headers={**request.headers, "Accept-Encoding": "identity"},
                data=request.body,
                allow_redirects=False,
                ssl=True if tls is None else tls,
            ) as response:
                return TokenResponse(response.status, await _read(response))
        except (aiohttp.ClientError, ValueError) as error:
            # ValueError: the server broke the protocol (an encoding that was not asked for).
            raise ConnectionError(_reason(error)) from error


async def _read(response: aiohttp.ClientResponse) -> bytes:
    decompressor = Decompressor(response.headers.get("Content-Encoding", ""))
    body = bytearray()
    async for data in response.content.iter_chunked(_READ_BYTES):
        body += decompressor.feed(data, MAX_RESPONSE_BYTES - len(body))
        if len(body) > MAX_RESPONSE_BYTES:
            response.close()  # the rest is not wanted, so the connection cannot be kept
            raise ValueError(f"its answer is longer than {MAX_RESPONSE_BYTES:,} bytes")
    decompressor.finish()
    return bytes(body)


def _reason(error: Exception) -> str:
    """What went wrong, without the address that aiohttp adds to some."""
    if isinstance(error, aiohttp.ClientResponseError):
        return " ".join((error.message or type(error).__name__).split())
    if isinstance(error, aiohttp.InvalidURL | UnicodeError):
        return type(error).__name__
    return str(error) or type(error).__name__
