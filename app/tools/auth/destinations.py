"""Where secrets may be sent. A tool's host holds no placeholder, so this is known when the tool is saved; it is looked
at again at each call, since the secret may have been changed since. Pure.

A token is worth as much as the secret it was fetched with. So each secret of a login must be allowed to go to the
tool's server and to the authorisation server, whichever of them gets it as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app.tools.auth.definition import Authorisation, OAuthLogin, SecretName, Secrets, secret_names
from app.tools.auth.errors import SecretNotForServer
from app.tools.errors import Mistake
from app.tools.secrets import origin_of

# Before the absolute path of a program, where the others of a secret's servers have their scheme.
PROGRAM: Final = "program:"


def server_of(url: str) -> str:
    """Scheme, host and port of a server, always in the same form: ``https://api.example.com:443``."""
    scheme, host, port = origin_of(url)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def program_of(command: str) -> str:
    """A program on this machine as a destination of secrets: ``program:/usr/local/bin/crm-mcp``."""
    return f"{PROGRAM}{command}"


def refuse_strangers(authorisation: Authorisation, url: str, secrets: Secrets, *, tool: str) -> None:
    """Raises SecretNotForServer where a secret may not go where this request, or its token request, goes."""
    for name, _, server in _strangers(authorisation, url, secrets):
        raise SecretNotForServer(
            f"the secret {name} may not be sent to {server}. Add the server to the secret, if it should get it.",
            tool=tool,
        )


def strangers(authorisation: Authorisation, url: str, secrets: Secrets) -> list[Mistake]:
    """The same for a form, each by the field that leads there. Secrets that are not there are no matter here."""
    return [
        Mistake(
            field,
            f"The secret {name} may not be sent to {server}. Add the server to the secret, or change the address.",
        )
        for name, field, server in _strangers(authorisation, url, secrets)
    ]


def _strangers(authorisation: Authorisation, url: str, secrets: Secrets) -> Iterator[tuple[SecretName, str, str]]:
    places = [("request.url", url)]
    if isinstance(authorisation.login, OAuthLogin):
        places.append(("authorisation.token_url", authorisation.login.token_url))
    for name in secret_names(authorisation):
        secret = secrets.get(name)
        if secret is None or secret.servers is None:
            continue
        for field, address in places:
            if (server := server_of(address)) not in secret.servers:
                yield name, field, server
