"""Language models: which one answers, whether its key is there and, when asked to, whether it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from app.core.settings import Settings
from app.doctor.check import Subject
from app.doctor.finding import Finding, fail, ok, skip, warn
from app.llm.errors import ModelError
from app.llm.interface import ModelOptions, ModelRef
from app.llm.registry import Models, ProviderStatus

# Seconds for one answer of a few tokens.
TIMEOUT: Final = 15.0
# Tokens. Enough for one word, also where a model thinks first.
ANSWER_TOKENS: Final = 64
QUESTION: Final = "Answer with the single word: ready"


async def check_models(subject: Subject) -> Sequence[Finding]:
    """Keys of all providers; with ``online``, a question to each that is configured."""
    models = Models(subject.settings)
    try:
        statuses = models.statuses()
        found = [_default(models, statuses)]
        found += _fallback(models, subject.settings)
        found += [
            ok(f"Provider {status.name}", status.detail)
            for status in statuses
            if status.configured and status.name not in ("demo", models.default.provider)
        ]
        if subject.online:
            found += await _ask_all(models, statuses)
        elif any(status.configured and status.name != "demo" for status in statuses):
            found.append(skip("Models answer", "not asked; --online asks every configured provider, for a few tokens"))
        return found
    finally:
        await models.aclose()


def _default(models: Models, statuses: Sequence[ProviderStatus]) -> Finding:
    title = "Default model"
    status = next((status for status in statuses if status.name == models.default.provider), None)
    if status is None or not status.configured:
        return fail(
            title,
            models.default_reason,
            "Set what the sentence names in .env, or choose another DEFAULT_AI_MODEL (provider or provider:model).",
        )
    if status.name == "demo":
        return warn(
            title,
            "the built-in demo model answers, which follows a script",
            "Set OPENAI_API_KEY, GEMINI_API_KEY, ANTHROPIC_API_KEY or OPENAI_COMPATIBLE_PROVIDERS in .env.",
        )
    return ok(title, f"{models.default}. {models.default_reason}")


def _fallback(models: Models, settings: Settings) -> list[Finding]:
    if not settings.fallback_ai_model:
        return []
    title = "Fallback model"
    if models.fallback is None:
        return [
            fail(
                title,
                f"FALLBACK_AI_MODEL={settings.fallback_ai_model} is no provider, or that one's key is missing",
                "Write provider or provider:model, and set that provider's key in .env.",
            )
        ]
    return [ok(title, str(models.fallback))]


async def _ask_all(models: Models, statuses: Sequence[ProviderStatus]) -> list[Finding]:
    refs = dict.fromkeys(
        [models.default, *([models.fallback] if models.fallback else [])]
        + [ModelRef(status.name, status.default_model) for status in statuses if status.name != "demo"]
    )
    usable = {status.name for status in statuses if status.configured}
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_ask(models, ref)) for ref in refs if ref.provider in usable]
    return [task.result() for task in tasks]


async def _ask(models: Models, ref: ModelRef) -> Finding:
    title = f"{ref} answers"
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        model = await asyncio.to_thread(models.chat_model, ref, ModelOptions(max_tokens=ANSWER_TOKENS))
        async with asyncio.timeout(TIMEOUT):
            await model.ainvoke(QUESTION)
    except TimeoutError:
        return fail(title, f"no answer within {TIMEOUT:g} s", "Check the network and the provider's status page.")
    except ModelError as error:
        return fail(title, str(error), _remedy(ref))
    except Exception as error:  # noqa: BLE001 - any SDK's own; the provider translates it into a sentence
        return fail(title, str(models.explain(ref, error)), _remedy(ref))
    return ok(title, f"in {(loop.time() - began) * 1000:.0f} ms")


def _remedy(ref: ModelRef) -> str:
    return (
        f"Compare the key, the address and the model's name ({ref.model}) with the provider's console, and edit .env."
    )
