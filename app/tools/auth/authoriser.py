"""Authorises the requests of tools: what the executor talks to.

::

    sent = await authoriser.apply(authorisation, request, secrets, tool=tool.name, deadline=ends)
    response = await exchange(sent.request, tls=sent.tls)
    if response.status == 401 and authoriser.try_again(sent):
        sent = await authoriser.apply(authorisation, request, secrets, tool=tool.name, deadline=ends)
        response = await exchange(sent.request, tls=sent.tls)
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from app.tools.auth.applying import applied, with_token
from app.tools.auth.certificates import ClientCertificates
from app.tools.auth.definition import Authorisation, OAuthLogin, Secrets
from app.tools.auth.destinations import refuse_strangers
from app.tools.auth.tokens import AccessToken, TokenKeeper
from app.tools.render import RenderedRequest


@dataclass(frozen=True, slots=True)
class Authorised:
    """A request as it may be sent. It goes to the server it was made for and to no other: no redirect takes it
    elsewhere.

    Attributes:
        request: With the login in it; its repr would show it, so it is not part of this one's.
        tls: With our client certificate; None: the usual.
        hidden: The secrets in it, in each form in which they stand there; to be masked wherever the request is shown.
    """

    request: RenderedRequest = field(repr=False)
    tls: ssl.SSLContext | None = None
    hidden: tuple[str, ...] = field(default=(), repr=False)
    authorisation: Authorisation = field(default_factory=Authorisation)
    secrets: Secrets = field(default_factory=dict, repr=False)
    token: AccessToken | None = None


class Authoriser:
    """Shared by all tools of a process. It owns nothing; who made the keeper closes it."""

    def __init__(self, tokens: TokenKeeper, certificates: ClientCertificates) -> None:
        self._tokens = tokens
        self._certificates = certificates

    async def apply(
        self,
        authorisation: Authorisation,
        request: RenderedRequest,
        secrets: Secrets,
        *,
        tool: str,
        deadline: float,
    ) -> Authorised:
        """The request with its login. It waits for a token only where there is none that is good.

        Args:
            secrets: At least those that :func:`app.tools.auth.definition.secret_names` tells.
            deadline: Loop time.

        Raises:
            AuthorisationFailed: it cannot be authorised; the tool is not called.
        """
        refuse_strangers(authorisation, request.url, secrets, tool=tool)
        tls = None
        if authorisation.certificate is not None:
            tls = await self._certificates.context(authorisation.certificate, secrets, tool=tool)
        login = authorisation.login
        if not isinstance(login, OAuthLogin):
            done = applied(login, request, secrets, tool=tool)
            return Authorised(done.request, tls, done.hidden, authorisation, secrets)
        token = await self._tokens.token(authorisation, secrets, tool=tool, deadline=deadline, tls=tls)
        done = with_token(request, token.value)
        return Authorised(done.request, tls, done.hidden, authorisation, secrets, token)

    def try_again(self, sent: Authorised) -> bool:
        """The server answered 401: whether :meth:`apply` may now find a login that it takes. Ask once for each call.

        It is safe for every method, since a request that was not authorised was not carried out.
        """
        if sent.token is None:
            return False
        return self._tokens.refused(sent.authorisation, sent.secrets, sent.token)
