"""From a call to its outcome: prompt, words, agent, deadline, fallback. The ARI channel is only read here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Protocol

from app.agent.errors import TurnTimeout
from app.agent.events import ActionRequested, AgentEvent, Done, ToolFinished, ToolSlow, ToolStarted
from app.agent.turn import TurnRequest
from app.ari.errors import AriRequestFailed
from app.calls import ending
from app.calls.call import Call
from app.calls.desk import ChannelDesk
from app.calls.errors import NoInput, UnreadableInput
from app.calls.outcome import Outcome
from app.calls.trace import Journal
from app.core.errors import GatewayError
from app.core.metrics import UNEXPECTED
from app.core.settings import Settings
from app.prompts.prompt import Prompt


class RunsTurns(Protocol):
    """Who answers: :class:`app.agent.agent.Agent`."""

    def run(self, turn: TurnRequest) -> AsyncGenerator[AgentEvent, None]:
        """The events of a turn; raises GatewayError where there is no answer."""
        ...


class Prompts(Protocol):
    """Where prompts are looked up: :class:`app.prompts.catalog.PromptCatalog`."""

    def get(self, name: str | None) -> Prompt:
        """The prompt of that name, or the default one. Raises PromptNotFound."""
        ...


class Answers:
    """Makes an :class:`Outcome` for every call, whatever fails, by the call's deadline."""

    def __init__(self, settings: Settings, agent: RunsTurns, prompts: Prompts, journal: Journal | None = None) -> None:
        self._journal = journal
        self._settings = settings
        self._agent = agent
        self._prompts = prompts

    async def answer(self, call: Call, pbx: str) -> Outcome:
        """Answer ``call``.

        Args:
            pbx: Names the Asterisk; two of them may give out the same UNIQUEID.

        Raises:
            asyncio.CancelledError: nothing else; every failure is an outcome with the fallback sentence. A cancelled
                turn leaves nothing in the conversation's memory.
        """
        prompt: Prompt | None = None
        try:
            prompt = call.trace.prompt = self._prompts.get(call.arguments.prompt)
            return await self._within_deadline(call, prompt, pbx)
        except GatewayError as error:
            return self._failed(call, prompt, error)
        except Exception as error:
            # The caller must hear something also where we have a bug.
            UNEXPECTED.labels("turn").inc()
            call.log.error("turn.unexpected_error", exc_info=error)
            return self._failed(call, prompt, GatewayError(f"unexpected {type(error).__name__}"))

    async def _within_deadline(self, call: Call, prompt: Prompt, pbx: str) -> Outcome:
        timeout = self._timeout(call, prompt)
        deadline = call.deadline = call.started + timeout
        limit = asyncio.timeout_at(deadline)
        try:
            async with limit:
                text = call.arguments.text or await self._spoken(call)
                call.log.info("turn.started", prompt=prompt.name, caller_text=text, turn=call.turn_id)
                self._begun(call, prompt, text)
                return await self._converse(
                    call,
                    TurnRequest(
                        conversation=f"{pbx}:{call.conversation}",
                        text=text,
                        prompt=prompt,
                        deadline=deadline,
                        model=call.arguments.model,
                        variables=call.variables,
                        turn_id=call.turn_id,
                        desk=ChannelDesk(call.channel),
                        progress=call.trace.progress,
                    ),
                )
        except TimeoutError:
            if not limit.expired():
                raise  # somebody else's timeout that was not translated: a bug, and said as one
            raise TurnTimeout(f"no answer within {timeout:g} seconds") from None

    def _timeout(self, call: Call, prompt: Prompt | None) -> float:
        return call.arguments.timeout or (prompt and prompt.timeout) or self._settings.ai_turn_timeout

    def _prompt(self, call: Call) -> Prompt | None:
        try:
            return self._prompts.get(call.arguments.prompt)
        except GatewayError:
            return None

    def seconds(self, call: Call) -> float:
        """The time that this turn has, from its beginning."""
        return self._timeout(call, self._prompt(call))

    def overdue(self, call: Call) -> Outcome:
        """For a turn that was cancelled at its deadline, and does not end."""
        prompt = self._prompt(call)
        timeout = self._timeout(call, prompt)
        return self._failed(call, prompt, TurnTimeout(f"no answer within {timeout:g} seconds, nor an end of the work"))

    async def _spoken(self, call: Call) -> str:
        """The caller's words from the channel variable, where no argument brought them."""
        start = call.exact_ms()
        try:
            text = (await call.channel.get_variable("USER_INPUT") or "").strip()
        except AriRequestFailed as error:
            # ARI answers in JSON, so Asterisk 22.10 answers 500 for a value that is not valid UTF-8.
            raise UnreadableInput(
                f"the channel variable USER_INPUT could not be read ({error}); most often its bytes are not valid "
                "UTF-8: set the speech recognition to UTF-8, or pass USER_INPUT_URI=${URIENCODE(${USER_INPUT})}"
            ) from error
        finally:
            call.trace.part("ari", start, call.exact_ms())
        if not text:
            raise NoInput("the dialplan passed no USER_INPUT and the channel variable of that name is empty")
        return text

    def _begun(self, call: Call, prompt: Prompt, text: str) -> None:
        call.trace.caller_text = text
        call.trace.agent_ms = call.exact_ms()
        if self._journal is not None:
            self._journal.turn_started(
                call.turn_id,
                conversation=call.conversation,
                caller_number=call.variables.get("caller_number", ""),
                prompt=prompt.name,
                caller_text=text,
                at=call.trace.started_at,
            )

    def _tool_finished(self, call: Call, event: ToolFinished) -> None:
        record, arguments = call.trace.tool_finished(event, call.exact_ms())
        _log_tool(call, event, arguments)
        if self._journal is not None:
            self._journal.tool_finished(call.turn_id, record)

    async def _converse(self, call: Call, turn: TurnRequest) -> Outcome:
        actions: list[ActionRequested] = []
        async with aclosing(self._agent.run(turn)) as events:
            async for event in events:
                match event:
                    case ToolStarted():
                        call.trace.tool_started(event, call.exact_ms())
                    case ToolSlow():
                        call.trace.tool_slow(event, call.exact_ms())  # there is no voice to say it with
                    case ToolFinished():
                        self._tool_finished(call, event)
                    case ActionRequested():
                        actions.append(event)
                    case Done():
                        call.trace.done = event
                        outcome = ending.answered(turn.prompt, event, actions, call.elapsed_ms())
                        return replace(outcome, context=call.context)
                    case _:
                        pass  # text: a dialplan turn takes the whole answer from Done
        raise GatewayError("the agent ended a turn without an answer or an error")

    def fallback(self, prompt: Prompt | None = None) -> str:
        """What the caller hears instead of an answer."""
        return ending.fallback(self._settings, prompt)

    def _failed(self, call: Call, prompt: Prompt | None, error: GatewayError) -> Outcome:
        return ending.failed(self._settings, prompt, error, call.elapsed_ms())


def _log_tool(call: Call, event: ToolFinished, arguments: Mapping[str, Any]) -> None:
    # Why a tool failed, and at which address, the executor says in a line of its own; here is what the model was told.
    call.log.info(
        "tool.finished",
        tool=event.name,
        ok=event.ok,
        error=event.error,
        elapsed_ms=round(event.elapsed_ms, 1),
        tool_arguments=dict(arguments),
        tool_result=event.result,
        turn=call.turn_id,
    )
