"""What can go wrong with stored secrets. No message holds a value::

SecretError
├── SecretNotFound
├── SecretNameTaken
├── SecretInvalid           a field is malformed; says which
├── SecretConflict          somebody else changed it in the meantime
└── SecretInUse             tools still sign in with it
"""

from __future__ import annotations

from app.tools.errors import ToolError


class SecretError(ToolError):
    """Something is wrong with a stored secret."""

    code = "secret_error"


class SecretNotFound(SecretError):
    """There is no such secret."""

    code = "secret_not_found"


class SecretNameTaken(SecretError):
    """Another secret has this name.

    Attributes:
        field: Always ``name``, so that a form can say it there.
    """

    code = "secret_name_taken"
    field = "name"


class SecretInvalid(SecretError):
    """A field of the secret is malformed.

    Attributes:
        field: Its name, so that a form can say it beside the field.
    """

    code = "secret_invalid"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class SecretConflict(SecretError):
    """Somebody else changed the secret since the form was opened."""

    code = "secret_conflict"


class SecretInUse(SecretError):
    """Tools still sign in with the secret."""

    code = "secret_in_use"
