"""What is written is read back, by us and by others; what is dangerous is refused."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.prompts.yaml_text import YamlError, dump, load

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.text(" \t\nab:#-|'\"\\{}e1+.🎉")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=20
)


def plain(value: Any) -> str:
    """With its types and the order of its keys, which == does not see."""
    return repr(value)


@given(VALUES)
def test_what_is_written_is_read_back_as_it_was(value: Any) -> None:
    assert plain(load(dump(value))) == plain(value)


@given(st.dictionaries(st.sampled_from(["a", "b c", "d"]), TEXT))
def test_texts_mean_the_same_to_other_readers(value: dict[str, str]) -> None:
    assert yaml.safe_load(dump(value)) == value


def test_texts_of_several_lines_stand_line_by_line() -> None:
    value = {"prompts": [{"content": "Be brief. \n\tAlways.\n\nBye 🎉\n", "name": "ä", "targets": ["+49 30", "x"]}]}
    assert dump(value) == (
        "prompts:\n"
        "  - content: |\n"
        "      Be brief. \n"
        "      \tAlways.\n"
        "\n"
        "      Bye 🎉\n"
        '    name: "ä"\n'
        "    targets:\n"
        '      - "+49 30"\n'
        "      - x\n"
    )


@pytest.mark.parametrize("text", ["0301234", "+4930123", "12:30", "yes", "No", "2026-01-02", "1_000", ".inf", "0x1f"])
def test_what_looks_like_a_number_to_yaml_1_1_stays_a_text(text: str) -> None:
    assert load(f"value: {text}") == {"value": text}


def test_json_is_read_too() -> None:
    assert load('{"a": [1, 2.5, null, true, "x\\u00e4"]}') == {"a": [1, 2.5, None, True, "xä"]}


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: &x 1\nb: *x", 1, "anchors"),
        ("a: [&x [1]]", 1, "anchors"),
        ("a: 1\nb: *x", 2, "anchors"),
        ("a: !!python/object/apply:os.system [x]", 1, "tags"),
        ("a: 1\na: 2", 2, "twice"),
        ("a: 1\n---\nb: 2", 2, "second document"),
        ("[[1]: 2]", 1, "key"),
        ("a: [1,", 2, "flow"),
        ("[" * 500, 1, "deep"),
        ("- " * 500, 1, "deep"),
        ("9" * 500, 1, "digits"),
        ("a: \x00", None, "character"),
        ("a: \ud800", None, "surrogate"),
        ("a:\n\t- b", 2, "token"),
    ],
)
def test_what_cannot_be_taken_is_said_with_its_place(text: str, line: int | None, what: str) -> None:
    with pytest.raises(YamlError, match=what) as caught:
        load(text)
    assert caught.value.line == line


def test_a_bomb_is_refused_at_once() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"b{n}: &b{n} [*a,*a,*a]\n" for n in range(50))
    began = time.perf_counter()
    for text in (bomb, "- a\n" * 2_000_000, "{" * 100_000, "? " * 100_000):
        with pytest.raises(YamlError):
            load(text)
    assert time.perf_counter() - began < 10
