"""A page of a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

from sqlalchemy import ColumnElement

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


Sort = Literal["name", "-name", "updated_at", "-updated_at"]
BY_NAME: Final[Sort] = "name"


def ordering(sort: Sort, *, name: Any, updated_at: Any) -> tuple[ColumnElement[Any], ...]:
    """What a list is ordered by; ``-``: from the end. Of equal moments the name decides, so that pages do not overlap.

    Args:
        name, updated_at: The columns; ``name`` is unique.
    """
    column = name if sort.endswith("name") else updated_at
    first = column.desc() if sort.startswith("-") else column.asc()
    return (first,) if column is name else (first, name.asc())


def like_pattern(search: str) -> str:
    r"""A LIKE pattern that finds ``search`` anywhere, with ``\`` as the escape character."""
    escaped = search.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"
