"""The commands of ``asterisk-ai``, with their options; what they do is in a file each."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from app.core.errors import GatewayError

cli = typer.Typer(
    name="asterisk-ai",
    help="The AI gateway for Asterisk.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DEFAULT_ENV = Path(".env")


def _readable(context: typer.Context, path: Path) -> Path:
    """A file that was asked for must be there; the default one may be absent. Ends with 2, as a wrong option does."""
    source = context.get_parameter_source("env_file")
    asked = source is not None and source.name != "DEFAULT"
    # Path's own raise where a folder is closed to us. A pipe is a file here: it may come from a program that decrypts.
    if os.path.exists(path) and not os.path.isdir(path):
        reason = "" if os.access(path, os.R_OK) else "this user may not read it"
    elif asked:
        reason = "it is a folder" if os.path.isdir(path) else "there is no such file"
    else:
        reason = ""
    if reason:
        typer.echo(f"asterisk-ai: --env-file {path}: {reason}", err=True)
        raise typer.Exit(2)
    return path


EnvFile = Annotated[
    Path, typer.Option("--env-file", callback=_readable, help="File with settings; the environment goes before it.")
]


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"asterisk-ai {version('asterisk-ai')}")
        except PackageNotFoundError:  # run from a checkout that was never installed
            typer.echo("asterisk-ai, not installed as a package")
        raise typer.Exit


@cli.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """The AI gateway for Asterisk."""


@cli.command()
def serve(env_file: EnvFile = DEFAULT_ENV) -> None:
    """Run the service until it is stopped."""
    from app.core.settings import load_settings
    from app.main import serve as run

    run(load_settings(env_file))


@cli.command()
def migrate(env_file: EnvFile = DEFAULT_ENV) -> None:
    """Bring the database to this version's schema (serve does it too)."""
    from rich.console import Console

    from app.cli.migrate import run
    from app.cli.running import run_quietly
    from app.core.settings import load_settings

    settings = load_settings(env_file)
    run_quietly(settings, run(settings, Console(highlight=False, soft_wrap=True)))


@cli.command()
def dialplan(
    context: Annotated[str, typer.Option(help="Name of the dialplan context.")] = "ai-assistant",
    extension: Annotated[str, typer.Option(help="Number that callers dial, or a pattern such as _1XX.")] = "100",
    human: Annotated[
        str | None,
        typer.Option(metavar="EXTEN[@CONTEXT]", help="Where callers go whom the AI cannot help."),
    ] = None,
    prompt: Annotated[str | None, typer.Option(metavar="NAME", help="The prompt to use.")] = None,
    freepbx: Annotated[bool, typer.Option("--freepbx", help="With FreePBX's files and steps.")] = False,
    env_file: EnvFile = DEFAULT_ENV,
) -> None:
    """Print a dialplan for the present settings, ready for extensions.conf."""
    from app.calls.dialplan import snippet
    from app.calls.errors import DialplanInvalid
    from app.core.settings import load_settings

    settings = load_settings(env_file)
    try:
        text = snippet(settings, context=context, extension=extension, human=human, prompt=prompt, freepbx=freepbx)
    except DialplanInvalid as error:
        sys.exit(f"asterisk-ai: --{error}")
    sys.stdout.write(text)


@cli.command()
def doctor(
    online: Annotated[bool, typer.Option("--online", help="Ask every configured language model a question.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Findings as JSON, for programs.")] = False,
    asterisk_config: Annotated[
        Path, typer.Option(metavar="DIR", help="Asterisk's configuration, where it runs on this machine.")
    ] = Path("/etc/asterisk"),
    env_file: EnvFile = DEFAULT_ENV,
) -> None:
    """Check settings, Asterisk, language models, Redis, database and web port; say what to type.

    Exit code: 0 nothing fails, 1 something does, 2 the settings cannot be read.
    """
    from app.cli.doctor import run

    raise typer.Exit(run(env_file, online=online, as_json=as_json, asterisk_config=asterisk_config))


