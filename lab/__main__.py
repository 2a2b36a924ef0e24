"""``python -m lab``: the lab by hand.

``build`` makes the root folders, ``up`` starts Asterisk and keeps it running, ``call`` dials it, ``clean`` removes the
folders.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from contextlib import ExitStack
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from lab.asterisk import Asterisk
from lab.caller import Caller, CallResult, End
from lab.clean import clean as remove_all
from lab.commands import lab_command
from lab.errors import LabError
from lab.roots import RECIPES, ensure
from lab.running import Running
from lab.servers import Redis

cli = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
console = Console(highlight=False, soft_wrap=True)


class Version(StrEnum):
    """Debian releases whose Asterisk the lab has."""

    forky = "forky"
    bullseye = "bullseye"


VersionOption = Annotated[Version, typer.Option(help="forky: Asterisk 22. bullseye: Asterisk 16.")]


@cli.command()
def build() -> None:
    """Make the root folders, if they are not there: about a minute and 1 GB, once."""
    for recipe in RECIPES.values():
        root = ensure(recipe)
        console.print(f"{root.path} is ready (entered by way of {root.entry.way})")


@cli.command()
def clean() -> None:
    """Remove the root folders and what else lies beside them. Refuses while one is in use."""
    removed = remove_all()
    for root in removed:
        console.print(f"removed {root}")
    if not removed:
        console.print("There was nothing to remove.")


@cli.command()
def up(
    version: VersionOption = Version.forky,
    sip_port: Annotated[int | None, typer.Option(help="UDP port for SIP; free by default.")] = None,
    http_port: Annotated[int | None, typer.Option(help="TCP port for ARI; free by default.")] = None,
    redis: Annotated[bool, typer.Option(help="Start a Redis too.")] = False,
) -> None:
    """Start Asterisk, say how to reach it, and keep it running until Ctrl-C."""
    enough = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: enough.set())
    with ExitStack() as started:
        asterisk = started.enter_context(Asterisk(version.value, sip_port=sip_port, http_port=http_port))
        memory = started.enter_context(Redis()) if redis else None
        started.enter_context(Running.announce(asterisk))
        _explain(asterisk, memory, version)
        while not enough.wait(0.5):
            if not asterisk.server.running:
                raise LabError(f"Asterisk ended by itself. Its log ends with:\n{asterisk.log_tail()}")
    console.print("Stopped.")


@cli.command()
def call(
    extension: Annotated[str, typer.Argument(help="100 is the one for calls; lab/etc/extensions.conf has them all.")],
    words: Annotated[str, typer.Argument(help="What the caller says.")],
    version: VersionOption = Version.forky,
    conversation: Annotated[str | None, typer.Option(help="Calls with the same key share their memory.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Name of the prompt.")] = None,
    model: Annotated[str | None, typer.Option(help="provider, or provider:model.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the answer.")] = 30,
    sip_port: Annotated[int | None, typer.Option(help="Which lab, where several run; the newest by default.")] = None,
    verbose: Annotated[bool, typer.Option(help="Show the SIP messages of a call that did not complete.")] = False,
) -> None:
    """Call a lab that `up` or the demo started, and print the variables that the dialplan got."""
    with Caller(_callee(version, sip_port)) as caller:
        result = asyncio.run(
            caller.call(extension, say=words, conversation=conversation, prompt=prompt, model=model, timeout=timeout)
        )
    for name, value in result.variables.items():
        console.print(f"{name:18} {value}", markup=False)
    console.print(_outcome(result, extension), style="dim" if result.end is End.COMPLETED else "")
    if result.end is not End.COMPLETED:
        if verbose:
            console.print(result.log, markup=False)
        else:
            console.print("(--verbose shows the SIP messages)", style="dim")
        raise typer.Exit(1)


def _callee(version: Version, sip_port: int | None) -> Running:
    """Whom to call: the newest lab, or the one at ``sip_port``, whoever started it."""
    if sip_port is not None:
        return Running("127.0.0.1", sip_port)
    labs = Running.living(version)
    if not labs:
        raise LabError(f"no lab is running. Type in another terminal: {lab_command('up', *_option(version))}")
    return labs[0]


def _outcome(result: CallResult, extension: str) -> str:
    """How the call ended, in a line."""
    if result.code == 404:
        return f"refused, SIP status 404: the dialplan has no extension {extension} (see lab/etc/extensions.conf)"
    if result.code == 0:
        return "failed: nobody answered the INVITE; does an Asterisk listen at this SIP port?"
    return f"{result.end}, SIP status {result.code}, {result.milliseconds:.1f} ms"


def _option(version: Version) -> list[str]:
    return [] if version is Version.forky else ["--version", version.value]


def _explain(asterisk: Asterisk, memory: Redis | None, version: Version) -> None:
    console.print(f"Asterisk ({version}) is up. For the gateway's .env:\n", style="bold")
    lines = {
        "ASTERISK_ARI_URL": asterisk.http_url,
        "ASTERISK_ARI_USERNAME": asterisk.username,
        "ASTERISK_ARI_PASSWORD": asterisk.password,
        "ASTERISK_APP_NAME": asterisk.app,
    }
    if memory is not None:
        lines |= {"REDIS_HOST": memory.host, "REDIS_PORT": str(memory.port)}
    for name, value in lines.items():
        console.print(f"  {name}={value}", markup=False)
    which = _option(version) if len(Running.living(version)) == 1 else ["--sip-port", str(asterisk.sip_port)]
    console.print(f"\nSIP:  udp {asterisk.host}:{asterisk.sip_port}, extensions 100 to 104 and 199")
    call = lab_command("call", *which, "100", "What are your opening hours?")
    console.print(f"Call: {call}", markup=False)
    console.print(f"CLI:  {asterisk.console()}", markup=False)
    console.print(f"Logs: {asterisk.instance.folder}/log\nCtrl-C ends it.")


def main() -> None:
    """The command line; what is wrong with the machine is said in a sentence, not in a traceback."""
    try:
        cli()
    except LabError as error:
        sys.exit(f"lab: {error}")


if __name__ == "__main__":
    main()
