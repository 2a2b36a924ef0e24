"""Which OpenAI models take which parameters.

OpenAI's reasoning models answer 400 to a ``temperature`` and to ``max_tokens``, and those of the newer families think
before they speak unless told not to, which a caller hears as silence. The rules follow the model profiles that
langchain-openai carries; a test compares the two. They are here in words because reading the profiles means to import
the SDK, which takes most of a second, and because compatible servers are asked for models that no profile knows.
"""

from __future__ import annotations

import re

_REASONING = re.compile(r"(?:^|/)(?:o\d|gpt-(?:[5-9]|\d\d))", re.IGNORECASE)
_TEMPERATURE_AFTER_ALL = re.compile(r"(?:^|/)gpt-5(?:-chat|\.[1-4](?!.*-(?:pro|spark)))", re.IGNORECASE)
_QUIET_EFFORTS = (
    (re.compile(r"(?:^|/)gpt-5(?:-mini|-nano)?(?:-\d{4}-\d{2}-\d{2})?$", re.IGNORECASE), "minimal"),
    (re.compile(r"(?:^|/)gpt-5(?:\.\d+|-pro)(?!.*chat)", re.IGNORECASE), "none"),
    (re.compile(r"(?:^|/)gpt-6-(?:luna|sol)", re.IGNORECASE), "none"),
    (re.compile(r"(?:^|/)gpt-6-astra", re.IGNORECASE), "low"),
)


def is_reasoning_model(model: str) -> bool:
    """Whether it is one of OpenAI's models that want ``max_completion_tokens`` and mostly no ``temperature``."""
    return _REASONING.search(model) is not None


def takes_temperature(model: str) -> bool:
    """Whether a ``temperature`` may be sent."""
    return not is_reasoning_model(model) or _TEMPERATURE_AFTER_ALL.search(model) is not None


def quiet_effort(model: str) -> str | None:
    """The least ``reasoning_effort`` that the model takes; None where it takes none, or none is known."""
    return next((effort for pattern, effort in _QUIET_EFFORTS if pattern.search(model)), None)
