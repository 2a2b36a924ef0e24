"""What a provider of language models is. One file each, one registry (:mod:`app.llm.registry`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from langchain_core.language_models import BaseChatModel

from app.llm.errors import ProviderError


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model at a provider, both resolved: ``str(ref)`` is ``provider:model``."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.model}"


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What a prompt or the settings ask of a model; hashable, so that built models can be cached by it.

    Attributes:
        temperature: None: the provider's own. Left out where a model does not take one.
        max_tokens: Bound on the answer's length.
    """

    temperature: float | None = None
    max_tokens: int | None = None


class Provider(Protocol):
    """One provider. Made from the settings without touching the network or importing its SDK; both wait for
    :meth:`build`."""

    name: str

    def default_model(self) -> str:
        """The model used when only the provider is named."""
        ...

    def missing(self) -> str | None:
        """What must be set before it can be used, as a sentence that names the setting; None when it is usable."""
        ...

    def build(self, model: str, options: ModelOptions) -> BaseChatModel:
        """A chat model that streams, keeps its connections for minutes, and does not retry on its own.

        One overall deadline is held by the agent, and retries multiply timeouts.
        """
        ...

    def explain(self, error: Exception) -> ProviderError:
        """The error of an SDK or of the wire as one of ours. Its message holds no key."""
        ...

    async def warm(self) -> None:
        """Open a connection to the provider's host so that the next turn does not pay for it. Never raises."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