@cli.command()
def chat(
    prompt: Annotated[
        str | None, typer.Option(metavar="NAME", help="The prompt; the default one if not given.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="PROVIDER[:MODEL]", help="The model.")] = None,
    var: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="A call variable.")] = None,
    conversation: Annotated[str | None, typer.Option(metavar="KEY", help="Go on with this conversation.")] = None,
    once: Annotated[str | None, typer.Option(metavar="TEXT", help="Say this, show the answer, and end.")] = None,
    heard: Annotated[bool, typer.Option("--speakable", help="Show what a caller would hear.")] = False,
    env_file: EnvFile = DEFAULT_ENV,
) -> None:
    """Talk with the AI in the terminal: the same prompt, tools and memory as in a call.

    Ctrl-C stops an answer, Ctrl-D leaves. Exit code: 0 when the last turn was answered.
    """
    from rich.console import Console

    from app.cli.chat import ChatPlan, run
    from app.cli.options import variables_from
    from app.cli.running import run_quietly
    from app.core.settings import load_settings

    # As the dialplan's own keys: prompts and tools name them in lower case.
    variables = {name.lower(): value for name, value in variables_from(var or ()).items()}
    settings = load_settings(env_file)
    console = Console(highlight=False, soft_wrap=True)
    plan = ChatPlan(prompt, model, conversation, variables, once, heard)
    raise typer.Exit(0 if run_quietly(settings, run(settings, plan, console)) else 1)


@cli.command()
def call(
    endpoint: Annotated[str, typer.Argument(help="Whom to call, as in Dial(): PJSIP/100, PJSIP/NUMBER@TRUNK.")],
    say: Annotated[str | None, typer.Option(metavar="TEXT", help="The caller's first words, as USER_INPUT.")] = None,
    context: Annotated[str, typer.Option(help="Dialplan context that the call goes to.")] = "ai-assistant",
    extension: Annotated[str, typer.Option(help="Extension in that context.")] = "100",
    direct: Annotated[bool, typer.Option("--direct", help="Straight to the service, without a dialplan.")] = False,
    var: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="A channel variable.")] = None,
    ring: Annotated[int, typer.Option(min=1, metavar="SECONDS", help="How long it may ring.")] = 30,
    longest: Annotated[float, typer.Option(metavar="SECONDS", help="When to hang up.")] = 300,
    once: Annotated[bool, typer.Option("--once", help="Hang up after the first answer.")] = False,
    env_file: EnvFile = DEFAULT_ENV,
) -> None:
    """Have Asterisk call somebody, and show what happens. The running service keeps its calls.

    Exit code: 0 when it was answered and every turn ended with AI_STATUS=OK.
    """
    from rich.console import Console

    from app.cli.call import CallPlan, run
    from app.cli.options import variables_from
    from app.cli.running import run_quietly
    from app.core.settings import load_settings

    plan = CallPlan(endpoint, context, extension, direct, say, variables_from(var or ()), ring, longest, once)
    settings = load_settings(env_file)
    console = Console(highlight=False, soft_wrap=True)
    raise typer.Exit(0 if run_quietly(settings, run(settings, plan, console)) else 1)


users = typer.Typer(help="List, add and remove users of the web interface and the API.", no_args_is_help=True)
cli.add_typer(users, name="users")

UserName = Annotated[str, typer.Argument(metavar="NAME", help="The user's name, in any case.")]
Generate = Annotated[bool, typer.Option("--generate", help="Make a password and print it.")]


@users.command("list")
def list_users(env_file: EnvFile = DEFAULT_ENV) -> None:
    """List the users."""
    from app.cli.users import show

    _run(env_file, show)


@users.command("add")
def add_user(
    name: UserName,
    role: Annotated[str, typer.Option(metavar="ROLE", help="viewer, editor or administrator.")] = "viewer",
    generate: Generate = False,
    env_file: EnvFile = DEFAULT_ENV,
) -> None:
    """Add a user. The password is asked for, or read as one line from a pipe."""
    from app.cli.users import add
    from app.core.permissions import Role

    if role not in tuple(Role):
        raise typer.BadParameter("write viewer, editor or administrator", param_hint="--role")
    _run(env_file, add, name=name, role=Role(role), password=_new_password(generate))


