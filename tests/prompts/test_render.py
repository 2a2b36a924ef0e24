"""Rendering: what a template may do, and that nothing in one stops the process."""

from __future__ import annotations

import time

import pytest

from app.prompts.errors import PromptTemplateError
from app.prompts.render import MAX_OUTPUT_CHARS, check, render, variable_lines, variables_of


def test_variables_are_filled_in_and_unknown_ones_are_empty() -> None:
    assert render("Hello {{ name }}, from {{ city }}{{ a.b.c }}.", {"name": "Ann"}) == "Hello Ann, from ."


def test_call_variables_may_be_written_as_in_tools() -> None:
    assert render("{{ call.CALLERID }} {{ call.none }}{{ call['CALLERID'] }}", {"CALLERID": "12"}) == "12 12"
    assert variables_of("{{ call.CALLERID }} {{ name }}") == ("CALLERID", "name")


def test_text_without_markup_comes_back_as_it_is() -> None:
    text = "Say {this} 100 % of the time.\n" * 40_000  # more than 1 MB
    assert render(text, {"this": "x"}) is text


def test_what_a_value_holds_is_never_a_template() -> None:
    assert render("You said {{ text }}", {"text": "{{ secret }}{% for x in y %}"}) == (
        "You said {{ secret }}{% for x in y %}"
    )


def test_conditions_loops_and_filters_work() -> None:
    content = (
        "{% if vip %}VIP {% endif %}{{ name | default('caller', true) | upper }}"
        "{% for d in '12' %}-{{ loop.index }}{% endfor %}{{ '2.345' | round(1) }}"
    )
    assert render(content, {"vip": "1", "name": ""}) == "VIP CALLER-1-22.3"


def test_a_final_newline_is_kept_with_and_without_markup() -> None:
    assert render("{{ a }}\n", {"a": "x"}) == "x\n"


def test_the_names_that_a_prompt_uses_are_listed() -> None:
    assert variables_of("{{ b }} {% if a %}{% for x in c %}{{ x }}{% endfor %}{% endif %}") == ("a", "b", "c")
    assert variables_of("plain") == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a\n{{ name", "Line 2"),
        ("a\n\n{% if x %}", "Line 3"),
        ("\n{% for i in range(10**9) %}{% endfor %}", "Line 2"),
        ("{{ 10 ** 10 ** 9 }}", "**"),
        ("{{ 'x' * 1000000000 }}", "*"),
        ("{{ 'x'.ljust(1000000000) }}", "calling"),
        ("{{ '%1000000000d' % 1 }}", "%"),
        ("{{ 'x' | center(1000000000) }}", "filter"),
        ("{% set a = a ~ a %}", "set"),
        ("{% for a in x %}{% for b in x %}{{ b }}{% endfor %}{% endfor %}", "loop inside a loop"),
        ("{% for a in x recursive %}{{ a }}{% endfor %}", "loop"),
        ("{% include '/etc/passwd' %}", "include"),
        ("{% macro m() %}{{ m() }}{% endmacro %}", "macro"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "calling"),
        ("{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}", "nested"),
        ("{{ a" + " ~ a" * 50_000 + " }}", "Line 1"),
        ("{{ a }}" * 50_000, "256,000"),
    ],
)
def test_what_would_compute_is_refused_with_its_line_and_at_once(content: str, words: str) -> None:
    before = time.perf_counter()
    with pytest.raises(PromptTemplateError, match=r".") as caught:
        check(content)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300
    assert time.perf_counter() - before < 2


def test_python_attributes_of_values_do_not_exist() -> None:
    assert render("[{{ a.upper }}{{ a['__class__'] }}{{ a.__class__ }}]", {"a": "x"}) == "[]"


def test_the_output_is_bounded() -> None:
    with pytest.raises(PromptTemplateError, match="longer than"):
        render("{% for c in a %}{{ a }}{% endfor %}", {"a": "x" * 5_000})
    with pytest.raises(PromptTemplateError, match="too long"):
        render("{{ a | replace('x', a) }}", {"a": "x" * 5_000})
    assert MAX_OUTPUT_CHARS == 1_000_000


def test_a_mistake_that_shows_only_with_the_values_names_its_line() -> None:
    with pytest.raises(PromptTemplateError, match="Line 2"):
        render("a\n{{ a + 1 }}", {"a": "x"})


def test_joining_is_bounded() -> None:
    assert render("{{ word|join('-') }}", {"word": "abc"}) == "a-b-c"
    with pytest.raises(PromptTemplateError, match="too long"):
        render("{{ word|join(word) }}", {"word": "x" * 5_000})


def test_each_variable_is_found_with_its_lines() -> None:
    loop = "{% for item in items %}{{ item }} {{ loop.index }} {{ caller_number }}{% endfor %}"
    content = "{{ caller_number }}\n" + loop + "\n{{ call.x }}{{ call['y'] }}"
    assert dict(variable_lines(content)) == {"caller_number": [1, 2], "items": [2], "x": [3], "y": [3]}
    assert variables_of(content) == ("caller_number", "items", "x", "y")
    assert variable_lines("no markup") == {}
