"""The check of a prompt while somebody types it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class CheckBody(BaseModel):
    """A prompt as it stands in a form, right or wrong."""

    model_config = ConfigDict(extra="forbid")

    fields: dict[str, Any] = Field(
        description="The fields of a prompt as typed. `metadata`, `output_schema` and `actions` may be texts, which "
        "are read as JSON; an empty text is a field left out.",
        examples=[{"name": "reception", "content": "The number is {{ caller_numbr }}.", "metadata": "{"}],
    )
    id: int | None = Field(default=None, ge=1, le=2**31 - 1, description="The prompt, where it is stored already.")


class FindingBody(BaseModel):
    """Something that is wrong, or doubtful."""

    field: str = Field(description="Path of the field.", examples=["content"])
    message: str = Field(examples=["No call has had a variable caller_numbr. Did you mean caller_number?"])
    type: str = Field(description="A stable word for programs.", examples=["unknown_variable"])
    line: int | None = Field(description="Where in a text, from 1.", examples=[1])
    column: int | None = Field(description="Where in the line, from 1.", examples=[19])


class VariableBody(BaseModel):
    """A variable that calls have, or that the content takes."""

    name: str = Field(examples=["caller_number"])
    description: str = Field(description="Empty for one that nobody described.", examples=["The caller's number"])
    known: bool = Field(description="Every call has it, or a recent one had.")
    lines: list[int] = Field(description="Where the content takes it, from 1.", examples=[[1]])


class CheckResultBody(BaseModel):
    """What there is to say of it."""

    problems: list[FindingBody] = Field(description="It cannot be saved so.")
    warnings: list[FindingBody] = Field(description="It can, and may not do what you mean.")
    variables: list[VariableBody] = Field(description="Those that calls have, and those that the content takes.")
