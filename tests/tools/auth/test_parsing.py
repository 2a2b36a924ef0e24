"""What an operator types for an authorisation, and what is said beside which field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.tools.auth.definition import (
    ApiKey,
    Authorisation,
    BasicLogin,
    BearerToken,
    ClientCertificate,
    NoLogin,
    OAuthLogin,
    secret_names,
)
from app.tools.auth.parsing import clashes, parse_authorisation, read_authorisation, stored_form, unknown_secrets
from app.tools.auth.protocol import token_request
from app.tools.definition import RequestSpec
from app.tools.errors import ToolInvalid
from app.tools.request_rules import Findings

OAUTH = {
    "type": "oauth2",
    "grant": "client_credentials",
    "token_url": "https://login.example.com/token",
    "client_id": "us",
    "client_secret": "crm-secret",
}
LOGIN = OAuthLogin("client_credentials", "https://login.example.com/token", "us", "crm-secret")

RIGHT: list[tuple[Any, Authorisation]] = [
    (None, Authorisation()),
    ({}, Authorisation(NoLogin())),
    ({"type": "none"}, Authorisation(NoLogin())),
    ({"type": "basic", "username": "u", "password": "crm-pw"}, Authorisation(BasicLogin("u", "crm-pw"))),
    ({"type": "bearer", "token": "crm.token_1"}, Authorisation(BearerToken("crm.token_1"))),
    (
        {"type": "api_key", "place": "header", "name": "X-Key", "key": "k", "prefix": "Token "},
        Authorisation(ApiKey("header", "X-Key", "k", "Token ")),
    ),
    ({"type": "api_key", "place": "query", "name": "key", "key": "k"}, Authorisation(ApiKey("query", "key", "k"))),
    (OAUTH, Authorisation(LOGIN)),
    (
        {
            **OAUTH,
            "grant": "refresh_token",
            "refresh_token": "crm-refresh",
            "scope": " read  write ",
            "extra": {"b": "2", "a": "1"},
            "client_auth": "body",
            "timeout": 3,
        },
        Authorisation(
            OAuthLogin(
                "refresh_token",
                "https://login.example.com/token",
                "us",
                "crm-secret",
                "crm-refresh",
                "read write",
                (("a", "1"), ("b", "2")),
                "body",
                3.0,
            )
        ),
    ),
    (
        {"type": "none", "client_certificate": {"certificate": "c", "key": "k", "password": "p", "authority": "a"}},
        Authorisation(NoLogin(), ClientCertificate("c", "k", "p", "a")),
    ),
    (
        {**OAUTH, "client_secret": "", "client_certificate": {"certificate": "c"}},
        Authorisation(
            OAuthLogin("client_credentials", "https://login.example.com/token", "us"), ClientCertificate("c")
        ),
    ),
]


@pytest.mark.parametrize(("typed", "meant"), RIGHT)
def test_what_is_right_is_read_and_keeps_its_meaning_in_the_database(typed: Any, meant: Authorisation) -> None:
    assert parse_authorisation(typed) == meant
    assert parse_authorisation(stored_form(meant)) == meant
    hash(meant)  # it is a key


WRONG: list[tuple[Any, str, str]] = [
    ([], "authorisation", "is an object"),
    ({"type": "kerberos"}, "authorisation.type", "one of none, basic, bearer, api_key, oauth2"),
    ({"type": ["basic"]}, "authorisation.type", "one of"),
    ({"type": "bearer", "token": "t", "tokn": "x"}, "authorisation", "has no field 'tokn'; it has type, token"),
    ({"type": "bearer"}, "authorisation.token", "missing. Store the value as a secret"),
    ({"type": "bearer", "token": 7}, "authorisation.token", "by the name of a secret"),
    ({"type": "basic", "password": "p"}, "authorisation.username", "missing"),
    ({"type": "basic", "username": "a:b", "password": "p"}, "authorisation.username", "colon"),
    ({"type": "basic", "username": "a\nb", "password": "p"}, "authorisation.username", "without line breaks"),
    ({"type": "api_key", "name": "X", "key": "k"}, "authorisation.place", "one of header, query"),
    ({"type": "api_key", "place": "header", "name": "X Y", "key": "k"}, "authorisation.name", "no header name"),
    (
        {"type": "api_key", "place": "header", "name": "Host", "key": "k"},
        "authorisation.name",
        "set by the HTTP client",
    ),
    (
        {"type": "api_key", "place": "query", "name": "x", "key": "k", "prefix": "T "},
        "authorisation.prefix",
        "leave it empty",
    ),
    (
        {"type": "api_key", "place": "header", "name": "x", "key": "k", "prefix": "ü"},
        "authorisation.prefix",
        "plain letters",
    ),
    ({**OAUTH, "grant": "password"}, "authorisation.grant", "one of client_credentials, refresh_token"),
    ({**OAUTH, "token_url": ""}, "authorisation.token_url", "missing"),
    ({**OAUTH, "token_url": "ftp://x/"}, "authorisation.token_url", "begins with http:// or https://"),
    ({**OAUTH, "token_url": "https://u:p@x/"}, "authorisation.token_url", "Take the user name"),
    ({**OAUTH, "token_url": "https://x/{{ tenant }}"}, "authorisation.token_url", "no placeholders"),
    ({**OAUTH, "client_id": None}, "authorisation.client_id", "missing"),
    ({**OAUTH, "client_secret": None}, "authorisation.client_secret", "missing, or a client certificate"),
    ({**OAUTH, "refresh_token": "r"}, "authorisation.refresh_token", "has no refresh token"),
    ({**OAUTH, "grant": "refresh_token"}, "authorisation.refresh_token", "missing"),
    ({**OAUTH, "extra": ["a"]}, "authorisation.extra", "are texts"),
    ({**OAUTH, "extra": {"a": 1}}, "authorisation.extra", "are texts"),
    ({**OAUTH, "extra": {"grant_type": "x"}}, "authorisation.extra.grant_type", "set by the fields above"),
    ({**OAUTH, "extra": {str(each): "x" for each in range(21)}}, "authorisation.extra", "At most 20"),
    ({**OAUTH, "extra": {"a": "b\nc"}}, "authorisation.extra", "without line breaks"),
    ({**OAUTH, "scope": "\ud800"}, "authorisation.scope", "without line breaks"),
    ({**OAUTH, "client_auth": "jwt"}, "authorisation.client_auth", "one of basic, body"),
    ({**OAUTH, "timeout": 0}, "authorisation.timeout", "from 0.5 to 30"),
    ({**OAUTH, "timeout": True}, "authorisation.timeout", "from 0.5 to 30"),
    ({**OAUTH, "timeout": float("nan")}, "authorisation.timeout", "from 0.5 to 30"),
    ({"client_certificate": "c"}, "authorisation.client_certificate", "is an object"),
    ({"client_certificate": {}}, "authorisation.client_certificate.certificate", "missing"),
    ({"client_certificate": {"certificate": "c", "pin": "x"}}, "authorisation.client_certificate", "no field 'pin'"),
]


@pytest.mark.parametrize(("typed", "field", "words"), WRONG)
def test_each_mistake_is_said_beside_its_field(typed: Any, field: str, words: str) -> None:
    with pytest.raises(ToolInvalid) as caught:
        parse_authorisation(typed)
    assert [mistake.field for mistake in caught.value.mistakes] == [field]
    assert words in caught.value.mistakes[0].message


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(st.characters(), max_size=20) | st.sampled_from(["a", "b.c"]),
    lambda each: st.lists(each, max_size=2) | st.dictionaries(st.text(st.characters(), max_size=5), each, max_size=3),
    max_leaves=4,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("username", "password", "token", "place", "name", "key", "prefix", "x", "timeout"), JSON),
        "type": st.sampled_from(["none", "basic", "bearer", "api_key", "oauth2"]) | JSON,
        "grant": st.sampled_from(["client_credentials", "refresh_token"]) | JSON,
        "token_url": st.just("https://h/token?x=1") | JSON,
        **{name: st.just("a") | JSON for name in ("client_id", "client_secret", "refresh_token", "scope")},
        "extra": st.dictionaries(st.text(st.characters(), max_size=9), st.text(st.characters()), max_size=3) | JSON,
        "client_certificate": st.fixed_dictionaries({"certificate": JSON}, optional={"key": JSON}) | JSON,
    },
)


@settings(deadline=None, max_examples=300)
@given(typed=FIELDS | JSON)
def test_whatever_is_typed_is_read_or_refused_in_words(typed: Any) -> None:
    found = Findings()
    meant = read_authorisation(typed, found)
    if meant is None:
        assert found.mistakes
        assert all(mistake.field.startswith("authorisation") and mistake.message for mistake in found.mistakes)
        return
    assert not found.mistakes
    assert parse_authorisation(stored_form(meant)) == meant
    if isinstance(meant.login, OAuthLogin):
        assert b"grant_type=" in token_request(meant.login, "s", "r").body


def test_all_mistakes_are_said_at_once() -> None:
    with pytest.raises(ToolInvalid) as caught:
        parse_authorisation({"type": "oauth2", "timeout": "x", "client_certificate": {"key": "-----BEGIN"}})
    assert [mistake.field.removeprefix("authorisation.") for mistake in caught.value.mistakes] == [
        "grant",
        "token_url",
        "client_id",
        "timeout",
        "client_certificate.certificate",
        "client_certificate.key",
    ]


@pytest.mark.parametrize("typed", ["bad/name+of==", "-----BEGIN PRIVATE KEY-----\nMII", "a b", "x" * 65])
def test_a_secret_typed_in_place_of_its_name_is_not_repeated(typed: str) -> None:
    with pytest.raises(ToolInvalid) as caught:
        parse_authorisation({"type": "bearer", "token": typed})
    assert typed not in str(caught.value)


def test_the_stored_form_holds_the_names_of_secrets_and_leaves_out_the_usual() -> None:
    assert stored_form(Authorisation(LOGIN)) == {**OAUTH, "client_auth": "basic", "timeout": 10.0}


def test_the_secrets_that_are_needed_are_named_once() -> None:
    meant = parse_authorisation(
        {"type": "bearer", "token": "t", "client_certificate": {"certificate": "pem", "key": "pem", "authority": "ca"}}
    )
    assert secret_names(meant) == ["t", "pem", "ca"]


def test_a_secret_that_is_not_there_is_said_beside_the_field_and_not_repeated() -> None:
    meant = parse_authorisation({**OAUTH, "client_certificate": {"certificate": "pem", "key": "looks-like-a-token"}})
    mistakes = unknown_secrets(meant, {"crm-secret", "pem"})
    assert [mistake.field for mistake in mistakes] == ["authorisation.client_certificate.key"]
    assert "looks-like" not in mistakes[0].message
    assert unknown_secrets(meant, {"crm-secret", "pem", "looks-like-a-token"}) == []


@pytest.mark.parametrize(
    ("login", "request_", "fields"),
    [
        (BearerToken("t"), RequestSpec("GET", "https://h/", {"AUTHORIZATION": "x"}), ["request.headers.AUTHORIZATION"]),
        (LOGIN, RequestSpec("GET", "https://h/", {"Authorization": "x"}), ["request.headers.Authorization"]),
        (ApiKey("header", "X-Key", "k"), RequestSpec("GET", "https://h/", {"x-key": "x"}), ["request.headers.x-key"]),
        (ApiKey("header", "X-Key", "k"), RequestSpec("GET", "https://h/", {"Authorization": "x"}), []),
        (ApiKey("query", "key", "k"), RequestSpec("GET", "https://h/?key=1"), ["authorisation.name"]),
        (ApiKey("query", "key", "k"), RequestSpec("GET", "https://h/", query={"key": "1"}), ["authorisation.name"]),
        (ApiKey("query", "key", "k"), RequestSpec("GET", "https://h/?keys=1"), []),
        (NoLogin(), RequestSpec("GET", "https://h/", {"Authorization": "x"}), []),
    ],
)
def test_what_the_request_says_already_is_a_mistake(login: Any, request_: RequestSpec, fields: list[str]) -> None:
    assert [mistake.field for mistake in clashes(Authorisation(login), request_)] == fields
