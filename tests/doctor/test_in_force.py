"""Settings explained: values, sources, what a restart would change, and no secret."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.core.settings import Settings, load_settings
from app.doctor.described import descriptions, parse
from app.doctor.in_force import Setting, Source, read_in_force, written


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def by_name(settings: Settings) -> dict[str, Setting]:
    return {setting.name: setting for setting in read_in_force(settings).settings}


def test_every_setting_has_a_group_and_a_sentence() -> None:
    assert set(descriptions()) == {name.upper() for name in Settings.model_fields}
    for name, described in descriptions().items():
        assert described.group, name
        assert described.text.endswith((".", ":", "v1", ")", "}}")), (name, described.text)


def test_an_example_is_kept_apart_from_the_words() -> None:
    found = parse('# ------ Models\n\n# More servers:\n# SERVERS={"a": 1}\nSERVERS={}\nNEXT=\n')
    assert (found["SERVERS"].group, found["SERVERS"].text) == ("Models", "More servers:")
    assert found["SERVERS"].example == 'SERVERS={"a": 1}'
    assert found["NEXT"].text == ""


def test_each_value_says_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("REDIS_HOST=file-redis\nWEB_PORT=9000\nAI_TURN_TIMEOUT=\nHISTORY_DAYS=90\n")
    monkeypatch.setenv("WEB_PORT", "9100")
    found = by_name(load_settings(".env"))
    assert (found["REDIS_HOST"].value, found["REDIS_HOST"].source) == ("file-redis", Source.FILE)
    assert (found["WEB_PORT"].value, found["WEB_PORT"].source) == ("9100", Source.ENVIRONMENT)
    assert (found["AI_TURN_TIMEOUT"].value, found["AI_TURN_TIMEOUT"].source) == ("10", Source.DEFAULT)
    assert found["WEB_PORT"].differs
    assert not found["HISTORY_DAYS"].differs
    assert found["HISTORY_DAYS"].source is Source.FILE
    assert by_name(Settings(_env_file=None, redis_port=1))["REDIS_PORT"].source is Source.PROGRAM


def test_a_file_that_was_edited_since_is_told() -> None:
    file = Path(".env")
    file.write_text("REDIS_PORT=1\n")
    settings = load_settings(file)
    assert not any(setting.pending for setting in by_name(settings).values())
    file.write_text("REDIS_PORT=1\nOPENAI_API_KEY=sk-another-one\n")
    assert [name for name, setting in by_name(settings).items() if setting.pending] == ["OPENAI_API_KEY"]
    file.unlink()
    gone = read_in_force(settings)
    assert not gone.file_found
    assert [setting.name for setting in gone.settings if setting.pending] == ["REDIS_PORT"]


def test_a_file_that_a_restart_would_refuse_is_told_without_its_secrets() -> None:
    file = Path(".env")
    file.write_text("REDIS_PASSWORD=hunter2hunter2\n")
    settings = load_settings(file)
    file.write_text("REDIS_PORT=many\nREDIS_PASSWORD=hunter2hunter2\n")
    found = read_in_force(settings)
    assert found.trouble is not None
    assert "REDIS_PORT" in found.trouble
    assert "hunter2" not in repr(found)


def test_a_name_that_nobody_reads_comes_with_the_likely_one() -> None:
    Path(".env").write_text("REDIS_HOTS=redis\nCOLOUR_OF_THE_SKY=blue\n")
    assert dict(read_in_force(load_settings(".env")).unknown) == {"REDIS_HOTS": "REDIS_HOST", "COLOUR_OF_THE_SKY": None}


def test_settings_that_came_through_a_pipe_are_not_read_again(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    settings = Settings(_env_file=None, web_port=9000)
    settings.__dict__["read_from"] = tmp_path / "pipe"
    found = read_in_force(settings)  # reading it would wait for ever
    assert not found.file_found
    assert next(s for s in found.settings if s.name == "WEB_PORT").source is Source.FILE


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgresql://ai:hunter2@db/ai", "postgresql://ai:***@db/ai"),
        ("postgresql://ai:hun@ter/2@db/ai", "postgresql://ai:***@db/ai"),
        ("postgresql://db/ai?user=ai&password=hunter2", "postgresql://db/ai?user=ai&password=***"),
        ("mysql://hunter2@db/ai", "mysql://***@db/ai"),
        ("sqlite:///./asterisk-ai.db", "sqlite:///./asterisk-ai.db"),
        (("[0-9]{13,19}",), '["[0-9]{13,19}"]'),
        (True, "true"),
        (7.5, "7.5"),
        (None, None),
    ],
)
def test_values_are_written_as_in_the_file_without_passwords(value: object, shown: str | None) -> None:
    assert written(value) == shown


def test_every_secret_is_only_set_or_not() -> None:
    Path(".env").write_text(
        'OPENAI_API_KEY=canary-1\nOPENAI_COMPATIBLE_PROVIDERS={"a": {"base_url": "http://me:canary-2@host/v1", '
        '"model": "m", "api_key": "canary-3"}}\n'
    )
    settings = load_settings(".env")
    assert "canary" not in repr(read_in_force(settings))
    found = by_name(settings)
    assert (found["OPENAI_API_KEY"].secret, found["OPENAI_API_KEY"].is_set) == (True, True)
    assert not found["GEMINI_API_KEY"].is_set
    assert '"api_key":"***"' in (found["OPENAI_COMPATIBLE_PROVIDERS"].value or "")
    assert "canary-2" in {secret.get_secret_value() for secret in settings.secrets()}
