"""Functions of installed packages that can become tools."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from app.tools.python.registry import Announced


class PythonFunctionBody(BaseModel):
    """A function that an installed package announces."""

    entry: str = Field(description="For `request.entry` of a tool.", examples=["opening_hours"])
    package: str = Field(examples=["acme-tools"])
    version: str = Field(description="Of the package.", examples=["1.2.0"])
    target: str = Field(description="Where it is.", examples=["acme_tools.hours:opening_hours"])
    description: str = Field(description="From its docstring.", examples=["Says when a branch is open."])
    parameters: dict[str, Any] | None = Field(
        description="JSON Schema of its parameters; null where it cannot be used.",
        examples=[{"type": "object", "properties": {"branch": {"type": "string"}}, "required": ["branch"]}],
    )
    problem: str = Field(description="Why it cannot be used; empty: it can.", examples=[""])

    @classmethod
    def of(cls, found: Announced) -> PythonFunctionBody:
        """From the registry's."""
        function = found.function
        return cls(
            entry=found.name,
            package=found.package,
            version=found.version,
            target=found.target,
            description="" if function is None else function.description,
            parameters=None if function is None else dict(function.parameters),
            problem=found.problem,
        )
