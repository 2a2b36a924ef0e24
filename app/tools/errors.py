"""What can go wrong with tools. While a turn runs none of these ends it: the model is told and goes on::

ToolError
├── ToolInvalid             the definition is malformed; says which field
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

from app.core.errors import GatewayError


class ToolError(GatewayError):
    """Something is wrong with a tool."""

    code = "tool_error"


class ToolInvalid(ToolError):
    """A field of the definition is malformed.

    Attributes:
        field: The field's name, so that a form can say it beside the field.
    """

    code = "tool_invalid"

    def __init__(self, message: str, *, field: str) -> None:
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
