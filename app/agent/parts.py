"""What the agent needs of other rooms."""

from __future__ import annotations

from typing import Protocol

from langchain_core.language_models import BaseChatModel

from app.llm.errors import ProviderError
from app.llm.interface import ModelOptions, ModelRef
from app.tools.definition import ToolDefinition


class Models(Protocol):
    """What the agent needs of :class:`app.llm.registry.Models`."""

    fallback: ModelRef | None

    def resolve(self, text: str | None) -> ModelRef: ...
    def chat_model(self, ref: ModelRef, options: ModelOptions) -> BaseChatModel: ...
    def explain(self, ref: ModelRef, error: Exception) -> ProviderError: ...
    def succeeded(self, ref: ModelRef) -> None: ...
    def failed(self, ref: ModelRef, error: Exception) -> None: ...


class Tools(Protocol):
    """What the agent needs of :class:`app.tools.catalog.ToolCatalog`."""

    def select(self, names: tuple[str, ...] | None) -> tuple[ToolDefinition, ...]: ...
