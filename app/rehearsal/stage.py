"""One turn without a telephone, from the words to what a dialplan would get."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from app.agent.agent import Agent
from app.agent.events import ActionRequested, Done, ToolFinished, ToolSlow, ToolStarted
from app.agent.progress import Progress
from app.agent.turn import Rehearsed, TurnRequest
from app.calls.ending import answered, failed
from app.calls.errors import NoInput
from app.calls.outcome import Outcome
from app.calls.variables import channel_variables
from app.core.errors import GatewayError
from app.core.metrics import UNEXPECTED
from app.core.settings import Settings
from app.history.journal import cost_of
from app.history.record import Span, ToolCallRecord
from app.llm.errors import ModelError
from app.llm.registry import Models
from app.prompts.errors import PromptError
from app.prompts.prompt import ARI, Prompt
from app.prompts.render import render
from app.rehearsal.events import Finished, RehearsalEvent, Started
from app.tools.conduct import CONFIRMATION_NEEDED
from app.tools.definition import ToolDefinition
from app.tools.execution import RunsTools

_log = structlog.get_logger(__name__)

# Characters of the instructions that are shown.
INSTRUCTIONS_SHOWN: Final = 20_000


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that one turn needs, resolved.

    Attributes:
        text: What the caller says; empty ends as it does in a call.
        conversation: Key of the memory; None: none.
        model: In place of the prompt's; None: the prompt's.
        timeout: Seconds; None: the prompt's, then the installation's.
        executor: Who answers the tools' calls; None: they really happen.
    """

    prompt: Prompt
    text: str
    tools: tuple[ToolDefinition, ...]
    conversation: str | None = None
    model: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    executor: RunsTools | None = None


class Stage:
    """Plays scenes; any number at a time."""

    def __init__(self, settings: Settings, agent: Agent, models: Models) -> None:
        self._settings = settings
        self._agent = agent
        self._models = models

    async def play(self, scene: Scene) -> AsyncGenerator[RehearsalEvent, None]:
        """The turn's events. Use it inside ``contextlib.aclosing``: closing it closes the model's stream.

        Every failure is a :class:`Finished` with the fallback sentence, as it would be in a call.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        timeout = scene.timeout or scene.prompt.timeout or self._settings.ai_turn_timeout
        record = _Record(began)
        turn = TurnRequest(
            conversation=scene.conversation,
            text=scene.text.strip(),
            prompt=scene.prompt,
            deadline=began + timeout,
            model=scene.model,
            variables=scene.variables,
            turn_id=secrets.token_hex(8),
            rehearsed=Rehearsed(scene.tools, scene.executor),
            progress=record.progress,
        )
        yield self._started(turn, timeout)
        try:
            if not turn.text:
                raise NoInput("nothing was said, as when USER_INPUT is empty")  # noqa: TRY301 - as in a call
            async with aclosing(self._agent.run(turn)) as events:
                async for event in events:
                    record.note(event)
                    if not isinstance(event, Done):
                        yield event
            if record.done is None:
                raise GatewayError("the agent ended a turn without an answer or an error")  # noqa: TRY301 - likewise
            outcome = answered(scene.prompt, record.done, record.actions, record.ms())
        except GatewayError as error:
            outcome = failed(self._settings, scene.prompt, error, record.ms())
        except Exception as error:  # noqa: BLE001 - said as one, and shown as a call would end
            UNEXPECTED.labels("rehearsal").inc()
            _log.exception("rehearsal.unexpected_error", turn_id=turn.turn_id)
            unknown = GatewayError(f"unexpected {type(error).__name__}; the log has the trace")
            outcome = failed(self._settings, scene.prompt, unknown, record.ms())
        yield self._finished(record, outcome)

    def _started(self, turn: TurnRequest, timeout: float) -> Started:
        wanted = turn.model or turn.prompt.model
        try:
            model = str(self._models.resolve(wanted))
        except ModelError:  # the turn fails by it in a moment, and says why
            model = wanted or ""
        try:
            instructions = render(turn.prompt.content, turn.variables)
        except PromptError:  # likewise
            instructions = ""
        if len(instructions) > INSTRUCTIONS_SHOWN:
            instructions = instructions[:INSTRUCTIONS_SHOWN] + " ..."
        tools = turn.rehearsed.tools if turn.rehearsed and turn.rehearsed.tools else ()
        return Started(
            turn_id=turn.turn_id,
            prompt=turn.prompt.name,
            version=turn.prompt.version,
            model=model,
            tools=tuple(tool.name for tool in tools),
            timeout=timeout,
            instructions=instructions,
        )

    def _finished(self, record: _Record, outcome: Outcome) -> Finished:
        progress = record.progress
        usage = progress.usage
        return Finished(
            outcome=outcome,
            returned=channel_variables(outcome),
            text=record.done.text if record.done else "",
            model=progress.model,
            usage=usage,
            cost_micros=cost_of(self._settings.history_prices, progress.model, usage.input_tokens, usage.output_tokens),
            first_text_ms=progress.first_text_ms,
            tools=tuple(record.tools),
            spans=record.spans(),
            step_usage=tuple(step.usage for step in progress.steps),
        )


@dataclass(slots=True)
class _Record:
    """What is known of the turn so far."""

    began: float
    progress: Progress = field(default_factory=Progress)
    done: Done | None = None
    actions: list[ActionRequested] = field(default_factory=list)
    tools: list[ToolCallRecord] = field(default_factory=list)
    _arguments: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _fillers: dict[str, tuple[ToolSlow, int]] = field(default_factory=dict)

    def ms(self) -> int:
        return round((asyncio.get_running_loop().time() - self.began) * 1000)

    def note(self, event: object) -> None:
        match event:
            case ToolStarted():
                self._arguments[event.call_id] = event.arguments
            case ToolSlow():
                self._fillers[event.call_id] = (event, self.ms())
            case ToolFinished():
                elapsed = round(event.elapsed_ms, 1)
                start = max(0.0, round((asyncio.get_running_loop().time() - self.began) * 1000 - elapsed, 1))
                arguments = dict(self._arguments.pop(event.call_id, {}))
                said = self._fillers[event.call_id][0].text if event.call_id in self._fillers else ""
                self.tools.append(
                    ToolCallRecord(
                        event.name, arguments, event.result, event.ok, event.error, start, elapsed, filler=said
                    )
                )
            case ActionRequested():
                self.actions.append(event)
                if event.via == ARI:  # as a call's history would have it
                    arguments = {"data": event.data} if event.data else {}
                    done = "Not done: this is a rehearsal."
                    self.tools.append(
                        ToolCallRecord(event.action, arguments, done, True, None, self.ms(), 0.0, action=True)
                    )
            case Done():
                self.done = event

    def spans(self) -> tuple[Span, ...]:
        progress = self.progress
        found = [Span(each.part, each.name, each.start_ms, each.elapsed_ms) for each in progress.timings]
        found += [Span("step", str(n), step.start_ms, step.elapsed_ms) for n, step in enumerate(progress.steps, 1)]
        for tool in self.tools:
            part = "action" if tool.action else "confirmation" if tool.error == CONFIRMATION_NEEDED else "tool"
            found.append(Span(part, tool.name, tool.start_ms, tool.elapsed_ms))
        found += [Span("filler", event.name, at, 0.0) for event, at in self._fillers.values()]
        if progress.first_text_ms is not None:
            found.append(Span("first_text", "", 0.0, progress.first_text_ms))
        return tuple(sorted(found, key=lambda span: span.start_ms))
