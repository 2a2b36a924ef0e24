"""``/api/prompts``."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Response

from app.api.access import needs
from app.api.guard import UserDep
from app.api.parts import Parts, PartsDep
from app.api.preconditions import IfMatch, conflict, expected_published, expected_version, set_prompt_etag
from app.api.problems import ProblemError
from app.api.responses import BODY, problems
from app.core.permissions import Permission
from app.llm.errors import UnknownModel
from app.models.names import name_key
from app.prompts.errors import PromptConflict
from app.prompts.portable import differences, written
from app.prompts.records import PromptState
from app.schemas.page import Limit, Offset, PageBody, Search, Sorting
from app.schemas.problem import FieldProblem
from app.schemas.prompts import (
    ComparisonBody,
    DifferenceBody,
    DuplicateBody,
    PromptBody,
    PromptCreate,
    PromptSummaryBody,
    PromptUpdate,
    PromptVersionBody,
    PublishBody,
    UsageBody,
)

router = APIRouter(prefix="/prompts", tags=["prompts"])

Id = Annotated[int, Path(ge=1, le=2**31 - 1, examples=[1])]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the version.", examples=[1])]
State = Annotated[
    PromptState | None,
    Query(
        description="`published`: calls can use it; `pending`: besides, a newer version waits to be published; "
        "`draft`: there are only drafts.",
        examples=["published"],
    ),
]
# Days of turns that are counted as the use of a prompt.
USAGE_DAYS: Final = 30


@router.get("", summary="List prompts", responses=problems(422))
@needs(Permission.READ)
async def list_prompts(
    parts: PartsDep,
    offset: Offset = 0,
    limit: Limit = 50,
    search: Search = "",
    sort: Sorting = "name",
    state: State = None,
) -> PageBody[PromptSummaryBody]:
    """A page at a time."""
    page = await parts.prompts.list(offset=offset, limit=limit, search=search, sort=sort, state=state)
    items = [PromptSummaryBody.of(summary) for summary in page.items]
    return PageBody(items=items, total=page.total, offset=offset, limit=limit)


@router.post("", status_code=201, summary="Create a prompt", responses={**BODY, **problems(409)})
@needs(Permission.EDIT_PROMPTS)
async def create_prompt(parts: PartsDep, user: UserDep, body: PromptCreate, response: Response) -> PromptBody:
    """As version 1. The first one that is published becomes the default."""
    known_model(parts, body.model)
    record = await parts.prompts.create(body.draft(), by=user.name, publish=body.publish)
    response.headers["Location"] = f"/api/prompts/{record.prompt.id}"
    set_prompt_etag(response, record.summary.latest_version, record.summary.published_version)
    return PromptBody.of(record)


@router.get("/{prompt_id}", summary="Read a prompt", responses=problems(404, 422))
@needs(Permission.READ)
async def get_prompt(parts: PartsDep, prompt_id: Id, response: Response) -> PromptBody:
    """With its newest version, published or not. The `ETag` goes into `If-Match` when you save."""
    record = await parts.prompts.get(prompt_id)
    set_prompt_etag(response, record.summary.latest_version, record.summary.published_version)
    return PromptBody.of(record)


@router.put("/{prompt_id}", summary="Save a prompt", responses={**BODY, **problems(404, 409, 412, 428)})
@needs(Permission.EDIT_PROMPTS)
async def save_prompt(
    parts: PartsDep, user: UserDep, prompt_id: Id, body: PromptUpdate, response: Response, if_match: IfMatch = None
) -> PromptBody:
    """As a new version. Say which version you made it from, by `If-Match` or `expected_version`."""
    expected = expected_version(if_match, body.expected_version)
    known_model(parts, body.model)
    try:
        record = await parts.prompts.save(
            prompt_id,
            body.draft(),
            by=user.name,
            expected_version=expected,
            expected_published=body.expected_published if if_match is None else expected_published(if_match),
            publish=body.publish,
        )
    except PromptConflict as error:
        raise conflict(error, if_match) from error
    set_prompt_etag(response, record.summary.latest_version, record.summary.published_version)
    return PromptBody.of(record)


@router.delete(
    "/{prompt_id}",
    status_code=204,
    summary="Delete a prompt",
    responses=problems(400, 403, 404, 409, 412, 413, 415, 422),
)
@needs(Permission.EDIT_PROMPTS)
async def delete_prompt(parts: PartsDep, user: UserDep, prompt_id: Id, if_match: IfMatch = None) -> None:
    """With all its versions. The default prompt can be deleted only when it is the last one."""
    try:
        await parts.prompts.delete(
            prompt_id,
            expected_version=expected_version(if_match, required=False),
            expected_published=expected_published(if_match),
            by=user.name,
        )
    except PromptConflict as error:
        raise conflict(error, if_match) from error


@router.get("/{prompt_id}/versions", summary="List a prompt's versions", responses=problems(404, 422))
@needs(Permission.READ)
async def list_versions(
    parts: PartsDep, prompt_id: Id, offset: Offset = 0, limit: Limit = 50
) -> PageBody[PromptVersionBody]:
    """Newest first."""
    page = await parts.prompts.versions(prompt_id, offset=offset, limit=limit)
    items = [PromptVersionBody.of(version) for version in page.items]
    return PageBody(items=items, total=page.total, offset=offset, limit=limit)


@router.get("/{prompt_id}/versions/{number}", summary="Read one version of a prompt", responses=problems(404, 422))
@needs(Permission.READ)
async def get_version(parts: PartsDep, prompt_id: Id, number: Number) -> PromptBody:
    """A version as it was saved; name and default mark are the prompt's of today."""
    return PromptBody.of(await parts.prompts.version(prompt_id, number))


