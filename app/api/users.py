"""``/api/users`` and ``/api/me``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from app.accounts.errors import FirstAdministrator
from app.api.access import needs
from app.api.guard import UserDep, refuse_token
from app.api.parts import PartsDep
from app.api.responses import BODY, problems
from app.core.permissions import Permission
from app.schemas.page import Limit, Offset, PageBody, Search, Sorting
from app.schemas.users import MeBody, PasswordBody, UserBody, UserChange, UserCreate

router = APIRouter(tags=["users"])

Id = Annotated[int, Path(ge=1, le=2**31 - 1, examples=[1])]


@router.get("/me", summary="Who am I?")
@needs(Permission.READ)
async def me(user: UserDep) -> MeBody:
    """Who is signed in with this request, and what they may."""
    return MeBody.of(user)


@router.put("/me/password", status_code=204, summary="Change my password", responses={**BODY, **problems(409)})
@needs(Permission.OWN_ACCOUNT)
async def change_my_password(parts: PartsDep, user: UserDep, body: PasswordBody) -> None:
    """Signed in with the present one; a token cannot do it. The first administrator's is in the settings."""
    refuse_token(user)
    if user.id is None:
        raise FirstAdministrator("The first administrator's password is WEB_UI_PASSWORD; change it there, and restart.")
    await parts.accounts.users.change(user.id, password=body.password.get_secret_value(), by=user.name)


@router.get("/users", summary="List users", responses=problems(422))
@needs(Permission.MANAGE_USERS)
async def list_users(
    parts: PartsDep, offset: Offset = 0, limit: Limit = 50, search: Search = "", sort: Sorting = "name"
) -> PageBody[UserBody]:
    """A page at a time. The first administrator, of the settings, is not among them."""
    page = await parts.accounts.users.list(offset=offset, limit=limit, search=search, sort=sort)
    items = [UserBody.of(record) for record in page.items]
    return PageBody(items=items, total=page.total, offset=offset, limit=limit)


@router.post("/users", status_code=201, summary="Add a user", responses={**BODY, **problems(409)})
@needs(Permission.MANAGE_USERS)
async def create_user(parts: PartsDep, user: UserDep, body: UserCreate, response: Response) -> UserBody:
    """They can sign in at once."""
    record = await parts.accounts.users.create(body.name, body.password.get_secret_value(), body.role, by=user.name)
    response.headers["Location"] = f"/api/users/{record.id}"
    return UserBody.of(record)


@router.get("/users/{user_id}", summary="Read a user", responses=problems(404, 422))
@needs(Permission.MANAGE_USERS)
async def get_user(parts: PartsDep, user_id: Id) -> UserBody:
    """One user."""
    return UserBody.of(await parts.accounts.users.get(user_id))


@router.patch("/users/{user_id}", summary="Change a user", responses={**BODY, **problems(404, 409)})
@needs(Permission.MANAGE_USERS)
async def change_user(parts: PartsDep, user: UserDep, user_id: Id, body: UserChange) -> UserBody:
    """It holds from the next request on, for their tokens too."""
    record = await parts.accounts.users.change(
        user_id,
        by=user.name,
        name=body.name,
        role=body.role,
        disabled=body.disabled,
        password=None if body.password is None else body.password.get_secret_value(),
    )
    return UserBody.of(record)


@router.delete(
    "/users/{user_id}", status_code=204, summary="Remove a user", responses=problems(400, 403, 404, 413, 415, 422)
)
@needs(Permission.MANAGE_USERS)
async def remove_user(parts: PartsDep, user: UserDep, user_id: Id) -> None:
    """With all their tokens. What they did stays in the audit log."""
    await parts.accounts.users.remove(user_id, by=user.name)
