"""The state of the service."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from app.schemas.calls import BucketBody

Level = Literal["ok", "warning", "error", "off"]


class ServiceBody(BaseModel):
    """This process."""

    version: str = Field(examples=["0.1.0"])
    started_at: datetime
    uptime_seconds: int = Field(examples=[86400])


class AsteriskBody(BaseModel):
    """What Asterisk said of itself at the last connect."""

    version: str = Field(examples=["22.10.1"])
    entity_id: str = Field(examples=["02:00:5e:00:53:01"])
    system_name: str
    rest_over_websocket: bool = Field(description="Requests go over the event socket, not over HTTP.")


class AriBody(BaseModel):
    """The connection to Asterisk."""

    level: Level
    state: Literal["not_configured", "connecting", "connected", "waiting", "replaced", "closed"]
    detail: str = Field(
        description="What it means and, if it is not connected, what to do.",
        examples=["Connected to Asterisk 22.10.1."],
    )
    app: str = Field(description="Name of the Stasis application.", examples=["ai_ari_app"])
    url: str | None = Field(examples=["http://127.0.0.1:8088"])
    since: datetime | None = Field(description="When the present state began.")
    reconnects: int = Field(examples=[0])
    asterisk: AsteriskBody | None
    last_error: str | None


class CallsBody(BaseModel):
    """Dialplan turns."""

    active: int = Field(description="In progress now.", examples=[3])
    limit: int = Field(description="`AI_MAX_CALLS`: more than these get BUSY.", examples=[200])
    served: int = Field(description="Ended since the start.", examples=[1024])
    draining: bool = Field(description="The service is stopping and takes no new ones.")


class DatabaseBody(BaseModel):
    """Where prompts and tools are kept."""

    level: Level
    detail: str = Field(examples=["SQLite, ./asterisk-ai.db"])
    error: str | None = Field(description="Why it does not answer.")
    prompts: int = Field(description="Published ones, as calls see them now.", examples=[1])
    tools: int = Field(description="All of them, as calls see them now.", examples=[1])
    secrets: int = Field(description="All of them, as calls see them now.", examples=[2])
    secrets_unreadable: int = Field(
        description="Of these, what was stored with another `SECRET_KEY`: tools that need it cannot be called.",
        examples=[0],
    )
    stale_since: datetime | None = Field(description="Since when what calls see may be old; null: it is fresh.")


class MemoryBody(BaseModel):
    """Where conversations are kept."""

    level: Level
    backend: str = Field(examples=["redis"])
    detail: str = Field(description="Which one is in use, and why.")
    conversations: int = Field(description="That this process holds.", examples=[12])
    unsaved_turns: int = Field(description="Waiting for Redis to come back.", examples=[0])
    last_error: str | None
    last_error_at: datetime | None


class ModelBody(BaseModel):
    """The model of turns that name none."""

    default: str = Field(examples=["openai:gpt-6-luna"])
    reason: str = Field(description="Why it is that one.")
    fallback: str | None = Field(
        description="Answers when the first one fails.", examples=["gemini:gemini-3.5-flash-lite"]
    )


class ProviderBody(BaseModel):
    """One provider of language models."""

    level: Level
    name: str = Field(examples=["openai"])
    default_model: str = Field(examples=["gpt-6-luna"])
    configured: bool
    detail: str = Field(description="What is missing, or what it is set to.")
    last_success: datetime | None
    last_error: str | None
    last_error_at: datetime | None


class HistoryBody(BaseModel):
    """What is written of calls, behind them."""

    level: Level
    detail: str = Field(examples=["Every turn is written within a second of its end."])
    waiting: int = Field(description="Turns that are not written yet.", examples=[0])
    written: int = Field(description="Turns written since the start.", examples=[1024])
    dropped: int = Field(description="Turns lost since the start: the database was away for too long.", examples=[0])


class ToolStateBody(BaseModel):
    """A tool that is down, failing or at work."""

    id: int
    name: str = Field(examples=["order_status"])
    state: Literal["working", "failing", "down", "probing"] = Field(
        description="`down`: it is not called after failures in a row. `probing`: one call tries whether it is up."
    )
    failures: int = Field(description="In a row.", examples=[5])
    again_in_seconds: int = Field(description="Until a call tries it again, where it is down.", examples=[20])
    running: int = Field(description="Calls under way.", examples=[0])
    waiting: int = Field(description="Calls that wait for one of its places.", examples=[0])


class StatusBody(BaseModel):
    """Everything that the status page shows. `level`: `ok`, `warning`, `error`, or `off` for what is not configured."""

    service: ServiceBody
    ari: AriBody
    calls: CallsBody | None = Field(description="Null while ARI is not configured.")
    database: DatabaseBody
    memory: MemoryBody
    history: HistoryBody
    today: BucketBody | None = Field(
        description="Turns since midnight where the service runs. Null: the database does not answer."
    )
    model: ModelBody
    providers: list[ProviderBody]
    tools: list[ToolStateBody] = Field(description="Those that are down, failing or at work, by name; no others.")


class ReadinessBody(BaseModel):
    """Whether calls can be served."""

    ready: bool
    reasons: list[str] = Field(description="Why not; empty when ready.", examples=[[]])
