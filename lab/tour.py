"""Every page of the web interface with an address that shows something, in a seeded installation.

Addresses follow from the routes: a parameter that :class:`lab.seed.Seeded` or :data:`EXAMPLES` knows is filled in. A
new page that needs another one, or is none for people, is told here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from lab.seed import Seeded

# Answers below /ui that are no pages, and why.
NO_PAGES: Final[Mapping[str, str]] = {
    "/ui/status/live": "server-sent events",
    "/ui/calls/turns/{turn_id}": "leads to the turn on its page",
    "/ui/charts": "a part of the dashboard",
    "/ui/settings/doctor": "a part of the settings, which takes seconds",
    "/ui/start/live": "server-sent events",
}

# Parameters that name no record.
EXAMPLES: Final[Mapping[str, str]] = {"number": "2", "version": "1"}

# Pages that show little without a query.
QUERIES: Final[Mapping[str, str]] = {
    "/ui/prompts/{prompt_id}/publish": "version=4",
    "/ui/prompts/{prompt_id}/compare": "left=2&right=3",
    "/ui/tools/{tool_id}/compare": "left=1&right=2",
}

# The same page, of another kind of record; and its name for files.
FURTHER: Final[Mapping[str, str]] = {"/ui/tools/{mcp_tool_id}": "tools-one-mcp"}

# Where another name is used for what was seeded.
_ALSO: Final = {"entry_id": "audit_id"}


def pages(routes: Iterable[Any]) -> list[str]:
    """The paths, with their parameters, of all pages for people; ``routes`` are an application's."""
    found = [path for path in _paths(routes) if re.match(r"/ui(/|$)", path) and path not in NO_PAGES]
    return sorted([*found, *FURTHER])


def address(path: str, seeded: Seeded) -> str:
    """Where that page shows something.

    Raises:
        KeyError: it has a parameter that nobody has told here.
    """
    known = {**EXAMPLES, **{name: str(value) for name, value in asdict(seeded).items()}}
    filled = re.sub(r"{(\w+)(?::\w+)?}", lambda found: known[_ALSO.get(found[1], found[1])], path)
    return f"{filled}?{QUERIES[path]}" if path in QUERIES else filled


def name_of(path: str) -> str:
    """A page's name for files.

    >>> name_of("/ui/tools/{tool_id}/versions")
    'tools-one-versions'
    >>> name_of("/ui")
    'dashboard'
    """
    if path in FURTHER:
        return FURTHER[path]
    return re.sub(r"{\w+(:\w+)?}", "one", path.removeprefix("/ui").strip("/")).replace("/", "-") or "dashboard"


def _paths(routes: Iterable[Any]) -> Iterator[str]:
    for route in routes:
        inner = route.effective_candidates() if hasattr(route, "effective_candidates") else None
        if inner is not None:
            yield from _paths(inner)
        elif "GET" in (getattr(route, "methods", None) or ()):
            yield route.path
