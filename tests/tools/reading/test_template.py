"""The template of a result: what it may, and that it ends."""

from __future__ import annotations

import time
from typing import Any

import pytest

from app.tools.reading.template import TemplateFailed, TemplateInvalid, check_template, render_result

RESULT: Any = {"items": [{"name": "Tea", "tags": ["hot"]}, {"name": "Cup", "tags": []}], "open": True, "note": None}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{% for each in result['items'] %}\n- {{ each.name }}\n{% endfor %}", "- Tea\n- Cup"),
        ("{{ result.open }} {{ result.note }}{{ result.nothing.at.all }} {{ status }}", "true  200"),
        ("{{ result['items'][0] }}", '{"name":"Tea","tags":["hot"]}'),
        ("{% if result.open %}Open{% else %}Closed{% endif %}", "Open"),
        ("{{ result['items'] | length }} found", "2 found"),
        (
            "{% for i in result['items'] %}{% for tag in i.tags %}{{ loop.index }} {{ tag }}{% endfor %}{% endfor %}",
            "1 hot",
        ),
        ("{% for key, value in result | items %}{{ key }} {% endfor %}", "items open note"),
        ("{% for each in result.nothing %}x{% else %}none{% endfor %}", "none"),
        ("{{ result.__class__ }}{{ result['items'].append }}", ""),
        ("{{ result.note | default('no note', true) }}", "no note"),
    ],
)
def test_it_renders(text: str, shown: str) -> None:
    check_template(text)
    assert render_result(text, RESULT, 200) == shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n{{ reslt }}", "Line 2: reslt is not known here; there are result and status."),
        ("{{ result * 3 }}", r"Line 1: \* cannot be used here."),
        ("{{ result", "Line 1: unexpected end"),
        ("{% set a = 1 %}", "set"),
        ("{{ result.items() }}", "calling a function"),
        ("{{ result | format }}", "there is no filter 'format'"),
        ("{{ result | each turn of a loop }}", "Line 1"),
        ("{% include 'x' %}", "include"),
        ("{% for a in result %}" * 4 + "{% endfor %}" * 4, "3 deep"),
        ("{{ 1 }}" * 2_000, "more than 1,000 parts"),
        ("{{ " + "(" * 3_000 + "1" + ")" * 3_000 + " }}", "nested too deeply"),
    ],
)
def test_what_it_may_not_is_said_with_the_line(text: str, words: str) -> None:
    with pytest.raises(TemplateInvalid, match=words):
        check_template(text)


BIG = [{"n": number} for number in range(20_000)]
LOOP = "{% for a in result %}"
END = "{% endfor %}"


@pytest.mark.parametrize(
    "text",
    [
        f"{LOOP}{LOOP}{{% if false %}}x{{% endif %}}{END}{END}",
        f"{LOOP}{{{{ result }}}}{END}",
        f"{LOOP}{{% if (result | tojson) | length > 10 ** 9 %}}x{{% endif %}}{END}".replace("10 ** 9", "999999999"),
        "{{ result | join(result | tojson) }}",
        "{{ (result | tojson) | replace('n', result | tojson) }}",
    ],
    ids=range(5),
)
def test_it_ends(text: str) -> None:
    before = time.process_time()
    with pytest.raises(TemplateFailed):
        render_result(text, BIG, 200)
    assert time.process_time() - before < 3


def test_what_fails_is_said_without_what_came() -> None:
    with pytest.raises(TemplateFailed, match=r"line 2 fails over this response \(TypeError\)") as caught:
        render_result("\n{{ result.a + 1 }}", {"a": "secret"}, 200)
    assert "secret" not in str(caught.value)
