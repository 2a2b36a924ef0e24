"""A page of a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a longer list.

    Attributes:
        items: The items from ``offset`` on, at most ``limit``.
        total: How many there are altogether.
    """

    items: Sequence[T]
    total: int
    offset: int
    limit: int


def like_pattern(search: str) -> str:
    r"""A LIKE pattern that finds ``search`` anywhere, with ``\`` as the escape character."""
    escaped = search.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"
