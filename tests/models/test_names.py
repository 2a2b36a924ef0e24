"""Names that count as one."""

from __future__ import annotations

import pytest

from app.models.names import KEY_LENGTH, NAME_LENGTH, name_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sales", "sALES"),
        ("Straße", "STRASSE"),
        ("  desk ", "desk"),
        ("Ångström", "A\u030angstro\u0308m"),
        ("ｄｅｓｋ", "desk"),
    ],
)
def test_case_width_and_composition_do_not_count(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(("one", "other"), [("resume", "résumé"), ("a b", "ab"), ("i", "ı")])
def test_accents_spaces_and_letters_do_count(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


def test_the_longest_name_fits_its_key() -> None:
    assert len(name_key("ΐ" * NAME_LENGTH)) <= KEY_LENGTH
