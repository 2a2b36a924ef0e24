"""A dialplan for the present settings, ready to be included: for ``asterisk-ai dialplan`` and the web interface."""

from __future__ import annotations

import re
from importlib.resources import files

from app.calls.errors import DialplanInvalid
from app.calls.speakable import cut, speakable
from app.core.errors import SettingsError
from app.core.settings import Settings

# Seconds beyond the deadline after which Asterisk takes a call back. The service promises 250 ms.
MARGIN = 5.0
TURNS = 50
FAILURES = 3

# Where Asterisk's own samples and FreePBX keep the extensions that telephones dial.
PHONES = "from-internal"

# Bytes. A line of extensions.conf holds 8,191, of which a speakable sentence needs few.
FALLBACK_BYTES = 1_000

_CONTEXT = re.compile(r"[A-Za-z0-9_-]{1,60}")
_EXTENSION = re.compile(r"_?[A-Za-z0-9*#+.!XZN\[\]-]{1,79}")
_NUMBER = re.compile(r"[A-Za-z0-9*#+-]{1,79}")
# Extensions of the snippet itself, and those that Asterisk gives a meaning.
_TAKEN = frozenset({"say", "T", "t", "i", "h", "s", "e", "a", "o"})
# What an argument of Stasis() or a line of extensions.conf would not carry unharmed.
_NOT_IN_ARGUMENTS = re.compile(r"[,\"\\()\[\]{}$;`\x00-\x1f\x7f]")


def snippet(
    settings: Settings,
    *,
    context: str = "ai-assistant",
    extension: str = "100",
    human: str | None = None,
    prompt: str | None = None,
    freepbx: bool = False,
) -> str:
    """The text of the dialplan.

    Args:
        extension: A number or a pattern such as ``_1XX``.
        human: Where callers go whom the AI cannot help: ``EXTENSION`` or ``EXTENSION@CONTEXT``. None: they hear the
            fallback sentence and are hung up.
        prompt: For ``AI_PROMPT_NAME``; None: the default prompt.

    Raises:
        DialplanInvalid: an argument cannot stand in a dialplan; the message begins with its name and says why.
        SettingsError: ``ASTERISK_APP_NAME`` cannot.
    """
    _check_place(context, extension)
    person, person_context = _person(human) if human else (None, PHONES)
    if human and person == extension and person_context in (context, PHONES):
        raise DialplanInvalid("human", human, "this is where the AI itself answers: choose the extension of a person")
    values = {
        "WHERE": _freepbx_where(context, extension) if freepbx else _where(context),
        "APP": _application(settings.asterisk_app_name),
        "DEADLINE": f"{settings.ai_turn_timeout:g}",
        "LIMIT": f"{settings.ai_turn_timeout + MARGIN:g}",
        "CONTEXT": context,
        "EXTENSION": extension,
        "TURNS": str(TURNS),
        "FAILURES": str(FAILURES),
        "ARGUMENTS": _arguments(settings, prompt),
        "FALLBACK": _sentence(settings.ai_fallback_sentence),
        "HUMAN": _human(person, person_context),
        "TARGETS": _targets(person, person_context, ours=context),
    }
    template = files("app.calls").joinpath("templates/dialplan.conf").read_text(encoding="utf-8")
    return re.sub(r"@([A-Z]+)@", lambda match: values[match[1]], template)


def _check_place(context: str, extension: str) -> None:
    if not _CONTEXT.fullmatch(context):
        raise DialplanInvalid("context", context, "use letters, digits, dashes and underscores, at most 60")
    if not _EXTENSION.fullmatch(extension):
        raise DialplanInvalid("extension", extension, "write a number such as 100, or a pattern such as _1XX")
    if extension in _TAKEN or extension in ("_.", "_!"):
        raise DialplanInvalid("extension", extension, "this one has a meaning of its own; choose another")


def _person(human: str) -> tuple[str, str]:
    extension, _, context = human.partition("@")
    context = context or PHONES
    if not _NUMBER.fullmatch(extension) or not _CONTEXT.fullmatch(context):
        raise DialplanInvalid("human", human, "write an extension such as 200, or 200@context")
    return extension, context


def _problem(value: str) -> str | None:
    """Why an argument of Stasis() does not carry the value; None: it does."""
    bad = _NOT_IN_ARGUMENTS.search(value)
    if not bad and value == value.strip():
        return None
    what = repr(bad.group()) if bad else "a space at its begin or end"
    return f"it holds {what}, which an argument of Stasis() does not carry: rename it"


def _application(name: str) -> str:
    if problem := _problem(name):
        raise SettingsError(f"ASTERISK_APP_NAME {name!r}: {problem}")
    return name


def _arguments(settings: Settings, prompt: str | None) -> str:
    # The same deadline on both sides, whatever the prompt says: the safety net depends on it.
    found = ["UNIQUEID=${UNIQUEID}", f"AI_TIMEOUT={settings.ai_turn_timeout:g}"]
    if prompt:
        if problem := _problem(prompt):
            raise DialplanInvalid("prompt", prompt, problem)
        found.append(f"AI_PROMPT_NAME={prompt}")
    return ",".join(found)


def _sentence(text: str) -> str:
    """A sentence as the value of Set() in a file: a semicolon would begin a comment."""
    return cut(speakable(text), FALLBACK_BYTES).replace(";", "\\;") or "I am sorry, I cannot answer right now."


def _human(person: str | None, context: str) -> str:
    lines = ["; ---- whom the AI cannot help"]
    if person:
        lines += [
            "; Goto() to an extension that does not exist would hang the caller up without a word.",
            f" same => n(human),GotoIf($[${{DIALPLAN_EXISTS({context},{person},1)}} = 0]?nobody)",
            f" same => n,Goto({context},{person},1)",
            f" same => n(nobody),Log(ERROR,asterisk-ai: nobody to transfer to: [{context}] has no extension {person})",
            " same => n,Set(AI_SAY=I am sorry, I cannot put you through. Please call again later.)",
            " same => n,Gosub(say,1)",
        ]
    else:
        lines += [
            "; A person to turn to (--human EXTENSION) makes this a transfer; without one, the call ends.",
            " same => n(human),NoOp(asterisk-ai: nobody to transfer to)",
        ]
    return "\n".join(lines)


def _targets(person: str | None, context: str, *, ours: str) -> str:
    if person:
        # By way of (human), which looks whether the extension exists.
        return f"exten => {person},1,Goto({ours},${{AI_EXTENSION}},human)\n;exten => sales,1,Goto({context},201,1)"
    return f";exten => 200,1,Goto({context},200,1)\n;exten => sales,1,Goto({context},201,1)"


def _where(context: str) -> str:
    return f"""\
; Where it goes:
;   1. Save it as /etc/asterisk/asterisk-ai.conf, and add to extensions.conf:    #include asterisk-ai.conf
;   2. In the context that your telephones or trunks dial from:                  include => {context}
;   3. asterisk -rx "dialplan reload", and look at it with: asterisk -rx "dialplan show {context}\""""


def _freepbx_where(context: str, extension: str) -> str:
    target = "NUMBER" if extension.startswith("_") else extension
    return f"""\
; Where it goes on FreePBX:
;   1. Append it to /etc/asterisk/extensions_custom.conf, which FreePBX includes and does not write over.
;   2. Admin > Custom Destinations > Add: target {context},{target},1 . Inbound routes, IVRs and queues can use it then.
;      To dial it from a telephone, add to [from-internal-custom] in the same file, with a number that is nobody's:
;          exten => {target},1,Goto({context},{target},1)
;   3. Press Apply Config, or type: fwconsole reload"""
