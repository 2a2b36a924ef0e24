"""Users: who may sign in, and as what. For administrators."""

from __future__ import annotations

from typing import Annotated, Final, Literal, cast

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from app.accounts.errors import UserConflict
from app.accounts.identity import User
from app.accounts.passwords import SHORTEST
from app.accounts.tokens import TokenRecord, TokenSort
from app.accounts.users import UserRecord, UserSort
from app.api.access import needs
from app.api.guard import UserDep, refuse_token
from app.api.parts import Parts, PartsDep
from app.core.permissions import Permission, Role
from app.web.forms import Form
from app.web.pages import done, render
from app.web.roles import ROLE_WORDS, abilities, role_options

router = APIRouter(prefix="/ui/users")

PAGE_SIZE: Final = 50
_MOST_NAMED: Final = 100  # tokens named before they are deleted; nobody has more

Id = Annotated[int, Path(ge=1, le=2**31 - 1)]
PageNumber = Annotated[int, Query(ge=1, le=100_000)]
Search = Annotated[str, Query(max_length=100, pattern=r"^[^\x00-\x1f]*$")]
Which = Literal["", "viewer", "editor", "administrator", "disabled"]


@router.get("")
@needs(Permission.MANAGE_USERS)
async def users(
    request: Request, parts: PartsDep, page: PageNumber = 1, search: Search = "", which: Which = "", sort: str = "name"
) -> HTMLResponse:
    """All of them, but for the first administrator, who is told of above the list."""
    order = cast(UserSort, sort) if sort in _USER_SORTS else "name"
    found = await parts.accounts.users.list(
        offset=(page - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
        search=search,
        role=Role(which) if which and which != "disabled" else None,
        disabled=True if which == "disabled" else None,
        sort=order,
    )
    return render(
        request,
        "users/list.html",
        users=found.items,
        total=found.total,
        page=page,
        size=PAGE_SIZE,
        search=search,
        which=which,
        sort=order,
        first=parts.credentials.username,
    )


_USER_SORTS: Final = ("name", "-name", "updated_at", "-updated_at", "last_sign_in_at", "-last_sign_in_at")
_TOKEN_SORTS: Final = ("-created_at", "created_at", "name", "-name", "last_used_at", "-last_used_at")


@router.get("/tokens")
@needs(Permission.MANAGE_TOKENS)
async def tokens(
    request: Request, parts: PartsDep, page: PageNumber = 1, search: Search = "", sort: str = "-created_at"
) -> HTMLResponse:
    """The API tokens of everybody."""
    order = cast(TokenSort, sort) if sort in _TOKEN_SORTS else "-created_at"
    found = await parts.accounts.tokens.list(
        None, offset=(page - 1) * PAGE_SIZE, limit=PAGE_SIZE, search=search, sort=order
    )
    return render(
        request,
        "users/tokens.html",
        tokens=found.items,
        total=found.total,
        page=page,
        size=PAGE_SIZE,
        search=search,
        sort=order,
    )


@router.get("/new")
@needs(Permission.MANAGE_USERS)
async def new(request: Request) -> HTMLResponse:
    """The form for somebody new."""
    return _new(request, Form.of({"role": Role.VIEWER}))


@router.post("/new")
@needs(Permission.MANAGE_USERS)
async def create(request: Request, parts: PartsDep, user: UserDep) -> Response:
    """Add them."""
    refuse_token(user)
    form = await Form.read(request)
    name, password = form.text("name").strip(), new_password(form)
    if not name:
        form.note("name", "Write something here: it is needed.")
    role = _role(form)
    if form.ok and role is not None:
        async with form.noting():
            await parts.accounts.users.create(name, password, role, by=user.name)
    if form.ok:
        return done(request, "/ui/users", f"{name} can sign in now.")
    return _new(request, form, form.status)


def _new(request: Request, form: Form, status_code: int = 200) -> HTMLResponse:
    return render(
        request, "users/new.html", status_code=status_code, form=form, roles=role_options(), shortest=SHORTEST
    )


@router.get("/{user_id}")
@needs(Permission.MANAGE_USERS)
async def show(request: Request, parts: PartsDep, user: UserDep, user_id: Id) -> HTMLResponse:
    """One user, to change."""
    record = await parts.accounts.users.get(user_id)
    return await _edit(request, parts, user, record, _form_of(record))


@router.post("/{user_id}")
@needs(Permission.MANAGE_USERS)
async def save(request: Request, parts: PartsDep, user: UserDep, user_id: Id) -> Response:
    """Change name, role and whether they may sign in. Of two at once the second is told, and keeps what they typed."""
    refuse_token(user)
    form = await Form.read(request)
    own = user_id == user.id
    role = None if own else _role(form)
    name = form.text("name").strip()
    if not name:
        form.note("name", "Write something here: it is needed.")
    if form.ok:
        async with form.noting():
            record = await parts.accounts.users.change(
                user_id,
                by=user.name,
                name=name,
                role=role,
                disabled=None if own else form.flag("disabled"),
                expected=form.text("stamp") or None,
                own_id=user.id,
            )
    if form.ok:
        can = "cannot sign in any more" if record.disabled else f"can sign in as {record.role}"
        return done(request, "/ui/users", f"Saved: {record.name} {can}.", "warning" if record.disabled else "ok")
    record = await parts.accounts.users.get(user_id)
    clash = isinstance(form.refused, UserConflict)
    if clash:
        form.values["stamp"] = record.stamp
    return await _edit(request, parts, user, record, form, clash=clash)


async def _edit(
    request: Request, parts: Parts, user: User, record: UserRecord, form: Form, *, clash: bool = False
) -> HTMLResponse:
    return render(
        request,
        "users/edit.html",
        status_code=form.status if form.errors else 200,
        form=form,
        record=record,
        clash=clash,
        own=record.id == user.id,
        roles=role_options(),
        role_words=ROLE_WORDS,
        abilities=abilities(record.role),
        tokens=await _tokens_of(parts, record),
    )


@router.get("/{user_id}/password")
@needs(Permission.MANAGE_USERS)
async def password_form(request: Request, parts: PartsDep, user_id: Id) -> HTMLResponse:
    """The form for a new password."""
    record = await parts.accounts.users.get(user_id)
    return render(request, "users/password.html", form=Form(), record=record, shortest=SHORTEST)


@router.post("/{user_id}/password")
@needs(Permission.MANAGE_USERS)
async def set_password(request: Request, parts: PartsDep, user: UserDep, user_id: Id) -> Response:
    """Give them another one; the old one ends at once, their tokens stay."""
    refuse_token(user)
    form = await Form.read(request)
    password = new_password(form)
    if form.ok:
        async with form.noting():
            await parts.accounts.users.change(user_id, password=password, by=user.name, own_id=user.id)
    record = await parts.accounts.users.get(user_id)
    if form.ok:
        return done(request, f"/ui/users/{user_id}", f"{record.name} has the new password. Tell them in person.")
    return render(request, "users/password.html", status_code=form.status, form=form, record=record, shortest=SHORTEST)


@router.get("/{user_id}/delete")
@needs(Permission.MANAGE_USERS)
async def ask_to_delete(request: Request, parts: PartsDep, user: UserDep, user_id: Id) -> HTMLResponse:
    """What would end with them."""
    record = await parts.accounts.users.get(user_id)
    return await _delete(request, parts, user, record, _form_of(record))


@router.post("/{user_id}/delete")
@needs(Permission.MANAGE_USERS)
async def delete(request: Request, parts: PartsDep, user: UserDep, user_id: Id) -> Response:
    """Remove them, with their tokens."""
    refuse_token(user)
    form = await Form.read(request)
    record = await parts.accounts.users.get(user_id)
    async with form.noting():
        await parts.accounts.users.remove(user_id, by=user.name, expected=form.text("stamp") or None, own_id=user.id)
    if form.ok:
        return done(request, "/ui/users", f"{record.name} is deleted, with all tokens.")
    form.values["stamp"] = record.stamp
    return await _delete(request, parts, user, record, form)


async def _delete(request: Request, parts: Parts, user: User, record: UserRecord, form: Form) -> HTMLResponse:
    return render(
        request,
        "users/delete.html",
        status_code=form.status if form.errors else 200,
        form=form,
        record=record,
        own=record.id == user.id,
        tokens=await _tokens_of(parts, record),
    )


async def _tokens_of(parts: Parts, record: UserRecord) -> list[TokenRecord]:
    owner = User(record.name, record.role, record.id)
    return list((await parts.accounts.tokens.list(owner, limit=_MOST_NAMED)).items)


def new_password(form: Form) -> str:
    """The new password, typed twice; its rules are the store's, which says what is wrong with it."""
    password = form.text("password")
    if not password:
        form.note("password", "Write something here: it is needed.")
    elif password != form.text("again"):
        form.note("again", "The two are not the same. Type the new password twice.")
    return password


def _form_of(record: UserRecord) -> Form:
    return Form.of({"name": record.name, "role": record.role, "disabled": record.disabled, "stamp": record.stamp})


def _role(form: Form) -> Role | None:
    try:
        return Role(form.text("role"))
    except ValueError:
        form.note("role", "Choose a role.")
        return None
