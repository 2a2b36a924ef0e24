"""What can go wrong with users and tokens::

AccountError
├── UserNotFound
├── UserNameTaken           another user, or the first administrator, has the name
├── UserInvalid             a field is malformed; says which
├── UserConflict            somebody else changed the user in the meantime
├── OwnAccount              nobody disables, demotes or removes themselves
├── FirstAdministrator      that login is in the settings, and is changed there
├── TokenNotFound
├── TokenInvalid            a field is malformed; says which
├── AuditNotFound
└── SignInBusy              too many passwords are being checked
"""

from __future__ import annotations

from app.core.errors import GatewayError


class AccountError(GatewayError):
    """Something is wrong with a user or a token."""

    code = "account_error"


class UserNotFound(AccountError):
    """There is no such user."""

    code = "user_not_found"


class UserNameTaken(AccountError):
    """Somebody else has the name.

    Attributes:
        field: Always ``name``, so that a form can say it there.
    """

    code = "user_name_taken"
    field = "name"


class UserInvalid(AccountError):
    """A field of the user is malformed.

    Attributes:
        field: Its name, so that a form can say it beside the field.
    """

    code = "user_invalid"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class UserConflict(AccountError):
    """Somebody else changed the user since the form was opened."""

    code = "user_conflict"


class OwnAccount(AccountError):
    """Who would lock themselves out by mistake.

    Attributes:
        field: What of a form it is about; None: the whole.
    """

    code = "own_account"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class FirstAdministrator(AccountError):
    """The first administrator's login is in the settings, and is changed there."""

    code = "first_administrator"


class TokenNotFound(AccountError):
    """There is no such token, or it is somebody else's."""

    code = "token_not_found"


class TokenInvalid(AccountError):
    """A field of the token is malformed.

    Attributes:
        field: Its name.
    """

    code = "token_invalid"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class AuditNotFound(AccountError):
    """There is no such line in the audit log."""

    code = "audit_not_found"


class SignInBusy(AccountError):
    """More passwords are to be checked than this machine has time for; calls go first."""

    code = "sign_in_busy"
    retryable = True
