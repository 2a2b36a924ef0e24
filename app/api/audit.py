"""``/api/audit``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime

from app.accounts.audit import AuditFilter, AuditSort
from app.api.access import needs
from app.api.parts import PartsDep
from app.api.responses import problems
from app.core.permissions import Permission
from app.schemas.audit import AuditBody
from app.schemas.page import Limit, Offset, PageBody

router = APIRouter(prefix="/audit", tags=["audit"])

Word = Query(max_length=32, pattern=r"^[a-z_]*$")
Name = Query(max_length=100, pattern=r"^[^\x00-\x1f]*$")


@router.get("", summary="Read the audit log", responses=problems(422))
@needs(Permission.READ_AUDIT)
async def list_audit(
    parts: PartsDep,
    offset: Offset = 0,
    limit: Limit = 50,
    actor: Annotated[str | None, Name] = None,
    kind: Annotated[str | None, Word] = None,
    action: Annotated[str | None, Word] = None,
    item_id: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    search: Annotated[str | None, Name] = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    sort: Annotated[AuditSort, Query(description="The newest first, or with `at` the oldest.")] = "-at",
) -> PageBody[AuditBody]:
    """Who changed what, when and from where, with what differs."""
    wanted = AuditFilter(actor, kind, action, item_id, search, since, until)
    page = await parts.accounts.audit.list(wanted, offset=offset, limit=limit, sort=sort)
    items = [AuditBody.of(entry) for entry in page.items]
    return PageBody(items=items, total=page.total, offset=offset, limit=limit)


@router.get("/{entry_id}", summary="Read one line of the audit log", responses=problems(404, 422))
@needs(Permission.READ_AUDIT)
async def get_audit(parts: PartsDep, entry_id: Annotated[int, Path(ge=1, le=2**31 - 1, examples=[1])]) -> AuditBody:
    """One change."""
    return AuditBody.of(await parts.accounts.audit.get(entry_id))
