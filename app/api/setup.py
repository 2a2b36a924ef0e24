"""``/api/setup``: the way from an empty installation to an answered call."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import APIRouter

from app.api.access import needs
from app.api.parts import Parts, PartsDep
from app.api.status import shared_status
from app.core.permissions import Permission
from app.db.seed import AUTHOR
from app.doctor.in_force import read_in_force
from app.schemas.setup import FirstCallBody, SetupBody, StepBody, StepState
from app.schemas.status import StatusBody

router = APIRouter(tags=["settings"])

_DEMO: Final = "demo"


@router.get("/setup", summary="Read how far the setup is")
@needs(Permission.MANAGE_SETTINGS)
async def setup(parts: PartsDep) -> SetupBody:
    """The steps to the first call, each with whether it is done."""
    return await shared_setup(parts)


async def shared_setup(parts: Parts) -> SetupBody:
    """As it was within the last seconds, read once for all who ask.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    return await parts.samples.setup.get(lambda: _read(parts))


async def _read(parts: Parts) -> SetupBody:
    status = await shared_status(parts)
    in_force = await asyncio.to_thread(read_in_force, parts.settings)
    call = await _newest_call(parts)
    called = call is not None or (status.calls is not None and status.calls.served > 0)
    steps = [
        _model(parts, status),
        await _prompt(parts),
        _asterisk(status),
        _dialplan(called),
        _call(called, connected=status.ari.state == "connected"),
    ]
    return SetupBody(
        done=all(step.state != "todo" for step in steps),
        steps=steps,
        call=call,
        calls_now=status.calls.active if status.calls is not None else 0,
        pending=[setting.name for setting in in_force.settings if setting.pending],
        trouble=in_force.trouble,
    )


def _model(parts: Parts, status: StatusBody) -> StepBody:
    name = parts.models.default.provider
    provider = next((each for each in status.providers if each.name == name), None)
    state: StepState = "todo"
    if provider is None or not provider.configured:
        detail = status.model.reason
    elif name != _DEMO:
        state, detail = "done", f"{status.model.default} answers. {status.model.reason}"
    elif parts.settings.default_ai_model:
        state, detail = "done", "The built-in demo model answers, as DEFAULT_AI_MODEL says. It follows a script."
    else:
        state = "usable"
        detail = "No provider has a key yet, so the built-in demo model answers. It follows a script."
    return StepBody(name="model", title="Choose a language model", state=state, detail=detail)


async def _prompt(parts: Parts) -> StepBody:
    newest = (await parts.prompts.list(limit=1, sort="-updated_at")).items
    default = next((each for each in parts.prompt_catalog.all() if each.is_default), None)
    state: StepState = "todo"
    if not newest:
        detail = "There is no prompt, so calls are answered with AI_STATUS=NO_PROMPT."
    elif default is None:
        detail = "No prompt is the default, so the dialplan must name one with AI_PROMPT_NAME."
    elif newest[0].updated_by == AUTHOR:
        state, detail = "usable", f"{default.name} answers, as it came with the installation. Make it yours."
    else:
        state, detail = "done", f"{default.name} answers where the dialplan names no other prompt."
    return StepBody(name="prompt", title="Write the first prompt", state=state, detail=detail)


def _asterisk(status: StatusBody) -> StepBody:
    state: StepState = "done" if status.ari.state == "connected" else "todo"
    return StepBody(name="asterisk", title="Connect Asterisk", state=state, detail=status.ari.detail)


def _dialplan(called: bool) -> StepBody:
    if called:
        return StepBody(
            name="dialplan", title="Add an extension", state="done", detail="The dialplan sends calls to the service."
        )
    detail = "Copy these lines into Asterisk's dialplan. The first call shows that they are in use."
    return StepBody(name="dialplan", title="Add an extension", state="todo", detail=detail)


def _call(called: bool, *, connected: bool) -> StepBody:
    title = "Make a test call"
    if called:
        return StepBody(name="call", title=title, state="done", detail="A call came, and was answered.")
    detail = (
        "Dial the extension. The call appears here the moment its first turn ends."
        if connected
        else "Once Asterisk is connected, dial the extension."
    )
    return StepBody(name="call", title=title, state="todo", detail=detail)


async def _newest_call(parts: Parts) -> FirstCallBody | None:
    found = (await parts.history.conversations(limit=1)).items
    if not found:
        return None
    newest = found[0]
    return FirstCallBody(
        conversation_id=newest.id,
        caller=newest.caller_name or newest.caller_number or "unknown number",
        at=newest.last_at,
        status=newest.last_status,
    )
