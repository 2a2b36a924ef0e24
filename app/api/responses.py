"""How routes name their errors in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from app.api.problems import MEDIA_TYPE
from app.schemas.problem import Problem

_MEANINGS: Final = {
    400: "The body is not JSON.",
    401: "No login, or a wrong one.",
    403: "Your role may not, or the request was sent by a page of another site.",
    404: "There is no such thing.",
    409: "It clashes with what is stored: the name is taken, or `expected_version` is not the newest.",
    412: "`If-Match` does not name the newest version: somebody else saved in the meantime.",
    413: "The body is too large.",
    415: "The body is not sent as application/json.",
    422: "Fields are not valid; `errors` names them.",
    428: "Say which version the change was made from.",
    429: "Too many wrong passwords came from this address.",
    500: "A bug; the log has the details.",
    502: "The other side does not answer, or says no; `detail` is why.",
    503: "The service is starting, or its database does not answer.",
}

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """Entries for ``responses=``: each a problem+json."""
    reference = {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}
    return {status: {"description": _MEANINGS[status], "content": {MEDIA_TYPE: reference}} for status in statuses}


# What every route with a login may answer, and what every route that takes a body may answer besides.
ANY: Final = problems(401, 403, 429, 500, 503)
BODY: Final = problems(400, 403, 413, 415, 422)
# And one that changes something without taking a body: somebody may send one.
NO_BODY: Final = problems(400, 403, 413, 415, 422)
