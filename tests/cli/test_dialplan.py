"""What ``asterisk-ai dialplan`` prints, and what a real Asterisk does with it."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.agent.events import ActionRequested
from app.calls.dialplan import MARGIN, snippet
from app.calls.errors import DialplanInvalid
from app.calls.outcome import Outcome, Status
from app.cli.entry import cli
from app.core.errors import SettingsError
from app.core.settings import Settings
from lab.asterisk import Asterisk
from lab.roots import BULLSEYE
from tests.cli.phone import DRIVER, WORDS, Phone, filled
from tests.cli.service import Service
from tests.fixtures.lab import need


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[arg-type]


def test_it_names_the_application_the_deadline_and_what_was_asked_for() -> None:
    text = snippet(
        settings(asterisk_app_name="desk", ai_turn_timeout=7.5),
        context="night",
        extension="_1XX",
        human="300@people",
        prompt="Night desk",
    )
    assert "[night]" in text
    assert "exten => _1XX,1," in text
    assert "Stasis(desk,UNIQUEID=${UNIQUEID},AI_TIMEOUT=7.5,AI_PROMPT_NAME=Night desk)" in text
    assert f"TIMEOUT(absolute)={7.5 + MARGIN:g}" in text
    assert "same => n(human),GotoIf($[${DIALPLAN_EXISTS(people,300,1)} = 0]?nobody)" in text
    assert "same => n,Goto(people,300,1)" in text
    assert not re.search(r"@[A-Z]+@", text)


def test_no_line_begins_a_block_comment() -> None:
    # Asterisk takes ";--" for the beginning of one, and skips everything to its end.
    for freepbx in (False, True):
        assert not re.search(r"^;--(?!-)", snippet(settings(), freepbx=freepbx), re.MULTILINE)


def test_the_fallback_sentence_cannot_break_the_file() -> None:
    text = snippet(settings(ai_fallback_sentence='Sorry; "${SECRET}"\nplease, call later'))
    assert "Set(AI_SAY=Sorry\\; {SECRET} please, call later)" in text or "Sorry\\; {SECRET}. please" in text


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"context": "a b"}, "context"),
        ({"extension": "100,1"}, "extension"),
        ({"extension": "T"}, "extension"),
        ({"extension": "_."}, "extension"),
        ({"human": "100"}, "human"),  # where the AI answers: callers would come back to it for ever
        ({"human": "100@ai-assistant"}, "human"),
        ({"human": "2)00"}, "human"),
        ({"prompt": "Sales, night"}, "prompt"),
        ({"prompt": "${EXTEN}"}, "prompt"),
    ],
)
def test_what_a_dialplan_cannot_carry_is_refused_by_name(options: dict[str, str], named: str) -> None:
    with pytest.raises(DialplanInvalid, match=f"^{named} ") as caught:
        snippet(settings(), **options)  # type: ignore[arg-type]
    assert caught.value.field == named
    result = CliRunner().invoke(cli, ["dialplan", *(f"--{name}={value}" for name, value in options.items())])
    assert result.exit_code == 1
    assert f"--{named} " in result.output


def test_an_application_that_stasis_cannot_name_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"^ASTERISK_APP_NAME"):
        snippet(settings(asterisk_app_name="a[b]"))


def test_the_command_prints_it_for_freepbx_too() -> None:
    runner = CliRunner()
    plain = runner.invoke(cli, ["dialplan", "--extension", "555"])
    freepbx = runner.invoke(cli, ["dialplan", "--extension", "555", "--freepbx"])
    assert plain.exit_code == freepbx.exit_code == 0
    assert "#include asterisk-ai.conf" in plain.stdout
    assert "extensions_custom.conf" in freepbx.stdout
    assert "fwconsole reload" in freepbx.stdout
    # The dialplan itself is the same: only where it goes differs.
    assert plain.stdout.split("[ai-assistant]", 1)[1] == freepbx.stdout.split("[ai-assistant]", 1)[1]


# -- on a real Asterisk


@pytest.fixture
def phone(pbx: Asterisk) -> Phone:
    return Phone(pbx)


@pytest.mark.lab
@pytest.mark.parametrize("freepbx", [False, True])
@pytest.mark.parametrize("extension", ["100", "_1XX"])
def test_asterisk_loads_it_without_a_word(phone: Phone, freepbx: bool, extension: str) -> None:
    complaints = phone.load(snippet(settings(), human="200@people", extension=extension, freepbx=freepbx) + DRIVER)
    assert complaints == ""
    shown = phone.asterisk.cli("dialplan show ai-assistant")
    assert f"'{extension}' =>" in shown
    assert "Stasis(ai_ari_app,UNIQUEID=${UNIQUEID},AI_TIMEOUT=10)" in shown
    assert "3 extensions" in shown


@pytest.mark.lab
async def test_a_caller_reaches_a_person_when_the_service_is_away(phone: Phone) -> None:
    assert phone.load(filled(snippet(settings(asterisk_app_name="nobody"), human="200@people"))) == ""
    phone.call("talk")
    log = await phone.until(lambda text: "HUMAN" in text)
    assert "SAID I am sorry, I cannot answer right now." in log
    assert "HUMAN /FAILED/1" in log
    assert "asterisk-ai doctor" in log


@pytest.mark.lab
async def test_asterisk_16_loads_and_runs_it_too() -> None:
    need(BULLSEYE)
    async with Asterisk("bullseye") as old:
        phone = Phone(old)
        assert phone.load(filled(snippet(settings(asterisk_app_name="old"), human="200@people"))) == ""
        service = Service([Outcome(Status.OK, "I put you through.", actions=[ActionRequested("transfer", "200")])])
        async with service.connected(old, "old"):
            phone.call("talk")
            log = await phone.until(lambda text: "HUMAN" in text)
    assert service.heard == [WORDS]
    assert "SAID I put you through." in log


@pytest.mark.lab
async def test_a_person_who_does_not_exist_is_told_before_the_call_ends(phone: Phone) -> None:
    assert phone.load(filled(snippet(settings(asterisk_app_name="nobody"), human="399@people"))) == ""
    phone.call("talk")
    log = await phone.until(lambda text: "SAID I am sorry, I cannot put you through." in text)
    assert "nobody to transfer to: [people] has no extension 399" in log


@pytest.mark.lab
async def test_two_turns_and_a_transfer_to_a_listed_target(phone: Phone) -> None:
    service = Service(
        [
            Outcome(Status.OK, "A long one. " * 100 + "Which, please?"),
            Outcome(Status.OK, "I put you through.", actions=[ActionRequested("transfer", "200")]),
        ]
    )
    async with service.connected(phone.asterisk, "transfers"):
        assert phone.load(filled(snippet(settings(asterisk_app_name="transfers"), human="200@people"))) == ""
        phone.call("talk")
        log = await phone.until(lambda text: "HUMAN" in text)
    assert service.heard == [WORDS, "and then?"]
    assert service.args[0][1] == "AI_TIMEOUT=10"
    assert "HUMAN OK/SUCCESS/2" in log
    assert log.count("SAID A long one.") == 2  # in parts of 1,000 bytes
    assert "Which, please?" in log


@pytest.mark.lab
async def test_a_target_that_is_not_listed_is_not_dialled(phone: Phone) -> None:
    service = Service([Outcome(Status.OK, "Wait.", actions=[ActionRequested("transfer", "0900,1)${SHELL(id)}")])])
    async with service.connected(phone.asterisk, "strangers"):
        phone.load(filled(snippet(settings(asterisk_app_name="strangers"), human="200@people")))
        phone.call("talk")
        log = await phone.until(lambda text: "HUMAN" in text)
    assert "no transfer to 09001SHELLid in" in log


def with_all_actions(text: str) -> str:
    """As an operator would: the line for the other actions in, and the context that the documentation has for them."""
    page = (Path(__file__).parents[2] / "docs/actions.md").read_text(encoding="utf-8")
    (context,) = re.findall(r"(?s)```asterisk\n(\[ai-do\].*?)```", page)
    inside = text.replace(";same => n,Gosub(ai-do", " same => n,Gosub(ai-do")
    assert inside != text
    return filled(inside).replace("[driver]", f"{context.replace('from-internal', 'people')}\n[driver]", 1)


@pytest.mark.lab
async def test_what_a_caller_dictates_into_a_variable_becomes_no_application(phone: Phone) -> None:
    # In ExecIf() "):" would end the application and begin the other one, which a condition that is not met runs.
    dictated = "NOTE=x):Log(NOTICE,INJECTED"
    turns = [
        [("set_variable", dictated)],
        # Names that a dialplan of ours might use for itself.
        [("set_variable", "number=0"), ("set_variable", "word=hangup"), ("set_variable", "data=1"), ("dtmf", "1#")],
        [("set_variable", dictated), ("transfer", "200")],
    ]
    service = Service(
        [Outcome(Status.OK, "Noted.", actions=[ActionRequested(*each) for each in asked]) for asked in turns]
    )
    text = snippet(settings(asterisk_app_name="dictated"), human="200@people")
    assert "ExecIf($" not in text
    async with service.connected(phone.asterisk, "dictated"):
        noted = "HUMAN ${NOTE} ${AI_STATUS}"
        assert phone.load(with_all_actions(text).replace("HUMAN ${AI_STATUS}", noted)) == ""
        phone.call("talk")
        log = await phone.until(lambda text: "HUMAN" in text)
    assert "Ext. 100: INJECTED" not in log
    assert "HUMAN x):Log(NOTICE,INJECTED OK/SUCCESS/3" in log


@pytest.mark.lab
async def test_failures_are_spoken_and_end_at_a_person(phone: Phone) -> None:
    failed = Outcome(Status.ERROR, "Something is wrong.", error="provider_unavailable")
    service = Service([failed] * 9)
    async with service.connected(phone.asterisk, "failing"):
        phone.load(filled(snippet(settings(asterisk_app_name="failing"), human="200@people")))
        phone.call("talk")
        log = await phone.until(lambda text: "HUMAN" in text)
    assert log.count("SAID Something is wrong.") == 3
    assert "asterisk-ai: ERROR provider_unavailable in call" in log
    assert "HUMAN ERROR/SUCCESS/3" in log


@pytest.mark.lab
async def test_busy_goes_to_a_person_at_once(phone: Phone) -> None:
    service = Service([Outcome(Status.BUSY, "All lines are busy.")])
    async with service.connected(phone.asterisk, "busy"):
        phone.load(filled(snippet(settings(asterisk_app_name="busy"), human="200@people")))
        phone.call("talk")
        log = await phone.until(lambda text: "HUMAN" in text)
    assert "HUMAN BUSY/SUCCESS/1" in log


@pytest.mark.lab
async def test_asterisk_takes_back_a_caller_whom_a_dead_service_keeps(phone: Phone) -> None:
    service = Service([])
    async with service.connected(phone.asterisk, "dead"):
        phone.load(filled(snippet(settings(asterisk_app_name="dead", ai_turn_timeout=0.5), human="200@people")))
        phone.call("talk")
        log = await phone.until(lambda text: "HUMAN" in text, seconds=MARGIN + 3)
    assert "STASISSTATUS=TIMEOUT" in log
    assert "HUMAN /TIMEOUT/1" in log


@pytest.mark.lab
async def test_the_words_arrive_unharmed_in_the_encoded_argument_too(phone: Phone) -> None:
    from app.calls.arguments import parse_arguments

    text = snippet(settings(asterisk_app_name="encoded"), human="200@people")
    # As an operator would: the first Stasis() out, the second one in.
    text = re.sub(r"(?m)^ same => n,Stasis\(.*$", "", text)
    text = text.replace(";same => n,Stasis(", " same => n,Stasis(").replace("${SPEECH}", "${USER_INPUT}")
    service = Service([Outcome(Status.OK, "Bye.", actions=[ActionRequested("hangup", "")])])
    async with service.connected(phone.asterisk, "encoded"):
        assert phone.load(filled(text)) == ""
        phone.call("talk")
        await phone.until(lambda text: "SAID Bye." in text)
    assert parse_arguments(service.args[0]).text == WORDS


@pytest.mark.lab
@pytest.mark.parametrize("version", ["22", "16"])
async def test_a_place_that_does_not_exist_is_told_and_the_call_goes_on(request: Any, version: str) -> None:
    asterisk: Asterisk = request.getfixturevalue("pbx")
    async with contextlib.AsyncExitStack() as stack:
        if version == "16":
            need(BULLSEYE)
            asterisk = await stack.enter_async_context(Asterisk("bullseye"))
        phone = Phone(asterisk)
        asked = [("transfer", "399"), ("leave", "nowhere,700,1"), ("transfer", "()"), ("leave", "people,200,1")]
        service = Service([Outcome(Status.OK, "Wait.", actions=[ActionRequested(*each)]) for each in asked])
        text = with_all_actions(snippet(settings(asterisk_app_name="nowhere"), human="200@people"))
        # What this turn's transfers come to behind [ai-do] is not looked at here.
        text = text.replace('GotoIf($["${AI_ACTION}" = "transfer"]?transfer)', "NoOp()").replace(
            "Playback(pbx-invalid)", "NoOp()"
        )
        async with service.connected(asterisk, "nowhere"):
            assert phone.load(text) == ""
            phone.call("talk")
            log = await phone.until(lambda text: "HUMAN" in text)
    assert "transfer to 399: the dialplan has no such place" in log
    assert "leave to nowhere,700,1: the dialplan has no such place" in log
    assert "transfer to : the dialplan has no such place" in log
    assert "HUMAN OK/SUCCESS/4" in log
