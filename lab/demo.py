"""The main job, for people to watch: real SIP calls through a real Asterisk, answered by the gateway with nothing else
configured. ``make demo`` runs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from lab.asterisk import Asterisk
from lab.caller import Caller, CallResult, End
from lab.commands import lab_command
from lab.errors import LabError
from lab.ports import free_port, is_free
from lab.process import lives
from lab.roots import FORKY, ensure, lab_folder
from lab.running import Running
from lab.service import LogLine, Service, ari_settings, run_service

WEB_PORT = 8000

console = Console(highlight=False)


class Conversation:
    """Prints the service's log as a conversation."""

    def show(self, line: LogLine) -> None:
        """One line of the log; those that are not about a conversation are left out."""
        match line.get("event"):
            case "turn.started":
                console.print(Text.assemble(("  caller   ", "bold cyan"), line.get("caller_text", "")))
            case "tool.finished":
                arguments = ", ".join(f"{k}={v!r}" for k, v in (line.get("tool_arguments") or {}).items())
                shown = Text.assemble(("  tool     ", "bold yellow"), f"{line['tool']}({arguments})")
                shown.append(f"  {line['elapsed_ms']:.0f} ms", "dim")
                console.print(shown)
                console.print(
                    Text(f"           {line.get('tool_result', '')}", "dim", overflow="ellipsis", no_wrap=True)
                )
            case "turn.finished":
                shown = Text.assemble(("  answer   ", "bold green"), line.get("answer_text", ""))
                shown.append(f"  {line['latency_ms']} ms, {line['model']}", "dim")
                if action := line.get("action"):
                    shown.append(f", action {action}", "magenta")
                console.print(shown)
            case "turn.failed":
                console.print(
                    Text.assemble(
                        ("  failed   ", "bold red"), f"{line['status']}: {line.get('detail') or line['error']}"
                    )
                )
            case "turn.abandoned":
                shown = Text("  (the caller hung up; the model's work was cancelled)", "italic")
                shown.append(f"  after {line['elapsed_ms']} ms", "dim")
                console.print(shown)


class Demo:
    """The calls of the demonstration, and whether each went as it should."""

    def __init__(self, caller: Caller, service: Service) -> None:
        self._caller = caller
        self._service = service
        self._table = Table("call", "result", "milliseconds", title="What happened", title_justify="left")
        self.failed = 0

    async def run(self) -> None:
        """Place all calls."""
        console.rule("A question that is answered", align="left")
        result = await self._caller.call("100", say="Hello, my name is Ada. When are you open?", conversation="demo-1")
        self._judge("a question", result, "nine")
        console.rule("A second turn of the same conversation, which needs the first", align="left")
        result = await self._caller.call("100", say="What is my name?", conversation="demo-1")
        self._judge("the second turn", result, "Ada")
        console.rule("A question that makes the model call an HTTP tool", align="left")
        result = await self._caller.call("100", say="Where is my order A1042?", conversation="demo-2")
        self._judge("a tool", result, "shipped")
        if not self._service.lines("tool.finished", ok=True):
            self.failed += 1
        console.rule("A caller who hangs up while the model still thinks", align="left")
        result = await self._caller.call("100", say="Think for 8 seconds.", conversation="demo-3", hangup_after=1.5)
        cancelled = True
        try:
            await self._service.wait_for("turn.abandoned", timeout=3)
        except LabError:
            cancelled = False
        self._row("a caller who hangs up", result.end is End.HUNG_UP and cancelled, "cancelled", result)
        console.print()
        console.print(self._table)

    def _judge(self, name: str, result: CallResult, word: str) -> None:
        good = result.end is End.COMPLETED and result.status == "OK" and word.lower() in result.response.lower()
        self._row(name, good, result.status or result.end.value, result)
        if not good:
            console.print(f"[red]Expected an answer with {word!r}, got {result.response!r}[/red]\n{result.log[-2000:]}")

    def _row(self, name: str, good: bool, status: str, result: CallResult) -> None:
        self.failed += not good
        shown = f"[green]{status}[/green]" if good else f"[red]{status}, not as it should be[/red]"
        self._table.add_row(name, shown, f"{result.milliseconds:.0f}" if result.milliseconds else "-")


async def demo(*, once: bool) -> int:
    """Run the demonstration. Returns an exit code: 0 when every call went as it should."""
    with console.status("Building the lab's Asterisk from Debian's packages (once, about a minute) ..."):
        await asyncio.to_thread(ensure, FORKY)
    password = "demo-" + os.urandom(4).hex()
    console.print("Starting Asterisk ...", end=" ")
    begun = time.monotonic()
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(own_folder())
        port = web_port(folder)
        asterisk = await stack.enter_async_context(Asterisk())
        caller = stack.enter_context(Caller(asterisk))
        stack.enter_context(Running.announce(asterisk))
        console.print(f"{time.monotonic() - begun:.1f} s. Starting the gateway ...", end=" ")
        begun = time.monotonic()
        service = await stack.enter_async_context(
            run_service(
                folder,
                {
                    **ari_settings(asterisk),
                    "DATABASE_URL": "sqlite:///./demo.db",
                    "WEB_PORT": str(port),
                    "WEB_UI_PASSWORD": password,
                },
                on_line=Conversation().show,
                ready="ari.connected",
            )
        )
        console.print(f"{time.monotonic() - begun:.1f} s.\n")
        calls = Demo(caller, service)
        await calls.run()
        console.print(
            Panel(
                Text(summary(service.url, password, asterisk.sip_port, once=once)),
                title="It ran here" if once else "Look at it",
                title_align="left",
                expand=False,
            )
        )
        if not once:
            console.print("Running until Ctrl-C.")
            stop = asyncio.Event()
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stop.set)
            await stop.wait()
    return 1 if calls.failed else 0


def summary(url: str, password: str, sip_port: int, *, once: bool) -> str:
    """Where the demo can be looked at and called; with ``once``, how to get one that still runs then."""
    lines = [
        f"Web interface   {url}/ui",
        f"API             {url}/docs",
        "Name            admin",
        f"Password        {password}",
        "",
    ]
    if once:
        return "\n".join([*lines, "All of it ends now. Run `make demo` to keep it running and look at it."])
    which = [] if len(Running.living()) == 1 else ["--sip-port", str(sip_port)]
    call = lab_command("call", *which, "100", "Where is my order B2077?")
    lines += [f"Call it with a SIP phone on this machine: sip:100@127.0.0.1:{sip_port}", f"or from here: {call}"]
    return "\n".join(lines)


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """A folder for this process's demo, for the length of a block. Those of processes that were killed are removed."""
    demos = lab_folder() / "demo"
    for old in demos.glob("*"):
        if old.name.isdigit() and not lives(int(old.name)):
            shutil.rmtree(old, ignore_errors=True)
    folder = demos / str(os.getpid())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def web_port(folder: Path) -> int:
    """The usual port, unless somebody has it or another demo of this checkout may be about to: see ``own_folder``."""
    alone = not any(other.name.isdigit() and other != folder for other in folder.parent.iterdir())
    return WEB_PORT if alone and is_free(WEB_PORT) else free_port()


def main() -> None:
    """``python -m lab.demo [--once]``."""
    try:
        sys.exit(asyncio.run(demo(once="--once" in sys.argv[1:])))
    except LabError as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
