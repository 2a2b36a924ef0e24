"""What can go wrong with an authorisation while a tool is called::

    ToolFailure
    └── AuthorisationFailed
        ├── SecretMissing           a secret is not there, or cannot stand where it should
        ├── SecretNotForServer      a secret may not be sent to that server
        ├── CertificateInvalid      the client certificate cannot be used
        ├── LoginRefused            the authorisation server says no; ``error`` is its word
        │   └── LoginRevoked        the refresh token is not accepted any more: a person must log in again
        ├── TokenServerFailing      it is down, too slow or says that it is
        └── TokenAnswerInvalid      what it answers is no token

The message is for the operator and says what to do. The model is told in each case the same: that the tool cannot be
used, and that it is not the caller's fault.
"""

from __future__ import annotations

from app.tools.errors import ToolFailure


class AuthorisationFailed(ToolFailure):
    """The tool was not called, because its request could not be authorised."""

    code = "tool_not_authorised"

    def __init__(self, message: str, *, tool: str) -> None:
        super().__init__(
            f"{tool} was not called: {message}",
            for_model=f"{tool} cannot be used at the moment, and nothing that you or the caller say can change it. "
            "Go on without it, and tell the caller so.",
        )


class SecretMissing(AuthorisationFailed):
    """A secret is not there, or holds what cannot stand in its place."""

    code = "tool_secret_missing"


class SecretNotForServer(AuthorisationFailed):
    """A secret that may be sent to some servers only would be sent to another one."""

    code = "tool_secret_not_for_server"


class CertificateInvalid(AuthorisationFailed):
    """The client certificate, its key or the authority cannot be used."""

    code = "tool_certificate_invalid"


class LoginRefused(AuthorisationFailed):
    """The authorisation server refuses the login, and will refuse it again.

    Attributes:
        error: Its word, such as ``invalid_client``, or the HTTP status.
    """

    code = "tool_login_refused"

    def __init__(self, message: str, *, tool: str, error: str) -> None:
        super().__init__(message, tool=tool)
        self.error = error


class LoginRevoked(LoginRefused):
    """The refresh token expired, was revoked, or was used up."""

    code = "tool_login_revoked"


class TokenServerFailing(AuthorisationFailed):
    """The authorisation server cannot be reached, is too slow, or says that it does not work."""

    code = "tool_token_server_failing"
    retryable = True


class TokenAnswerInvalid(AuthorisationFailed):
    """The authorisation server answers with something that is no token."""

    code = "tool_token_answer_invalid"
