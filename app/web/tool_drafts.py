"""A tool as it stands in its form, unsaved: what is wrong with it, and trying it. For the script of the page; programs
use ``/api/tools/check`` and ``/api/tools/try``, which take JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.api.access import needs
from app.api.guard import UserDep
from app.api.parts import PartsDep
from app.api.problems import ProblemError, problem_of, respond
from app.api.tool_work import check_tool, try_tool
from app.core.errors import GatewayError
from app.core.permissions import Permission
from app.schemas.problem import FieldProblem
from app.schemas.tool_work import ToolCheck, ToolCheckResult, ToolProblem, ToolTry
from app.web.forms import Form
from app.web.tool_form import fields_of
from app.web.tool_gist import gists

router = APIRouter(prefix="/ui/tools")

# Of a try, besides the fields of the tool.
_ARGUMENTS, _VARIABLES = "try.arguments", "try.variables"


class _Checked(ToolCheckResult):
    gists: Mapping[str, str]


@router.post("/check")
@needs(Permission.EDIT_TOOLS)
async def check(request: Request, parts: PartsDep) -> Response:
    """As ``POST /api/tools/check``, of a form."""
    form = await Form.read(request)
    tool_id = form.whole("tool_id")
    fields = await asyncio.to_thread(fields_of, form)
    try:
        result = await check_tool(parts, ToolCheck(**fields, tool_id=tool_id))
    except (GatewayError, ProblemError) as error:
        return _refusal(request, error)
    return _json(_Checked(problems=_problems(form, result), warnings=result.warnings, gists=gists(form)))


@router.post("/try")
@needs(Permission.EDIT_TOOLS)
async def try_it(request: Request, parts: PartsDep, user: UserDep) -> Response:
    """As ``POST /api/tools/try``, of a form, with the arguments and the call's variables as JSON."""
    form = await Form.read(request)
    tool_id = form.whole("tool_id")
    fields = await asyncio.to_thread(fields_of, form)
    values = {"arguments": form.json(_ARGUMENTS, {}), "variables": form.json(_VARIABLES, {})}
    body = {**values, "tool": fields, "tool_id": tool_id, "confirmed": form.flag("try.confirmed")}
    made = form.build(ToolTry, body)
    if made is None:
        errors = tuple(
            FieldProblem(field=name, message=each, type="tool_invalid") for name, each in form.errors.items()
        )
        return _refusal(request, ProblemError(422, "tool_invalid", errors[0].message, errors=errors))
    try:
        return _json(await try_tool(request, parts, made))
    except (GatewayError, ProblemError) as error:
        return _refusal(request, error)


def _problems(form: Form, result: ToolCheckResult) -> list[ToolProblem]:
    """What could not even be read, and then the rest; but for what only follows from it."""
    own = [ToolProblem(field=field, message=message) for field, message in form.errors.items()]
    unreadable = "parameters" in form.errors
    return own + [
        each
        for each in result.problems
        if each.field not in form.errors and not (unreadable and "is no parameter" in each.message)
    ]


def _json(body: BaseModel) -> Response:
    return Response(body.model_dump_json(), media_type="application/json")


def _refusal(request: Request, error: GatewayError | ProblemError) -> Response:
    if isinstance(error, ProblemError):
        return respond(error.problem, error.headers)
    return respond(*problem_of(request, error))
