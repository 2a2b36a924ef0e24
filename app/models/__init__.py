"""The tables. Importing this package registers all of them with ``Base.metadata``."""

from app.models.audit import AuditRow
from app.models.base import Base
from app.models.conversation import ConversationRow
from app.models.mcp import McpServerRow
from app.models.prompt import PromptRow, PromptVersionRow
from app.models.revision import RevisionRow
from app.models.secret import SecretRow
from app.models.token import TokenRow
from app.models.tool import ToolRow, ToolVersionRow
from app.models.turn import TurnDetailRow, TurnRow, TurnToolRow
from app.models.user import UserRow

__all__ = [
    "AuditRow",
    "Base",
    "ConversationRow",
    "McpServerRow",
    "PromptRow",
    "PromptVersionRow",
    "RevisionRow",
    "SecretRow",
    "TokenRow",
    "ToolRow",
    "ToolVersionRow",
    "TurnDetailRow",
    "TurnRow",
    "TurnToolRow",
    "UserRow",
]
