"""The functions that installed packages announce. Each is imported once, when it is first asked for; one that cannot be
is listed with the reason, and disturbs nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Final

import structlog

from app.tools.python.signature import Function, NotCallable, read_function

GROUP: Final = "asterisk_ai.tools"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Announced:
    """An entry point of the group.

    Attributes:
        package, version: That announces it; empty where it does not say.
        target: ``module:function``.
        function: None: it cannot be used, and ``problem`` says why.
    """

    name: str
    package: str
    version: str
    target: str
    function: Function | None
    problem: str = ""


class PythonTools:
    """Shared by all turns. Importing takes as long as the packages do: call the methods in a thread.

    Args:
        find: The entry points; None: those of the installed packages.
    """

    def __init__(self, find: Callable[[], Iterable[EntryPoint]] | None = None) -> None:
        self._find = find or (lambda: entry_points(group=GROUP))
        self._lock = threading.Lock()
        self._found: dict[str, list[EntryPoint]] | None = None
        self._loaded: dict[str, Announced] = {}

    def all(self) -> Sequence[Announced]:
        """All of them, by name; imports what is not imported yet."""
        return [self._announced(name) for name in sorted(self._entries())]

    def get(self, name: str) -> Announced | None:
        """The one of that name; None: no package announces it."""
        loaded = self._loaded.get(name)
        if loaded is not None:
            return loaded
        return self._announced(name) if name in self._entries() else None

    def loaded(self, name: str) -> Announced | None:
        """The one of that name where it is imported already: for the event loop."""
        return self._loaded.get(name)

    def _entries(self) -> dict[str, list[EntryPoint]]:
        with self._lock:
            if self._found is None:
                found: dict[str, list[EntryPoint]] = {}
                for entry in self._find():
                    found.setdefault(entry.name, []).append(entry)
                self._found = found
            return self._found

    def _announced(self, name: str) -> Announced:
        entries = self._entries()[name]
        # Held while it is imported: two threads would import it twice. Calls do not wait here: what is loaded is read
        # without it.
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = _load(name, entries)
            return self._loaded[name]


def _load(name: str, entries: Sequence[EntryPoint]) -> Announced:
    entry = entries[0]
    package, version = (entry.dist.name, entry.dist.version) if entry.dist else ("", "")
    about = (name, package, version, entry.value)
    targets = {each.value for each in entries}
    if len(targets) > 1:
        packages = ", ".join(sorted({each.dist.name for each in entries if each.dist}))
        return Announced(*about, None, f"Several packages announce this name ({packages}); remove one.")
    try:
        return Announced(*about, read_function(entry.load()))
    except NotCallable as error:
        problem = str(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code at import; it is listed with its error
        problem = f"It cannot be imported: {type(error).__name__}: {error}"[:500]
        _log.warning("python_tools.broken", name=name, package=package, exc_info=True)
    return Announced(*about, None, problem)
