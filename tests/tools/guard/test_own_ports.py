"""The ports of this process are found, whoever opened them."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from app.tools.guard import own_ports
from app.tools.guard.own_ports import OwnPorts, listening_ports


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def test_listening_sockets_are_found_and_others_are_not(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)) as client, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(("127.0.0.1", 0))
        found = listening_ports()
        assert port in found
        assert client.getsockname()[1] not in found
        assert datagrams.getsockname()[1] not in found
    listener.getsockname()  # it was looked at and not closed


def test_they_are_looked_for_at_most_once_a_second(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("app.tools.guard.own_ports.time.monotonic", lambda: now[0])
    ports = OwnPorts([8000, 0])
    assert 8000 in ports
    assert 0 not in ports
    assert listener.getsockname()[1] in ports
    with socket.create_server(("127.0.0.1", 0)) as late:
        assert late.getsockname()[1] not in ports
        now[0] += 1.0
        assert late.getsockname()[1] in ports


def test_without_a_list_of_open_files_the_known_ones_are_left(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_ports, "_OPEN_FILES", ("/nowhere",))
    assert list(OwnPorts([8000])) == [8000]
