"""What code and pages tell people to type at Asterisk is a command of Asterisk."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.asterisk import Asterisk

ROOT = Path(__file__).parents[2]
# A quote may be escaped, and in a page the command may be broken over two lines.
_COMMAND = re.compile(r"""asterisk\s+-rx\s+\\?(["'])(?P<command>.+?)\\?\1""", re.DOTALL)
# What stands in for a value of the code: a module that is there, and a context.
_VALUES = {"name": "res_ari", "context": "lab"}


def commands() -> dict[str, str]:
    """Each command, with its placeholders filled, and a file that prescribes it."""
    found = {}
    files = [ROOT / "README.md", ROOT / ".env.example", *ROOT.glob("docs/*.md")]
    files += [
        path for room in ("app", "lab") for path in (ROOT / room).rglob("*") if path.suffix in (".py", ".conf", ".html")
    ]
    for path in files:
        for match in _COMMAND.finditer(path.read_text(encoding="utf-8")):
            command = re.sub(r"\{(\w+)\}", lambda name: _VALUES[name[1]], match["command"])
            found[re.sub(r"\s+", " ", command)] = str(path.relative_to(ROOT))
    return found


def test_the_commands_are_found() -> None:
    # From a page, from an f-string, from a template that holds both kinds of quotes.
    assert {"module reload res_ari.so", "module load res_ari.so", "dialplan show lab"} <= set(commands())


@pytest.mark.lab
@pytest.mark.parametrize("server", ["asterisk", "asterisk16"])
def test_every_command_for_asterisk_is_one(request: pytest.FixtureRequest, server: str) -> None:
    asterisk: Asterisk = request.getfixturevalue(server)
    answers = {command: asterisk.cli(command) for command in commands()}
    unknown = [c for c, answer in answers.items() if answer.startswith(("No such command", "Usage:"))]
    assert unknown == [], {command: commands()[command] for command in unknown}
