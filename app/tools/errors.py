"""What can go wrong with tools. While a turn runs none of these ends it: the model is told and goes on::

ToolError
├── ToolInvalid             the definition is malformed; says which fields
├── OpenApiInvalid          a document to import tools from cannot be read
├── ToolNameTaken
├── ToolNotFound
├── ToolConflict            somebody else saved it in the meantime
├── ToolUnreadable          what is stored is of a later version of the service
└── ToolFailure             a call failed; ``for_model`` is what the model is told
    ├── ArgumentsInvalid        they do not match the schema
    ├── CallUnfit               what comes from the call, and not from the model, is missing or does not fit
    ├── ToolTimeout
    ├── ToolUnreachable
    ├── ToolRefused             the guard does not let it go there (app.tools.guard.rules)
    ├── AuthorisationFailed     its login cannot be had; five kinds of it (app.tools.auth.errors)
    ├── ToolStatusError         HTTP status 400 and above
    ├── ToolResponseTooLarge
    ├── ToolResultUnusable      the response is not what the tool's ``result`` expects
    ├── ToolDown                it failed so often in a row that it is not called for a while
    └── ToolBusy                as many calls as the operator allows are running, or were made
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.errors import GatewayError


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with one field of a definition.

    Attributes:
        field: Its path, such as ``request.headers.X-Line``.
        message: A sentence for the operator.
    """

    field: str
    message: str


class ToolError(GatewayError):
    """Something is wrong with a tool."""

    code = "tool_error"


class ToolInvalid(ToolError):
    """Fields of the definition are malformed. The message is that of the first.

    Attributes:
        field: The path of the first, so that a form can say it beside the field.
        mistakes: All of them, at least one.
    """

    code = "tool_invalid"

    def __init__(self, message: str, *, field: str, mistakes: Sequence[Mistake] = ()) -> None:
        super().__init__(message)
        self.field = field
        self.mistakes = tuple(mistakes) or (Mistake(field, message),)

    @classmethod
    def of(cls, mistakes: Sequence[Mistake]) -> ToolInvalid:
        """All of ``mistakes``, at least one, in one error."""
        return cls(mistakes[0].message, field=mistakes[0].field, mistakes=mistakes)


class OpenApiInvalid(ToolError):
    """A document to import tools from cannot be read, or not taken.

    Attributes:
        field: ``document``, or another field of the import.
    """

    code = "openapi_invalid"

    def __init__(self, message: str, *, field: str = "document") -> None:
        super().__init__(message)
        self.field = field


class ToolNameTaken(ToolError):
    """Another tool has this name."""

    code = "tool_name_taken"


class ToolNotFound(ToolError):
    """There is no such tool."""

    code = "tool_not_found"


class ToolUnreadable(ToolError):
    """What is stored of a tool cannot be read; a later version of the service has most likely written it."""

    code = "tool_unreadable"


class ToolConflict(ToolError):
    """Somebody else saved the tool in the meantime.

    Attributes:
        latest: The version that is newest now.
    """

    code = "tool_conflict"

    def __init__(self, message: str, *, latest: int) -> None:
        super().__init__(message)
        self.latest = latest


class ToolFailure(ToolError):
    """A call of a tool failed.

    Attributes:
        for_model: A sentence for the model; harmless, in plain words, with what it may do instead.
    """

    code = "tool_failed"

    def __init__(self, message: str, *, for_model: str) -> None:
        super().__init__(message)
        self.for_model = for_model


class ArgumentsInvalid(ToolFailure):
    """The model's arguments do not match the tool's JSON Schema."""

    code = "tool_arguments_invalid"


class CallUnfit(ToolFailure):
    """What a tool takes from the call, a bound parameter or a call variable, is missing or cannot stand in its place.
    The model neither sees nor fills it, so it is told nothing of it."""

    code = "tool_call_unfit"

    def __init__(self, message: str, *, tool: str) -> None:
        super().__init__(
            f"{tool} was not called: {message}",
            for_model=f"{tool} cannot be used in this call, and nothing that you or the caller say can change it. "
            "Go on without it, and tell the caller so.",
        )


class ToolTimeout(ToolFailure):
    """The tool did not answer within its timeout, or the turn's deadline."""

    code = "tool_timeout"
    retryable = True


class ToolUnreachable(ToolFailure):
    """The tool's server cannot be connected to, or broke off."""

    code = "tool_unreachable"
    retryable = True


class ToolStatusError(ToolFailure):
    """The tool's server answered with an HTTP status of 400 or above."""

    code = "tool_status"


class ToolResponseTooLarge(ToolFailure):
    """The response passed the size limit while it was read."""

    code = "tool_response_too_large"


class ToolResultUnusable(ToolFailure):
    """The response cannot be read as the tool's ``result`` expects it: no data to select from, or a selection or a
    template that fails over it. The request itself was carried out."""

    code = "tool_result_unusable"


class ToolDown(ToolFailure):
    """The tool failed so often in a row that it is not called for a while.

    Attributes:
        seconds: Until it is tried again.
    """

    code = "tool_down"

    def __init__(self, name: str, failures: int, seconds: float) -> None:
        about = in_about(seconds)
        super().__init__(
            f"{name} was not called: it counts as down after {failures} failures in a row, and is tried again {about}",
            for_model=f"{name} was not called: its system is down and is tried again {about}. Go on without it, and "
            "tell the caller so.",
        )
        self.seconds = seconds


class ToolBusy(ToolFailure):
    """As many calls as the operator allows are running, or were made in the last minute.

    Attributes:
        seconds: Until there is room again; None: when another call ends.
    """

    code = "tool_busy"

    def __init__(self, name: str, reason: str, seconds: float | None = None) -> None:
        when = "in a moment" if seconds is None else in_about(seconds)
        super().__init__(
            f"{name} was not called: {reason}; there is room again {when}",
            for_model=f"{name} was not called: it is asked too often at the moment; there is room again {when}. Go on "
            "without it, and tell the caller so.",
        )
        self.seconds = seconds


def in_about(seconds: float) -> str:
    """``in about 20 seconds``: as a person would say it."""
    whole = max(1, round(seconds))
    if whole >= 90:
        return f"in about {round(whole / 60)} minutes"
    return "in about a second" if whole == 1 else f"in about {whole} seconds"
