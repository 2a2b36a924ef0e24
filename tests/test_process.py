"""The process: its socket comes first."""

from __future__ import annotations

import socket

import pytest

from app.core.errors import SettingsError
from app.core.settings import Settings
from app.process import listen


def settings(host: str, port: int) -> Settings:
    return Settings(_env_file=None, web_host=host, web_port=port)


def test_a_port_that_is_taken_is_named_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"port {port}.*WEB_PORT"):
            listen(settings("127.0.0.1", port))


@pytest.mark.parametrize("host", ["no-such-host.invalid", "999.1.1.1", "192.0.2.1"])
def test_an_address_that_is_not_ours_is_named(host: str) -> None:
    with pytest.raises(SettingsError, match=host.replace(".", r"\.")):
        listen(settings(host, 0))


def test_it_listens_where_it_was_told() -> None:
    with listen(settings("127.0.0.1", 0)) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"
        with socket.create_connection(listening.getsockname(), timeout=2):
            pass
