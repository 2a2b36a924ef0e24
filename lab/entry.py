"""The three ways into a root folder: as root, by sudo, or by a user namespace.

As root, a program runs in the root by plain chroot. By sudo it is chroot too, but with the rights of the user who
called, so that this user may signal it and delete its files. In a user namespace neither is needed, only a kernel that
allows them. Process ids are the machine's in all three.
"""

from __future__ import annotations

import enum
import functools
import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from lab.errors import LabMissing

# A root that was unpacked without being root has no device nodes: bind the machine's. The second unshare gives up
# the mapped root again, for PostgreSQL refuses to run as root. $0 is the root folder.
_IN_NAMESPACE = """
for device in null zero full random urandom; do
    [ -e "$0/dev/$device" ] || : >"$0/dev/$device"
    mount --bind "/dev/$device" "$0/dev/$device" || exit 1
done
exec unshare --user --map-user="$LAB_UID" --map-group="$LAB_GID" --root="$0" --wd=/ -- "$@"
"""


class Way(enum.StrEnum):
    """How programs get into the root."""

    ROOT = "root"
    SUDO = "sudo"
    NAMESPACE = "user namespace"


class Entry:
    """Builds, enters and removes roots in one of the three ways."""

    def __init__(self, way: Way) -> None:
        self.way = way

    def command(self, root: Path, argv: Sequence[str], *, user: str | None = None) -> list[str]:
        """What to run on the machine so that ``argv`` runs inside ``root``.

        Args:
            user: Run as this user of the root, where that is possible: as root. In the other ways everything runs
                as the calling user anyway, and nothing as root.
        """
        ids = f"{os.getuid()}:{os.getgid()}"
        match self.way:
            case Way.ROOT:
                return ["chroot", *([f"--userspec={user}"] if user else []), str(root), *argv]
            case Way.SUDO:
                return ["sudo", "-n", "chroot", f"--userspec={ids}", str(root), *argv]
            case Way.NAMESPACE:
                setup = [f"LAB_UID={os.getuid()}", f"LAB_GID={os.getgid()}", "unshare", "--map-root-user", "--mount"]
                return ["env", *setup, "sh", "-c", _IN_NAMESPACE, str(root), *argv]

    def typed(self, root: Path, argv: Sequence[str]) -> str:
        """The same for people, who paste it into a shell: a client such as Asterisk's command line, not a server."""
        match self.way:
            case Way.ROOT:
                return shlex.join(self.command(root, argv))
            case Way.SUDO:  # which may ask for the password here
                return shlex.join(["sudo", "chroot", f"--userspec={os.getuid()}:{os.getgid()}", str(root), *argv])
            case Way.NAMESPACE:  # a client needs no devices
                return shlex.join(["unshare", "--map-root-user", f"--root={root}", "--wd=/", *argv])

    def can_use(self, root: Path) -> bool:
        """Whether ``root`` suits this way: one that was built in another may not."""
        if self.way is not Way.NAMESPACE and not (root / "dev" / "null").is_char_device():
            return False
        if self.way is Way.ROOT:
            return True
        # PostgreSQL insists on a name for the user that it runs as.
        users = (root / "etc" / "passwd").read_text().splitlines()
        return any(line.split(":")[2] == str(os.getuid()) for line in users)

    def build(self, mmdebstrap: Sequence[str], target: Path, output: IO[bytes]) -> int:
        """Run mmdebstrap so that ``target`` becomes the root; returns its exit code."""
        if self.way is not Way.NAMESPACE:
            sudo = ["sudo"] if self.way is Way.SUDO else []
            command = [*sudo, *mmdebstrap[:1], "--mode=root", *mmdebstrap[1:], str(target)]
            return subprocess.call(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        # In a namespace the result would belong to the ids of /etc/subuid. As a stream of tar, unpacked by us,
        # everything belongs to the calling user, who can enter and delete it with no further help.
        target.mkdir(parents=True)
        tar = ["tar", "-x", "-C", str(target), "--no-same-owner", "--exclude=./dev/*"]
        with subprocess.Popen(tar, stdin=subprocess.PIPE, stdout=output, stderr=output) as unpack:
            command = [*mmdebstrap[:1], "--mode=unshare", "--format=tar", *mmdebstrap[1:], "-"]
            code = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=unpack.stdin, stderr=output)
            assert unpack.stdin is not None
            unpack.stdin.close()
        return code or unpack.returncode

    def remove(self, root: Path) -> None:
        """Delete a root, which may not exist. Symlinks in it that point at the machine's folders are not followed."""
        if not root.is_symlink() and not root.exists():
            return
        sudo = ["sudo"] if self.way is Way.SUDO else []
        subprocess.check_call([*sudo, "rm", "-rf", "--one-file-system", str(root)])


@functools.cache
def find_entry() -> Entry:
    """The first way that works here.

    Raises:
        LabMissing: None does; the message says what to type.
    """
    if os.geteuid() == 0:
        return Entry(Way.ROOT)
    if shutil.which("sudo") and _works("sudo", "-n", "true"):
        return Entry(Way.SUDO)
    if shutil.which("unshare") and _works("unshare", "--map-root-user", "--mount", "true"):
        return Entry(Way.NAMESPACE)
    raise LabMissing(
        "the lab runs Asterisk in a folder of its own, which needs one of: to be root; a user with sudo (type: "
        "sudo -v, and try again within its time); or user namespaces (type as root: "
        "sysctl kernel.unprivileged_userns_clone=1, on Ubuntu: sysctl kernel.apparmor_restrict_unprivileged_userns=0)"
    )


def name_of_user() -> str:
    """Shell that gives the calling user a name in the root that is $1; for a hook of mmdebstrap."""
    uid, gid = os.getuid(), os.getgid()
    known = f'grep -q "^[^:]*:[^:]*:{uid}:" "$1/etc/passwd"'
    return f'{known} || echo "lab:x:{uid}:{gid}::/lab:/bin/sh" >>"$1/etc/passwd"'


def _works(*command: str) -> bool:
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20)
    return result.returncode == 0
