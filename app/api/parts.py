"""What the routes work with. ``app.main`` builds it and puts it at ``app.state.parts`` before the first request."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.api.problems import ProblemError
from app.api.samples import Samples

if TYPE_CHECKING:
    from app.accounts.accounts import Accounts
    from app.agent.agent import Agent
    from app.ari.client import AriClient
    from app.calls.supervisor import CallSupervisor
    from app.core.security import Credentials
    from app.core.settings import Settings
    from app.db.database import Database
    from app.history.live import LiveHub
    from app.history.recorder import Recorder
    from app.history.store import HistoryStore
    from app.llm.registry import Models
    from app.memory.interface import ConversationMemory
    from app.prompts.catalog import PromptCatalog
    from app.prompts.store import PromptStore
    from app.rehearsal.rehearsal import Rehearsal
    from app.tools.catalog import ToolCatalog
    from app.tools.execution import ToolExecutor
    from app.tools.mcp.catalog import McpServerCatalog
    from app.tools.mcp.sessions import McpSessions
    from app.tools.mcp.store import McpServerStore
    from app.tools.python.registry import PythonTools
    from app.tools.store import ToolStore
    from app.tools.vault.catalog import SecretCatalog
    from app.tools.vault.store import SecretStore


@dataclass(slots=True)
class Parts:
    """The running service, as the routes see it.

    Attributes:
        ari, calls: None while ``ASTERISK_ARI_URL`` is not set.
        started_at: Aware, UTC.
        version: Of this service.
        recorder: Writes what happened in calls.
        samples: What open pages share.
        secret_key: What secrets in the database are encrypted with; 32 bytes or more.
    """

    settings: Settings
    database: Database
    prompts: PromptStore
    prompt_catalog: PromptCatalog
    tools: ToolStore
    tool_catalog: ToolCatalog
    secrets: SecretStore
    secret_catalog: SecretCatalog
    mcp_servers: McpServerStore
    mcp_catalog: McpServerCatalog
    mcp_sessions: McpSessions
    models: Models
    memory: ConversationMemory[Any]
    agent: Agent
    executor: ToolExecutor
    history: HistoryStore
    recorder: Recorder
    live: LiveHub
    rehearsal: Rehearsal
    ari: AriClient | None
    calls: CallSupervisor | None
    credentials: Credentials
    accounts: Accounts
    python_tools: PythonTools
    started_at: datetime
    version: str
    secret_key: bytes = field(repr=False)
    samples: Samples = field(default_factory=Samples)


def find_parts(connection: HTTPConnection) -> Parts | None:
    """The parts, or None before ``app.main`` has put them there."""
    return getattr(connection.app.state, "parts", None)


def get_parts(connection: HTTPConnection) -> Parts:
    """The parts, as a dependency.

    Raises:
        ProblemError: 503, while the service starts.
    """
    parts = find_parts(connection)
    if parts is None:
        raise ProblemError(503, "starting", "The service is starting. Try again in a moment.", retry_after=1)
    return parts


PartsDep = Annotated[Parts, Depends(get_parts)]
