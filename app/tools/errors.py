"""What can go wrong with tools. While a turn runs none of these ends it: the model is told and goes on::

ToolError
├── ToolInvalid             the definition is malformed; says which fields
├── OpenApiInvalid          a document to import tools from cannot be read
├── ToolNameTaken
├── ToolNotFound
├── ToolConflict            somebody else saved it in the meantime
└── ToolFailure             a call failed; ``for_model`` is what the model is told
    ├── ArgumentsInvalid        they do not match the schema
    ├── ToolTimeout
    ├── ToolUnreachable
    ├── ToolStatusError         HTTP status 400 and above
    └── ToolResponseTooLarge
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
