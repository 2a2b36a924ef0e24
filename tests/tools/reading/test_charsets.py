"""What a server says of its character set may be anything."""

from __future__ import annotations

import time

import pytest

from app.tools.execution import ToolExecutor
from app.tools.reading.charsets import decoded
from tests.tools.conftest import context, raw_server, response, tool


@pytest.mark.parametrize(
    ("charset", "data", "text"),
    [
        ("ISO-8859-1", b"caf\xe9", "café"),
        ("windows-1252", b"5 \x80", "5 €"),
        ("Shift_JIS", "注文".encode("shift_jis"), "注文"),
        ("utf-16", "Tee".encode("utf-16"), "Tee"),
        (None, "Tee ☕".encode(), "Tee ☕"),
        ("utf-8", b"\xff!", "\ufffd!"),
        ("cp9999", b"tea", "tea"),
        ("x" * 9_000, b"tea", "tea"),
        ("unicode_escape", rb"\x41", r"\x41"),
    ],
)
def test_the_text_is_read_as_its_server_names_it(charset: str | None, data: bytes, text: str) -> None:
    assert decoded(data, charset) == text


@pytest.mark.parametrize("charset", ["punycode", "PunyCode", "idna", "undefined", "raw-unicode-escape", "rot13", "zip"])
async def test_no_codec_that_is_none_of_the_web_is_used(executor: ToolExecutor, charset: str) -> None:
    body = b"a" * 150_000 + b"-" + b"9" * 150_000
    async with raw_server(response(body, f"text/plain; charset={charset}")) as server:
        started = time.perf_counter()
        result = await executor.run(tool(server.url), {}, context(seconds=20))
        assert time.perf_counter() - started < 2
    assert result.text.startswith("aaaa")
