"""Trying prompts, models and tools without a telephone: what the playground and replays ask."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from app.agent.agent import Agent
from app.core.settings import Settings
from app.history.store import HistoryStore
from app.llm.errors import UnknownModel
from app.llm.registry import Models
from app.memory.interface import ConversationMemory
from app.prompts.catalog import PromptCatalog
from app.prompts.store import PromptStore
from app.rehearsal.choice import PromptChoice, Published, ToolChoice, choose_prompt, choose_tools
from app.rehearsal.errors import RehearsalInvalid
from app.rehearsal.events import RehearsalEvent
from app.rehearsal.replay import Cast, Replay, ReplayPlan
from app.rehearsal.replay_events import ReplayEvent
from app.rehearsal.seats import MOST_REPLAYS, MOST_TURNS, Seats
from app.rehearsal.stage import Scene, Stage
from app.tools.catalog import ToolCatalog


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """One turn of the playground.

    Attributes:
        conversation: Key of the memory, the user's name in it; None: the turn stands alone.
        model: ``provider`` or ``provider:model`` in place of the prompt's.
        timeout: Seconds; None: the prompt's, then the installation's.
    """

    text: str
    prompt: PromptChoice = field(default_factory=Published)
    conversation: str | None = None
    model: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    tools: ToolChoice = field(default_factory=ToolChoice)
    timeout: float | None = None


class Rehearsal:
    """Shared by all who rehearse.

    Args:
        calls_full: Whether as many calls are served as may be.
    """

    def __init__(
        self,
        settings: Settings,
        agent: Agent,
        models: Models,
        memory: ConversationMemory[Any],
        prompts: PromptStore,
        prompt_catalog: PromptCatalog,
        tool_catalog: ToolCatalog,
        history: HistoryStore,
        calls_full: Callable[[], bool],
    ) -> None:
        self._models = models
        self._memory = memory
        self._prompts = prompts
        self._prompt_catalog = prompt_catalog
        self._tool_catalog = tool_catalog
        self._history = history
        self._stage = Stage(settings, agent, models)
        self._calls_full = calls_full
        self._turns = Seats("turns of the playground", MOST_TURNS, calls_full)
        self._replays = Seats("replays", MOST_REPLAYS, calls_full)

    async def turn(self, plan: TurnPlan) -> AsyncGenerator[RehearsalEvent, None]:
        """The events of one turn. Use it inside ``contextlib.aclosing``; closing it closes the model's stream.

        Raises:
            RehearsalsBusy, RehearsalInvalid, PromptNotFound, PromptInvalid, ToolInvalid: before the first event, and
                only then.
        """
        with self._turns.seat():
            prompt, tools = await self._choose(plan.prompt, plan.tools, plan.model)
            scene = Scene(
                prompt=prompt,
                text=plan.text,
                tools=tools,
                conversation=plan.conversation,
                model=plan.model,
                variables=plan.variables,
                timeout=plan.timeout,
            )
            async with aclosing(self._stage.play(scene)) as events:
                async for event in events:
                    yield event

    async def replay(self, plan: ReplayPlan) -> AsyncGenerator[ReplayEvent, None]:
        """The events of replaying conversations. Use it inside ``contextlib.aclosing``, as :meth:`turn`.

        Raises:
            RehearsalsBusy, RehearsalInvalid, PromptNotFound, PromptInvalid, ToolInvalid: before the first event, and
                only then.
            ConversationNotFound, NothingToReplay: likewise, where there is nothing else to replay.
        """
        with self._replays.seat():
            cast = await self._cast(plan)
            replay = Replay(self._stage, self._history, self._memory.forget, self._calls_full, cast, plan)
            async with aclosing(replay.run()) as events:
                async for event in events:
                    yield event

    def close(self) -> None:
        """End all rehearsals; for when the service stops."""
        self._turns.close()
        self._replays.close()

    async def _choose(self, prompt: PromptChoice, tools: ToolChoice, model: str | None) -> Cast:
        self._known(model)
        chosen = await choose_prompt(prompt, self._prompt_catalog, self._prompts)
        return chosen, choose_tools(tools, chosen, self._tool_catalog)

    async def _cast(self, plan: ReplayPlan) -> Callable[[str], Awaitable[Cast]]:
        """Prompt and tools by the name of the prompt that a turn had."""
        tools = replace(plan.tools, off=True) if plan.tools_mode == "off" else plan.tools
        if plan.prompt is not None:
            same = await self._choose(plan.prompt, tools, plan.model)

            async def always(_name: str) -> Cast:
                return same

            return always
        self._known(plan.model)

        async def by_name(name: str) -> Cast:
            prompt = self._prompt_catalog.get(name)
            return prompt, choose_tools(tools, prompt, self._tool_catalog)

        return by_name

    def _known(self, model: str | None) -> None:
        if model:
            try:
                self._models.resolve(model)
            except UnknownModel as error:
                raise RehearsalInvalid(str(error), field="model") from error
