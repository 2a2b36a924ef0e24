"""Logins that do not change: what stands in the request, and what can never stand there."""

from __future__ import annotations

import base64

import pytest

from app.tools.auth.applying import Applied, applied
from app.tools.auth.definition import ApiKey, BasicLogin, BearerToken, NoLogin, Secret
from app.tools.auth.errors import SecretMissing
from app.tools.render import RenderedRequest

REQUEST = RenderedRequest("POST", "https://api.example.com/x?a=1", {"X-Line": "7", "authorization": "typed"}, b"{}")


def apply(login: NoLogin | BasicLogin | BearerToken | ApiKey, value: str = "k3y-of-us") -> Applied:
    return applied(login, REQUEST, {"s": Secret(value, 1)}, tool="look_up")


def test_no_login_leaves_the_request_as_it_is() -> None:
    assert apply(NoLogin()).request is REQUEST


def test_basic_is_user_name_and_password_in_utf_8() -> None:
    done = apply(BasicLogin("Jürgen", "s"), "pässword: with €")
    kind, _, encoded = done.request.headers["Authorization"].partition(" ")
    assert kind == "Basic"
    assert base64.b64decode(encoded).decode() == "Jürgen:pässword: with €"
    assert set(done.hidden) == {encoded, "pässword: with €"}


def test_the_header_replaces_one_that_was_typed_in_other_letters() -> None:
    assert apply(BearerToken("s")).request.headers == {"X-Line": "7", "Authorization": "Bearer k3y-of-us"}


def test_a_key_in_a_header_has_its_prefix() -> None:
    done = apply(ApiKey("header", "X-Api-Key", "s", "Token "))
    assert done.request.headers["X-Api-Key"] == "Token k3y-of-us"
    assert done.hidden == ("k3y-of-us",)


@pytest.mark.parametrize(
    ("url", "then"),
    [
        ("https://h/x", "https://h/x?api%26key=a%26b%3Dc%23%25"),
        ("https://h/x?a=1", "https://h/x?a=1&api%26key=a%26b%3Dc%23%25"),
    ],
)
def test_a_key_in_the_query_is_encoded_for_it(url: str, then: str) -> None:
    done = applied(ApiKey("query", "api&key", "s"), RenderedRequest("GET", url), {"s": Secret("a&b=c#%", 1)}, tool="t")
    assert done.request.url == then
    assert "a%26b%3Dc%23%25" in done.hidden


def test_the_rest_of_the_request_is_not_touched() -> None:
    done = apply(BearerToken("s")).request
    assert (done.method, done.url, done.body) == (REQUEST.method, REQUEST.url, REQUEST.body)
    assert REQUEST.headers["authorization"] == "typed"


@pytest.mark.parametrize("login", [BearerToken("s"), ApiKey("header", "X-Key", "s")])
@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "kéy", "a\u2028b", "\ud800"])
def test_a_secret_that_would_end_the_header_is_refused_without_being_said(
    login: BearerToken | ApiKey, value: str
) -> None:
    with pytest.raises(SecretMissing, match="the secret s holds") as caught:
        apply(login, value)
    assert value not in str(caught.value)


def test_the_line_break_of_a_pasted_secret_is_left_out() -> None:
    assert apply(BearerToken("s"), "abcdef\r\n").request.headers["Authorization"] == "Bearer abcdef"
    encoded = apply(BasicLogin("u", "s"), "abc def \n").request.headers["Authorization"].partition(" ")[2]
    assert base64.b64decode(encoded) == b"u:abc def "


@pytest.mark.parametrize("secrets", [{}, {"s": Secret("", 1)}, {"s": Secret("\n", 1)}])
def test_a_missing_secret_is_named_to_the_operator_and_not_to_the_model(secrets: dict[str, Secret]) -> None:
    with pytest.raises(SecretMissing, match="look_up was not called: the secret s") as caught:
        applied(BearerToken("s"), REQUEST, secrets, tool="look_up")
    assert "secret" not in caught.value.for_model


def test_no_secret_is_in_a_repr() -> None:
    assert "k3y" not in repr(Secret("k3y-of-us", 1))
    for login in (BearerToken("s"), BasicLogin("u", "s"), ApiKey("query", "k", "s")):
        assert "k3y" not in repr(login)
