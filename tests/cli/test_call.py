"""``asterisk-ai call`` on a real Asterisk, to a SIP telephone and into the dialplan."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from app.agent.events import ActionRequested
from app.calls.dialplan import snippet
from app.calls.outcome import Outcome, Status
from app.cli.call import _first
from app.cli.entry import cli
from app.core.settings import Settings
from lab.asterisk import Asterisk
from lab.ports import free_port
from lab.process import leash
from tests.cli.phone import DRIVER, Phone, filled
from tests.cli.service import Service

PHONE = "Local/silent@driver/n"


async def call(*arguments: str) -> tuple[int, str]:
    result = await asyncio.to_thread(CliRunner().invoke, cli, ["call", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout


@pytest.fixture
def telephone(pbx: Asterisk) -> Iterator[str]:
    """A SIP telephone that rings and answers; its address as Dial() takes it."""
    port = free_port()
    root = pbx.instance.root
    argv = ["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(port), "-nostdin", "-rsa", f"127.0.0.1:{pbx.sip_port}"]
    command = root.entry.command(root.path, leash(argv, "phone.pid", cwd=pbx.instance.inside))
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0
    )
    try:
        yield f"PJSIP/caller/sip:phone@127.0.0.1:{port}"
    finally:
        assert process.stdin is not None
        process.stdin.close()  # the leash kills it
        process.wait(10)


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
async def test_a_telephone_is_called_and_every_step_shown(pbx: Asterisk, telephone: str) -> None:
    phone = Phone(pbx)
    phone.load(filled(snippet(Settings(_env_file=None), human="200@people")))
    outcome = Outcome(
        Status.OK, "It is four.", actions=[ActionRequested("hangup", "")], model="demo:demo", turn=1, output={"sum": 4}
    )
    service = Service([outcome])
    async with service.connected(pbx, "ai_ari_app"):
        code, shown = await call(telephone, "--say", 'What is "2, 2"?')
    assert code == 0, shown
    assert service.heard == ['What is "2, 2"?']
    steps = [line[10:].strip() for line in shown.splitlines()]
    assert steps[0] == f"calling {telephone}; then 100@ai-assistant"
    assert "answered" in steps
    assert steps.index("answered") < steps.index("AI_STATUS = OK")
    assert {"AI_RESPONSE = It is four.", "AI_ACTION = hangup", "AI_OUT_SUM = 4", "AI_TURN = 1"} <= set(steps)
    assert re.fullmatch(r"ended by the dialplan at 100@ai-assistant, priority \d+: .+ \(16\)", steps[-1])


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
async def test_the_printed_dialplan_listens_again_after_an_answer(pbx: Asterisk) -> None:
    phone = Phone(pbx)
    phone.load(snippet(Settings(_env_file=None)) + DRIVER)
    service = Service([Outcome(Status.OK, "Here.")])
    async with service.connected(pbx, "ai_ari_app"):
        code, shown = await call(PHONE, "--say", "hello", "--longest", "1.5")
    assert code == 0, shown
    assert "has lasted 1.5 s" in shown
    assert "ended: " in shown
    assert "by the dialplan" not in shown


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
@pytest.mark.parametrize(
    ("extension", "place"), [("out", "out@ends, priority 2"), ("odd", "odd@ends, priority 2"), ("none", "none@ends")]
)
async def test_a_dialplan_that_ends_the_call_is_named(pbx: Asterisk, extension: str, place: str) -> None:
    ends = "[ends]\nexten => out,1,Answer()\nexten => odd,1,Answer()\n same => n,NoSuchApplication()\n"
    Phone(pbx).load(DRIVER + ends)
    _, shown = await call(PHONE, "--context", "ends", "--extension", extension)
    assert "ended by the dialplan, which has nothing that can run at " + place in shown
    assert f"asterisk -rx 'dialplan show {extension}@ends'" in shown
    assert "Unknown" not in shown


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
async def test_a_caller_who_hangs_up_is_not_taken_for_the_dialplan(pbx: Asterisk) -> None:
    Phone(pbx).load(DRIVER + "[ends]\nexten => wait,1,Wait(30)\n")
    _, shown = await call("Local/brief@driver/n", "--context", "ends", "--extension", "wait")
    assert re.search(r"ended: hung up \(0\)\n$", shown)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_waiting_for_the_first_leaves_no_task_behind(cancelled: bool) -> None:
    before = asyncio.all_tasks()
    events = [asyncio.Event(), asyncio.Event()]
    if not cancelled:
        events[1].set()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            await _first(*events)
    assert asyncio.all_tasks() == before


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
async def test_the_running_service_keeps_its_application(pbx: Asterisk) -> None:
    phone = Phone(pbx)
    phone.load(filled(snippet(Settings(_env_file=None), human="200@people")))
    # More than needed: the dialplan's next turn may begin before --once has hung up.
    service = Service([Outcome(Status.OK, "Here.")] * 50)
    async with service.connected(pbx, "ai_ari_app"):
        for number in range(2):
            code, shown = await call(PHONE, "--say", f"hello {number}", "--once")
            assert code == 0, shown
    assert {"hello 0", "hello 1"} <= set(service.heard)


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
async def test_without_a_dialplan_it_goes_straight_to_the_service(pbx: Asterisk) -> None:
    service = Service([Outcome(Status.OK, "Directly.")])
    async with service.connected(pbx, "ai_ari_app"):
        code, shown = await call(PHONE, "--direct", "--say", "hello")
    assert code == 0, shown
    assert "AI_RESPONSE = Directly." in shown


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
async def test_a_service_that_is_away_is_said_and_ends_with_1(pbx: Asterisk) -> None:
    phone = Phone(pbx)
    phone.load(filled(snippet(Settings(_env_file=None), human="200@people")))
    code, shown = await call(PHONE, "--say", "hello")
    assert code == 1
    assert "STASISSTATUS = FAILED: the service is not connected; type: asterisk-ai doctor" in shown


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
@pytest.mark.parametrize("endpoint", ["PJSIP/nobody", "Nothing/1"])
async def test_an_endpoint_that_is_not_there(pbx: Asterisk, endpoint: str) -> None:
    result = await asyncio.to_thread(CliRunner().invoke, cli, ["call", endpoint])
    assert result.exit_code == 1
    assert endpoint in str(result.exception)


def test_it_needs_asterisk() -> None:
    result = CliRunner().invoke(cli, ["call", "PJSIP/1"])
    assert result.exit_code == 1
    assert "ASTERISK_ARI_URL" in str(result.exception)


def test_a_variable_without_a_value_is_refused() -> None:
    result = CliRunner().invoke(cli, ["call", "PJSIP/1", "--var", "LANGUAGE"])
    assert "KEY=VALUE" in str(result.exception)


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
async def test_straight_to_a_service_that_is_away(pbx: Asterisk) -> None:
    result = await asyncio.to_thread(CliRunner().invoke, cli, ["call", PHONE, "--direct"])
    assert result.exit_code == 1
    assert "nobody is connected to Asterisk as ai_ari_app" in str(result.exception)
    assert pbx.channels() == 0


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
async def test_nobody_answers(pbx: Asterisk) -> None:
    code, shown = await call(f"PJSIP/caller/sip:phone@127.0.0.1:{free_port()}", "--ring", "1")
    assert code == 1
    assert "answered" not in shown
    assert re.search(r"ended: .+ \(\d+\)\n$", shown)
