"""A small order desk with fixed data, so that the first tool works in an empty installation. No login: it holds
nothing that is true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from app.api.problems import ProblemError
from app.api.responses import problems

router = APIRouter(prefix="/example", tags=["example"])


class Order(BaseModel):
    """An order of the demonstration shop."""

    order_id: str = Field(examples=["A1042"])
    status: Literal["processing", "shipped", "delivered", "cancelled"] = Field(examples=["shipped"])
    item: str = Field(examples=["espresso machine"])
    arrives: str | None = Field(
        default=None, description="The day of arrival as a caller would say it.", examples=["tomorrow"]
    )
    arrives_on: str | None = Field(default=None, description="The same day as a date (UTC).", examples=["2026-01-31"])
    note: str = Field(default="", examples=["The courier calls before it comes."])


# Order, state, item, arrives in so many days (None: not at all), note.
_ORDERS: Final[dict[str, tuple[Literal["processing", "shipped", "delivered", "cancelled"], str, int | None, str]]] = {
    "A1042": ("shipped", "espresso machine", 1, "The courier calls before it comes."),
    "A1043": ("processing", "coffee grinder", 4, "It leaves the warehouse the day after tomorrow."),
    "B2077": ("delivered", "desk lamp", None, "It was left with a neighbour."),
    "C3001": ("cancelled", "office chair", None, "The money was paid back."),
}
_SPOKEN: Final = {0: "today", 1: "tomorrow", 2: "the day after tomorrow"}


@router.get("/orders/{order_id}", summary="Look an order up", responses=problems(404))
async def order(
    order_id: Annotated[
        str, Path(max_length=40, description="Case, spaces and dashes do not matter.", examples=["A1042"])
    ],
) -> Order:
    """One of the demonstration shop's orders: A1042, A1043, B2077 or C3001."""
    # Callers spell, and speech recognition writes what it likes: "a 1042", "A-1042".
    key = "".join(c for c in order_id.upper() if c.isalnum())
    if key not in _ORDERS:
        raise ProblemError(404, "order_not_found", f"There is no order {key or 'of that number'}.")
    status, item, days, note = _ORDERS[key]
    if days is None:
        return Order(order_id=key, status=status, item=item, note=note)
    day = datetime.now(UTC).date() + timedelta(days=days)
    spoken = _SPOKEN.get(days, f"on {day:%A}")
    return Order(order_id=key, status=status, item=item, arrives=spoken, arrives_on=day.isoformat(), note=note)
