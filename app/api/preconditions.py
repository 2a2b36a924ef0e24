"""Which version a change was made from: ``If-Match`` (RFC 9110, 13.1.1) or ``expected_version`` in the body.

One of them is required, so that of two editors of the same thing the second is told, and nothing is lost.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import Header
from starlette.responses import Response

from app.api.problems import ProblemError
from app.core.errors import GatewayError

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description='The `ETag` of the version that the change was made from, such as `"3"`; `*` for the newest.',
        examples=['"3"'],
    ),
]

# A proxy that compresses answers makes their ETags weak; for us both kinds say the same.
_ETAG: Final = re.compile(r'(?:W/)?"([1-9][0-9]{0,8})(?:\.(0|[1-9][0-9]{0,8}))?"')


def set_etag(response: Response, version: int) -> None:
    """Name the version in the answer, for the next ``If-Match``."""
    response.headers["ETag"] = f'"{version}"'


def set_prompt_etag(response: Response, latest: int, published: int | None) -> None:
    """Name what is published, too: ``"3"`` when the newest is, else ``"3.1"``, or ``"3.0"`` for drafts alone.

    So a save that began before a rollback does not put its version over it unseen.
    """
    response.headers["ETag"] = f'"{latest}"' if published == latest else f'"{latest}.{published or 0}"'


def expected_published(if_match: str | None) -> int | None:
    """The version that must still be published, of an ETag of :func:`set_prompt_etag`; 0: none. None: any."""
    found = _ETAG.fullmatch((if_match or "").strip())
    return None if found is None else int(found[2] or found[1])


def expected_version(if_match: str | None, in_body: int | None = None, *, required: bool = True) -> int | None:
    """The version that must still be the newest; None: any.

    Raises:
        ProblemError: 428 when nothing is said and something must be; 400 for an ``If-Match`` that is none of ours.
    """
    if if_match is None:
        if in_body is None and required:
            raise ProblemError(
                428,
                "version_required",
                "Say which version the change was made from: by the header If-Match, the ETag of your last GET, or "
                "by expected_version in the body. If-Match: * saves in any case.",
            )
        return in_body
    if if_match.strip() == "*":
        return None
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise ProblemError(400, "if_match_invalid", 'If-Match is the ETag of an answer, such as "3" with its quotes.')
    return int(found[1])


def conflict(error: GatewayError, if_match: str | None) -> Exception:
    """What to raise for a conflict: 412 to who asked by header, as HTTP has it; else the error itself, which is 409."""
    return error if if_match is None else ProblemError(412, error.code, str(error))