@users.command("passwd")
def change_password(name: UserName, generate: Generate = False, env_file: EnvFile = DEFAULT_ENV) -> None:
    """Give a user a new password; a disabled one is enabled. It is asked for, or read as one line from a pipe."""
    from app.cli.users import passwd

    _run(env_file, passwd, name=name, password=_new_password(generate))


@users.command("remove")
def remove_user(name: UserName, env_file: EnvFile = DEFAULT_ENV) -> None:
    """Remove a user, with all their tokens."""
    from app.cli.users import remove

    _run(env_file, remove, name=name)


def _run(env_file: Path, work: Callable[..., Coroutine[Any, Any, bool]], **arguments: object) -> None:
    from rich.console import Console

    from app.cli.running import run_quietly
    from app.core.settings import load_settings

    settings = load_settings(env_file)
    run_quietly(settings, work(settings, Console(highlight=False, soft_wrap=True), **arguments))


prompts = typer.Typer(help="Write prompts to a file, and read them from one.", no_args_is_help=True)
cli.add_typer(prompts, name="prompts")


@prompts.command("export")
def export_prompts(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these prompts.")] = None,
    output: Annotated[str, typer.Option(metavar="FILE", help="Where to; - is standard output.")] = "-",
    as_json: Annotated[bool, typer.Option("--json", help="JSON in place of YAML.")] = False,
    env_file: EnvFile = DEFAULT_ENV,
) -> None:
    """Write all prompts, or those named, as YAML. The same prompts always give the same text."""
    from app.cli.prompts import export

    _run(env_file, export, names=tuple(names or ()), output=output, as_json=as_json)


@prompts.command("import")
def import_prompts(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="YAML or JSON, as export writes it; - is standard input.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the list of versions.")] = "Imported",
    env_file: EnvFile = DEFAULT_ENV,
) -> None:
    """Create and change prompts as a file says: all of them, or none. The same file again changes nothing."""
    from app.cli.prompts import import_

    _run(env_file, import_, source=file, dry_run=dry_run, note=note)


secrets = typer.Typer(
    help="Store what tools sign in with, and change the key it is encrypted with.", no_args_is_help=True
)
cli.add_typer(secrets, name="secrets")


@secrets.command("list")
def list_secrets(env_file: EnvFile = DEFAULT_ENV) -> None:
    """List the secrets: where each may be sent, and who uses it. Never their values."""
    from app.cli.secrets import show

    _run(env_file, show)


@secrets.command("set")
def set_secret(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, - _ and . such as crm-token.")],
    server: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A server that may get it; may be repeated. A new one needs one at least."),
    ] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="For your colleagues.")] = None,
    env_file: EnvFile = DEFAULT_ENV,
) -> None:
    """Store a secret, or replace its value. The value is asked for, or read whole from a pipe or a file."""
    from app.cli.secrets import read_value, set_value

    value = str(typer.prompt("Value", hide_input=True)) if sys.stdin.isatty() else read_value()
    _run(env_file, set_value, name=name, value=value, servers=tuple(server or ()), description=description)


@secrets.command("rotate")
def rotate_secrets(
    old_key_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The SECRET_KEY from before; - is standard input. Else SECRET_KEY_PREVIOUS."),
    ] = None,
    env_file: EnvFile = DEFAULT_ENV,
) -> None:
    """Encrypt all secrets with the SECRET_KEY of today. It may be broken off, and run beside the service.

    Exit code: 0 when all can be read with that key.
    """
    from rich.console import Console

    from app.cli.running import run_quietly
    from app.cli.secrets import rotate
    from app.core.settings import load_settings

    settings = load_settings(env_file)
    console = Console(highlight=False, soft_wrap=True)
    raise typer.Exit(0 if run_quietly(settings, rotate(settings, console, old_key_file=old_key_file)) else 1)


def _new_password(generate: bool) -> str:
    if generate:
        from app.core.security import readable_password

        password = readable_password()
        typer.echo(f"password: {password}")
        return password
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def main() -> None:
    """Entry point of the command; a known error is one line, not a stack trace."""
    try:
        cli()
    except GatewayError as error:
        sys.exit(f"asterisk-ai: {error}")
