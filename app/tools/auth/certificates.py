"""TLS contexts with a client certificate: made once for each certificate and revision of its secrets, and kept, since
connections are kept by them."""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from app.tools.auth.definition import Authorisation, ClientCertificate, Secrets, secret_names
from app.tools.auth.errors import CertificateInvalid
from app.tools.auth.values import value_of

MAX_CONTEXTS: Final = 64

_Key = tuple[ClientCertificate, tuple[int, ...]]


class ClientCertificates:
    """Shared by all tools. The least recently used beyond ``max_contexts`` are made anew when they are needed."""

    def __init__(self, *, max_contexts: int = MAX_CONTEXTS) -> None:
        self._max = max_contexts
        self._contexts: OrderedDict[_Key, ssl.SSLContext] = OrderedDict()

    async def context(self, certificate: ClientCertificate, secrets: Secrets, *, tool: str) -> ssl.SSLContext:
        """The context that shows ``certificate``. Making one takes some tens of milliseconds, in a thread.

        Raises:
            SecretMissing: a part of it is not there.
            CertificateInvalid: the parts are no certificate, or do not belong together.
        """
        names = secret_names(Authorisation(certificate=certificate))
        values = {name: value_of(name, secrets, tool) for name in names}
        key = (certificate, tuple(secrets[name].revision for name in names))
        found = self._contexts.get(key)
        if found is None:
            try:
                found = await asyncio.to_thread(_made, certificate, values)
            except _Unusable as error:
                raise CertificateInvalid(str(error), tool=tool) from None  # the cause may quote what it read
            self._contexts[key] = found
        self._contexts.move_to_end(key)
        if len(self._contexts) > self._max:
            self._contexts.popitem(last=False)
        return found


class _Unusable(Exception):
    """In words for the operator."""


def _made(certificate: ClientCertificate, values: dict[str, str]) -> ssl.SSLContext:
    authority = None if certificate.authority is None else values[certificate.authority]
    try:
        context = ssl.create_default_context(cadata=authority)
    except (ssl.SSLError, ValueError, UnicodeError):
        raise _Unusable(
            f"the secret {certificate.authority} holds no certificates in PEM form (-----BEGIN CERTIFICATE-----)."
        ) from None
    chain = values[certificate.certificate]
    if "-----BEGIN CERTIFICATE-----" not in chain:
        raise _Unusable(
            f"the secret {certificate.certificate} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)."
        )
    key = chain if certificate.key is None else values[certificate.key]
    if "PRIVATE KEY-----" not in key:
        raise _Unusable(
            f"the secret {certificate.key or certificate.certificate} holds no private key in PEM form "
            "(-----BEGIN PRIVATE KEY-----)."
        )
    # Always given: without it OpenSSL asks for the password on the terminal, and waits.
    password = "" if certificate.password is None else values[certificate.password]
    try:
        with _file(chain) as chain_file, _file(key) as key_file:
            context.load_cert_chain(chain_file, key_file, password=lambda: password)
    except (OSError, ValueError) as error:  # an SSLError, or no place for the file
        raise _Unusable(_words(certificate, error)) from None
    return context


def _words(certificate: ClientCertificate, error: Exception) -> str:
    key = certificate.key or certificate.certificate
    reason = getattr(error, "reason", None) or ""
    if reason == "KEY_VALUES_MISMATCH":
        return f"the private key ({key}) does not belong to the certificate ({certificate.certificate})."
    if "DECRYPT" in reason or "PASSWORD" in reason or "PKCS12" in reason:
        return (
            f"the password of the private key ({key}) is wrong or missing: {certificate.password or 'none is given'}."
        )
    return (
        f"the certificate ({certificate.certificate}) or its private key ({key}) cannot be read"
        f"{f' ({reason.lower()})' if reason else ''}; if the key has a password, check that too."
    )


@contextmanager
def _file(text: str) -> Iterator[str]:
    """The path of a file with this content, for OpenSSL, which takes no other form. On Linux it exists in memory only;
    elsewhere it lies in the folder for temporary files for a moment, readable by us alone."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
        return
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".pem") as file:
        file.write(text)
        file.flush()
        yield file.name
