"""``python -m lab clean``: remove what the lab built.

Also ``python -m lab.clean``, which needs nothing but Python itself: ``make clean`` must work where the environment is
broken.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from lab.entry import Entry, Way
from lab.errors import LabError, LabFailed, LabMissing
from lab.process import lives
from lab.roots import INSTANCES, RECIPES, lab_folder


def clean() -> list[Path]:
    """Remove the roots and everything else that the lab made; returns the roots that were removed.

    Raises:
        LabFailed: A lab runs or is being built; nothing was removed then.
        LabMissing: A root belongs to somebody else; the message says what to type.
    """
    folder = lab_folder()
    if not folder.is_dir():
        return []
    if not os.access(folder, os.W_OK):
        raise LabMissing(_not_ours(folder))
    with contextlib.ExitStack() as held:
        for name in RECIPES:
            held.enter_context(_no_build(folder / f"{name}.lock"))
        if users := sorted(_users(folder)):
            pids = ", ".join(map(str, users))
            raise LabFailed(
                f"{folder} is in use by process {pids}. End that first (see: ps -fp {pids.replace(' ', '')})"
            )
        builders = {root: builder(root) for name in RECIPES for root in _roots(folder, name)}
        for root, entry in builders.items():
            entry.remove(root)
        shutil.rmtree(folder / "demo", ignore_errors=True)
        for name in RECIPES:
            for file in (*folder.glob(f"{name}.running.*.json"), folder / f"{name}.log", folder / f"{name}.lock"):
                file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # $ASTERISK_AI_LAB may hold what is not ours
        folder.rmdir()
    return list(builders)


def builder(root: Path) -> Entry:
    """The way in which ``root`` was built, as its owner tells: in a namespace it is the user's, else the superuser's.

    Raises:
        LabMissing: We may not remove it.
    """
    owner = _owner(root)
    if os.geteuid() == 0:
        return Entry(Way.ROOT)
    if owner == os.geteuid():
        return Entry(Way.NAMESPACE)
    if owner == 0 and shutil.which("sudo"):
        return Entry(Way.SUDO)
    raise LabMissing(_not_ours(root))


def _owner(folder: Path) -> int:
    return folder.lstat().st_uid


def _not_ours(folder: Path) -> str:
    return f"{folder} belongs to another user. Type as root: rm -rf --one-file-system {shlex.quote(str(folder))}"


def _roots(folder: Path, name: str) -> list[Path]:
    """The root of this name, and what interrupted builds left of it."""
    places = (folder / f"{name}{suffix}" for suffix in ("", ".building", ".old"))
    return [place for place in places if place.is_dir() and not place.is_symlink()]


def _users(folder: Path) -> set[int]:
    """The living processes that have an instance in a root, or a demo."""
    names = [path.name for name in RECIPES for path in (folder / name / INSTANCES).glob("*-*-*")]
    owners = [re.fullmatch(r"[a-z]+-(\d+)-\d+", name) for name in names]
    owners += [re.fullmatch(r"(\d+)", path.name) for path in (folder / "demo").glob("*")]
    return {int(owner[1]) for owner in owners if owner and lives(int(owner[1]))}


@contextlib.contextmanager
def _no_build(lock: Path) -> Iterator[None]:
    """Hold the lock under which a root is built, see ``lab.roots``."""
    # Only read: where a root was built by the superuser, the lock is the superuser's too.
    with open(os.open(lock, os.O_RDONLY | os.O_CREAT, 0o644)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabFailed(f"another process is building {lock.with_suffix('')}. Wait for it, or end it") from None
        yield


def main() -> None:
    """Remove, and say what was removed."""
    try:
        for root in clean():
            print(f"lab: removed {root}")
    except LabError as error:
        sys.exit(f"lab: {error}")


if __name__ == "__main__":
    main()
