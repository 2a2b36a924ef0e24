"""``/api/users`` and ``/api/me``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response

from app.accounts.errors import FirstAdministrator, UserConflict
from app.accounts.users import UserRecord, UserSort
from app.api.access import needs
from app.api.guard import UserDep, refuse_token
from app.api.parts import PartsDep
from app.api.preconditions import conflict
from app.api.responses import BODY, NO_BODY, problems
from app.core.permissions import Permission, Role
from app.schemas.page import Limit, Offset, PageBody, Search
from app.schemas.users import MeBody, PasswordBody, UserBody, UserChange, UserCreate

router = APIRouter(tags=["users"])

Id = Annotated[int, Path(ge=1, le=2**31 - 1, examples=[1])]
Sorting = Annotated[
    UserSort, Query(description="The order; `-` for the reverse. Who never signed in comes last by that.")
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The `ETag` of what the change was made from: when somebody changed the user since, the answer is "
        "412. Without it, or with `*`, the change is made in any case, to the fields that you send.",
        examples=['"20300131T120000.000000Z"'],
    ),
]


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
    parts: PartsDep,
    offset: Offset = 0,
    limit: Limit = 50,
    search: Search = "",
    role: Annotated[Role | None, Query(description="Only those of that role.")] = None,
    disabled: Annotated[bool | None, Query(description="Only those who are disabled, or who are not.")] = None,
    sort: Sorting = "name",
) -> PageBody[UserBody]:
    """A page at a time. The first administrator, of the settings, is not among them."""
    page = await parts.accounts.users.list(
        offset=offset, limit=limit, search=search, role=role, disabled=disabled, sort=sort
    )
    items = [UserBody.of(record) for record in page.items]
    return PageBody(items=items, total=page.total, offset=offset, limit=limit)


@router.post("/users", status_code=201, summary="Add a user", responses={**BODY, **problems(409)})
@needs(Permission.MANAGE_USERS)
async def create_user(parts: PartsDep, user: UserDep, body: UserCreate, response: Response) -> UserBody:
    """They can sign in at once. It needs a password; a token cannot do it."""
    refuse_token(user)
    record = await parts.accounts.users.create(body.name, body.password.get_secret_value(), body.role, by=user.name)
    response.headers["Location"] = f"/api/users/{record.id}"
    _set_etag(response, record)
    return UserBody.of(record)


@router.get("/users/{user_id}", summary="Read a user", responses=problems(404, 422))
@needs(Permission.MANAGE_USERS)
async def get_user(parts: PartsDep, user_id: Id, response: Response) -> UserBody:
    """One user. The `ETag` goes into `If-Match` when you change them."""
    record = await parts.accounts.users.get(user_id)
    _set_etag(response, record)
    return UserBody.of(record)


@router.patch("/users/{user_id}", summary="Change a user", responses={**BODY, **problems(404, 409, 412)})
@needs(Permission.MANAGE_USERS)
async def change_user(
    parts: PartsDep, user: UserDep, user_id: Id, body: UserChange, response: Response, if_match: IfMatch = None
) -> UserBody:
    """It holds from the next request on, for their tokens too. It needs a password; a token cannot do it.

    Nobody disables themselves or changes the own role.
    """
    refuse_token(user)
    try:
        record = await parts.accounts.users.change(
            user_id,
            by=user.name,
            name=body.name,
            role=body.role,
            disabled=body.disabled,
            password=None if body.password is None else body.password.get_secret_value(),
            expected=_expected(if_match),
            own_id=user.id,
        )
    except UserConflict as error:
        raise conflict(error, if_match) from error
    _set_etag(response, record)
    return UserBody.of(record)


@router.delete(
    "/users/{user_id}", status_code=204, summary="Remove a user", responses={**NO_BODY, **problems(404, 409, 412)}
)
@needs(Permission.MANAGE_USERS)
async def remove_user(parts: PartsDep, user: UserDep, user_id: Id, if_match: IfMatch = None) -> None:
    """With all their tokens. What they did stays in the audit log. It needs a password; a token cannot do it."""
    refuse_token(user)
    try:
        await parts.accounts.users.remove(user_id, by=user.name, expected=_expected(if_match), own_id=user.id)
    except UserConflict as error:
        raise conflict(error, if_match) from error


def _set_etag(response: Response, record: UserRecord) -> None:
    response.headers["ETag"] = f'"{record.stamp}"'


def _expected(if_match: str | None) -> str | None:
    """The stamp in ``If-Match``. What is no ETag of ours matches nothing."""
    if if_match is None or if_match.strip() == "*":
        return None
    # A proxy that compresses answers makes their ETags weak; for us both kinds say the same.
    return if_match.strip().removeprefix("W/").strip('"')
