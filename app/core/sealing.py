"""Secrets as they lie in the database: sealed with a key that comes from ``SECRET_KEY``. Pure: text in, text out.

A sealed text is ``v1.<key id>.<base64url of nonce and ciphertext>``, ASCII and without padding. The cipher is
AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits, so the same secret looks different each time. The name of
what is sealed is authenticated with it: a sealed value that somebody copies to another row of the table does not open
there. So are the version and the key id.

The key id is no secret. It tells which key a value was sealed with, and so what is left to do when ``SECRET_KEY`` was
changed::

    sealer = Sealer(new_key, older=[old_key])
    for name, sealed in rows:
        if not sealer.is_current(sealed):
            store(name, sealer.resealed(sealed, name=name))
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Iterable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from app.core.errors import GatewayError

_VERSION: Final = "v1"
_SEALED: Final = re.compile(r"v1\.([0-9a-f]{16})\.([A-Za-z0-9_-]+)")
_NONCE_BYTES: Final = 12
# Of GCM; it stands at the end of the ciphertext.
_TAG_BYTES: Final = 16

# SECRET_KEY may be a sentence that a person made up, and whoever has a copy of the database can try sentences for as
# long as they like: each try costs them this (32 MB and a tenth of a second or two). The salt is the same everywhere
# on purpose, since there is nowhere to keep another one that is not lost more easily than the key.
_SCRYPT_COST: Final = 2**15
_SALT: Final = b"asterisk-ai sealing v1"


class SealError(GatewayError):
    """A sealed value does not open.

    ::

        SealError
        ├── SealedWithAnotherKey    SECRET_KEY was changed, or the database comes from elsewhere
        └── SealBroken              it was damaged, or is not the one that belongs there
    """

    code = "sealed_value_unreadable"


class SealedWithAnotherKey(SealError):
    """None of the keys at hand is the one that it was sealed with."""

    code = "sealed_with_another_key"


class SealBroken(SealError):
    """It was changed after it was sealed, belongs to another name, or never was a sealed value."""

    code = "seal_broken"


class Sealer:
    """Seals with one key, and opens with that and older ones.

    Deriving a key takes up to a quarter of a second and 32 MB, so it is made once, at the start, or in a thread; after
    that sealing and opening take microseconds.

    Args:
        key: What :func:`app.core.security.load_secret_key` returns.
        older: Keys that were in use before; the newest that fits opens.
    """

    def __init__(self, key: bytes, *, older: Iterable[bytes] = ()) -> None:
        self._id, cipher = _derived(key)
        self._ciphers = {self._id: cipher}
        for each in older:
            id, cipher = _derived(each)
            self._ciphers.setdefault(id, cipher)

    def __repr__(self) -> str:
        return f"Sealer({self._id}, {len(self._ciphers) - 1} older)"

    @property
    def key_id(self) -> str:
        """Of the key that seals: sixteen hexadecimal digits, which do not tell the key."""
        return self._id

    def seal(self, text: str, *, name: str) -> str:
        """The sealed form of ``text``.

        Args:
            name: What it is the secret of, such as ``secret:crm-token``. It must be given again to open it.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        data = text.encode("utf-8", "surrogatepass")
        sealed = nonce + self._ciphers[self._id].encrypt(nonce, data, _bound(self._id, name))
        return f"{_VERSION}.{self._id}.{_base64(sealed)}"

    def open(self, sealed: str, *, name: str) -> str:
        """The text that was sealed under this name.

        Raises:
            SealedWithAnotherKey: the key is not among those at hand.
            SealBroken: anything else is wrong with it. What exactly, nobody can tell.
        """
        key_id, data = _parts(sealed, name)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SealedWithAnotherKey(
                f"{name} was encrypted with another SECRET_KEY (key {key_id}; the one in use is {self._id}). "
                "Bring that key back, or type the secret again."
            )
        try:
            opened = cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _bound(key_id, name))
        except InvalidTag as error:
            raise _broken(name) from error
        return opened.decode("utf-8", "surrogatepass")

    def is_current(self, sealed: str) -> bool:
        """Whether it was sealed with the newest key, as far as it says so; only opening it proves it."""
        match = _SEALED.fullmatch(sealed)
        return match is not None and match[1] == self._id

    def resealed(self, sealed: str, *, name: str) -> str:
        """The same secret under the newest key. Raises like :meth:`open`."""
        return self.seal(self.open(sealed, name=name), name=name)


def key_id_of(sealed: str) -> str | None:
    """The id of the key that a value was sealed with; None: it is no sealed value."""
    match = _SEALED.fullmatch(sealed)
    return match[1] if match is not None else None


def _derived(key: bytes) -> tuple[str, AESGCM]:
    if not key:
        raise ValueError("an empty key protects nothing")
    master = Scrypt(salt=_SALT, length=32, n=_SCRYPT_COST, r=8, p=1).derive(key)
    # Two values from one: the id is shown, and must say nothing about the key.
    cipher = AESGCM(HKDFExpand(algorithm=SHA256(), length=32, info=b"aes-256-gcm").derive(master))
    return HKDFExpand(algorithm=SHA256(), length=8, info=b"key id").derive(master).hex(), cipher


def _bound(key_id: str, name: str) -> bytes:
    # The first two have a fixed form, so no name can be read as part of another header.
    return f"{_VERSION}.{key_id}.{name}".encode("utf-8", "surrogatepass")


def _parts(sealed: str, name: str) -> tuple[str, bytes]:
    match = _SEALED.fullmatch(sealed)
    if match is None:
        raise _broken(name)
    try:
        data = base64.b64decode(match[2] + "=" * (-len(match[2]) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise _broken(name) from error
    # The last character has bits to spare; one value has one form, so that no second one passes for it.
    if len(data) < _NONCE_BYTES + _TAG_BYTES or _base64(data) != match[2]:
        raise _broken(name)
    return match[1], data


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _broken(name: str) -> SealBroken:
    return SealBroken(
        f"The encrypted value of {name} was damaged or belongs to another name. Type the secret again, or restore the "
        "database from a backup."
    )
