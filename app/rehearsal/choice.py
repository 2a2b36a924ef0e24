"""Which prompt and which tools are rehearsed: those that calls use, older ones, or drafts that nobody saved."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from app.models.names import name_key
from app.prompts.catalog import PromptCatalog
from app.prompts.draft import PromptDraft, validate
from app.prompts.prompt import Prompt
from app.prompts.store import PromptStore
from app.rehearsal.errors import RehearsalInvalid
from app.tools.catalog import ToolCatalog
from app.tools.definition import ToolDefinition
from app.tools.errors import ToolNotFound
from app.tools.secrets import restored


@dataclass(frozen=True, slots=True)
class Published:
    """The version that calls use. None: of the default prompt."""

    name: str | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a prompt, published or not. None: the newest."""

    prompt_id: int
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands in an editor, and is not saved."""

    draft: PromptDraft


PromptChoice = Published | Version | Draft


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Which tools the model is offered.

    Attributes:
        names: Also of tools that are disabled; None: what the prompt selects.
        drafts: Besides; each in place of the tool of its name, whose secrets it keeps where it holds their mask.
        off: None at all.
    """

    names: tuple[str, ...] | None = None
    drafts: tuple[ToolDefinition, ...] = ()
    off: bool = False


async def choose_prompt(choice: PromptChoice, catalog: PromptCatalog, store: PromptStore) -> Prompt:
    """The prompt to answer with.

    Raises:
        PromptNotFound: there is no such prompt or version.
        PromptInvalid: a field of the draft is malformed.
    """
    match choice:
        case Published():
            return catalog.get(choice.name)
        case Version(prompt_id, number):
            found = await (store.get(prompt_id) if number is None else store.version(prompt_id, number))
            return found.prompt
        case Draft(draft):
            await asyncio.to_thread(validate, draft)
            return prompt_of(draft)


def prompt_of(draft: PromptDraft) -> Prompt:
    """The draft as a turn sees it: a prompt without an id and of version 0, so that it is never taken for a saved one.

    What was left blank is None, as it would be when it is saved.
    """
    return Prompt(
        id=0,
        name=draft.name.strip(),
        version=0,
        content=draft.content,
        metadata=draft.metadata,
        model=_blank_is_none(draft.model),
        temperature=draft.temperature,
        tools=draft.tools,
        actions=draft.actions,
        output_schema=draft.output_schema,
        fallback=_blank_is_none(draft.fallback),
        timeout=draft.timeout,
        greeting=_blank_is_none(draft.greeting),
    )


def choose_tools(choice: ToolChoice, prompt: Prompt, catalog: ToolCatalog) -> tuple[ToolDefinition, ...]:
    """The tools to offer, in the order of their names, as in calls.

    Raises:
        RehearsalInvalid: there is no tool of a name that was chosen.
        ToolInvalid: a draft holds the mask of a secret that is not stored.
    """
    if choice.off:
        return ()
    if choice.names is None:
        chosen = catalog.select(prompt.tools)
    else:
        drafted = {name_key(draft.name) for draft in choice.drafts}
        chosen = tuple(_named(name, catalog) for name in choice.names if name_key(name) not in drafted)
    drafts = [_with_secrets(draft, catalog) for draft in choice.drafts]
    by_name = {name_key(tool.name): tool for tool in (*chosen, *drafts)}
    return tuple(by_name[name] for name in sorted(by_name))


def _named(name: str, catalog: ToolCatalog) -> ToolDefinition:
    try:
        return catalog.get(name)
    except ToolNotFound as error:
        raise RehearsalInvalid(str(error), field="tools") from error


def _with_secrets(draft: ToolDefinition, catalog: ToolCatalog) -> ToolDefinition:
    try:
        return restored(draft, catalog.get(draft.name).request)
    except ToolNotFound:
        return restored(draft, None)


def _blank_is_none(text: str | None) -> str | None:
    return text.strip() or None if text else None
