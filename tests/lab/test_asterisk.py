"""The life of an Asterisk of the lab."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lab.asterisk import Asterisk, Version
from lab.caller import Caller
from lab.errors import LabFailed
from lab.roots import BULLSEYE, FORKY
from tests.fixtures.lab import need

pytestmark = pytest.mark.lab


@pytest.mark.parametrize(("version", "number"), [("forky", "22."), ("bullseye", "16.28")])
async def test_two_run_side_by_side_and_come_back_from_a_crash(version: Version, number: str) -> None:
    need(FORKY if version == "forky" else BULLSEYE)
    async with Asterisk(version) as one, Asterisk(version) as other:
        assert f"Asterisk {number}" in one.cli("core show version")
        assert one.server.pid != other.server.pid
        one.kill()
        with Caller(other) as caller:
            assert (await caller.call("199", say="still here")).response == "still here"
        ports = (one.sip_port, one.http_port)
        one.restart()
        assert (one.sip_port, one.http_port) == ports
        with Caller(one) as caller:
            assert (await caller.call("199", say="back")).response == "back"
        folders = [one.instance.folder, other.instance.folder]
    assert [folder for folder in folders if folder.exists()] == []


async def test_it_starts_within_three_seconds() -> None:
    need(FORKY)
    began = time.monotonic()
    async with Asterisk():
        assert time.monotonic() - began < 3


def test_a_start_that_fails_shows_the_log(asterisk: Asterisk) -> None:
    second = Asterisk(http_port=asterisk.http_port, sip_port=asterisk.sip_port, start_timeout=2)
    with pytest.raises(LabFailed) as failure:
        # The port answers already, but not to this one's password.
        second.start()
    second.stop()
    assert "took more than" in str(failure.value) or "ended" in str(failure.value)
    assert "loader.c" in str(failure.value)


def test_a_command_that_asterisk_does_not_know_is_answered_by_its_own_words(asterisk: Asterisk) -> None:
    assert "No such command" in asterisk.cli("make coffee")


def test_the_configuration_is_filled_in_and_loads_without_an_error() -> None:
    need(FORKY)
    with Asterisk() as asterisk:  # one of its own: other tests' calls write errors into the shared one's log
        _assert_filled_in(asterisk)


def _assert_filled_in(asterisk: Asterisk) -> None:
    left = [
        path.name
        for path in Path(asterisk.instance.folder / "etc").glob("*.conf")
        for line in path.read_text().splitlines()
        if "@" in line.partition(";")[0]
    ]
    assert left == []
    assert "ERROR" not in asterisk.log_tail(200)
