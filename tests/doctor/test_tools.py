"""What the doctor says of where tools may go."""

from __future__ import annotations

import pytest

from app.core.settings import Settings
from app.doctor.check import Subject
from app.doctor.finding import Level
from app.doctor.tools import check_tools


@pytest.mark.parametrize(
    ("allowed", "level", "words"),
    [
        ("", Level.OK, "public addresses only"),
        ("10.1.2.3:8080, crm.lan:443", Level.OK, "and to 10.1.2.3:8080, crm.lan:443"),
        ("10.0.0.0/8", Level.OK, "10.0.0.0/8"),
        ("127.0.0.1:8080", Level.OK, "127.0.0.1:8080"),
        ("127.0.0.1", Level.WARN, "opens all ports of this machine"),
        ("10.1.2.3:8080 localhost", Level.WARN, "(localhost)"),
        ("127.0.0.0/8 ::1", Level.WARN, "(127.0.0.0/8, ::1)"),
        ("http://crm.lan", Level.FAIL, "write crm.lan"),
        ("169.254.169.254", Level.FAIL, "can never go"),
    ],
)
async def test_the_allow_list_is_looked_at(allowed: str, level: Level, words: str) -> None:
    (finding,) = await check_tools(Subject(Settings(_env_file=None, tools_allowed_hosts=allowed)))
    assert finding.level is level
    assert words in finding.detail
