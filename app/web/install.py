"""Puts the web interface into an application: pages below ``/ui``, files below ``/static``."""

from __future__ import annotations

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import RedirectResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.api.access import needs
from app.api.guard import signed_in
from app.core.permissions import Permission
from app.web import (
    account,
    audit,
    calls,
    dashboard,
    mcp,
    playground,
    prompt_edit,
    prompt_life,
    prompt_transfer,
    prompts,
    replay,
    secrets,
    settings,
    start,
    tool_drafts,
    tool_edit,
    tool_import,
    tool_python,
    tools,
    users,
)
from app.web.pages import FOLDER, error_page

router = APIRouter(include_in_schema=False, dependencies=[Depends(signed_in)])
router.include_router(dashboard.router)
router.include_router(settings.router)
router.include_router(start.router)
router.include_router(prompts.router)
router.include_router(prompt_transfer.router)
router.include_router(prompt_edit.router)
router.include_router(prompt_life.router)
router.include_router(tools.router)
# Before tool_edit, whose /ui/tools/{id} would take /ui/tools/import for one.
router.include_router(tool_import.router)
router.include_router(tool_drafts.router)
router.include_router(tool_python.router)
router.include_router(tool_edit.router)
router.include_router(secrets.router)
router.include_router(mcp.router)
router.include_router(users.router)
router.include_router(account.router)
router.include_router(audit.router)
router.include_router(calls.router)
router.include_router(replay.router)
router.include_router(playground.router)


class _Static(StaticFiles):
    """Files that a browser asks about again before it uses them: their names stay the same over versions."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.setdefault("Cache-Control", "no-cache")
        return response


def install(app: FastAPI) -> None:
    """Call once, after :func:`app.api.install.install`, whose guard and error handling it relies on."""
    app.state.error_page = error_page
    app.include_router(router)
    app.mount("/static", _Static(directory=FOLDER / "static"), name="static")

    @app.get("/", include_in_schema=False)
    @needs(Permission.READ)
    async def to_the_pages() -> RedirectResponse:
        return RedirectResponse("/ui", 307)
