"""The tables. Importing this package registers all of them with ``Base.metadata``."""

from app.models.base import Base
from app.models.prompt import PromptRow, PromptVersionRow
from app.models.revision import RevisionRow
from app.models.tool import ToolRow, ToolVersionRow

__all__ = ["Base", "PromptRow", "PromptVersionRow", "RevisionRow", "ToolRow", "ToolVersionRow"]
