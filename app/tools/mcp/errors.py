"""What can go wrong with MCP servers::

ToolError
├── McpServerNotFound
├── McpServerNameTaken
├── McpServerConflict       somebody else changed it in the meantime
├── McpServerInUse          tools are called at it
├── McpNotInstalled         the optional packages are not there
└── ToolFailure
    └── McpUnavailable          a call: the server cannot be used; ``retryable`` where another try may help
        └── McpSessionLost          it does not know the session any more; it was not called
"""

from __future__ import annotations

from typing import Final

from app.tools.errors import ToolError, ToolFailure

NOT_INSTALLED: Final = (
    "MCP servers need packages that are not installed. In a checkout: pip install --require-hashes -r "
    "requirements-mcp.lock; in Docker: build the image with --build-arg EXTRA=mcp. Then start the service anew."
)


class McpServerNotFound(ToolError):
    """There is no such server."""

    code = "mcp_server_not_found"


class McpServerNameTaken(ToolError):
    """Another server has this name.

    Attributes:
        field: Always ``name``, so that a form can say it there.
    """

    code = "mcp_server_name_taken"
    field = "name"


class McpServerConflict(ToolError):
    """Somebody else changed the server since the form was opened."""

    code = "mcp_server_conflict"


class McpServerInUse(ToolError):
    """Tools are called at the server."""

    code = "mcp_server_in_use"


class McpNotInstalled(ToolError):
    """The optional packages are not there."""

    code = "mcp_not_installed"

    def __init__(self) -> None:
        super().__init__(NOT_INSTALLED)


class McpUnavailable(ToolFailure):
    """The server cannot be used, or broke off."""

    code = "mcp_unavailable"

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(
            message,
            for_model="The system behind this tool cannot be reached at the moment. Go on without it, and tell the "
            "caller so.",
        )
        self.retryable = retryable


class McpSessionLost(McpUnavailable):
    """The server does not know the session any more: it was restarted, or the session has expired. The tool was not
    called."""

    code = "mcp_session_lost"
