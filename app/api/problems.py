"""Errors as problem+json (RFC 9457): one shape for everything that can go wrong at the HTTP side.

A room's errors keep their sentence, which is written for operators, and their ``code``. What nobody foresaw is logged
with its stack and counted; the answer holds neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.accounts.errors import (
    AuditNotFound,
    FirstAdministrator,
    OwnAccount,
    TokenInvalid,
    TokenNotFound,
    UserConflict,
    UserInvalid,
    UserNameTaken,
    UserNotFound,
)
from app.ari.errors import AriError
from app.calls.errors import DialplanInvalid
from app.core.errors import GatewayError
from app.core.metrics import UNEXPECTED
from app.history.errors import ConversationNotFound, TurnNotFound
from app.llm.errors import ModelError, ProviderError, ProviderNotConfigured, UnknownModel
from app.prompts.errors import PromptConflict, PromptInUse, PromptInvalid, PromptNameTaken, PromptNotFound
from app.rehearsal.errors import NothingToReplay, RehearsalInvalid
from app.schemas.problem import FieldProblem, Problem
from app.tools.errors import (
    OpenApiInvalid,
    ToolConflict,
    ToolFailure,
    ToolInvalid,
    ToolNameTaken,
    ToolNotFound,
    ToolUnreadable,
)
from app.tools.mcp.errors import (
    McpNotInstalled,
    McpServerConflict,
    McpServerInUse,
    McpServerNameTaken,
    McpServerNotFound,
)
from app.tools.vault.errors import SecretConflict, SecretInUse, SecretInvalid, SecretNameTaken, SecretNotFound

log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"

# The first class that fits decides, so subclasses stand before their parents.
_STATUS: Final[tuple[tuple[type[GatewayError], int], ...]] = (
    (PromptNotFound, 404),
    (ToolNotFound, 404),
    (UserNotFound, 404),
    (TokenNotFound, 404),
    (AuditNotFound, 404),
    (UserNameTaken, 409),
    (FirstAdministrator, 409),
    (UserConflict, 409),
    (OwnAccount, 409),
    (UserInvalid, 422),
    (TokenInvalid, 422),
    (ConversationNotFound, 404),
    (TurnNotFound, 404),
    (PromptNameTaken, 409),
    (ToolNameTaken, 409),
    (PromptConflict, 409),
    (PromptInUse, 409),
    (ToolConflict, 409),
    (ToolUnreadable, 409),
    (PromptInvalid, 422),
    (ToolInvalid, 422),
    (OpenApiInvalid, 422),
    (SecretNotFound, 404),
    (SecretNameTaken, 409),
    (SecretConflict, 409),
    (SecretInUse, 409),
    (SecretInvalid, 422),
    (McpServerNotFound, 404),
    (McpServerNameTaken, 409),
    (McpServerConflict, 409),
    (McpServerInUse, 409),
    (McpNotInstalled, 409),
    (ToolFailure, 502),
    (DialplanInvalid, 422),
    (RehearsalInvalid, 422),
    (NothingToReplay, 409),
    (UnknownModel, 422),
    (ProviderNotConfigured, 409),
    (ProviderError, 502),
    (ModelError, 502),
    (AriError, 502),
)

ErrorPage = Callable[[Request, Problem], Response]


class ProblemError(HTTPException):
    """An answer that is a problem, raised where no room's error fits.

    It is an HTTPException because FastAPI hides every other one behind a 400 when it comes up while a body is read.

    Attributes:
        retry_after: Seconds to wait, as the ``Retry-After`` header.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: tuple[FieldProblem, ...] = (),
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        answer_headers = dict(headers or {})
        if retry_after is not None:
            answer_headers["Retry-After"] = str(retry_after)
        super().__init__(status, detail, answer_headers)
        self.problem = Problem(
            title=HTTPStatus(status).phrase, status=status, code=code, detail=detail, errors=list(errors)
        )


