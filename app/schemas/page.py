"""Lists come in pages."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from app.db.page import Sort

T = TypeVar("T")

Offset = Annotated[int, Query(ge=0, le=1_000_000, description="How many to leave out at the beginning.")]
Limit = Annotated[int, Query(ge=1, le=200, description="How many to answer with, at most.")]
Search = Annotated[
    str,
    Query(
        max_length=100,
        pattern=r"^[^\x00-\x1f]*$",
        description="Only those whose name holds this, in any case.",
        examples=["reception"],
    ),
]

Sorting = Annotated[Sort, Query(description="The order; `-` for the reverse.")]


class PageBody(BaseModel, Generic[T]):
    """A part of a list."""

    items: list[T]
    total: int = Field(description="How many there are in all.", examples=[1])
    offset: int = Field(examples=[0])
    limit: int = Field(examples=[50])
