"""``asterisk-ai doctor`` as an operator sees it, against real parts that are wrong in the ways they usually are."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from app.ari.config import AriState
from app.cli.entry import cli
from app.core.settings import Settings
from app.db.database import Database
from app.doctor.check import Subject
from app.doctor.finding import Level
from app.doctor.run import CHECKS, examine
from lab.asterisk import Asterisk
from lab.ports import free_port
from lab.providers.server import WRONG_KEY, StubProviders
from lab.roots import FORKY
from lab.servers import Redis
from tests.cli.service import Service
from tests.fixtures.lab import need


class Report:
    """What it printed, and how it ended."""

    def __init__(self, *arguments: str) -> None:
        result = CliRunner().invoke(cli, ["doctor", "--asterisk-config", "none", "--json", *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        self.exit_code = result.exit_code
        self.text = result.stdout
        self.document: dict[str, Any] = json.loads(result.stdout)

    def __getitem__(self, title: str) -> tuple[str, str, str]:
        """Level, detail and remedy of the one finding with this title."""
        (found,) = [finding for finding in self.document["findings"] if finding["title"] == title]
        return found["level"], found["detail"], found["remedy"]

    @property
    def failures(self) -> list[str]:
        return [finding["title"] for finding in self.document["findings"] if finding["level"] == "fail"]


@pytest.fixture(autouse=True)
def _own_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_PORT", str(free_port()))


def test_nothing_configured_is_no_failure_and_says_how_to_go_on() -> None:
    report = Report()
    assert report.exit_code == 0
    assert report.document["ok"] is True
    assert report["Asterisk"][0] == "warn"
    assert "ASTERISK_ARI_URL" in report["Asterisk"][2]
    assert report["Default model"][0] == "warn"
    assert not list(Path().iterdir()), "it must look, and make nothing"


def test_every_failure_has_its_remedy_on_the_next_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite://test.db")
    result = CliRunner().invoke(cli, ["doctor"])
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    (number,) = [i for i, line in enumerate(lines) if line.startswith("FAIL")]
    assert "DATABASE_URL" in lines[number]
    assert lines[number + 1] == "      -> Set DATABASE_URL in .env."
    assert "1 thing to mend" in lines[-1]


def test_wrong_settings_are_all_named_and_end_with_2() -> None:
    Path(".env").write_text("WEB_PORT=many\nREDIS_PORT=0\nSECRET_KEY=changeme\n")
    del os.environ["WEB_PORT"]
    report = Report()
    assert report.exit_code == 2
    details = [finding["detail"] for finding in report.document["findings"]]
    assert [detail.split(":")[0] for detail in details] == ["REDIS_PORT", "WEB_PORT", "SECRET_KEY"]
    assert all(".env" in finding["remedy"] for finding in report.document["findings"])


def test_a_misspelt_setting_and_a_file_open_to_all_are_seen() -> None:
    path = Path(".env")
    path.write_text("OPENAI_API_KEY=sk-0123456789\nREDIS_PASWORD=x\n")
    path.chmod(0o644)
    report = Report()
    assert report["Setting names"] == (
        "warn",
        ".env sets REDIS_PASWORD, which is no setting",
        "Did you mean REDIS_PASSWORD?",
    )
    assert report["Settings file"][0] == "warn"
    assert report["Settings file"][2] == "chmod o= .env"
    assert "sk-0123456789" not in report.text


def test_settings_out_of_a_pipe_are_said_to_be_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"ASTERISK_APP_NAME=desk\n")
    os.close(writing)
    report = Report("--env-file", f"/dev/fd/{reading}")
    os.close(reading)
    assert report["Settings"] == ("ok", f"read from /dev/fd/{reading} and the environment", "")


# -- Asterisk


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
def test_a_good_asterisk_is_fine(pbx: Asterisk) -> None:
    report = Report("--asterisk-config", str(pbx.instance.folder / "etc"))
    assert report.failures == []
    assert re.search(r"Asterisk 22\.\d+", report["Asterisk"][1])
    assert report["ARI user"][1] == "'gateway' may read and write"
    assert report["ARI features"][1] == "REST over the WebSocket; all variables in one request"
    assert report["Asterisk modules"][0] == "ok"
    assert report["ARI application"][1] == "'ai_ari_app' is free"
    assert report["http.conf"] == ("ok", "sessionlimit 1000, session_keep_alive 60000 ms", "")
    assert report["ari.conf"][0] == "ok"
    assert report["Clock"][1].endswith("as Asterisk's")


@pytest.mark.lab
def test_asterisk_16_is_told_without_rest_over_the_websocket(
    asterisk16: Asterisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTERISK_ARI_URL", asterisk16.http_url)
    monkeypatch.setenv("ASTERISK_ARI_USERNAME", asterisk16.username)
    monkeypatch.setenv("ASTERISK_ARI_PASSWORD", asterisk16.password)
    report = Report()
    assert report.failures == []
    assert report["ARI user"][0] == "ok"
    assert "REST over HTTP" in report["ARI features"][1]
    assert "one request for each variable" in report["ARI features"][1]


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
def test_a_wrong_password_is_told_from_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTERISK_ARI_PASSWORD", "not-the-password")
    report = Report()
    assert report.exit_code == 1
    assert report.failures == ["ARI user"]
    assert "[gateway]" in report["ARI user"][2]
    assert "module reload res_ari.so" in report["ARI user"][2]
    assert "not-the-password" not in report.text


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
def test_a_user_that_may_only_read_is_found_out_without_a_call(pbx: Asterisk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTERISK_ARI_USERNAME", "observer")
    report = Report()
    assert report.failures == ["ARI user"]
    assert "read_only=no" in report["ARI user"][2]


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
def test_a_port_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTERISK_ARI_URL", f"http://127.0.0.1:{free_port()}")
    report = Report()
    assert report.failures == ["Asterisk"]
    assert "cannot be reached" in report["Asterisk"][1]
    assert "http.conf" in report["Asterisk"][2]


@pytest.fixture
def somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """ARI settings that are complete, for an address of the test's own."""
    monkeypatch.setenv("ASTERISK_ARI_USERNAME", "gateway")
    monkeypatch.setenv("ASTERISK_ARI_PASSWORD", "not-the-password")