def respond(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The problem as a response."""
    body = problem.model_dump(mode="json", exclude_defaults=False)
    return JSONResponse(body, problem.status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def respond_to(request: Request, problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The problem in the form that suits who asked: a page below ``/ui``, where one is installed, else JSON."""
    page: ErrorPage | None = getattr(request.app.state, "error_page", None)
    if page is None or not request.url.path.startswith("/ui"):
        return respond(problem, headers)
    response = page(request, problem)
    response.headers.update(dict(headers or {}))
    return response


def status_for(error: GatewayError) -> int:
    """The HTTP status of a room's error: 503 where trying again may help, 500 where nothing says better."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status
    return 503 if error.retryable else 500


def install(app: FastAPI) -> None:
    """Turn every failure of ``app`` into a problem."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(GatewayError, _on_gateway)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return respond_to(request, error.problem, error.headers)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    if status < 400:
        return Response(status_code=status, headers=error.headers)
    detail = error.detail if error.detail != status.phrase else _sentence(request, status)
    if status == 400 and isinstance(error.__cause__, UnicodeDecodeError):
        detail = "The body is not UTF-8."
    problem = Problem(title=status.phrase, status=status, code=status.name.lower(), detail=detail or status.phrase)
    headers = dict(error.headers or {})
    if status == 405:
        headers["Allow"] = ", ".join(_allowed(request))
    return respond_to(request, problem, headers)


def _sentence(request: Request, status: HTTPStatus) -> str:
    if status == HTTPStatus.NOT_FOUND and request.url.path.startswith("/ui"):
        return "There is no page at this address. The menu above leads to those that there are."
    return _SENTENCES.get(status, status.description)


def _allowed(request: Request) -> list[str]:
    """All methods of this address. Starlette names only those of the first route that has it."""
    methods = [
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]
    return [name for method in methods for name in (("GET", "HEAD") if method == "GET" else (method,))]


_SENTENCES: Final = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address. /docs lists what there is.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take this method. /docs lists what it takes.",
}


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [_field_problem(detail) for detail in error.errors()]
    broken = next((e for e in errors if e.type == "json_invalid"), None)
    if broken is not None:
        problem = Problem(title="Bad Request", status=400, code="json_invalid", detail=broken.message, errors=errors)
        return respond_to(request, problem)
    where = ", ".join(dict.fromkeys(e.field for e in errors))
    problem = Problem(
        title=HTTPStatus.UNPROCESSABLE_ENTITY.phrase,
        status=422,
        code="invalid",
        detail=f"The request is not valid: see {where}.",
        errors=errors,
    )
    return respond_to(request, problem)


def _field_problem(detail: Mapping[str, Any]) -> FieldProblem:
    """One of pydantic's findings, without the value: it may be a megabyte, or a secret."""
    place, *path = detail["loc"] or ("request",)
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "json_invalid":
        reason = detail.get("ctx", {}).get("error", "")
        return FieldProblem(
            field="body", message=f"The body is not valid JSON: {reason} at character {path[0]}.", type="json_invalid"
        )
    return FieldProblem(field=".".join(map(str, path)) or str(place), message=message, type=str(detail["type"]))


async def _on_gateway(request: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)
    problem, headers = problem_of(request, error)
    return respond_to(request, problem, headers)


def problem_of(request: Request, error: GatewayError) -> tuple[Problem, dict[str, str] | None]:
    """A room's error as a problem, with the headers of its answer; logged when it is our fault."""
    status = status_for(error)
    field = getattr(error, "field", None)
    errors = [FieldProblem(field=field, message=str(error), type=error.code)] if isinstance(field, str) else []
    if isinstance(error, PromptInvalid):
        errors = [FieldProblem(field=each.field, message=str(each), type=each.code) for each in (error, *error.others)]
    if isinstance(error, ToolInvalid):
        errors = [FieldProblem(field=each.field, message=each.message, type=error.code) for each in error.mistakes]
    if status >= 500:
        log.warning("http.failed", path=request.url.path, code=error.code, error=str(error))
    problem = Problem(title=HTTPStatus(status).phrase, status=status, code=error.code, detail=str(error), errors=errors)
    return problem, {"Retry-After": "5"} if status == 503 else None


class UnexpectedErrors:
    """ASGI middleware: an exception that nobody handled becomes one log line, one count, and a bare 500.

    It stands inside the middleware that sets the security headers, which Starlette's own handler does not.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; answer only when no answer has begun. A half-sent one is cut, by raising, as it must be."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def watch(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:  # the last place that can answer; logged and counted
            UNEXPECTED.labels(where="http").inc()
            log.exception("http.unexpected", method=scope["method"], path=scope["path"])
            if begun:
                raise
            problem = Problem(
                title="Internal Server Error",
                status=500,
                code="internal_error",
                detail="Something went wrong that should not have. The service's log has the details.",
            )
            await respond_to(Request(scope), problem)(scope, receive, send)
