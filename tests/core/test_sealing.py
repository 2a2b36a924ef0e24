"""Sealing: what is sealed opens under its name and key, and under nothing else."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import GatewayError
from app.core.sealing import SealBroken, SealedWithAnotherKey, Sealer, SealError, key_id_of

OLD, NEW = b"the key of last year, long enough", b"the key of this year, long enough"


@pytest.fixture(scope="module")
def old() -> Sealer:
    return Sealer(OLD)


@pytest.fixture(scope="module")
def new() -> Sealer:
    return Sealer(NEW)


@pytest.fixture(scope="module")
def both() -> Sealer:
    return Sealer(NEW, older=[OLD])


@settings(deadline=None)  # a busy machine is no failure
@given(text=st.text(st.characters()), name=st.text(st.characters(), max_size=80))
def test_any_text_opens_again_under_its_name(old: Sealer, text: str, name: str) -> None:
    assert old.open(old.seal(text, name=name), name=name) == text


def test_the_sealed_form_is_ascii_and_shows_nothing_of_the_text(old: Sealer) -> None:
    sealed = old.seal("hunter2-hunter2", name="secret:crm")
    assert sealed.isascii()
    assert sealed.startswith(f"v1.{old.key_id}.")
    body = sealed.rpartition(".")[2]
    assert b"hunter2" not in base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))


def test_the_same_secret_looks_different_each_time(old: Sealer) -> None:
    assert len({old.seal("same", name="n") for _ in range(50)}) == 50


def test_a_value_does_not_open_under_another_name(old: Sealer) -> None:
    sealed = old.seal("mine", name="secret:a")
    for name in ("secret:b", "", "secret:a ", "secret:A", f"{old.key_id}.secret:a"):
        with pytest.raises(SealBroken, match="damaged or belongs to another name"):
            old.open(sealed, name=name)


def test_every_changed_character_is_noticed(old: Sealer) -> None:
    sealed = old.seal("a secret of some length", name="n")
    for position, was in enumerate(sealed):
        changed = sealed[:position] + ("A" if was != "A" else "B") + sealed[position + 1 :]
        with pytest.raises(SealError):
            old.open(changed, name="n")


def test_a_shortened_value_is_noticed(old: Sealer) -> None:
    sealed = old.seal("a secret of some length", name="n")
    for length in range(len(sealed)):
        with pytest.raises(SealError):
            old.open(sealed[:length], name="n")


@pytest.mark.parametrize(
    "nonsense",
    ["", "v1", "plain text", "v1..", "v1.00.AA", "v2.0123456789abcdef.AAAA", "v1.0123456789abcdef.A", "é" * 90],
)
def test_what_was_never_sealed_is_refused_in_words(old: Sealer, nonsense: str) -> None:
    with pytest.raises(SealError) as caught:
        old.open(nonsense, name="secret:crm")
    assert "secret:crm" in str(caught.value)
    assert not old.is_current(nonsense)


def test_another_key_does_not_open_it_and_the_message_names_both(old: Sealer, new: Sealer) -> None:
    sealed = old.seal("mine", name="secret:crm")
    with pytest.raises(SealedWithAnotherKey, match="Bring that key back") as caught:
        new.open(sealed, name="secret:crm")
    assert old.key_id in str(caught.value)
    assert new.key_id in str(caught.value)
    assert isinstance(caught.value, GatewayError)


def test_a_forged_key_id_does_not_make_it_open(old: Sealer, new: Sealer) -> None:
    sealed = old.seal("mine", name="n")
    with pytest.raises(SealBroken):
        new.open(sealed.replace(old.key_id, new.key_id), name="n")


def test_after_a_rotation_the_old_values_open_and_are_sealed_anew(old: Sealer, new: Sealer, both: Sealer) -> None:
    sealed = old.seal("mine", name="n")
    assert both.open(sealed, name="n") == "mine"
    assert not both.is_current(sealed)
    again = both.resealed(sealed, name="n")
    assert both.is_current(again)
    assert key_id_of(again) == both.key_id == new.key_id
    assert new.open(again, name="n") == "mine"  # the old key is needed no longer
    with pytest.raises(SealedWithAnotherKey):
        old.open(again, name="n")


def test_a_value_cannot_be_moved_by_sealing_it_anew(both: Sealer, old: Sealer) -> None:
    with pytest.raises(SealBroken):
        both.resealed(old.seal("mine", name="a"), name="b")


def test_the_same_key_gives_the_same_id_in_every_process(old: Sealer) -> None:
    assert old.key_id == "3a3b42c2fff3a67c"


def test_no_key_and_no_secret_is_in_a_repr_or_an_error(both: Sealer, old: Sealer) -> None:
    assert OLD.decode() not in repr(both)
    assert "older" in repr(both)
    with pytest.raises(SealError) as caught:
        both.open(old.seal("hunter2-hunter2", name="a"), name="b")
    assert "hunter2" not in str(caught.value)


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ValueError, match="protects nothing"):
        Sealer(b"")