@pytest.mark.usefixtures("somewhere")
def test_a_name_that_nobody_knows_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("ASTERISK_ARI_URL", "http://pbx.invalid:8088")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    level, detail, remedy = Report()["Asterisk"]
    assert (level, detail) == ("fail", "the name pbx.invalid cannot be resolved")
    assert "getent hosts pbx.invalid" in remedy


@pytest.mark.usefixtures("somewhere")
@pytest.mark.parametrize("host", ["pbx..example", "x" * 64])
def test_an_address_that_shows_only_when_it_is_looked_up(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    url = f"http://{host}:8088"
    monkeypatch.setenv("ASTERISK_ARI_URL", url)
    report = Report()
    assert report.failures == ["Asterisk"]
    assert report["Asterisk"][1] == f"ASTERISK_ARI_URL={url} is no address"
    assert "unexpected" not in report.text


@pytest.mark.usefixtures("somewhere")
def test_a_port_that_is_none_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTERISK_ARI_URL", "http://127.0.0.1:8088x")
    report = Report()
    assert report.exit_code == 2
    (finding,) = report.document["findings"]
    assert finding["detail"].startswith("ASTERISK_ARI_URL: ")


@pytest.mark.usefixtures("somewhere")
@pytest.mark.parametrize("url", ["http://127.0.0.1:8088x", "http://127.0.0.1:99999"])
async def test_the_checks_withstand_an_address_that_the_settings_would_refuse(url: str) -> None:
    settings = Settings(_env_file=None).model_copy(update={"asterisk_ari_url": url})
    settings = settings.model_copy(update={"asterisk_ari_username": "u", "asterisk_ari_password": SecretStr("p")})
    checks = [check for check in CHECKS if check.name in ("asterisk", "clock")]
    asterisk, clock = await examine(Subject(settings), checks)
    assert asterisk.detail == f"ASTERISK_ARI_URL={url} is no address"
    assert clock.level is Level.OK


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
def test_a_port_where_asterisks_telephones_are(pbx: Asterisk, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("ASTERISK_ARI_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr("app.doctor.asterisk.TIMEOUT", 0.2)
        report = Report()
    assert report.failures == ["Asterisk"]
    assert "is not Asterisk" in report["Asterisk"][1]


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
def test_an_address_with_a_path_that_is_not_there(pbx: Asterisk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTERISK_ARI_URL", f"{pbx.http_url}/pbx")
    report = Report()
    assert report.failures == ["Asterisk"]
    assert "has no ARI" in report["Asterisk"][1]


@pytest.fixture
def without(pbx: Asterisk) -> Iterator[Any]:
    """Unload modules; they are back afterwards."""
    gone: list[str] = []

    def unload(*modules: str) -> None:
        for module in modules:
            pbx.cli(f"module unload {module}.so")
            gone.append(module)

    yield unload
    for module in reversed(gone):
        pbx.cli(f"module load {module}.so")


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
def test_missing_modules_are_named_with_what_to_type(without: Any) -> None:
    without("app_stasis", "func_uri")
    report = Report()
    assert report.failures == ["Asterisk modules"]
    assert report["Asterisk modules"][1] == "not loaded: app_stasis"
    assert "module load app_stasis.so" in report["Asterisk modules"][2]
    assert report["Dialplan modules"][0] == "warn"
    assert "func_uri" in report["Dialplan modules"][1]


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
def test_the_module_that_would_tell_of_modules_is_missed_too(without: Any) -> None:
    without("res_ari_asterisk")
    report = Report()
    assert report.failures == ["Asterisk modules"]
    assert "res_ari_asterisk" in report["Asterisk modules"][1]


# -- the other parts


def test_a_taken_web_port_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("WEB_PORT", str(other.getsockname()[1]))
        monkeypatch.setattr("app.doctor.web.TIMEOUT", 0.2)
        report = Report()
    assert report.failures == ["Web port"]
    assert "WEB_PORT" in report["Web port"][2]


def test_a_secret_that_others_can_read_is_a_failure() -> None:
    path = Path("asterisk-ai.secret")
    path.write_text("x" * 43)
    path.chmod(0o644)
    report = Report()
    assert report.failures == ["Secret key"]
    assert report["Secret key"][2] == f"chmod 600 {path}"
    path.chmod(0o600)
    assert Report()["Secret key"] == ("ok", "in asterisk-ai.secret, mode 0600", "")


def test_a_default_model_without_its_key_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEFAULT_AI_MODEL", "openai")
    monkeypatch.setenv("FALLBACK_AI_MODEL", "gemini")
    report = Report()
    assert report.failures == ["Default model", "Fallback model"]
    assert "OPENAI_API_KEY" in report["Default model"][1]


def test_an_online_check_of_a_provider_that_is_away_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-never-shown")
    monkeypatch.setenv("OPENAI_MODEL_NAME", "m")
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{free_port()}/v1")
    assert Report().failures == []
    report = Report("--online")
    assert report.failures == ["openai:m answers"]
    assert "sk-never-shown" not in report.text


def test_the_tables_are_looked_at_and_not_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/some.db"
    monkeypatch.setenv("DATABASE_URL", url)
    assert "made at the first start" in Report()["Database"][1]

    (tmp_path / "some.db").touch()
    report = Report()
    assert report["Database tables"] == ("ok", "empty; the first start makes the tables", "")
    assert report["Database writes"][0] == "ok"

    async def migrate() -> None:
        database = Database(url)
        await database.migrate()
        await database.aclose()

    asyncio.run(migrate())
    assert Report()["Database tables"][1].endswith("the newest")


def test_tables_of_a_newer_version_are_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "new.db") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    connection.close()
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/new.db")
    report = Report()
    assert "Database tables" in report.failures
    assert "9999" in report["Database tables"][1]


@pytest.mark.redis
def test_redis_is_asked_for_login_limits_and_a_write(monkeypatch: pytest.MonkeyPatch) -> None:
    need(FORKY)
    with Redis(password="right") as server:
        monkeypatch.setenv("REDIS_HOST", server.host)
        monkeypatch.setenv("REDIS_PORT", str(server.port))
        report = Report()
        assert report.failures == ["Redis"]
        assert "REDIS_PASSWORD" in report["Redis"][2]

        monkeypatch.setenv("REDIS_PASSWORD", "right")
        report = Report()
        assert report.failures == []
        assert re.search(r"Redis \d", report["Redis"][1])

        _set(server, maxmemory="50mb", policy="allkeys-lru")
        report = Report()
        assert report.failures == []
        assert report["Redis eviction"][0] == "warn"
        assert "volatile-ttl" in report["Redis eviction"][2]
    assert Report().failures == ["Redis"]


def _set(server: Redis, *, maxmemory: str, policy: str) -> None:
    from app.memory.redis_server import connect

    async def work() -> None:
        client = connect(Settings(_env_file=None))
        await client.config_set("maxmemory", maxmemory)
        await client.config_set("maxmemory-policy", policy)
        await client.aclose()

    asyncio.run(work())


@pytest.mark.lab
@pytest.mark.usefixtures("ari_env")
async def test_a_name_that_somebody_serves_is_seen_without_taking_it(pbx: Asterisk) -> None:
    service = Service([])
    async with service.connected(pbx, "ai_ari_app"):
        assert service.ari is not None
        report = await asyncio.to_thread(Report)
        assert report["ARI application"][0] == "warn"
        assert "ASTERISK_APP_NAME" in report["ARI application"][2]
        # It has not been replaced: Asterisk would have told it before it answered this.
        await service.ari.request("GET", "asterisk/ping")
        assert service.ari.status.state is AriState.CONNECTED
    report = await asyncio.to_thread(Report)
    assert report["ARI application"] == ("ok", "'ai_ari_app' is free", "")


async def test_online_asks_every_provider_and_tells_a_wrong_key(monkeypatch: pytest.MonkeyPatch) -> None:
    async with StubProviders() as stub:
        for name, address in (("OPENAI", stub.openai_url), ("GEMINI", stub.url), ("ANTHROPIC", stub.url)):
            monkeypatch.setenv(f"{name}_BASE_URL", address)
            monkeypatch.setenv(f"{name}_API_KEY", "sk-a-good-key")
        report = await asyncio.to_thread(Report, "--online")
        assert report.failures == []
        answers = [finding for finding in report.document["findings"] if finding["title"].endswith(" answers")]
        assert [answer["title"].partition(":")[0] for answer in answers] == ["openai", "gemini", "anthropic"]
        assert all(re.fullmatch(r"in \d+ ms", answer["detail"]) for answer in answers)

        monkeypatch.setenv("OPENAI_API_KEY", WRONG_KEY)
        report = await asyncio.to_thread(Report, "--online")
        (failure,) = report.failures
        assert failure.startswith("openai:")
        assert "401" in report[failure][1]
        assert WRONG_KEY not in report.text
