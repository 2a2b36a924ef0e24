"""The prompts to begin with are good ones."""

from __future__ import annotations

import pytest

from app.prompts.draft import validate
from app.prompts.render import render
from app.prompts.starters import STARTERS, Starter, find_starter


@pytest.mark.parametrize("starter", STARTERS, ids=lambda starter: starter.key)
def test_a_starter_can_be_saved_as_it_is(starter: Starter) -> None:
    validate(starter.draft)
    assert starter.text.endswith(".")
    assert find_starter(starter.key) is starter


def test_keys_and_names_are_used_once() -> None:
    assert len({starter.key for starter in STARTERS}) == len({s.draft.name for s in STARTERS}) == len(STARTERS)
    assert find_starter("nothing") is None


@pytest.mark.parametrize("starter", STARTERS, ids=lambda starter: starter.key)
def test_it_reads_well_with_and_without_a_known_caller(starter: Starter) -> None:
    nobody = render(starter.draft.content, {})
    assert "caller's name is" not in nobody
    assert "\n\n\n" not in nobody
    somebody = render(starter.draft.content, {"caller_name": "Ada", "caller_number": "100"})
    assert "\nThe caller's name is Ada" in somebody
    assert "\n\n\n" not in somebody
