"""One's own account: what one may, the password, API tokens, signing out."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from app.accounts.errors import FirstAdministrator
from app.accounts.identity import User
from app.accounts.passwords import SHORTEST
from app.api.access import needs
from app.api.guard import UserDep, refuse_token
from app.api.parts import Parts, PartsDep
from app.core.permissions import Permission, Role
from app.schemas.tokens import TokenCreate
from app.web.forms import Form
from app.web.pages import done, render
from app.web.roles import ROLE_WORDS, abilities, role_options
from app.web.users import new_password

router = APIRouter(prefix="/ui/account")

PAGE_SIZE: Final = 50
# Of a new token, unless another day is chosen: long enough for a program, not for ever.
_LIFETIME: Final = timedelta(days=365)

Id = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("")
@needs(Permission.OWN_ACCOUNT)
async def account(
    request: Request, parts: PartsDep, user: UserDep, page: Annotated[int, Query(ge=1, le=100_000)] = 1
) -> HTMLResponse:
    """Who is signed in, what they may, and their tokens."""
    found = await parts.accounts.tokens.list(user, offset=(page - 1) * PAGE_SIZE, limit=PAGE_SIZE)
    return render(
        request,
        "account/account.html",
        first=user.id is None,
        by_token=user.via == "token",
        abilities=abilities(user.role),
        role_words=ROLE_WORDS,
        tokens=found.items,
        total=found.total,
        page=page,
        size=PAGE_SIZE,
    )


@router.get("/password")
@needs(Permission.OWN_ACCOUNT)
async def password_form(request: Request, user: UserDep) -> HTMLResponse:
    """The form; the first administrator is told where theirs is."""
    return _password(request, user, Form())


@router.post("/password")
@needs(Permission.OWN_ACCOUNT)
async def change_password(request: Request, parts: PartsDep, user: UserDep) -> Response:
    """Change it. The present one is asked for: somebody else may sit in front of this browser."""
    refuse_token(user)
    form = await Form.read(request)
    password = new_password(form)
    if form.ok:
        async with form.noting():
            await _change(parts, user, form, password)
    if form.ok:
        # No redirect: the browser would follow it with the old password, and ask before this is read.
        return render(request, "account/changed.html")
    return _password(request, user, form)


async def _change(parts: Parts, user: User, form: Form, password: str) -> None:
    if user.id is None:
        raise FirstAdministrator("This password is WEB_UI_PASSWORD in the settings; change it there, and restart.")
    known = await parts.accounts.sign_in.by_password(parts.credentials, user.name, form.text("current"))
    if known is None:
        form.note("current", "This is not your present password.")
        return
    await parts.accounts.users.change(user.id, password=password, by=user.name, own_id=user.id)


def _password(request: Request, user: User, form: Form) -> HTMLResponse:
    return render(
        request,
        "account/password.html",
        status_code=form.status if form.errors else 200,
        form=form,
        first=user.id is None,
        shortest=SHORTEST,
    )


@router.get("/tokens/new")
@needs(Permission.OWN_ACCOUNT)
async def token_form(request: Request, user: UserDep) -> HTMLResponse:
    """The form for a token."""
    until = datetime.now(UTC).date() + _LIFETIME
    return _token(request, user, Form.of({"role": Role.VIEWER, "until": until.isoformat()}))


@router.post("/tokens/new")
@needs(Permission.OWN_ACCOUNT)
async def create_token(request: Request, parts: PartsDep, user: UserDep) -> Response:
    """Make it, and show it: in this answer, and nowhere else."""
    refuse_token(user)
    form = await Form.read(request)
    expires_at = _end_of(form)
    body = form.build(
        TokenCreate, {"name": form.text("name").strip(), "role": form.text("role"), "expires_at": expires_at}
    )
    if body is not None:
        async with form.noting():
            record, secret = await parts.accounts.tokens.create(
                user, name=body.name, role=body.role, expires_at=body.expires_at
            )
    if form.ok:
        address = str(request.base_url).rstrip("/")
        return render(request, "account/token_made.html", record=record, secret=secret, address=address)
    if "expires_at" in form.errors:
        form.note("until", form.errors.pop("expires_at"))
    return _token(request, user, form)


def _end_of(form: Form) -> datetime | None:
    """The end of the last day that was chosen (UTC); None: never."""
    typed = form.optional("until")
    if typed is None:
        return None
    try:
        day = date.fromisoformat(typed)
    except ValueError:
        form.note("until", "Write a day as year-month-day, such as 2030-01-31, or nothing.")
        return None
    return datetime.combine(day, time.max, UTC)


def _token(request: Request, user: User, form: Form) -> HTMLResponse:
    return render(
        request,
        "account/token_new.html",
        status_code=form.status if form.errors else 200,
        form=form,
        roles=role_options(user.role),
        tomorrow=(datetime.now(UTC).date() + timedelta(days=1)).isoformat(),
    )


@router.get("/tokens/{token_id}/revoke")
@needs(Permission.OWN_ACCOUNT)
async def ask_to_revoke(request: Request, parts: PartsDep, user: UserDep, token_id: Id) -> HTMLResponse:
    """Which one it is, and what stops working."""
    record = await parts.accounts.tokens.get(token_id, by=user, of_others=user.may(Permission.MANAGE_TOKENS))
    return render(request, "account/token_revoke.html", record=record, own=record.owner_id == user.id)


@router.post("/tokens/{token_id}/revoke")
@needs(Permission.OWN_ACCOUNT)
async def revoke_token(request: Request, parts: PartsDep, user: UserDep, token_id: Id) -> Response:
    """Make it worthless."""
    refuse_token(user)
    of_others = user.may(Permission.MANAGE_TOKENS)
    record = await parts.accounts.tokens.get(token_id, by=user, of_others=of_others)
    await parts.accounts.tokens.revoke(token_id, by=user, of_others=of_others)
    back = "/ui/account" if record.owner_id == user.id else "/ui/users/tokens"
    return done(request, back, f"The token {record.name} of {record.owner} is worth nothing now.")


@router.post("/sign-out")
@needs(Permission.OWN_ACCOUNT)
async def sign_out(request: Request, user: UserDep) -> HTMLResponse:
    """Answer as to a wrong password, upon which browsers forget the one that they keep sending.

    A challenge would make them ask for the next one at once, so there is none; ``Clear-Site-Data`` says the same to
    those that know it, where the page came by HTTPS or from the same machine.
    """
    page = render(request, "account/signed_out.html", status_code=401, name=user.name)
    page.headers["Clear-Site-Data"] = '"cookies"'
    return page
