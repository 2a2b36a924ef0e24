"""``/api/tools``: checking and trying them, and what to know before one is changed."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import replace
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path, Request, Response

from app.api.access import needs
from app.api.guard import UserDep
from app.api.leaving import while_connected
from app.api.parts import Parts, PartsDep
from app.api.preconditions import set_etag
from app.api.problems import ProblemError
from app.api.responses import BODY, problems
from app.core.permissions import Permission
from app.schemas.problem import FieldProblem
from app.schemas.tool_work import (
    Attempt,
    ReceivedResponse,
    SentRequest,
    ToolCheck,
    ToolCheckResult,
    ToolCopy,
    ToolProblem,
    ToolTry,
    ToolTryResult,
    ToolUsageBody,
    TryError,
    TypedTool,
)
from app.schemas.tools import ToolBody, WarningBody
from app.tools.auth.parsing import read_authorisation, unknown_secrets
from app.tools.definition import AnyRequest, CallContext, ToolDefinition
from app.tools.errors import Mistake, ToolFailure, ToolInvalid, ToolNotFound
from app.tools.exchange import ExchangeRecorder
from app.tools.provider_rules import warnings_of
from app.tools.request_rules import Findings
from app.tools.secrets import restored
from app.tools.usage import read_usage
from app.tools.validation import Checked, check_definition
from app.tools.vault.references import secret_mistakes

router = APIRouter(prefix="/tools", tags=["tools"])

Id = Annotated[int, Path(ge=1, le=2**31 - 1, examples=[1])]

# Seconds: what a person waits for. In a call the turn's deadline holds as well.
TRY_SECONDS: Final = 30.0
MAX_TRIES: Final = 20


def providers_of(parts: Parts) -> list[str]:
    """The names of the providers that can be used."""
    return [status.name for status in parts.models.statuses() if status.configured]


@router.post("/check", summary="Check a tool without saving it", responses={**BODY, **problems(404)})
@needs(Permission.EDIT_TOOLS)
async def check_tool(parts: PartsDep, body: ToolCheck) -> ToolCheckResult:
    """Everything that is wrong with it, field by field, and what the providers that are configured would not take."""
    stored = None if body.tool_id is None else await parts.tools.get(body.tool_id)
    checked = await asyncio.to_thread(_checked, body, None if stored is None else stored.definition.request)
    mistakes = list(checked.mistakes)
    if checked.definition is not None:
        mistakes += secret_mistakes(checked.definition, parts.secret_catalog.current())
    else:
        # Saving refuses it as well, once the rest is right.
        login = read_authorisation(body.fields()["authorisation"], Findings())
        if login is not None:
            mistakes += unknown_secrets(login, parts.secret_catalog.current())
    if isinstance(body.name, str) and not any(each.field == "name" for each in mistakes):
        try:
            other = parts.tool_catalog.get(body.name)
        except ToolNotFound:
            pass
        else:
            if other.id != body.tool_id:
                mistakes.insert(0, Mistake("name", f"There is a tool named {other.name} already; choose another name."))
    warnings = [] if checked.definition is None else warnings_of(checked.definition, providers_of(parts))
    return ToolCheckResult(
        problems=[ToolProblem.of(mistake) for mistake in mistakes],
        warnings=[WarningBody.of(warning) for warning in warnings],
    )


@router.post("/try", summary="Try a tool", responses={**BODY, **problems(404)})
@needs(Permission.EDIT_TOOLS)
async def try_tool(request: Request, parts: PartsDep, body: ToolTry) -> ToolTryResult:
    """Calls it as a model would, within 30 seconds, and shows what went over the wire. It really happens: an order is
    really cancelled. One that needs confirmation runs with `confirmed` only. Going away cancels the request. A
    tool that counts as down is tried all the same, its limits on calls do not hold, and its cache is not asked; nor
    does a try count for any of them."""
    tool = await _tool_to_try(parts, body)
    if tool.behaviour.needs_confirmation and not body.confirmed:
        return _not_confirmed(tool)
    if _tries.running >= MAX_TRIES:
        raise ProblemError(503, "busy", f"{MAX_TRIES} tools are being tried already. Try again.", retry_after=5)
    _tries.running += 1
    try:
        return await while_connected(request, _run(parts, tool, body))
    finally:
        _tries.running -= 1


@router.post(
    "/{tool_id}/duplicate", status_code=201, summary="Duplicate a tool", responses={**BODY, **problems(404, 409)}
)
@needs(Permission.EDIT_TOOLS)
async def duplicate_tool(parts: PartsDep, user: UserDep, tool_id: Id, body: ToolCopy, response: Response) -> ToolBody:
    """The newest version under another name, with its secrets. The copy is disabled until you enable it."""
    record = await parts.tools.duplicate(tool_id, body.name, by=user.name)
    response.headers["Location"] = f"/api/tools/{record.definition.id}"
    set_etag(response, record.summary.version)
    return ToolBody.of(record, providers_of(parts))


@router.get("/{tool_id}/usage", summary="See who uses a tool", responses=problems(404, 422))
@needs(Permission.READ)
async def usage(parts: PartsDep, tool_id: Id) -> ToolUsageBody:
    """The prompts that name it, and how often turns called it in the last 30 days."""
    return ToolUsageBody.of(await read_usage(parts.database, tool_id))


def _not_confirmed(tool: ToolDefinition) -> ToolTryResult:
    detail = f"Nothing was sent: {tool.name} needs confirmation. Say that it is really to run, with confirmed."
    words = f"{tool.name} was not run: first ask the caller whether it is wanted, and wait for the answer."
    error = TryError(code="not_confirmed", detail=detail)
    return ToolTryResult(attempts=[], request=None, response=None, elapsed_ms=0, for_model=words, error=error)


class _Tries:
    running = 0


_tries = _Tries()


async def _tool_to_try(parts: Parts, body: ToolTry) -> ToolDefinition:
    stored = None if body.tool_id is None else (await parts.tools.get(body.tool_id)).definition
    if body.tool is None:
        assert stored is not None  # the body has one of the two
        # As a draft: who tries a tool that is down wants to see why, and an answer from the cache shows nothing sent.
        return replace(stored, version=0)
    checked = await asyncio.to_thread(_checked, body.tool, None if stored is None else stored.request)
    if checked.definition is None:
        errors = tuple(
            FieldProblem(field=f"tool.{each.field}", message=each.message, type=ToolInvalid.code)
            for each in checked.mistakes
        )
        raise ProblemError(422, ToolInvalid.code, checked.mistakes[0].message, errors=errors)
    return checked.definition


def _checked(typed: TypedTool, stored: AnyRequest | None) -> Checked:
    fields = typed.fields()
    if isinstance(fields["parameters"], str):
        text, fields["parameters"] = fields["parameters"], None
        try:
            fields["parameters"] = orjson.loads(text) if text.strip() else None
        except orjson.JSONDecodeError as error:
            words = f"The parameters are not JSON: {error.msg} in line {error.lineno}, column {error.colno}."
            others = [each for each in check_definition(fields).mistakes if "is no parameter" not in each.message]
            return Checked(None, (Mistake("parameters", words), *others))
    checked = check_definition(fields)
    if checked.definition is None:
        return checked
    try:
        return Checked(restored(checked.definition, stored), ())
    except ToolInvalid as error:
        return Checked(None, error.mistakes)


async def _run(parts: Parts, tool: ToolDefinition, body: ToolTry) -> ToolTryResult:
    recorder = ExchangeRecorder(tool.request, idempotency_header=tool.behaviour.idempotency_header)
    context = CallContext(
        turn_id=f"try-{uuid.uuid4().hex[:12]}",
        variables={name.lower(): value for name, value in body.variables.items()},  # as those of a call are
        deadline=asyncio.get_running_loop().time() + TRY_SECONDS,
    )
    started = time.perf_counter()
    error: TryError | None = None
    note = ""
    try:
        result = await parts.executor.run(tool, body.arguments, context, observer=recorder)
        text, note = result.text, recorder.masked(result.note)
    except ToolFailure as failure:
        text = failure.for_model
        error = TryError(code=failure.code, detail=recorder.masked(str(failure)))
    elapsed = round((time.perf_counter() - started) * 1000, 1)
    shown: dict[str, Any] = await asyncio.to_thread(_shown, recorder, text)
    return ToolTryResult(elapsed_ms=elapsed, error=error, note=note, **shown)


def _shown(recorder: ExchangeRecorder, text: str) -> dict[str, Any]:
    attempts = [
        Attempt(request=SentRequest.of(sent), response=None if back is None else ReceivedResponse.of(back))
        for sent, back in recorder.exchanges()
    ]
    return {
        "attempts": attempts,
        "request": attempts[-1].request if attempts else None,
        "response": attempts[-1].response if attempts else None,
        "for_model": recorder.masked(text),
    }
