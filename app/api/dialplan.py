"""``/api/dialplan``: what goes into ``extensions.conf``."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from app.api.access import needs
from app.api.parts import Parts, PartsDep
from app.api.problems import ProblemError
from app.api.responses import problems
from app.calls.dialplan import snippet
from app.core.errors import SettingsError
from app.core.permissions import Permission
from app.schemas.dialplan import DialplanBody

router = APIRouter(tags=["dialplan"])

_LONGEST: Final = 200


class Choices(BaseModel):
    """What a dialplan may be made for. Empty: as it is left out."""

    context: str = "ai-assistant"
    extension: str = "100"
    human: str = ""
    prompt: str = ""
    freepbx: bool = False


def choices(
    context: Annotated[
        str, Query(max_length=_LONGEST, description="Name of the dialplan context.", examples=["ai-assistant"])
    ] = "ai-assistant",
    extension: Annotated[
        str, Query(max_length=_LONGEST, description="Number that callers dial, or a pattern.", examples=["100", "_1XX"])
    ] = "100",
    human: Annotated[
        str,
        Query(
            max_length=_LONGEST,
            description="Where callers go whom the AI cannot help: `EXTENSION` or `EXTENSION@CONTEXT`.",
            examples=["200"],
        ),
    ] = "",
    prompt: Annotated[
        str, Query(max_length=_LONGEST, description="For `AI_PROMPT_NAME`.", examples=["receptionist"])
    ] = "",
    freepbx: Annotated[bool, Query(description="With FreePBX's files and steps.")] = False,
) -> Choices:
    """The query."""
    return Choices(context=context, extension=extension, human=human, prompt=prompt, freepbx=freepbx)


Chosen = Annotated[Choices, Depends(choices)]


@router.get("/dialplan", summary="Make a dialplan for this installation", responses=problems(422))
@needs(Permission.READ)
async def as_json(parts: PartsDep, chosen: Chosen) -> DialplanBody:
    """The same as `asterisk-ai dialplan` prints."""
    return await make(parts, chosen)


@router.get(
    "/dialplan.conf",
    summary="Make a dialplan, as text",
    response_class=PlainTextResponse,
    responses={200: {"description": "For `extensions.conf`."}, **problems(422)},
)
@needs(Permission.READ)
async def as_text(parts: PartsDep, chosen: Chosen) -> PlainTextResponse:
    """Such as: `curl -u admin:PASSWORD http://127.0.0.1:8000/api/dialplan.conf > /etc/asterisk/asterisk-ai.conf`"""
    return PlainTextResponse((await make(parts, chosen)).text)


async def make(parts: Parts, chosen: Choices) -> DialplanBody:
    """The dialplan.

    Raises:
        DialplanInvalid: a choice cannot stand in one; ``field`` names it.
        ProblemError: 422, where ``ASTERISK_APP_NAME`` cannot.
    """
    try:
        text = await asyncio.to_thread(
            snippet,
            parts.settings,
            context=chosen.context,
            extension=chosen.extension,
            human=chosen.human or None,
            prompt=chosen.prompt or None,
            freepbx=chosen.freepbx,
        )
    except SettingsError as error:
        raise ProblemError(422, error.code, str(error)) from None
    file = "/etc/asterisk/extensions_custom.conf" if chosen.freepbx else "/etc/asterisk/asterisk-ai.conf"
    return DialplanBody(text=text, file=file)
