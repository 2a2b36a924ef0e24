"""Logins that would go over the internet unencrypted."""

from __future__ import annotations

import pytest

from app.tools.auth.definition import Authorisation, BearerToken, OAuthLogin
from app.tools.auth.in_clear import in_clear

TOKEN = Authorisation(BearerToken("t"))


@pytest.mark.parametrize(
    "host", ["api.example.com", "93.184.215.14", "[2606:2800::1]", "api.example.com.", "x.co:8080"]
)
def test_a_public_host_is_warned_of(host: str) -> None:
    (warning,) = in_clear(TOKEN, f"http://{host}/orders/{{{{ id }}}}")
    assert warning.field == "request.url"
    assert "Write https://" in warning.message


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/",
        "http://127.0.0.1:8080/",
        "http://10.1.2.3/",
        "http://[fd00::5]/",
        "http://[::ffff:10.0.0.1]/",
        "http://crm/",
        "http://crm.lan/",
        "http://printer.local/",
        "http://localhost:8000/",
    ],
)
def test_encryption_and_ones_own_network_are_not(url: str) -> None:
    assert list(in_clear(TOKEN, url)) == []


def test_the_token_address_is_looked_at_too_and_no_login_needs_none() -> None:
    login = OAuthLogin("client_credentials", "http://login.example.com/token", "gateway", "s")
    assert [each.field for each in in_clear(Authorisation(login), "https://api.example.com")] == [
        "authorisation.token_url"
    ]
    assert list(in_clear(Authorisation(), "http://api.example.com")) == []
