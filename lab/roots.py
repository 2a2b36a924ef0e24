"""Root folders: Debian's own packages of Asterisk and the servers, unpacked into a folder by mmdebstrap.

Nothing is installed on the machine. A root lies under ``$ASTERISK_AI_LAB`` (default: ``.lab/`` in the checkout), is
built beside its place and renamed when it is complete, and carries a stamp of what it was built from, so that a change
of the package list builds it anew. Which mirror to use is the machine's matter: none is named here.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.entry import Entry, find_entry, name_of_user
from lab.errors import LabFailed, LabMissing

# Folder inside a root that holds one folder for each running server.
INSTANCES = "lab"

# Left out of the packages: nobody reads manuals in there. The sounds stay: they are the English ones in GSM, 4 MB.
_LEFT_OUT = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
)

# Run as shell by mmdebstrap with the root as $1. Debian's packages would make a PostgreSQL cluster and a MariaDB data
# folder at once; each test server makes its own.
_BEFORE_PACKAGES = (
    'mkdir -p "$1/etc/postgresql-common"; '
    'echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"'
)
_AFTER_PACKAGES = (
    'rm -rf --one-file-system "$1/var/lib/mysql"; '
    'chmod 755 "$1"; mkdir -p "$1/lab"; chmod 1777 "$1/lab"; '
    'printf %s "{stamp}" >"$1/lab/stamp"'
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a root is made of."""

    name: str
    suite: str
    packages: tuple[str, ...]

    @property
    def stamp(self) -> str:
        """Changes whenever the same recipe would give another root."""
        text = "\n".join((self.suite, *self.packages, *_LEFT_OUT, _BEFORE_PACKAGES, _AFTER_PACKAGES))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


# Debian 12 and 13 have no asterisk package; forky has 22.10.
FORKY = Recipe(
    "forky",
    "forky",
    ("asterisk", "redis-server", "postgresql", "mariadb-server", "sip-tester"),
)
# The oldest server that we are compatible with: 16.28, which has no REST over the WebSocket.
BULLSEYE = Recipe("bullseye", "bullseye", ("asterisk",))

RECIPES = {recipe.name: recipe for recipe in (FORKY, BULLSEYE)}


@dataclass(frozen=True, slots=True)
class Root:
    """A root folder that is built, and the way to run programs in it."""

    path: Path
    entry: Entry

    @property
    def instances(self) -> Path:
        """Where the running servers have their folders; writable for everyone, like /tmp."""
        return self.path / INSTANCES


def lab_folder() -> Path:
    """``$ASTERISK_AI_LAB``, or ``.lab`` in the checkout."""
    given = os.environ.get("ASTERISK_AI_LAB")
    return Path(given).resolve() if given else Path(__file__).resolve().parent.parent / ".lab"


def is_built(recipe: Recipe, entry: Entry) -> bool:
    """Whether the root is there, was made by the present recipe, and can be entered by way of ``entry``."""
    root = lab_folder() / recipe.name
    try:
        return (root / INSTANCES / "stamp").read_text() == recipe.stamp and entry.can_use(root)
    except OSError:
        return False


def prepare(recipe: Recipe = FORKY) -> Entry:
    """The way into the root of ``recipe``, when this machine has all that building and entering it take.

    Raises:
        LabMissing: It has not; the message names everything that is missing, and what to type.
    """
    entry, missing = None, []
    try:
        entry = find_entry()
    except LabMissing as error:
        missing.append(str(error))
    if (entry is None or not is_built(recipe, entry)) and shutil.which("mmdebstrap") is None:
        missing.append(
            "mmdebstrap is missing, which makes the lab's folder "
            "(type as root: apt-get install -y mmdebstrap uidmap debian-archive-keyring)"
        )
    if entry is None or missing:
        raise LabMissing("; and ".join(missing))
    return entry


def ensure(recipe: Recipe = FORKY) -> Root:
    """The root of ``recipe``, built now if it is not there: under a minute and about 500 MB, once.

    Raises:
        LabMissing: This machine cannot build or enter it; the message says what to type.
        LabFailed: The build failed; the message holds the end of its log.
    """
    entry = prepare(recipe)
    folder = lab_folder()
    if not is_built(recipe, entry):
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder / f"{recipe.name}.lock"):
            if not is_built(recipe, entry):  # another process may have built it while we waited
                _build(recipe, folder, entry)
    return Root(folder / recipe.name, entry)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"lab: another process is building here; waiting for {path}", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(recipe: Recipe, folder: Path, entry: Entry) -> None:
    place, beside = folder / recipe.name, folder / f"{recipe.name}.building"
    log = folder / f"{recipe.name}.log"
    print(f"lab: building {place} from Debian {recipe.suite} (about a minute)", file=sys.stderr)
    entry.remove(beside)  # what an interrupted build left
    with log.open("wb") as output:
        code = entry.build(_mmdebstrap(recipe), beside, output)
    if code != 0:
        raise LabFailed(f"mmdebstrap failed with code {code}; {log} ends with:\n{tail(log)}")
    old = folder / f"{recipe.name}.old"
    entry.remove(old)
    if place.exists():
        place.rename(old)
    beside.rename(place)
    entry.remove(old)


def _mmdebstrap(recipe: Recipe) -> list[str]:
    return [
        "mmdebstrap",
        "--variant=apt",
        "--components=main",
        '--aptopt=Acquire::Check-Valid-Until "false"',  # bullseye's lists are past their date
        *(f"--dpkgopt={option}" for option in _LEFT_OUT),
        f"--include={','.join(recipe.packages)}",
        f"--essential-hook={_BEFORE_PACKAGES}",
        f"--customize-hook={name_of_user()}",
        f"--customize-hook={_AFTER_PACKAGES.replace('{stamp}', recipe.stamp)}",
        recipe.suite,
    ]


def tail(path: Path, lines: int = 25) -> str:
    """The last lines of a log file, for an error message; empty when there is none."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
