"""The doctor's findings in requests and answers."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from app.doctor.finding import Level


class FindingBody(BaseModel):
    """One thing that was looked at."""

    model_config = ConfigDict(from_attributes=True)

    level: Level = Field(
        description="`ok`; `warn`: works, with a drawback; `fail`: does not work; `skip`: was not looked at.",
        examples=["warn"],
    )
    title: str = Field(description="What was looked at.", examples=["Web login"])
    detail: str = Field(examples=["WEB_UI_PASSWORD is not set: a new password is made and printed at every start"])
    remedy: str = Field(description="What to do; empty: nothing.", examples=["Set WEB_UI_PASSWORD in .env."])
    check: str = Field(description="The part of the examination.", examples=["web"])


class DoctorBody(BaseModel):
    """An examination."""

    ok: bool = Field(description="Nothing fails.")
    as_of: datetime = Field(description="When it was over.")
    online: bool = Field(description="Language models were asked, too.")
    findings: list[FindingBody]


class ExamineBody(BaseModel):
    """What to look at."""

    model_config = ConfigDict(extra="forbid")

    online: bool = Field(
        default=False, description="Ask every configured language model a question, for a few tokens.", examples=[True]
    )
