"""``asterisk-ai chat``: talking with the real agent in the terminal. Same prompt, tools and memory as in a call."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import sys
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from app.agent.events import ActionRequested, Done, TextDelta, ToolFinished, ToolSlow, ToolStarted
from app.agent.turn import TurnRequest
from app.api.parts import Parts
from app.calls.outcome import Outcome, Status
from app.calls.speakable import speakable
from app.calls.variables import channel_variables
from app.cli.lines import Lines
from app.core.errors import GatewayError
from app.core.settings import Settings
from app.main import open_parts
from app.prompts.prompt import Prompt

# Characters of a tool's result that are shown.
RESULT_SHOWN: Final = 600


@dataclass(frozen=True, slots=True)
class ChatPlan:
    """What was asked for.

    Attributes:
        prompt, model: None: the default ones.
        conversation: Key of the memory; None: a new one.
        variables: Call variables, by the names that prompts and tools use.
        once: The only words of the conversation; None: they come from standard input.
        heard: Show what a caller would hear, instead of what the model wrote.
    """

    prompt: str | None = None
    model: str | None = None
    conversation: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    once: str | None = None
    heard: bool = False


async def run(settings: Settings, plan: ChatPlan, console: Console) -> bool:
    """Talk until the input ends.

    Returns:
        Whether the last turn was answered.

    Raises:
        GatewayError: the parts cannot be opened, or there is no such prompt or model.
    """
    failure: GatewayError | None = None
    answered = True
    async with open_parts(settings, calls=False) as parts:
        # Caught here, since the parts' own tasks would wrap it.
        try:
            parts.models.resolve(plan.model)
            chat = Chat(parts, plan, parts.prompt_catalog.get(plan.prompt), console)
            answered = await (chat.turn(plan.once) if plan.once is not None else chat.talk())
        except GatewayError as error:
            failure = error
    if failure is not None:
        raise failure
    return answered


class Chat:
    """One conversation."""

    def __init__(self, parts: Parts, plan: ChatPlan, prompt: Prompt, console: Console) -> None:
        self._parts = parts
        self._plan = plan
        self._prompt = prompt
        self._console = console
        self._conversation = plan.conversation or f"chat:{secrets.token_hex(6)}"
        # The turn in progress, for Ctrl-C.
        self._turn: asyncio.Task[bool] | None = None

    async def talk(self) -> bool:
        """Turn after turn, until Ctrl-D or the end of the input."""
        answered = True
        interactive = sys.stdin.isatty()
        if interactive:
            self._introduce()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._stop)
        lines = Lines("you> " if interactive else "")
        try:
            while (text := await lines.next()) is not None:
                if not text.strip():
                    continue
                self._turn = asyncio.create_task(self.turn(text.strip()), name="turn")
                await asyncio.wait([self._turn])
                if self._turn.cancelled():
                    answered = False
                    self._note("\nstopped; this turn is not remembered")
                else:
                    answered = self._turn.result()
                self._turn = None
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            if self._turn is not None:
                self._turn.cancel()
                await asyncio.gather(self._turn, return_exceptions=True)
        return answered

    async def turn(self, text: str) -> bool:
        """One turn, shown as it happens. A failure is shown too; only cancellation comes out."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        timeout = self._prompt.timeout or self._parts.settings.ai_turn_timeout
        request = TurnRequest(
            conversation=self._conversation,
            text=text,
            prompt=self._prompt,
            deadline=began + timeout,
            model=self._plan.model,
            variables=self._plan.variables,
            turn_id=secrets.token_hex(8),
        )
        try:
            async with asyncio.timeout_at(request.deadline), aclosing(self._parts.agent.run(request)) as events:
                async for event in events:
                    self._show(event, began)
        except TimeoutError:
            return self._failed("turn_timeout", f"no answer within {timeout:g} s")
        except GatewayError as error:
            return self._failed(error.code, str(error))
        return True

    def _show(self, event: object, began: float) -> None:
        match event:
            case TextDelta() if not self._plan.heard:
                self._console.print(event.text, end="", markup=False, emoji=False)
            case ToolStarted():
                self._note(f"\n  tool {event.name}({_arguments(event.arguments)})")
            case ToolSlow():
                self._note(f"    ... {event.text}")
            case ToolFinished():
                result = event.result if len(event.result) <= RESULT_SHOWN else event.result[:RESULT_SHOWN] + " ..."
                how = "" if event.ok else f" failed ({event.error})"
                self._note(f"    -> {event.elapsed_ms:.0f} ms{how}: {result}")
            case ActionRequested():
                self._note(f"\n  AI_ACTION = {event.action}" + (f", {event.data}" if event.data else ""))
            case Done():
                self._done(event, began)

    def _done(self, done: Done, began: float) -> None:
        if self._plan.heard:
            self._console.print(speakable(done.text), end="", markup=False, emoji=False)
        self._console.print()
        outcome = Outcome(Status.OK, speakable(done.text), output=done.output or {})
        for name, value in channel_variables(outcome).items():
            if name.startswith("AI_OUT_"):
                self._note(f"  {name} = {value}")
        elapsed = (asyncio.get_running_loop().time() - began) * 1000
        first = "" if done.first_text_ms is None else f", first text after {done.first_text_ms:.0f} ms"
        tokens = f"{done.usage.input_tokens} tokens in, {done.usage.output_tokens} out"
        self._note(f"[{done.model}; {tokens}; {elapsed:.0f} ms{first}; turn {done.turn}]")

    def _failed(self, code: str, detail: str) -> bool:
        fallback = self._prompt.fallback or self._parts.settings.ai_fallback_sentence
        self._console.print(Text(f"\n{code}: {detail}", style="red"))
        self._note(f"a caller would hear: {speakable(fallback)}")
        return False

    def _introduce(self) -> None:
        model = self._plan.model or self._prompt.model or str(self._parts.models.default)
        self._note(
            f"prompt {self._prompt.name} version {self._prompt.version}, model {model}, conversation "
            f"{self._conversation}. Ctrl-C stops an answer, Ctrl-D leaves."
        )

    def _note(self, text: str) -> None:
        self._console.print(Text(text, style="dim"))

    def _stop(self) -> None:
        """Ctrl-C: the turn in progress, or a word of advice where there is none."""
        if self._turn is not None:
            self._turn.cancel()
        else:
            self._note("\nCtrl-D leaves.")


def _arguments(arguments: Mapping[str, Any]) -> str:
    # Not orjson, which refuses numbers of more than 64 bits; a model may write any.
    return ", ".join(
        f"{name}={json.dumps(value, ensure_ascii=False, default=str)}" for name, value in arguments.items()
    )
