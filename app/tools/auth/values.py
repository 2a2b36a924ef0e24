"""The value of a secret, read for the place where it is to stand. Pure."""

from __future__ import annotations

import re
from typing import Final

from app.tools.auth.definition import SecretName, Secrets
from app.tools.auth.errors import SecretMissing

# What a header may carry besides control characters, which would end it and begin another (RFC 9110, 5.5).
_VISIBLE: Final = re.compile(r"[\x20-\x7e]+")


def value_of(name: SecretName, secrets: Secrets, tool: str) -> str:
    """The value of a secret. Raises SecretMissing."""
    secret = secrets.get(name)
    if secret is not None and secret.problem:
        raise SecretMissing(f"the secret {name} {secret.problem}", tool=tool)
    if secret is None or not secret.value.strip():
        state = "is empty" if secret is not None else "is not there (any more)"
        raise SecretMissing(f"the secret {name} {state}. Store it again, or choose another.", tool=tool)
    try:
        secret.value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        raise SecretMissing(f"the secret {name} holds what cannot be sent. Type it again.", tool=tool) from None
    return secret.value.rstrip("\r\n")  # from pasting


def header_value(name: SecretName, secrets: Secrets, tool: str) -> str:
    """The value of a secret for a header. Raises SecretMissing also where a header cannot carry it."""
    value = value_of(name, secrets, tool).strip()
    if not _VISIBLE.fullmatch(value):
        raise SecretMissing(
            f"the secret {name} holds a line break or a letter that a header cannot carry. Type it again.", tool=tool
        )
    return value
