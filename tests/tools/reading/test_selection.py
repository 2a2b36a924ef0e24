"""Selecting from data: what is said of a mistake, and that no expression works without end."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.tools.reading.selection import SelectionFailed, SelectionInvalid, check_selection, select

ORDERS: Any = {"items": [{"id": 1, "name": "Tea", "price": 3.5}, {"id": 2, "name": "Cup", "price": None}]}


@pytest.mark.parametrize(
    ("expression", "selected"),
    [
        ("items[].name", ["Tea", "Cup"]),
        ("items[?price > `3`].{n: name}", [{"n": "Tea"}]),
        ("items[?name == 'Cup'] | [0].id", 2),
        ("length(items)", 2),
        ("sort_by(items, &name)[0].name", "Cup"),
        ("nothing.here", None),
        ("items[0] == items[0]", True),
        ("items[0] != items[1]", True),
        ("join(', ', items[].name)", "Tea, Cup"),
    ],
)
def test_it_selects(expression: str, selected: Any) -> None:
    check_selection(expression)
    assert select(expression, ORDERS) == selected


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("a.b c", "Column 5: 'c' cannot stand here."),
        ("a..b", "Column 3: '.' cannot stand here."),
        ("[?a=b]", "Column 4: Unknown token '='."),
        ("a[", "It breaks off at its end"),
        ("", "It is empty."),
        ("fo(a)", r"There is no function fo\(\); there are abs, "),
        ("length(a, b)", r"length\(\) takes 1 values, not 2."),
        ("not_null()", r"not_null\(\) takes at least 1"),
        ("a[::0]", "step of a slice"),
        ("(" * 3_000 + "a", "nested too deeply"),
        ("||".join("a" * 400), "more than 500 parts|nested too deeply"),
    ],
)
def test_a_mistake_is_said_with_its_place(expression: str, words: str) -> None:
    with pytest.raises(SelectionInvalid, match=words):
        check_selection(expression)


BIG: Any = {"items": [{"name": f"Name {number}", "tags": ["a", "b"]} for number in range(12_000)]}
DOUBLED = "|".join(["[@,@]"] * 40)


@pytest.mark.parametrize(
    "expression",
    [
        DOUBLED,
        "|".join(["[@,@][]"] * 40),
        f"{DOUBLED}|to_string(@)",
        f"{DOUBLED}|@[0]==@[1]",
        f"{DOUBLED}|contains(@, `1`)",
        "|".join(["{a:@,b:@}"] * 40),
        "join(to_string(@), items[].name)",
        "items[].name|join('',@)|[@,@]|" + "|".join(["join('',[@[0],@[1]])|[@,@]"] * 25),
        "items[].merge(@,@,@,@,@,@)",
        "map(&sort_by(@,&name), [items,items,items,items,items,items])",
    ],
    ids=range(10),
)
def test_no_expression_works_without_end(expression: str) -> None:
    before = time.process_time()
    with pytest.raises(SelectionFailed, match="too many steps"):
        select(expression, BIG)
    assert time.process_time() - before < 1.5


def test_what_does_not_fit_is_said_without_what_came() -> None:
    for expression in ("sum(items[].name)", "sort_by(items, &tags)", "abs(items[0].name)", "max(items[].tags)"):
        with pytest.raises(SelectionFailed) as caught:
            select(expression, BIG)
        assert "Name" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)
PIECES = st.lists(st.sampled_from([*"ab@.*[]{}()|&!<>=:,'`? 0", "sort", "[]", "[?", "==", "`1`"]), max_size=20)


@pytest.mark.filterwarnings("ignore:deprecated string literal syntax")
@settings(max_examples=300)
@given(PIECES.map("".join), JSON)
def test_every_expression_is_refused_or_selects_or_fails_in_words(expression: str, value: Any) -> None:
    try:
        check_selection(expression)
    except SelectionInvalid:
        return
    with contextlib.suppress(SelectionFailed):
        select(expression, value)
