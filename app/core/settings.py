"""Settings: typed, from the environment or ``.env``, built in ``create_app`` and never at import.

Every field is described for operators in ``.env.example``; a test holds the two together.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit

import regex  # type: ignore[import-untyped]
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as InvalidSource

from app.core.errors import SettingsError

# Values that a copied example leaves behind. Accepting one would leave the door open under a well-known key.
PLACEHOLDER_SECRETS = frozenset(
    {
        "changeme",
        "change-me",
        "change_me",
        "password",
        "secret",
        "your-secret-key",
        "your_secret_key",
        "admin",
    }
)

# Characters of SECRET_KEY: it signs and encrypts, and whoever has the file can try keys for as long as they like.
SHORTEST_KEY = 16


def _empty_is_unset(value: Any) -> Any:
    """``NAME=`` in a ``.env`` file means "not set", which is what the person who left it empty meant."""
    if isinstance(value, str) and not value.strip():
        return None
    return value


OptionalText = Annotated[str | None, BeforeValidator(_empty_is_unset)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_empty_is_unset)]


class CompatibleProvider(BaseModel):
    """One OpenAI-compatible server, as ``OPENAI_COMPATIBLE_PROVIDERS`` names it."""

    base_url: str
    model: str
    api_key: SecretStr | None = None


class Price(BaseModel):
    """What a model costs, as ``HISTORY_PRICES`` names it: in any currency, per million tokens."""

    input: float = Field(ge=0, le=1_000_000, allow_inf_nan=False)
    output: float = Field(ge=0, le=1_000_000, allow_inf_nan=False)


class Settings(BaseSettings):
    """What is in force. Durations are in seconds, sizes in bytes, unless a name says otherwise."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    # -- language models
    default_ai_model: OptionalText = None
    fallback_ai_model: OptionalText = None
    openai_api_key: OptionalSecret = None
    openai_model_name: str = "gpt-6-luna"
    openai_base_url: OptionalText = None
    openai_client: Literal["direct", "langchain"] = "direct"
    gemini_api_key: OptionalSecret = None
    gemini_model_name: str = "gemini-3.5-flash-lite"
    gemini_base_url: OptionalText = None
    anthropic_api_key: OptionalSecret = None
    anthropic_model_name: str = "claude-haiku-5-5"
    anthropic_base_url: OptionalText = None
    openai_compatible_providers: dict[str, CompatibleProvider] = Field(default_factory=dict)

    # -- turns
    ai_turn_timeout: float = Field(default=10.0, gt=0, le=300)
    ai_max_calls: int = Field(default=200, ge=1)
    ai_drain_timeout: float = Field(default=5.0, ge=0)
    ai_max_steps: int = Field(default=6, ge=1, le=50)
    ai_max_output_tokens: int = Field(default=500, ge=16)
    ai_fallback_sentence: str = "I am sorry, I cannot answer right now. Please try again in a moment."

    # -- conversation memory
    redis_host: OptionalText = None
    redis_port: int = Field(default=6379, ge=1, le=65535)
    redis_username: OptionalText = None
    redis_password: OptionalSecret = None
    redis_db: int = Field(default=0, ge=0)
    redis_tls: bool = False
    ai_memory_ttl: int = Field(default=86_400, ge=60)
    ai_memory_max_turns: int = Field(default=50, ge=1)
    ai_memory_max_tokens: int = Field(default=4_000, ge=100)

    # -- database
    database_url: str = "sqlite:///./asterisk-ai.db"

    # -- history of calls
    history_days: int = Field(default=90, ge=0, le=36_500)
    history_texts: bool = True
    history_redact: tuple[str, ...] = ()
    history_prices: dict[str, Price] = Field(default_factory=dict)

    # -- tools
    tools_allowed_hosts: str = ""
    mcp_stdio_commands: str = ""

    # -- web interface
    web_host: str = "127.0.0.1"
    web_port: int = Field(default=8000, ge=0, le=65535)
    web_ui_username: str = "admin"
    web_ui_password: OptionalSecret = None
    secret_key: OptionalSecret = None
    secret_key_previous: OptionalSecret = None

    # -- Asterisk
    asterisk_ari_url: OptionalText = None
    asterisk_ari_username: OptionalText = None
    asterisk_ari_password: OptionalSecret = None
    asterisk_app_name: str = "ai_ari_app"
    asterisk_system_name: OptionalText = None

    # -- logs
    debug_mode: bool = False
    log_format: Literal["auto", "console", "json"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_speech: bool = True

    @field_validator("history_redact")
    @classmethod
    def _expressions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for number, expression in enumerate(value, 1):
            try:
                regex.compile(expression)
            except regex.error as error:
                raise ValueError(f"number {number} is no regular expression: {error}") from None
        return value

    @field_validator("asterisk_ari_url", "openai_base_url", "gemini_base_url", "anthropic_base_url")
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http:// or https:// address, such as http://127.0.0.1:8088")
        if parts.username is not None:
            # It would be shown wherever the address is: in logs, on the status page, in errors.
            raise ValueError("must not hold a name or password; there are settings of their own for them")
        try:
            _ = parts.port
        except ValueError:
            raise ValueError("has a port that is no number between 0 and 65535") from None
        return value.rstrip("/")

    @field_validator("asterisk_ari_url")
    @classmethod
    def _without_ari(cls, value: str | None) -> str | None:
        # People paste the address that they tried in a browser; the contract is the base URL.
        return value.removesuffix("/ari") if value else value

    @field_validator("mcp_stdio_commands")
    @classmethod
    def _absolute_paths(cls, value: str) -> str:
        for each in value.split(","):
            if each.strip() and not each.strip().startswith("/"):
                raise ValueError(f"{each.strip()!r} is no absolute path, such as /usr/local/bin/crm-mcp")
        return value

    @property
    def stdio_commands(self) -> frozenset[str]:
        """The programs that may be run as MCP servers."""
        return frozenset(each.strip() for each in self.mcp_stdio_commands.split(",") if each.strip())

    @field_validator("asterisk_app_name")
    @classmethod
    def _app_name(cls, value: str) -> str:
        if not value or any(c in value for c in ", ()\"'&?/"):
            raise ValueError("must be one word without commas, quotes or spaces: it is an argument of Stasis()")
        return value

    @field_validator("secret_key", "web_ui_password")
    @classmethod
    def _no_placeholder(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and value.get_secret_value().strip().lower() in PLACEHOLDER_SECRETS:
            raise ValueError("is a placeholder; choose one of your own, or leave it empty to have one made")
        return value

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SHORTEST_KEY:
            raise ValueError(f"is shorter than {SHORTEST_KEY} characters; make one with: openssl rand -base64 32")
        return value

    @cached_property
    def read_from(self) -> Path | None:
        """The file that :func:`load_settings` looked for, whether it was there or not; None: it read none.

        Not a field: settings are equal wherever they come from.
        """
        return None

    def secrets(self) -> list[SecretStr]:
        """Every secret among the settings, to be masked in logs."""
        providers = self.openai_compatible_providers.values()
        found = [value for _name, value in self if isinstance(value, SecretStr)]
        found += [p.api_key for p in providers if p.api_key is not None]
        found += _passwords([self.database_url, *(p.base_url for p in providers)])
        return found

    @model_validator(mode="after")
    def _ari_is_complete(self) -> Self:
        if self.asterisk_ari_url and not (self.asterisk_ari_username and self.asterisk_ari_password):
            raise ValueError(
                "ASTERISK_ARI_URL is set, so ASTERISK_ARI_USERNAME and ASTERISK_ARI_PASSWORD are needed too: "
                "the name and password of a user in Asterisk's ari.conf"
            )
        return self


def _passwords(addresses: Iterable[str]) -> list[SecretStr]:
    """The passwords within addresses, as they are written there and as they are meant."""
    found: dict[str, None] = {}
    for address in addresses:
        with contextlib.suppress(ValueError):  # no address at all; opening it says so
            password = urlsplit(address).password or ""
            found |= dict.fromkeys(form for form in (password, unquote(password)) if form)
    return [SecretStr(form) for form in found]


def load_settings(env_file: Path | str | None = ".env") -> Settings:
    """Read the environment and ``env_file``.

    Raises:
        SettingsError: with one line for each setting that is wrong, by the name the operator typed.
    """
    try:
        settings = Settings(_env_file=env_file)
    except ValidationError as error:
        lines = []
        for detail in error.errors(include_url=False, include_input=False):
            name = ".".join(str(part) for part in detail["loc"]).upper()
            message = detail["msg"].removeprefix("Value error, ")
            lines.append(f"{name}: {message}" if name else message)
        raise SettingsError("; ".join(lines)) from None
    except InvalidSource as error:
        # A value that should be JSON. The message names the field, and the value is left out: it may hold a key.
        field = re.search(r'field "(\w+)"', str(error))
        raise SettingsError(f"{field[1].upper() if field else 'A setting'}: must be JSON; see .env.example") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{env_file} is not written in UTF-8; save it in that encoding") from None
    settings.__dict__["read_from"] = None if env_file is None else Path(env_file)
    return settings
