"""``/api/tokens``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from app.accounts.tokens import TokenSort
from app.api.access import needs
from app.api.guard import UserDep, refuse_token, refuse_unless
from app.api.parts import PartsDep
from app.api.responses import BODY, NO_BODY, problems
from app.core.permissions import Permission
from app.schemas.page import Limit, Offset, PageBody, Search
from app.schemas.tokens import NewTokenBody, TokenBody, TokenCreate

router = APIRouter(prefix="/tokens", tags=["tokens"])

Id = Annotated[int, Path(ge=1, le=2**31 - 1, examples=[1])]
Everybody = Annotated[bool, Query(description="Those of everybody; for administrators.")]


@router.get("", summary="List tokens", responses=problems(422))
@needs(Permission.OWN_ACCOUNT)
async def list_tokens(
    parts: PartsDep,
    user: UserDep,
    offset: Offset = 0,
    limit: Limit = 50,
    everybody: Everybody = False,
    search: Search = "",
    sort: Annotated[TokenSort, Query(description="The order; `-` for the reverse. Unused ones come last by use.")] = (
        "-created_at"
    ),
) -> PageBody[TokenBody]:
    """Your own, the newest first."""
    if everybody:
        refuse_unless(user, Permission.MANAGE_TOKENS)
    page = await parts.accounts.tokens.list(
        None if everybody else user, offset=offset, limit=limit, search=search, sort=sort
    )
    items = [TokenBody.of(record) for record in page.items]
    return PageBody(items=items, total=page.total, offset=offset, limit=limit)


@router.post("", status_code=201, summary="Make a token", responses=BODY)
@needs(Permission.OWN_ACCOUNT)
async def create_token(parts: PartsDep, user: UserDep, body: TokenCreate, response: Response) -> NewTokenBody:
    """For yourself, signed in with your password. The token is in this answer, and nowhere else."""
    refuse_token(user)
    record, secret = await parts.accounts.tokens.create(
        user, name=body.name, role=body.role, expires_at=body.expires_at
    )
    response.headers["Location"] = f"/api/tokens/{record.id}"
    return NewTokenBody(**TokenBody.of(record).model_dump(), token=secret)


@router.delete("/{token_id}", status_code=204, summary="Revoke a token", responses={**NO_BODY, **problems(404)})
@needs(Permission.OWN_ACCOUNT)
async def revoke_token(parts: PartsDep, user: UserDep, token_id: Id) -> None:
    """One of your own; administrators also those of others. It is worth nothing from then on."""
    of_others = user.may(Permission.MANAGE_TOKENS)
    if not of_others:
        refuse_token(user)
    await parts.accounts.tokens.revoke(token_id, by=user, of_others=of_others)
