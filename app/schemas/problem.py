"""The body of every error."""

from __future__ import annotations

from pydantic import BaseModel, Field


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="Path of the field, such as `request.url`.", examples=["name"])
    message: str = Field(description="What is wrong, and what would be right.", examples=["Field required"])
    type: str = Field(description="A stable word for programs.", examples=["missing"])


class Problem(BaseModel):
    """A problem (RFC 9457), as `application/problem+json`."""

    type: str = Field(default="about:blank", description="Always `about:blank`: `code` says which problem it is.")
    title: str = Field(description="The HTTP status in words.", examples=["Not Found"])
    status: int = Field(description="The HTTP status.", examples=[404])
    code: str = Field(description="A stable word for programs.", examples=["prompt_not_found"])
    detail: str = Field(
        description="A sentence for people: what happened, and what to do.",
        examples=["There is no prompt with the id 7."],
    )
    errors: list[FieldProblem] = Field(default_factory=list, description="What is wrong, field by field.")
