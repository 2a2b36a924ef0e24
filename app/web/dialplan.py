"""The dialplan on pages: a form of choices, and the text for them with a button that copies it."""

from __future__ import annotations

from typing import Any

from app.api.dialplan import Choices, make
from app.api.parts import Parts
from app.web.forms import Form


async def dialplan_values(parts: Parts, chosen: Choices) -> dict[str, Any]:
    """What ``dialplan.html`` needs: ``choices``, a form; ``dialplan``, None where a choice is wrong; ``prompts``, the
    names of those that are published; ``anchored``, whether something was chosen."""
    form = Form.of(chosen.model_dump())
    dialplan = None
    async with form.noting():
        dialplan = await make(parts, chosen)
    return {
        "choices": form,
        "dialplan": dialplan,
        "chosen": chosen != Choices(),
        "prompts": [("", "The default prompt"), *((name, name) for name in _names(parts))],
        "app": parts.settings.asterisk_app_name,
    }


def _names(parts: Parts) -> list[str]:
    return sorted((prompt.name for prompt in parts.prompt_catalog.all()), key=str.casefold)
