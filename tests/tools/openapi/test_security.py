"""What an imported operation wants by way of login, as it is told to the operator."""

from __future__ import annotations

from typing import Any

import pytest

from app.tools.openapi.references import References
from app.tools.openapi.security import hints


def told(scheme: dict[str, Any], headers: dict[str, str] | None = None) -> list[str]:
    document = {"security": [{"it": []}], "components": {"securitySchemes": {"it": scheme}}}
    return list(hints(document, {}, References(document), headers or {}))


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        ({"type": "http", "scheme": "basic"}, "choose the login Basic."),
        ({"type": "http", "scheme": "bearer"}, "It wants a token: store it as a secret, and choose the login Bearer."),
        ({"type": "http", "scheme": "hmac"}, "Authorization: Hmac {{ secret.name }}"),
        ({"type": "apiKey", "in": "query", "name": "key"}, "choose the login API key, in the query as key."),
        ({"type": "apiKey", "in": "cookie", "name": "sid"}, "Cookie: sid={{ secret.name }}"),
        ({"type": "mutualTLS"}, "client certificate"),
        (
            {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://login.example/token"}}},
            "with the grant client_credentials and the token address https://login.example/token.",
        ),
        (
            {"type": "oauth2", "flows": {"authorizationCode": {"tokenUrl": "https://login.example/token"}}},
            "the grant refresh_token, after logging in once by hand and the token address https://login.example/token.",
        ),
        ({"type": "oauth2", "flows": {"implicit": {}}}, "needs a person each time"),
        ({"type": "oauth2", "flows": "nonsense"}, "needs a person each time"),
        ({"type": "openIdConnect"}, "choose the login OAuth 2"),
        ({"type": "odd"}, "of a kind that is not known here"),
    ],
)
def test_each_scheme_says_what_to_do(scheme: dict[str, Any], words: str) -> None:
    (hint,) = told(scheme)
    assert words in hint


def test_what_a_header_serves_already_is_not_said() -> None:
    assert told({"type": "http", "scheme": "bearer"}, {"authorization": "Bearer x"}) == []
    assert told({"type": "apiKey", "in": "header", "name": "X-Key"}, {"x-key": "x"}) == []
    assert told({"type": "mutualTLS"}, {"authorization": "Bearer x"}) != []
