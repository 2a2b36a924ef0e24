"""The way from an empty installation to an answered call."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

StepName = Literal["model", "prompt", "asterisk", "dialplan", "call"]
StepState = Literal["done", "usable", "todo"]


class StepBody(BaseModel):
    """One step."""

    name: StepName = Field(examples=["asterisk"])
    title: str = Field(examples=["Connect Asterisk"])
    state: StepState = Field(
        description="`done`; `usable`: works as it came, and is yours to change; `todo`.", examples=["todo"]
    )
    detail: str = Field(description="What is, or what is missing.", examples=["Asterisk is not configured."])


class FirstCallBody(BaseModel):
    """The newest call."""

    conversation_id: int = Field(examples=[17])
    caller: str = Field(description="Number or name.", examples=["+4915112345678"])
    at: datetime
    status: str = Field(examples=["OK"])


class SetupBody(BaseModel):
    """All steps."""

    done: bool = Field(description="No step is left.")
    steps: list[StepBody]
    call: FirstCallBody | None = Field(description="Null: none has come, or nothing is kept of calls.")
    calls_now: int = Field(examples=[0])
    pending: list[str] = Field(
        description="Settings that were changed in the file since the start: restart the service.",
        examples=[["OPENAI_API_KEY"]],
    )
    trouble: str | None = Field(description="Why the service would not start again with the file as it is now.")
