"""Text for a voice and for a dialplan."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls.speakable import PART_BYTES, RESPONSE_BYTES, cut, harmless, parts, sentences, speakable


@pytest.mark.parametrize(
    ("markdown", "spoken"),
    [
        ("Hello.", "Hello."),
        ("# Title\n\nText.", "Title. Text."),
        ("It is **very** *good*, ***really***.", "It is very good, really."),
        ("- one\n- two\n- three", "one. two. three"),
        ("1. first\n2. second", "1. first. 2. second"),
        ("- [x] done\n- [ ] open", "done. open"),
        ("See [our site](https://example.org/a_(b)) now.", "See our site now."),
        ("![a map](map.png) Turn left.", "a map Turn left."),
        ("Use `A1042` please.", "Use A1042 please."),
        ("```json\n{}\n```\nDone.", "{}. Done."),
        ("| Day | Time |\n|-----|------|\n| Mon | 9 |", "Day, Time. Mon, 9"),
        ("> quoted", "quoted"),
        ("a\n\n---\n\nb", "a. b"),
        ("<b>bold</b> and 3 < 4", "bold and 3 < 4"),
        ("snake_case_name and 2*3*4", "snake_case_name and 2*3*4"),
        ("~~gone~~ here", "gone here"),
        ("Is it open?\nYes!", "Is it open? Yes!"),
        ("Price: $5, 50 % off", "Price: $5, 50 % off"),
        ("5 € *und* 3,50 €; 10:30 Uhr", "5 € und 3,50 €; 10:30 Uhr"),
        ("_very_ important, __so__ and _a snake_case name_", "very important, so and a snake_case name"),
        ("**Bold over\ntwo lines**, **lost", "Bold over. two lines, lost"),
        ("**Note:**text and un**believ**able", "Note:text and unbelievable"),
        ("Dial *72 or *73, and **21*0123# to divert", "Dial *72 or *73, and **21*0123# to divert"),
        ("Title\n=====\nText", "Title. Text"),
        ("> - quoted *item*", "quoted item"),
        ("if a<b and c>d, x < y", "if a<b and c>d, x < y"),
        ('One<br>two<a href="x">three</a>', "One. two three"),
        ("Fish &amp; chips&nbsp;&quot;here&quot; &#8364;5 AT&T", "Fish & chips here €5 AT&T"),
        ("&#36;{X} &#" + "9" * 5000 + ";", "{X} &#" + "9" * 5000 + ";"),
        ("[a [b] c](http://x) [text][1][^2]\n\n[1]: http://x", "a [b] c text"),
        ("Press [1] for sales", "Press [1] for sales"),
        ("<think>They want **hours**.</think>\nNine.", "Nine."),
        ("<think>They want", ""),
        ("... 😀 …", ""),
        ("متى تفتح؟\nالآن", "متى تفتح؟ الآن"),
    ],
)
def test_markdown_is_not_heard(markdown: str, spoken: str) -> None:
    assert speakable(markdown) == spoken


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('say "hi"', "say hi"),
        ("back\\slash", "backslash"),
        ("${SECRET} $(reboot) $[1+1] $5", "{SECRET} (reboot) [1+1] $5"),
        ("`id`", "id"),
        ("$${A} $\u200b{B} $\ue000(C) $`[D] $$$5", "{A} {B} (C) [D] $$$5"),
        ("a\0b\x07c\x1bd\r\ne\u2028f", "a b c d e f"),
        ("zero\u200bwidth \u202eleft", "zerowidth left"),
        ("a lone \ud800 surrogate", "a lone surrogate"),
        ("it's fine, (really); 50 %", "it's fine, (really); 50 %"),
        ("Grüße, 日本語 😀", "Grüße, 日本語 😀"),
    ],
)
def test_nothing_is_left_that_ends_a_quotation(text: str, expected: str) -> None:
    assert harmless(text) == expected


@given(st.text())
def test_any_text_becomes_one_harmless_line(text: str) -> None:
    line = speakable(text)
    assert not set('"\\`\n\r\0') & set(line)
    assert not any(opening in line for opening in ("${", "$(", "$["))
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in line)
    assert line == line.strip()
    line.encode()  # lone surrogates would fail here


@given(st.text(max_size=3000), st.integers(min_value=8, max_value=300))
def test_parts_fit_and_lose_nothing_but_spaces(text: str, limit: int) -> None:
    pieces = parts(text, limit)
    assert all(0 < len(piece.encode()) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_parts_end_between_sentences() -> None:
    text = "This is a sentence of some length. " * 60
    pieces = parts(text)
    assert len(pieces) > 1
    assert all(piece.endswith(".") for piece in pieces)
    assert " ".join(pieces) == text.strip()


def test_a_sentence_that_is_too_long_is_split_between_words() -> None:
    pieces = parts("word " * 1000)
    assert all(piece.startswith("word") and piece.endswith("word") for piece in pieces)
    assert sum(len(piece.split()) for piece in pieces) == 1000


def test_a_word_that_is_too_long_is_split_between_characters() -> None:
    pieces = parts("ü" * 3000)
    assert "".join(pieces) == "ü" * 3000
    assert {len(piece.encode()) for piece in pieces} == {PART_BYTES}


def test_an_answer_is_cut_at_a_sentence() -> None:
    text = "One more sentence, with an Umlaut: ä. " * 300
    short = cut(text)
    assert len(short.encode()) <= RESPONSE_BYTES
    assert short.endswith("ä.")
    assert len(short.encode()) > RESPONSE_BYTES - 50


def test_sentences_of_languages_without_spaces_end_too() -> None:
    assert sentences("こんにちは。元気？はい") == ["こんにちは。", "元気？", "はい"]


def test_a_hundred_kilobytes_are_quick() -> None:
    assert len(parts(speakable("**Hello** there, [caller](x). " * 4000))) > 50


# Each of these took a pattern of this file's first version seconds or minutes.
HOSTILE = {
    "stars": "*",
    "brackets": "[",
    "images": "![",
    "links": "[a](",
    "targets": "[a]((",
    "nested links": "[[b]",
    "dashes": "-",
    "dashes and pipes": "-|",
    "rules": "- ",
    "spaces": " ",
    "quotes": "> ",
    "headings": "# ",
    "emphasis": "*a ",
    "strong": "**a ",
    "underscores": "_ ",
    "snakes": "_a",
    "runs of underscores": "a____b ",
    "strikes": "~~a ",
    "tags": "<a ",
    "attributes": "<a b=",
    "addresses": "<http:",
    "entities": "&#1",
    "footnotes": "[^",
    "fences": "```",
    "closing quotes": ".)'",
    "marks": "a\u0315\u0300",
    "thoughts": "<think>",
    "expansions": "${",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("end", ["x", "\n"], ids=["in a line", "to its end"])
def test_no_text_takes_more_than_its_length_in_time(piece: str, end: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece)) + end
        times = []
        for _ in range(3):
            begun = time.process_time()
            parts(speakable(text))
            times.append(time.process_time() - begun)
        return min(times)

    # Four times the text takes four times as long; where it were sixteen times, or 64, something looks twice.
    assert seconds(20_000) < max(8 * seconds(5_000), 0.02)
