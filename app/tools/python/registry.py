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
# For one import; a package that asks a system at its import may wait for it without end.
IMPORT_SECONDS: Final = 10.0
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
    """Shared by all turns. Importing takes as long as the packages do, up to a limit: call the methods in a thread.

    Args:
        find: The entry points; None: those of the installed packages.
        import_seconds: How long an import is waited for. It goes on, in a thread of its own.
    """

    def __init__(
        self, find: Callable[[], Iterable[EntryPoint]] | None = None, *, import_seconds: float = IMPORT_SECONDS
    ) -> None:
        self._import_seconds = import_seconds
        self._find = find or (lambda: entry_points(group=GROUP))
        self._lock = threading.Lock()
        self._found: dict[str, list[EntryPoint]] | None = None
        self._loaded: dict[str, Announced] = {}
        # Of each import that has begun; set when it is done.
        self._begun: dict[str, threading.Event] = {}

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
        with self._lock:
            done = self._begun.get(name)
            if done is None:
                # One thread each: an import that hangs holds up no other, and not the end of the service.
                done = self._begun[name] = threading.Event()
                work = (name, entries, done)
                threading.Thread(target=self._import, args=work, name=f"import {name}", daemon=True).start()
        if not done.wait(self._import_seconds):
            words = f"Its import has not ended within {self._import_seconds:g} s: it may wait for another system."
            return Announced(*_about(name, entries), None, words)
        return self._loaded[name]

    def _import(self, name: str, entries: Sequence[EntryPoint], done: threading.Event) -> None:
        self._loaded[name] = _load(name, entries)
        done.set()


def _about(name: str, entries: Sequence[EntryPoint]) -> tuple[str, str, str, str]:
    entry = entries[0]
    package, version = (entry.dist.name, entry.dist.version) if entry.dist else ("", "")
    return name, package, version, entry.value


def _load(name: str, entries: Sequence[EntryPoint]) -> Announced:
    about = _about(name, entries)
    targets = {each.value for each in entries}
    if len(targets) > 1:
        packages = ", ".join(sorted({each.dist.name for each in entries if each.dist}))
        return Announced(*about, None, f"Several packages announce this name ({packages}); remove one.")
    try:
        return Announced(*about, read_function(entries[0].load()))
    except NotCallable as error:
        problem = str(error)
    except BaseException as error:  # noqa: BLE001 - foreign code at import; it is listed with its error
        problem = f"It cannot be imported: {type(error).__name__}: {error}"[:500]
        _log.warning("python_tools.broken", name=name, package=about[1], exc_info=True)
    return Announced(*about, None, problem)
