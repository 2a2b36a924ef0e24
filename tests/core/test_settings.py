"""Settings: their page, their errors, their secrets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.core.errors import SettingsError
from app.core.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / ".env.example"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_every_setting_is_described_in_the_example_and_nothing_else_is() -> None:
    described = set(re.findall(r"^([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE))
    assert described == {name.upper() for name in Settings.model_fields}


def test_the_example_shows_the_defaults(tmp_path: Path) -> None:
    copied = tmp_path / ".env"
    copied.write_text(EXAMPLE.read_text())
    assert load_settings(copied) == load_settings(None)


def test_an_empty_value_is_not_set(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text(
        "REDIS_HOST=\nOPENAI_API_KEY=   \nAI_TURN_TIMEOUT=\nDEBUG_MODE=\nDATABASE_URL=\nOPENAI_MODEL_NAME=\n"
        "OPENAI_COMPATIBLE_PROVIDERS=\n"
    )
    settings = load_settings(env)
    assert settings.model_dump(exclude={"redis_host"}) == load_settings(None).model_dump(exclude={"redis_host"})
    assert settings.redis_host is None
    assert settings.openai_api_key is None


def test_every_wrong_setting_is_named_at_once(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("REDIS_PORT=many\nAI_TURN_TIMEOUT=-1\nASTERISK_APP_NAME=a,b\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(env)
    assert all(name in str(caught.value) for name in ("REDIS_PORT", "AI_TURN_TIMEOUT", "ASTERISK_APP_NAME"))


@pytest.mark.parametrize("secret", ["changeme", "your-secret-key", "Secret", "admin"])
def test_a_placeholder_is_no_secret(tmp_path: Path, secret: str) -> None:
    env = tmp_path / ".env"
    env.write_text(f"SECRET_KEY={secret}\n")
    with pytest.raises(SettingsError, match=r"SECRET_KEY.*placeholder") as caught:
        load_settings(env)
    assert secret not in str(caught.value)


def test_a_key_that_can_be_tried_out_is_refused(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("SECRET_KEY=short-one\n")
    with pytest.raises(SettingsError, match=r"SECRET_KEY.*openssl") as caught:
        load_settings(env)
    assert "short-one" not in str(caught.value)


def test_an_ari_url_needs_its_user(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("ASTERISK_ARI_URL=http://pbx:8088\n")
    with pytest.raises(SettingsError, match="ASTERISK_ARI_USERNAME"):
        load_settings(env)


def test_a_pasted_ari_path_and_slash_are_taken_off(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text(
        "ASTERISK_ARI_URL=http://pbx:8088/ari/\nASTERISK_ARI_USERNAME=a\nASTERISK_ARI_PASSWORD=open sesame\n"
    )
    assert load_settings(env).asterisk_ari_url == "http://pbx:8088"


def test_compatible_servers_are_named_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "OPENAI_COMPATIBLE_PROVIDERS",
        '{"ollama": {"base_url": "http://127.0.0.1:11434/v1", "model": "llama3.3", "api_key": "sk-local-123"}}',
    )
    settings = load_settings(None)
    assert settings.openai_compatible_providers["ollama"].model == "llama3.3"
    assert "sk-local-123" in [secret.get_secret_value() for secret in settings.secrets()]
    assert "sk-local-123" not in repr(settings)


def test_json_that_is_none_is_one_line_without_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_COMPATIBLE_PROVIDERS", '{"x": {"api_key": "sk-very-secret"')
    with pytest.raises(SettingsError, match=r"OPENAI_COMPATIBLE_PROVIDERS.*JSON") as caught:
        load_settings(None)
    assert "sk-very-secret" not in str(caught.value)


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_bytes(b"AI_FALLBACK_SENTENCE=caf\xe9\n")
    with pytest.raises(SettingsError, match="UTF-8"):
        load_settings(env)


@pytest.mark.parametrize("url", ["http://user:open-sesame@pbx:8088", "http://pbx:99999", "pbx:8088", "http://[::1"])
def test_an_address_that_is_none_or_tells_a_password_is_refused(tmp_path: Path, url: str) -> None:
    env = tmp_path / ".env"
    env.write_text(f"ASTERISK_ARI_URL={url}\nASTERISK_ARI_USERNAME=a\nASTERISK_ARI_PASSWORD=b\n")
    with pytest.raises(SettingsError, match="ASTERISK_ARI_URL") as caught:
        load_settings(env)
    assert "open-sesame" not in str(caught.value)


def test_the_password_inside_the_databases_address_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ai:p%40ss-word@db/ai")
    secrets = {secret.get_secret_value() for secret in load_settings(None).secrets()}
    assert {"p%40ss-word", "p@ss-word"} <= secrets


def test_nothing_of_a_secret_is_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("REDIS_PORT", "x")
    with pytest.raises(SettingsError) as caught:
        load_settings(None)
    assert "sk-very-secret" not in str(caught.value)


def test_an_expression_that_is_none_is_refused_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HISTORY_REDACT", '["[0-9]+", "(open"]')
    with pytest.raises(SettingsError, match="HISTORY_REDACT: number 2 is no regular expression"):
        load_settings(None)


def test_prices_are_numbers_by_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HISTORY_PRICES", '{"openai:gpt-6-luna": {"input": 0.25, "output": 2}}')
    assert load_settings(None).history_prices["openai:gpt-6-luna"].output == 2.0
    monkeypatch.setenv("HISTORY_PRICES", '{"openai:gpt-6-luna": {"input": -1, "output": 2}}')
    with pytest.raises(SettingsError, match=r"HISTORY_PRICES\.OPENAI:GPT-6-LUNA\.INPUT"):
        load_settings(None)
