"""Settings in answers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from app.doctor.in_force import Source


class SettingBody(BaseModel):
    """One setting that is in force."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(description="As it is written in `.env`.", examples=["REDIS_HOST"])
    group: str = Field(examples=["Memory of conversations"])
    text: str = Field(description="What it does.", examples=["The Redis server that keeps the conversations."])
    example: str = Field(description="How it may be written, where that is not obvious.", examples=[""])
    value: str | None = Field(
        description="As it would be written in `.env`, passwords masked. Null: it is not set, or it is a secret.",
        examples=["127.0.0.1"],
    )
    default: str | None = Field(examples=[None])
    secret: bool = Field(description="Its value is never shown.")
    is_set: bool
    source: Source = Field(
        description="`environment`, `file` (`.env`), `default`, or `program`: whoever started the service from Python.",
        examples=["file"],
    )
    differs: bool = Field(description="It is not the default.")
    pending: bool = Field(description="The file says something else by now; a restart brings it into force.")


class UnknownBody(BaseModel):
    """A name in the file that nobody reads."""

    name: str = Field(examples=["REDIS_HOTS"])
    meant: str | None = Field(description="The setting that was probably meant.", examples=["REDIS_HOST"])


class VersionBody(BaseModel):
    """A part of the service."""

    name: str = Field(examples=["Python"])
    version: str = Field(examples=["3.11.2"])


class SettingsBody(BaseModel):
    """What is in force."""

    file: str | None = Field(
        description="The settings' file, as it was named at the start; null: none was to be read.", examples=[".env"]
    )
    file_found: bool
    folder: str = Field(description="The service's working directory.", examples=["/opt/asterisk-ai"])
    settings: list[SettingBody]
    unknown: list[UnknownBody] = Field(description="In the file, and read by nobody: most often a typing error.")
    trouble: str | None = Field(description="Why the service would not start again with the file as it is now.")
    log: str = Field(description="Where the log goes.", examples=["Standard error, as JSON."])
    versions: list[VersionBody]
