"""Documents, JSON and YAML, within bounds."""

from __future__ import annotations

import time
from typing import Any

import pytest

from app.tools.errors import OpenApiInvalid
from app.tools.openapi.document import read_document

HEAD = "openapi: 3.0.0\npaths: {}\n"


def read(text: str) -> Any:
    return read_document(HEAD + text)


def test_yaml_means_what_json_means() -> None:
    found = read(
        "x: {no: NO, day: 2020-01-31, yes: yes, t: true, n: ~, i: -7, f: 1.5e3, v: '1', o: 017, 200: a, s: !!str 5}\n"
        "base: &base {a: 1, b: 2}\nown: {<<: *base, b: 3}\nlist: [*base]\n"
    )
    assert found["x"] == {
        "no": "NO",
        "day": "2020-01-31",
        "yes": "yes",
        "t": True,
        "n": None,
        "i": -7,
        "f": 1500.0,
        "v": "1",
        "o": 17,
        "200": "a",
        "s": "5",
    }
    assert found["own"] == {"a": 1, "b": 3}
    assert found["list"] == [{"a": 1, "b": 2}]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x: !!python/object/apply:os.system ['true']\n", "tag"),
        ("x: !include secret.yaml\n", "tag"),
        ("x: &a [*a]\n", "into itself"),
        ("x: *nothing\n", "leads to nothing"),
        ("x: " + "[" * 200 + "]" * 200 + "\n", "levels deep"),
        ("--- {}\n--- {}\n", "several"),
        ("? [a]\n: 1\n", "key"),
        ("x: \ud800\n", "UTF-8"),
        ("x: \x00\n", "not YAML"),
        ("x: " + "a" * 2_100_000, "at most 2,000,000"),
    ],
)
def test_hostile_yaml_is_refused(text: str, words: str) -> None:
    with pytest.raises(OpenApiInvalid, match=words):
        read(text)


def test_aliases_that_stand_for_gigabytes_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    started = time.monotonic()
    with pytest.raises(OpenApiInvalid, match="values"):
        read("\n".join(lines))
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"openapi": "3.0.0", "paths": {}, "x": ' + "[" * 300 + "]" * 300 + "}", "levels deep"),
        ('{"openapi": "3.0.0", "paths": {}, "x": [' + "1," * 400_000 + "1]}", "values"),
        ('{"x": "' + "a" * 6_100_000 + '"}', "at most 6,000,000"),
        ("[1]", "no OpenAPI document"),
    ],
)
def test_hostile_json_is_refused(text: str, words: str) -> None:
    with pytest.raises(OpenApiInvalid, match=words):
        read_document(text)
