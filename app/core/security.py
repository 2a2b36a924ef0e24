"""The installation's own secrets: the login of the web interface, and the key that signs and encrypts.

Both are made here when the operator has set none, so that nothing has to be configured to begin and nothing is ever
protected by a well-known default.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from app.core.errors import SettingsError
from app.core.settings import Settings

log = structlog.get_logger(__name__)

DEFAULT_KEY_FILE: Final = Path("asterisk-ai.secret")

# Without 0/o, 1/l/i: people read this password off a console and type it.
_READABLE: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Credentials:
    """The login of the web interface and of the API.

    Attributes:
        password: In the clear, because the one that was made up must be shown once; never logged, not in ``repr``.
        generated: It was made up at this start, so somebody has to be told.
    """

    username: str
    password: str = field(repr=False)
    generated: bool = False

    def match(self, username: str, password: str) -> bool:
        """Whether both are right. Takes the same time whichever is wrong and however much of it."""
        # Digests have one length, so the time does not tell the length of the secret either.
        name_is_right = hmac.compare_digest(_digest(username), _digest(self.username))
        password_is_right = hmac.compare_digest(_digest(password), _digest(self.password))
        return name_is_right & password_is_right


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def credentials_from(settings: Settings) -> Credentials:
    """The login from ``WEB_UI_USERNAME`` and ``WEB_UI_PASSWORD``; a random password where none is set."""
    if settings.web_ui_password is None:
        return Credentials(settings.web_ui_username, readable_password(), generated=True)
    return Credentials(settings.web_ui_username, settings.web_ui_password.get_secret_value())


def readable_password() -> str:
    """A random password of four groups, such as ``k7mf-2qxv-9hta-wc3e``: 79 bits, and easy to type."""
    return "-".join("".join(secrets.choice(_READABLE) for _ in range(4)) for _ in range(4))


def load_secret_key(settings: Settings) -> bytes:
    """The key for signing and encrypting: ``SECRET_KEY``, or the one in the file beside the database.

    The file is made at the first start, with mode 0600. Several processes may start at once: all get the same key.

    Raises:
        SettingsError: the file cannot be made, read or protected; the message says what to type.
    """
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value().encode()
    path = secret_key_file(settings.database_url)
    try:
        if not path.exists():
            _create_key_file(path)
        return _read_key_file(path)
    except OSError as error:
        raise SettingsError(
            f"The secret key cannot be kept in {path}: {error.strerror or error}. "
            "Make its directory writable for this user, or set SECRET_KEY to a long random text "
            "(openssl rand -base64 32)."
        ) from error


def older_keys(settings: Settings) -> list[bytes]:
    """The keys that were in use before, with which what was encrypted then can be read: ``SECRET_KEY_PREVIOUS``, and
    where ``SECRET_KEY`` is set the one in the file beside the database, which it came to replace."""
    found = []
    if settings.secret_key_previous is not None:
        found.append(settings.secret_key_previous.get_secret_value().encode())
    if settings.secret_key is not None:
        path = secret_key_file(settings.database_url)
        try:
            if path.exists():
                found.append(_read_key_file(path))
        except (OSError, SettingsError) as error:
            # The key in force is another one, so nothing depends on it but what is not encrypted anew yet.
            log.warning("secret_key.old_file_not_read", file=str(path), detail=str(error))
    return found


def secret_key_file(database_url: str) -> Path:
    """Where the key is kept: beside an SQLite database under its name, else in the working directory.

    >>> secret_key_file("sqlite:////var/lib/asterisk-ai/main.db")
    PosixPath('/var/lib/asterisk-ai/main.secret')
    """
    scheme, _, rest = database_url.partition("://")
    if scheme.partition("+")[0] != "sqlite":
        return DEFAULT_KEY_FILE
    # sqlite:///relative and sqlite:////absolute: one slash ends the (always empty) host.
    name = rest.partition("?")[0].removeprefix("/").removeprefix("file:")
    if not name or name == ":memory:":
        return DEFAULT_KEY_FILE
    return Path(name).with_suffix(".secret")


def _create_key_file(path: Path) -> None:
    """Write a new key and put it at ``path`` whole; do nothing when another process was first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link appears with its content or not at all, and never replaces one that is there. So nobody reads
        # half a key, and of two starters one wins and both use its key.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
            log.info("secret_key.created", file=str(path))
    finally:
        draft.unlink(missing_ok=True)


def _read_key_file(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise SettingsError(f"{path} is no file. Move it away, or set SECRET_KEY.")
        if status.st_mode & 0o077:
            _close_to_others(file.fileno(), status, path)
        key = file.read(4096).strip()
    if len(key) < _KEY_BYTES:
        raise SettingsError(
            f"{path} holds no key: {len(key)} characters, and at least {_KEY_BYTES} are needed. "
            "Bring it back from a backup; or, if nothing was encrypted with it yet, delete it, and a new one is made."
        )
    return key


def _close_to_others(descriptor: int, status: os.stat_result, path: Path) -> None:
    """Take the key from others' eyes. It may have been read until now, which the log says."""
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    try:
        os.fchmod(descriptor, 0o600)
    except PermissionError:
        raise SettingsError(
            f"{path} can be read by other users (mode {mode}) and belongs to another one (uid {status.st_uid}). "
            f"Type: chmod 600 {path} && chown {os.geteuid()} {path}"
        ) from None
    log.warning("secret_key.permissions_fixed", file=str(path), mode_was=mode)
