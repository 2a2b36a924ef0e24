"""The two pages for operators name what the code has, and their examples load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from app.ari.events import ChannelSnapshot, StasisStart
from app.calls.arguments import KNOWN_KEYS
from app.calls.call import channel_facts
from app.calls.outcome import Outcome, Status
from app.calls.variables import MOST_OUTPUT_VARIABLES, channel_variables
from app.cli.entry import cli
from lab.asterisk import Asterisk
from lab.caller import Caller
from tests.cli.phone import Phone
from tests.cli.service import Service

DOCS = Path(__file__).parents[2] / "docs"
DIALPLAN = (DOCS / "dialplan.md").read_text()
CLI = (DOCS / "cli.md").read_text()


def test_every_key_variable_and_status_is_on_the_page_of_the_dialplan() -> None:
    outcome = Outcome(Status.OK, "One. " * 300, output={"slots": {"date": 1}, "items": ["a"]})
    facts = channel_facts(StasisStart(channel=ChannelSnapshot(id="1")))
    names = {*KNOWN_KEYS, *channel_variables(outcome), *facts, *(status.value for status in Status)}
    assert [name for name in sorted(names) if f"`{name}`" not in DIALPLAN] == []
    assert f"at most {MOST_OUTPUT_VARIABLES} are set" in DIALPLAN


def test_no_variable_is_on_the_page_that_nobody_sets() -> None:
    outcome = Outcome(Status.OK, "One. " * 300, output={"slots": {"date": 1}, "items": ["a"], "intent": 1, "urgent": 1})
    from app.core.settings import Settings

    known = {*KNOWN_KEYS, *channel_variables(outcome), *(name.upper() for name in Settings.model_fields), "AI_OUT_"}
    assert set(re.findall(r"\bAI_[A-Z_0-9]+", DIALPLAN)) - known <= {
        "AI_RESPONSE_",
        "AI_RESPONSE_1",
        "AI_ACTION_1",
        "AI_ACTION_1_DATA",
    }


def test_every_command_and_option_is_on_the_page_of_the_command_line() -> None:
    group = typer.main.get_group(cli)
    for name, command in group.commands.items():
        section = CLI.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert section, f"docs/cli.md has no section {name}"
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--") and option not in ("--env-file", "--help"):
                    assert f"`{option}" in section, f"docs/cli.md does not name {option} of {name}"
    assert "`--env-file" in CLI


@pytest.mark.lab
def test_every_example_of_the_page_loads_without_a_word(pbx: Asterisk) -> None:
    examples = re.findall(r"```asterisk\n(.*?)```", DIALPLAN, re.DOTALL)
    assert len(examples) >= 6
    assert Phone(pbx).load("\n".join(examples)) == ""
    for context in re.findall(r"^\[(ai-[\w-]+)\]", "\n".join(examples), re.MULTILINE):
        assert f"Context '{context}'" in pbx.cli(f"dialplan show {context}")


@pytest.mark.lab
@pytest.mark.parametrize("which", ["", "16"])
async def test_an_argument_that_is_no_utf8_fails_at_once_as_the_page_says(
    request: pytest.FixtureRequest, which: str
) -> None:
    asterisk: Asterisk = request.getfixturevalue(f"asterisk{which}")
    caller: Caller = request.getfixturevalue(f"caller{which}")
    service = Service([])
    async with service.connected(asterisk, asterisk.app):
        result = await caller.call("102", say=b"caf\xe9 \xff\xfe")
    assert (result.variables["STASISSTATUS"], result.status) == ("FAILED", "")
    assert service.args == []
    assert result.milliseconds < 1000
    pitfall = DIALPLAN.partition("**Invalid UTF-8**")[2].partition("\n- ")[0]
    for said in ("`STASISSTATUS=FAILED`", "`AI_STATUS` empty", "16.28 and 22.10"):
        assert said in pitfall
