"""``/api/secrets``: what tools sign in with. Values go in, and never come out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response

from app.api.access import needs
from app.api.guard import UserDep
from app.api.parts import Parts, PartsDep
from app.api.preconditions import conflict
from app.api.responses import BODY, NO_BODY, problems
from app.core.permissions import Permission
from app.schemas.page import Limit, Offset, PageBody, Search, Sorting
from app.schemas.secrets import SecretBody, SecretChange, SecretCreate, SecretValue
from app.tools.vault.errors import SecretConflict
from app.tools.vault.records import SecretRecord

router = APIRouter(prefix="/secrets", tags=["secrets"])

Name = Annotated[str, Path(max_length=64, description="In any case.", examples=["crm-token"])]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The `ETag` of what the change was made from: when somebody changed the secret since, the answer "
        "is 412. Without it, or with `*`, the change is made in any case.",
        examples=['"20300131T120000.000000Z"'],
    ),
]
Force = Annotated[bool, Query(description="Also where tools name it, which cannot be called any more then.")]


@router.get("", summary="List secrets", responses=problems(422))
@needs(Permission.EDIT_TOOLS)
async def list_secrets(
    parts: PartsDep, offset: Offset = 0, limit: Limit = 50, search: Search = "", sort: Sorting = "name"
) -> PageBody[SecretBody]:
    """A page at a time, without values: which names a tool may use, and where each may be sent."""
    page = await parts.secrets.list(offset=offset, limit=limit, search=search, sort=sort)
    users = await parts.secrets.used_by(page.items)
    items = [SecretBody.of(record, users.get(record.name, ())) for record in page.items]
    return PageBody(items=items, total=page.total, offset=offset, limit=limit)


@router.post("", status_code=201, summary="Store a secret", responses={**BODY, **problems(409)})
@needs(Permission.MANAGE_SECRETS)
async def create_secret(parts: PartsDep, user: UserDep, body: SecretCreate, response: Response) -> SecretBody:
    """Encrypted with `SECRET_KEY`. Tools can name it at once. At least one server must be allowed to get it."""
    record = await parts.secrets.create(
        body.name,
        body.value.get_secret_value(),
        servers=body.servers,
        description=body.description,
        by=user.name,
    )
    response.headers["Location"] = f"/api/secrets/{record.name}"
    return await _answer(parts, record, response)


@router.get("/{name}", summary="Read about a secret", responses=problems(404, 422))
@needs(Permission.EDIT_TOOLS)
async def get_secret(parts: PartsDep, name: Name, response: Response) -> SecretBody:
    """Everything but the value. The `ETag` goes into `If-Match` when you change it."""
    return await _answer(parts, await parts.secrets.get(name), response)


@router.put("/{name}", summary="Replace the value of a secret", responses={**BODY, **problems(404, 412)})
@needs(Permission.MANAGE_SECRETS)
async def replace_secret(
    parts: PartsDep, user: UserDep, name: Name, body: SecretValue, response: Response, if_match: IfMatch = None
) -> SecretBody:
    """Calls use the new one from their next request on; tokens that were fetched with the old one are forgotten."""
    try:
        record = await parts.secrets.change(
            name, value=body.value.get_secret_value(), by=user.name, expected=_expected(if_match)
        )
    except SecretConflict as error:
        raise conflict(error, if_match) from error
    return await _answer(parts, record, response)


@router.patch("/{name}", summary="Change where a secret may go", responses={**BODY, **problems(404, 412)})
@needs(Permission.MANAGE_SECRETS)
async def change_secret(
    parts: PartsDep, user: UserDep, name: Name, body: SecretChange, response: Response, if_match: IfMatch = None
) -> SecretBody:
    """Its servers and its description; the value stays. A tool that sends it to a server which is not among them any
    more fails from its next request on: see `refused` in `used_by`."""
    try:
        record = await parts.secrets.change(
            name, servers=body.servers, description=body.description, by=user.name, expected=_expected(if_match)
        )
    except SecretConflict as error:
        raise conflict(error, if_match) from error
    return await _answer(parts, record, response)


@router.delete("/{name}", status_code=204, summary="Delete a secret", responses={**NO_BODY, **problems(404, 409, 412)})
@needs(Permission.MANAGE_SECRETS)
async def delete_secret(
    parts: PartsDep, user: UserDep, name: Name, force: Force = False, if_match: IfMatch = None
) -> None:
    """It cannot be brought back. One that tools use is refused, unless you insist with `force`."""
    try:
        await parts.secrets.delete(name, by=user.name, expected=_expected(if_match), force=force)
    except SecretConflict as error:
        raise conflict(error, if_match) from error


async def _answer(parts: Parts, record: SecretRecord, response: Response) -> SecretBody:
    response.headers["ETag"] = f'"{record.stamp}"'
    return SecretBody.of(record, (await parts.secrets.used_by([record])).get(record.name, ()))


def _expected(if_match: str | None) -> str | None:
    """The stamp in ``If-Match``. What is no ETag of ours matches nothing."""
    if if_match is None or if_match.strip() == "*":
        return None
    return if_match.strip().removeprefix("W/").strip('"')
