"""The providers, by name: which exist, which can be used, and the chat model for each reference.

A reference is ``provider`` or ``provider:model``. It is cut at its first colon, since model names have colons of
their own (``ollama:llama3.2:3b``).
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from langchain_core.language_models import BaseChatModel

from app.core.errors import SettingsError
from app.core.settings import Settings
from app.llm.anthropic import AnthropicProvider
from app.llm.compatible import CompatibleServer
from app.llm.demo import DemoProvider
from app.llm.errors import ModelError, ProviderError, ProviderNotConfigured, UnknownModel
from app.llm.gemini import GeminiProvider
from app.llm.interface import ModelOptions, ModelRef, Provider
from app.llm.openai import OpenAIProvider

log = structlog.get_logger(__name__)

# A dialplan can name any model in AI_MODEL, so the number of built ones needs a bound.
MAX_BUILT_MODELS = 64

# Opening a connection must not hold up the start of a call or of the service for longer than this, in seconds.
WARM_TIMEOUT = 5.0

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """What the status page says of one provider.

    Attributes:
        configured: Whether it can be asked at all.
        detail: A sentence: what is missing, or what it is set to.
        last_success: When it last answered; None: not yet.
        last_error: The sentence of the last failure, None when there was none. A later success does not erase it.
    """

    name: str
    default_model: str
    configured: bool
    detail: str
    last_success: datetime | None = None
    last_error: str | None = None
    last_error_at: datetime | None = None


@dataclass(slots=True)
class _Record:
    """What became of the requests to one provider; filled by the agent, read by the status page."""

    last_success: datetime | None = None
    last_error: str | None = None
    last_error_at: datetime | None = None


class Models:
    """All providers of this installation.

    Making one touches no network and imports no provider's SDK, and a missing key is no error until that provider is
    asked for.

    Attributes:
        default: The model of a turn that names none.
        default_reason: Why it is that one, as a sentence for the status page.
        fallback: The second model, asked when the first fails before its first word; None: there is none.

    Raises:
        SettingsError: A name in ``OPENAI_COMPATIBLE_PROVIDERS`` cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._providers = _providers(settings)
        self._records = {name: _Record() for name in self._providers}
        self._built: OrderedDict[tuple[ModelRef, ModelOptions], BaseChatModel] = OrderedDict()
        self._max_tokens = settings.ai_max_output_tokens
        self.default, self.default_reason = self._choose_default(settings.default_ai_model)
        self.fallback = self._choose_fallback(settings.fallback_ai_model)

    # -- choosing

    def resolve(self, text: str | None) -> ModelRef:
        """The model that ``text`` names; the default when it is None or empty.

        Raises:
            UnknownModel: There is no such provider. The message lists those that exist.
        """
        if text is None or not text.strip():
            if self.default.provider not in self._providers:
                raise UnknownModel(self.default_reason)
            return self.default
        name, _, model = text.strip().partition(":")
        name, model = name.strip().lower(), model.strip()
        provider = self._providers.get(name)
        if provider is None:
            raise UnknownModel(
                f"There is no provider {name[:64]!r}. Those that exist: {', '.join(self._providers)}. "
                "Write 'provider' or 'provider:model', for example 'openai:gpt-6-luna'."
            )
        return ModelRef(provider.name, model or provider.default_model())

    def _choose_default(self, wanted: str | None) -> tuple[ModelRef, str]:
        if wanted:
            return self._named_default(wanted)
        for provider in self._providers.values():
            # Demo needs nothing, is the last one, and so ends the search.
            if provider.missing() is None and provider.name != "demo":
                ref = ModelRef(provider.name, provider.default_model())
                return ref, f"DEFAULT_AI_MODEL is not set; {provider.name} is the first provider that is configured."
        return (
            ModelRef("demo", self._providers["demo"].default_model()),
            "No provider is configured, so the built-in demo model answers. Set OPENAI_API_KEY, GEMINI_API_KEY, "
            "ANTHROPIC_API_KEY or OPENAI_COMPATIBLE_PROVIDERS to use a language model.",
        )

    def _named_default(self, wanted: str) -> tuple[ModelRef, str]:
        # An unusable default stays the default: taking another provider in its place would hand what callers say to
        # somebody whom the operator did not choose. Its calls get the fallback sentence, and the status says why.
        try:
            ref = self.resolve(wanted)
        except UnknownModel as error:
            name, _, model = wanted.strip().partition(":")
            log.error("models.default_unknown", model=wanted, error=str(error))
            return ModelRef(name.strip().lower(), model.strip()), f"DEFAULT_AI_MODEL is {wanted!r}. {error}"
        missing = self._providers[ref.provider].missing()
        if missing:
            log.error("models.default_not_configured", model=str(ref), error=missing)
            return ref, f"DEFAULT_AI_MODEL is {wanted!r}, which cannot be used yet: {missing}"
        return ref, f"DEFAULT_AI_MODEL is {wanted!r}."

    def _choose_fallback(self, wanted: str | None) -> ModelRef | None:
        if not wanted:
            return None
        try:
            ref = self.resolve(wanted)
        except UnknownModel as error:
            # The first model still works, so the phone does too; only the safety net is missing.
            log.error("models.fallback_unknown", model=wanted, error=str(error))
            return None
        missing = self._providers[ref.provider].missing()
        if missing:
            log.error("models.fallback_not_configured", model=str(ref), error=missing)
            return None
        return ref

    # -- using

    def chat_model(self, ref: ModelRef, options: ModelOptions | None = None) -> BaseChatModel:
        """The chat model for ``ref``, built at its first use and kept.

        The first use of a provider imports its SDK, which takes up to a second: see :meth:`warm`.

        Raises:
            UnknownModel: The provider does not exist.
            ProviderNotConfigured: Its key or address is missing. The message names the setting.
        """
        options = options or ModelOptions()
        if options.max_tokens is None:
            options = ModelOptions(options.temperature, self._max_tokens)
        key = (ref, options)
        model = self._built.get(key)
        if model is not None:
            self._built.move_to_end(key)
            return model
        provider = self._provider(ref)
        missing = provider.missing()
        if missing:
            raise ProviderNotConfigured(missing)
        try:
            model = provider.build(ref.model, options)
        except (ValueError, TypeError, ImportError) as error:
            raise ProviderNotConfigured(f"The library of {ref.provider} does not take {str(ref)!r}: {error}") from error
        self._built[key] = model
        if len(self._built) > MAX_BUILT_MODELS:
            self._built.popitem(last=False)
        return model

    def explain(self, ref: ModelRef, error: Exception) -> ProviderError:
        """The error of an SDK or of the wire as one of ours. Its message holds no key."""
        return self._provider(ref).explain(error)

    def succeeded(self, ref: ModelRef) -> None:
        """The provider answered: for its status."""
        record = self._records.get(ref.provider)
        if record is not None:
            record.last_success = datetime.now(UTC)

    def failed(self, ref: ModelRef, error: Exception) -> None:
        """The provider failed: for its status. Errors that are not ours are explained first."""
        record = self._records.get(ref.provider)
        if record is not None:
            known = error if isinstance(error, ModelError) else self.explain(ref, error)
            record.last_error = str(known)
            record.last_error_at = datetime.now(UTC)

    def statuses(self) -> list[ProviderStatus]:
        """Every provider, in the order in which a default is looked for."""
        return [self._status(provider) for provider in self._providers.values()]

    async def warm(self, *refs: ModelRef) -> None:
        """Import and build these models and open connections to their hosts, so that the next turn need not.

        Never raises for a provider that is missing, silent or broken, and gives up on each after five seconds. It
        does little when the connection was used a moment ago, so it may be called for every call that arrives.
        """
        providers = {}
        for ref in refs:
            try:
                if (ref, ModelOptions(None, self._max_tokens)) not in self._built:
                    # In a thread: the import of an SDK would stop every call for a second.
                    await asyncio.to_thread(self.chat_model, ref)
            except ModelError as error:
                log.info("models.not_warmed", model=str(ref), error=str(error))
                continue
            providers[ref.provider] = self._providers[ref.provider]
        async with asyncio.TaskGroup() as group:
            for provider in providers.values():
                group.create_task(_warm(provider))

    async def aclose(self) -> None:
        """Close all connections. Built models must not be used afterwards."""
        self._built.clear()
        for provider in self._providers.values():
            await provider.aclose()

    def _provider(self, ref: ModelRef) -> Provider:
        provider = self._providers.get(ref.provider)
        if provider is None:
            raise UnknownModel(
                f"There is no provider {ref.provider[:64]!r}. Those that exist: {', '.join(self._providers)}."
            )
        return provider

    def _status(self, provider: Provider) -> ProviderStatus:
        record = self._records[provider.name]
        missing = provider.missing()
        return ProviderStatus(
            name=provider.name,
            default_model=provider.default_model(),
            configured=missing is None,
            detail=missing or f"Ready; uses {provider.default_model()} unless a model is named.",
            last_success=record.last_success,
            last_error=record.last_error,
            last_error_at=record.last_error_at,
        )


