"""What can go wrong with prompts::

PromptError
├── PromptNotFound          no prompt of that name, or no default
├── PromptNameTaken         another prompt has the name
├── PromptConflict          somebody else saved it in the meantime
├── PromptInUse             it is the default prompt
├── PromptInvalid           a field is malformed; says which
├── PromptTemplateError     the template is malformed or asks for what the sandbox forbids
└── PromptFileInvalid       the file to import cannot be read, or some of its prompts cannot be kept
"""

from __future__ import annotations

from app.core.errors import GatewayError


class PromptError(GatewayError):
    """Something is wrong with a prompt."""

    code = "prompt_error"


class PromptNotFound(PromptError):
    """There is no prompt of that name, or none is marked as default."""

    code = "prompt_not_found"


class PromptNameTaken(PromptError):
    """Another prompt has this name."""

    code = "prompt_name_taken"


class PromptInvalid(PromptError):
    """A field of the prompt is malformed.

    Attributes:
        field: The field's name, so that a form can say it beside the field.
        line: Where in a text, from 1; None where nothing better than the field is known.
        others: What else is wrong with the same prompt.
    """

    code = "prompt_invalid"

    def __init__(self, message: str, *, field: str = "content", line: int | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.line = line
        self.others: tuple[PromptInvalid, ...] = ()


class PromptTemplateError(PromptInvalid):
    """The content is no valid template, or asks for something that the sandbox forbids."""

    code = "prompt_template_invalid"


class PromptFileInvalid(PromptInvalid):
    """The file to import is neither YAML nor JSON that we take; or, by its name, one of its prompts is wrong."""

    code = "prompt_file_invalid"


class PromptConflict(PromptError):
    """Somebody else saved the prompt in the meantime.

    Attributes:
        latest: The version that is newest now.
    """

    code = "prompt_conflict"

    def __init__(self, message: str, *, latest: int) -> None:
        super().__init__(message)
        self.latest = latest


class PromptInUse(PromptError):
    """The prompt is the default one, so it can neither be deleted nor be left without a published version."""

    code = "prompt_in_use"
