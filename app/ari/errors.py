"""What can go wrong between Asterisk and us::

AriError
├── AriUnavailable          no connection, or it broke while we waited; retryable
├── AriTimeout              no answer in time; retryable
├── AriReplaced             another client took over the application; final
├── AriProtocolError        Asterisk sent what is not ARI
├── AriTooLarge             a request exceeds what Asterisk takes; nothing was sent
└── AriRequestFailed        an answer with status 400 and above
    ├── AriUnauthorized         401: name or password are wrong; 403: the user may only read
    ├── AriNotFound             404: the channel (bridge, playback, ...) is gone
    └── AriConflict             409, 412, 422: not in the state for it
"""

from __future__ import annotations

from app.core.errors import GatewayError


class AriError(GatewayError):
    """Something went wrong between Asterisk and us."""

    code = "ari_error"


class AriUnavailable(AriError):
    """There is no connection to Asterisk, or it broke before the answer came."""

    code = "ari_unavailable"
    retryable = True


class AriTimeout(AriError):
    """Asterisk did not answer in time."""

    code = "ari_timeout"
    retryable = True


class AriReplaced(AriError):
    """Another client registered the same application name, and Asterisk sends it the events now."""

    code = "ari_replaced"


class AriProtocolError(AriError):
    """Asterisk sent something that is not ARI."""

    code = "ari_protocol_error"


class AriRequestFailed(AriError):
    """Asterisk refused a request.

    Attributes:
        status: HTTP status of the answer.
        method, uri: What was asked.
    """

    code = "ari_request_failed"

    def __init__(self, message: str, *, status: int, method: str, uri: str) -> None:
        super().__init__(message)
        self.status = status
        self.method = method
        self.uri = uri


class AriUnauthorized(AriRequestFailed):
    """401: the user's name or password is wrong. 403: the user may only read (``read_only`` in ari.conf)."""

    code = "ari_unauthorized"


class AriNotFound(AriRequestFailed):
    """The channel, bridge or whatever was named is not there (any more)."""

    code = "ari_not_found"


class AriConflict(AriRequestFailed):
    """It is there, but not in the state for this, such as a channel that has left Stasis."""

    code = "ari_conflict"


class AriTooLarge(AriError):
    """A request exceeds what Asterisk takes: 65,535 bytes on the socket, 40,960 bytes of body over HTTP."""

    code = "ari_too_large"
