"""What the dialplan passes, as Asterisk hands it over: split at every comma."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls.arguments import parse_arguments


def test_keys_come_in_any_order() -> None:
    read = parse_arguments(["AI_MODEL=openai:gpt-6", "USER_INPUT=hello", "UNIQUEID=17.4", "AI_PROMPT_NAME=sales"])
    assert (read.model, read.text, read.conversation, read.prompt) == ("openai:gpt-6", "hello", "17.4", "sales")


def test_nothing_at_all_is_read_as_nothing() -> None:
    read = parse_arguments([])
    assert (read.text, read.conversation, read.prompt, read.model, read.timeout) == (None,) * 5
    assert read.variables == {}
    assert read.ignored == ()


def test_a_comma_in_speech_is_put_back() -> None:
    assert parse_arguments(["USER_INPUT=well", " yes", " please", "UNIQUEID=1"]).text == "well, yes, please"


def test_an_equal_sign_in_speech_stays_speech() -> None:
    assert parse_arguments(["USER_INPUT=solve x=5", " y=3", "z=1"]).text == "solve x=5, y=3,z=1"


def test_a_key_in_capitals_ends_the_speech() -> None:
    read = parse_arguments(["USER_INPUT=hello", "CUSTOMER=42"])
    assert read.text == "hello"
    assert read.variables == {"customer": "42"}


def test_words_cannot_replace_what_the_dialplan_set_before_them() -> None:
    read = parse_arguments(["AI_PROMPT_NAME=sales", "USER_INPUT=hi", "AI_PROMPT_NAME=admin"])
    assert read.prompt == "sales"
    assert read.text == "hi,AI_PROMPT_NAME=admin"


def test_custom_keys_of_any_case_become_variables_in_lower_case() -> None:
    read = parse_arguments(["customerId=42", "LANGUAGE=de", "note=a, b", "USER_INPUT=x"])
    assert read.variables == {"customerid": "42", "language": "de", "note": "a, b"}


def test_an_empty_value_is_as_if_it_were_absent() -> None:
    read = parse_arguments(["USER_INPUT=", "AI_PROMPT_NAME= ", "AI_MODEL=", "AI_TIMEOUT=", "UNIQUEID="])
    assert (read.text, read.prompt, read.model, read.timeout, read.conversation) == (None,) * 5
    assert read.ignored == ()


def test_uri_encoded_words_go_before_plain_ones() -> None:
    read = parse_arguments(["USER_INPUT=broken", "USER_INPUT_URI=say%20%22hi%22%2C%20100%25+1"])
    assert read.text == 'say "hi", 100%+1'


def test_bytes_that_are_no_utf8_do_not_break_the_words_around_them() -> None:
    assert parse_arguments(["USER_INPUT_URI=caf%E9%20bar"]).text == "caf\ufffd bar"


@pytest.mark.parametrize("value", ["soon", "0", "-3", "nan", "inf", "301", "1e9", "5s"])
def test_a_deadline_that_is_none_is_named_and_ignored(value: str) -> None:
    read = parse_arguments([f"AI_TIMEOUT={value}", "USER_INPUT=x"])
    assert read.timeout is None
    assert len(read.ignored) == 1
    assert "AI_TIMEOUT" in read.ignored[0]


@pytest.mark.parametrize(("value", "seconds"), [("5", 5.0), ("2.5", 2.5), (" 300 ", 300.0)])
def test_a_deadline_is_a_number_of_seconds(value: str, seconds: float) -> None:
    assert parse_arguments([f"AI_TIMEOUT={value}"]).timeout == seconds


def test_an_argument_before_any_key_is_named_and_ignored() -> None:
    read = parse_arguments(["hello there", "UNIQUEID=1"])
    assert read.conversation == "1"
    assert len(read.ignored) == 1
    assert "argument 1" in read.ignored[0]
    assert "hello" not in read.ignored[0]  # it may be what the caller said, and goes to the log


@given(st.text())
def test_every_text_survives_uri_encoding(text: str) -> None:
    read = parse_arguments(["UNIQUEID=1", "USER_INPUT_URI=" + quote(text, safe="")])
    assert (read.text or "") == text.strip()


@given(st.lists(st.text(max_size=30), max_size=12))
def test_no_list_of_arguments_fails(args: list[str]) -> None:
    parse_arguments(args)


@given(st.text(alphabet=st.characters(exclude_characters="=\0", exclude_categories=["Cs"])))
def test_speech_without_equal_signs_survives_the_splitting(text: str) -> None:
    read = parse_arguments(["UNIQUEID=1", *("USER_INPUT=" + text).split(",")])
    assert (read.text or "") == text.strip()
    assert read.conversation == "1"
