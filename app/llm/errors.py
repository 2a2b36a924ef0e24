"""What can go wrong with a language model::

ModelError
├── UnknownModel                no such provider
├── ProviderNotConfigured       its key or address is missing
└── ProviderError               it was asked and did not answer well
    ├── ProviderUnauthorized        401, 403: the key is wrong
    ├── ProviderRefused             400, 404, 422: the request is wrong (model name, too long, schema)
    ├── ProviderRateLimited         429
    ├── ProviderUnavailable         connection failed, 5xx
    ├── ProviderTimeout             no answer in time
    └── ProviderNonsense            an answer that does not follow the protocol, or half of one
"""

from __future__ import annotations

from app.core.errors import GatewayError


class ModelError(GatewayError):
    """The language model cannot be used."""

    code = "model_error"


class UnknownModel(ModelError):
    """No provider has this name. The message lists those that exist."""

    code = "unknown_model"


class ProviderNotConfigured(ModelError):
    """The provider's key or address is not set. The message names the setting."""

    code = "provider_not_configured"


class ProviderError(ModelError):
    """The provider was asked and did not answer well.

    Attributes:
        provider: Its name.
        status: HTTP status, None where there was no response.
        retry_after: Seconds that the provider asked us to wait, None where it did not say.
    """

    code = "provider_error"

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        status: int | None = None,
        retry_after: float | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message, retryable=retryable)
        self.provider = provider
        self.status = status
        self.retry_after = retry_after


class ProviderUnauthorized(ProviderError):
    """The provider does not accept the key (401, 403)."""

    code = "provider_unauthorized"


class ProviderRefused(ProviderError):
    """The provider does not accept the request (400, 404, 413, 422)."""

    code = "provider_refused"


class ProviderRateLimited(ProviderError):
    """Too many requests, or the quota is used up (429)."""

    code = "provider_rate_limited"
    retryable = True


class ProviderUnavailable(ProviderError):
    """The provider cannot be reached, or fails (5xx)."""

    code = "provider_unavailable"
    retryable = True


class ProviderTimeout(ProviderError):
    """The provider did not answer in time."""

    code = "provider_timeout"
    retryable = True


class ProviderNonsense(ProviderError):
    """What came back does not follow the protocol, or ended in the middle."""

    code = "provider_nonsense"
    retryable = True
