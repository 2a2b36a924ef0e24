"""The commands beside a service that runs: the whole product, with the demo model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.calls.dialplan import snippet
from app.cli.entry import cli
from app.core.settings import Settings
from lab.asterisk import Asterisk
from lab.service import Service
from tests.cli.phone import Phone, filled

pytestmark = pytest.mark.lab


@pytest.fixture
def service(pbx: Asterisk, ari_env: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    settings = {
        "ASTERISK_ARI_URL": pbx.http_url,
        "ASTERISK_ARI_USERNAME": pbx.username,
        "ASTERISK_ARI_PASSWORD": pbx.password,
        "DATABASE_URL": f"sqlite:///{tmp_path}/service.db",
        "WEB_UI_PASSWORD": "only-for-tests",
    }
    with Service(tmp_path / "service", settings) as running:
        running.expect("ari.connected")
        monkeypatch.setenv("DATABASE_URL", settings["DATABASE_URL"])
        monkeypatch.setenv("WEB_UI_PASSWORD", settings["WEB_UI_PASSWORD"])
        monkeypatch.setenv("WEB_PORT", running.url.rpartition(":")[2])
        yield running


def test_the_printed_dialplan_and_the_service_hold_a_conversation(pbx: Asterisk, service: Service) -> None:
    phone = Phone(pbx)
    text = filled(snippet(Settings(_env_file=None), human="200@people"))
    phone.load(text.replace("Set(USER_INPUT=and then?)", "Set(USER_INPUT=What is my name?)"))
    result = CliRunner().invoke(
        cli, ["call", "Local/silent@driver/n", "--say", "My name is Ada.", "--longest", "3"], catch_exceptions=False
    )
    assert result.exit_code == 0, result.stdout
    assert "AI_RESPONSE = Your name is Ada." in result.stdout
    assert "AI_TURN = 2" in result.stdout


def test_the_doctor_knows_the_running_service(service: Service) -> None:
    result = CliRunner().invoke(cli, ["doctor", "--asterisk-config", "none"], catch_exceptions=False)
    assert result.exit_code == 0, result.stdout
    assert "'ai_ari_app' is served by the running service" in result.stdout
    assert re.search(r"Web port: the service answers on 127\.0\.0\.1:\d+", result.stdout)


def test_the_doctor_misses_a_service_that_serves_another_asterisk(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTERISK_APP_NAME", "another")
    result = CliRunner().invoke(cli, ["doctor", "--asterisk-config", "none"], catch_exceptions=False)
    assert result.exit_code == 1
    assert "is not connected to this Asterisk as 'another'" in result.stdout


def test_straight_to_the_service(service: Service) -> None:
    result = CliRunner().invoke(
        cli, ["call", "Local/silent@driver/n", "--say", "Where is my order A1234?", "--direct"], catch_exceptions=False
    )
    assert result.exit_code == 0, result.stdout
    assert "AI_RESPONSE = " in result.stdout
    assert "AI_MODEL_USED = demo:demo" in result.stdout