@router.post("/{prompt_id}/publish", summary="Publish a version", responses={**BODY, **problems(404, 409)})
@needs(Permission.EDIT_PROMPTS)
async def publish_version(
    parts: PartsDep, user: UserDep, prompt_id: Id, body: PublishBody, response: Response
) -> PromptBody:
    """Calls use it from the next turn on: a draft goes live, or an older version comes back."""
    record = await parts.prompts.publish(
        prompt_id, body.version, by=user.name, expected_published=body.expected_published
    )
    set_prompt_etag(response, record.summary.latest_version, record.summary.published_version)
    return PromptBody.of(record)


@router.post(
    "/{prompt_id}/default", summary="Make a prompt the default", responses=problems(403, 404, 409, 413, 415, 422)
)
@needs(Permission.EDIT_PROMPTS)
async def set_default(parts: PartsDep, user: UserDep, prompt_id: Id, response: Response) -> PromptBody:
    """Calls that name no prompt use it. Exactly one is the default."""
    record = await parts.prompts.set_default(prompt_id, by=user.name)
    set_prompt_etag(response, record.summary.latest_version, record.summary.published_version)
    return PromptBody.of(record)


@router.post(
    "/{prompt_id}/duplicate", status_code=201, summary="Copy a prompt", responses={**BODY, **problems(404, 409)}
)
@needs(Permission.EDIT_PROMPTS)
async def duplicate_prompt(
    parts: PartsDep, user: UserDep, prompt_id: Id, body: DuplicateBody, response: Response
) -> PromptBody:
    """Under another name, as its version 1; a draft, if you do not say otherwise."""
    record = await parts.prompts.duplicate(
        prompt_id, body.name, version=body.version, by=user.name, publish=body.publish
    )
    response.headers["Location"] = f"/api/prompts/{record.prompt.id}"
    set_prompt_etag(response, record.summary.latest_version, record.summary.published_version)
    return PromptBody.of(record)


@router.get("/{prompt_id}/usage", summary="See what uses a prompt", responses=problems(404, 422))
@needs(Permission.READ)
async def get_usage(parts: PartsDep, prompt_id: Id) -> UsageBody:
    """Turns of the last 30 days, by version, and the default mark: what to know before you delete it."""
    return await read_usage(parts, prompt_id)


async def read_usage(parts: Parts, prompt_id: int) -> UsageBody:
    """As :func:`get_usage`. Raises PromptNotFound."""
    summary = await parts.prompts.summary(prompt_id)
    use = await parts.history.prompt_use(prompt_id, datetime.now(UTC) - timedelta(days=USAGE_DAYS))
    return UsageBody(
        is_default=summary.is_default,
        published_version=summary.published_version,
        days=USAGE_DAYS,
        turns=use.turns,
        last_at=use.last_at,
        by_version=dict(use.by_version),
        running=sum(name_key(str(turn.get("prompt", ""))) == name_key(summary.name) for turn in parts.live.now()),
    )


@router.get("/{prompt_id}/compare", summary="Compare two versions of a prompt", responses=problems(404, 422))
@needs(Permission.READ)
async def compare_versions(
    parts: PartsDep,
    prompt_id: Id,
    left: Annotated[int, Query(ge=1, le=2**31 - 1, description="Number of a version.", examples=[2])],
    right: Annotated[int, Query(ge=1, le=2**31 - 1, description="Number of the other.", examples=[3])],
) -> ComparisonBody:
    """The fields that differ, with both values. The name is not among them: it belongs to no version."""
    one, other = await parts.prompts.version(prompt_id, left), await parts.prompts.version(prompt_id, right)
    names = await asyncio.to_thread(differences, one.prompt, other.prompt)
    before, after = written(one.prompt), written(other.prompt)
    found = [DifferenceBody(field=name, left=before[name], right=after[name]) for name in names]
    return ComparisonBody(left=left, right=right, differences=found)


def known_model(parts: Parts, model: str | None) -> None:
    """Raise ProblemError (422) where no provider has the name before the colon of ``model``."""
    try:
        parts.models.resolve(model)
    except UnknownModel as error:
        if model:
            field = FieldProblem(field="model", message=str(error), type=error.code)
            raise ProblemError(422, error.code, str(error), errors=(field,)) from error