async def _warm(provider: Provider) -> None:
    try:
        async with asyncio.timeout(WARM_TIMEOUT):
            await provider.warm()
    except TimeoutError:
        log.info("models.warm_timeout", provider=provider.name, seconds=WARM_TIMEOUT)
    except Exception:
        log.exception("models.warm_failed", provider=provider.name)


def _providers(settings: Settings) -> dict[str, Provider]:
    """All providers by name, in the order in which a default is looked for."""
    providers: dict[str, Provider] = {
        "openai": OpenAIProvider(settings),
        "gemini": GeminiProvider(settings),
        "anthropic": AnthropicProvider(settings),
    }
    for name, server in settings.openai_compatible_providers.items():
        key = name.strip().lower()
        if not _NAME.fullmatch(key):
            raise SettingsError(
                f"OPENAI_COMPATIBLE_PROVIDERS: {name!r} cannot be a name: use letters, digits, dots, dashes and "
                "underscores, since it is written before a colon, as in 'ollama:llama3.2'."
            )
        if key in providers or key == "demo":
            raise SettingsError(
                f"OPENAI_COMPATIBLE_PROVIDERS: {name!r} is taken by a built-in provider or by another entry. Choose "
                "another name; to send 'openai' to another address, set OPENAI_BASE_URL."
            )
        providers[key] = CompatibleServer(key, server, settings)
    providers["demo"] = DemoProvider()
    return providers
