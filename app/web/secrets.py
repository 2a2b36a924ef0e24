"""Secrets: what tools sign in with. For administrators. No page ever shows a value, not even one typed a moment ago."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, TypeVar, cast

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from app.api.access import needs
from app.api.guard import UserDep
from app.api.parts import Parts, PartsDep
from app.core.permissions import Permission
from app.db.page import Sort
from app.tools.vault.errors import SecretConflict, SecretInvalid
from app.tools.vault.records import SecretRecord
from app.tools.vault.rules import checked_description, checked_name, checked_servers, checked_value, value_doubt
from app.tools.vault.usage import UsingTool
from app.web.forms import Form
from app.web.pages import ENVIRONMENT, done, render

router = APIRouter(prefix="/ui/secrets")

T = TypeVar("T")

PAGE_SIZE: Final = 50
# Beside the value, where another field is wrong: what was typed is not sent back.
TYPE_AGAIN: Final = "Type the value again: it is never sent back to the browser, not even now."

Id = Annotated[int, Path(ge=1, le=2**31 - 1)]
PageNumber = Annotated[int, Query(ge=1, le=100_000)]
Search = Annotated[str, Query(max_length=100, pattern=r"^[^\x00-\x1f]*$")]

_SORTS: Final = ("name", "-name", "updated_at", "-updated_at")


def shown_server(server: str) -> str:
    """A server as people write it: without the port that its scheme has anyway."""
    scheme, _, _ = server.partition(":")
    return server.removesuffix({"http": ":80", "https": ":443"}.get(scheme, ""))


ENVIRONMENT.filters["server"] = shown_server


@router.get("")
@needs(Permission.MANAGE_SECRETS)
async def secrets(
    request: Request, parts: PartsDep, page: PageNumber = 1, search: Search = "", sort: str = "name"
) -> HTMLResponse:
    """All of them, with who uses each."""
    order = cast(Sort, sort) if sort in _SORTS else "name"
    found = await parts.secrets.list(offset=(page - 1) * PAGE_SIZE, limit=PAGE_SIZE, search=search, sort=order)
    return render(
        request,
        "secrets/list.html",
        secrets=found.items,
        users=await parts.secrets.used_by(found.items),
        unreadable=sum(bool(each.problem) for each in found.items),
        total=found.total,
        page=page,
        size=PAGE_SIZE,
        search=search,
        sort=order,
    )


@router.get("/new")
@needs(Permission.MANAGE_SECRETS)
async def new(request: Request) -> HTMLResponse:
    """The form for a new one."""
    return render(request, "secrets/new.html", form=Form())


@router.post("/new")
@needs(Permission.MANAGE_SECRETS)
async def create(request: Request, parts: PartsDep, user: UserDep) -> Response:
    """Store it."""
    form = await Form.read(request)
    value = _value(form)
    name = form.text("name").strip()
    if not name:
        form.note("name", "Write something here: tools name the secret so.")
    _note(form, checked_name, name)
    _note_place(form)
    if form.ok:
        async with form.noting():
            record = await parts.secrets.create(
                name, value, servers=_servers(form), description=form.text("description"), by=user.name
            )
    if form.ok:
        words = f"{record.name} is stored. Choose it in the login of a tool."
        return _stored(request, "/ui/secrets", words, value)
    form.note("value", TYPE_AGAIN)
    return render(request, "secrets/new.html", status_code=form.status, form=form)


@router.get("/{secret_id}")
@needs(Permission.MANAGE_SECRETS)
async def show(request: Request, parts: PartsDep, secret_id: Id) -> HTMLResponse:
    """One secret: where it may go, who uses it, and since when it has its value."""
    record = await parts.secrets.by_id(secret_id)
    return await _page(request, parts, "secrets/edit.html", record, _form_of(record))


@router.post("/{secret_id}")
@needs(Permission.MANAGE_SECRETS)
async def save(request: Request, parts: PartsDep, user: UserDep, secret_id: Id) -> Response:
    """Change servers and description. Of two at once the second is told, and keeps what they typed."""
    form = await Form.read(request)
    record = await parts.secrets.by_id(secret_id)
    _note_place(form)
    if form.ok:
        async with form.noting():
            record = await parts.secrets.change(
                record.name,
                servers=_servers(form),
                description=form.text("description"),
                by=user.name,
                expected=form.text("stamp") or None,
            )
    if form.ok:
        refused = [each.name for each in await _users(parts, record) if each.refused]
        if refused:
            words = f"Saved. These tools may not send {record.name} where they go any more: {', '.join(refused)}."
            return done(request, f"/ui/secrets/{secret_id}", words, "warning")
        return done(request, "/ui/secrets", f"Saved: {record.name}.")
    clash = isinstance(form.refused, SecretConflict)
    if clash:
        form.values["stamp"] = record.stamp
    return await _page(request, parts, "secrets/edit.html", record, form, clash=clash)


@router.get("/{secret_id}/value")
@needs(Permission.MANAGE_SECRETS)
async def value_form(request: Request, parts: PartsDep, secret_id: Id) -> HTMLResponse:
    """The form for another value."""
    record = await parts.secrets.by_id(secret_id)
    return await _page(request, parts, "secrets/value.html", record, _form_of(record))


@router.post("/{secret_id}/value")
@needs(Permission.MANAGE_SECRETS)
async def replace_value(request: Request, parts: PartsDep, user: UserDep, secret_id: Id) -> Response:
    """Replace it; calls use it from their next request on."""
    form = await Form.read(request)
    value = _value(form)
    record = await parts.secrets.by_id(secret_id)
    if form.ok:
        async with form.noting():
            await parts.secrets.change(record.name, value=value, by=user.name, expected=form.text("stamp") or None)
    if form.ok:
        words = f"{record.name} has its new value, and calls use it now."
        return _stored(request, f"/ui/secrets/{secret_id}", words, value)
    form.note("value", TYPE_AGAIN)
    form.values["stamp"] = record.stamp
    return await _page(request, parts, "secrets/value.html", record, form)


@router.get("/{secret_id}/delete")
@needs(Permission.MANAGE_SECRETS)
async def ask_to_delete(request: Request, parts: PartsDep, secret_id: Id) -> HTMLResponse:
    """What could not be called any more then."""
    record = await parts.secrets.by_id(secret_id)
    return await _page(request, parts, "secrets/delete.html", record, _form_of(record))


@router.post("/{secret_id}/delete")
@needs(Permission.MANAGE_SECRETS)
async def delete(request: Request, parts: PartsDep, user: UserDep, secret_id: Id) -> Response:
    """Remove it. Where tools use it, the box that says so must be ticked."""
    form = await Form.read(request)
    record = await parts.secrets.by_id(secret_id)
    async with form.noting():
        await parts.secrets.delete(
            record.name, by=user.name, expected=form.text("stamp") or None, force=form.flag("force")
        )
    if form.ok:
        return done(request, "/ui/secrets", f"{record.name} is deleted.")
    form.values["stamp"] = record.stamp
    return await _page(request, parts, "secrets/delete.html", record, form)


async def _page(
    request: Request, parts: Parts, template: str, record: SecretRecord, form: Form, *, clash: bool = False
) -> HTMLResponse:
    return render(
        request,
        template,
        status_code=form.status if form.errors else 200,
        form=form,
        record=record,
        users=await _users(parts, record),
        clash=clash,
    )


async def _users(parts: Parts, record: SecretRecord) -> list[UsingTool]:
    return list((await parts.secrets.used_by([record])).get(record.name, ()))


def _stored(request: Request, address: str, words: str, value: str) -> Response:
    doubt = value_doubt(checked_value(value))
    return done(request, address, f"{words} {doubt}".strip(), "warning" if doubt else "ok")


def _value(form: Form) -> str:
    """What was typed as the value, taken out of the form, so that no page can show it; what is wrong is noted."""
    value = form.values.pop("value", "")
    form.lists.pop("value", None)
    _note(form, checked_value, value)
    return value


def _note_place(form: Form) -> None:
    _note(form, checked_servers, _servers(form))
    _note(form, checked_description, form.text("description"))


def _note(form: Form, check: Callable[[T], object], typed: T) -> None:
    """What the store would refuse, of each field: it tells the first alone."""
    try:
        check(typed)
    except SecretInvalid as error:
        form.note(error.field, str(error))


def _servers(form: Form) -> list[str]:
    return form.text("servers").replace(",", "\n").split("\n")


def _form_of(record: SecretRecord) -> Form:
    servers = "\n".join(shown_server(each) for each in record.servers)
    return Form.of({"servers": servers, "description": record.description, "stamp": record.stamp})
