"""``/docs`` (Swagger UI), ``/redoc`` and the OpenAPI document they show; all from this machine, none from a CDN.

Behind the login like the rest: the document names everything that can be done here.
"""

from __future__ import annotations

import asyncio
from typing import Final

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from app.api.access import needs
from app.api.headers import DOCS_SECURITY_POLICY
from app.api.parts import PartsDep
from app.core.permissions import Permission

router = APIRouter(include_in_schema=False)

_HEADERS: Final = {"Content-Security-Policy": DOCS_SECURITY_POLICY}

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
{styles}
</head>
<body>
<nav class="back">
<a href="/ui">asterisk-ai</a> <a href="/docs">Try the API</a> <a href="/redoc">Read about the API</a>
</nav>
<div id="{kind}"></div>
<noscript>This page needs JavaScript. The document itself is at <a href="/openapi.json">/openapi.json</a>.</noscript>
{scripts}
</body>
</html>
"""

_DOCS: Final = _PAGE.format(
    title="API - asterisk-ai",
    kind="swagger-ui",
    styles='<link rel="stylesheet" href="/static/vendor/swagger-ui/swagger-ui.css">\n'
    '<link rel="stylesheet" href="/static/docs.css">',
    scripts='<script src="/static/vendor/swagger-ui/swagger-ui-bundle.js"></script>\n'
    '<script src="/static/docs.js"></script>',
)
_REDOC: Final = _PAGE.format(
    title="API reference - asterisk-ai",
    kind="redoc",
    styles='<link rel="stylesheet" href="/static/docs.css">',
    scripts='<script src="/static/vendor/redoc/redoc.standalone.js"></script>\n'
    '<script src="/static/redoc.js"></script>',
)


@router.get("/docs")
@needs(Permission.READ)
async def docs() -> HTMLResponse:
    """Swagger UI: read the API and try it."""
    return HTMLResponse(_DOCS, headers=_HEADERS)


@router.get("/redoc")
@needs(Permission.READ)
async def redoc() -> HTMLResponse:
    """Redoc: read the API."""
    return HTMLResponse(_REDOC, headers=_HEADERS)


@router.get("/openapi.json")
@needs(Permission.READ)
async def openapi(request: Request, parts: PartsDep) -> Response:
    """The OpenAPI document."""

    async def draw() -> bytes:
        # A second of work, which must not keep calls waiting.
        return await asyncio.to_thread(lambda: orjson.dumps(request.app.openapi()))

    return Response(await parts.samples.openapi.get(draw), media_type="application/json")
