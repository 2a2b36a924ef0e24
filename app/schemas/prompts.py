"""Prompts in requests and answers."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.prompts.draft import PromptDraft
from app.prompts.prompt import Action, Prompt
from app.prompts.records import PromptRecord, PromptSummary, PromptVersionSummary

Sentence = Annotated[str, Field(max_length=4_000)]


class ActionBody(BaseModel):
    """One thing that the model may do in a call."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        min_length=1,
        max_length=100,
        description="`hangup`, `transfer`, `dtmf`, `set_variable`, `play`, `hold`, `leave`, `extension_state`, "
        "`queue_state`, `originate`, or a word of your own for the dialplan; it becomes `AI_ACTION`.",
        examples=["transfer"],
    )
    description: str = Field(
        default="",
        max_length=4_000,
        description="When to ask for it.",
        examples=["The caller wants to talk to a person."],
    )
    targets: list[Annotated[str, Field(max_length=4_000)]] = Field(
        default_factory=list,
        max_length=200,
        description="The allow-list: what the model may name, exactly or by dialplan patterns. What it holds depends "
        "on the kind: extensions (`200`, `_2XX`, `200@context`), digits, names of variables, sounds, queues.",
        examples=[["200", "_3XX@from-internal"]],
    )
    via: Literal["dialplan", "ari"] = Field(
        default="dialplan",
        description="`dialplan`: it comes back in `AI_ACTION`, and the dialplan does it after the answer was spoken. "
        "`ari`: the service does it at the end of the turn, before the call goes on in the dialplan.",
        examples=["dialplan"],
    )
    place: str = Field(
        default="",
        max_length=160,
        description="Of `originate` over ARI: where the call goes once it is answered, `extension@context`.",
        examples=["200@from-internal"],
    )
    caller_id: str = Field(
        default="",
        max_length=110,
        description="Of `originate` over ARI: what the called party sees.",
        examples=["Example Ltd <100>"],
    )

    @classmethod
    def of(cls, action: Action) -> ActionBody:
        """As it is stored, without validation."""
        return cls.model_construct(**asdict(action) | {"targets": list(action.targets)})

    def action(self) -> Action:
        """As the store takes it."""
        return Action(self.name, self.description, tuple(self.targets), self.via, self.place, self.caller_id)


class PromptFields(BaseModel):
    """What an operator writes."""

    name: str = Field(
        min_length=1, max_length=100, description="For `AI_PROMPT_NAME`; unique in any case.", examples=["reception"]
    )
    content: str = Field(
        min_length=1,
        max_length=1_000_000,
        description="A template over the call variables, at most 1 MB.",
        examples=["You are the receptionist of Example Ltd. The caller's number is {{ caller_number }}."],
    )
    metadata: dict[str, Any] = Field(
        default_factory=dict, description="Your own JSON, handed out as it is.", examples=[{"team": "front office"}]
    )
    model: str | None = Field(
        default=None,
        max_length=200,
        description="`provider` or `provider:model`; null: the installation's default.",
        examples=["openai:gpt-6-luna"],
    )
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False, examples=[0.3])
    tools: list[Annotated[str, Field(max_length=100)]] | None = Field(
        default=None,
        max_length=500,
        description="Names of the tools it may use; null: all that are enabled.",
        examples=[["get_order_status"]],
    )
    actions: list[ActionBody] = Field(default_factory=list, max_length=50)
    output_schema: dict[str, Any] | None = Field(
        default=None,
        description="JSON Schema of an object; its fields become `AI_OUT_*` variables.",
        examples=[{"type": "object", "properties": {"intent": {"type": "string"}}}],
    )
    fallback: Sentence | None = Field(
        default=None,
        description="What the caller hears when the turn fails; null: the installation's sentence.",
        examples=["I cannot answer right now. I will connect you with a colleague."],
    )
    timeout: float | None = Field(
        default=None,
        ge=0.1,
        le=300,
        allow_inf_nan=False,
        description="Seconds until the channel is back in the dialplan; null: the installation's.",
        examples=[8],
    )
    greeting: Sentence | None = Field(default=None, examples=["Example Ltd, good day. How can I help?"])


class PromptCreate(PromptFields):
    """A new prompt."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field(default="", max_length=500, description="Why this version was made.", examples=["First one"])
    publish: bool = Field(default=True, description="False: a draft; calls do not use it yet.")

    def draft(self) -> PromptDraft:
        """As the store takes it."""
        return PromptDraft(
            name=self.name,
            content=self.content,
            metadata=self.metadata,
            model=self.model,
            temperature=self.temperature,
            tools=None if self.tools is None else tuple(self.tools),
            actions=tuple(each.action() for each in self.actions),
            output_schema=self.output_schema,
            fallback=self.fallback,
            timeout=self.timeout,
            greeting=self.greeting,
            note=self.note,
        )


class PromptUpdate(PromptCreate):
    """A new version of a prompt, whole: a field that is left out goes back to its default."""

    expected_version: int | None = Field(
        default=None, ge=1, description="The newest version when you read it; instead of `If-Match`.", examples=[3]
    )
    expected_published: int | None = Field(
        default=None,
        ge=0,
        description="The version that was published then; 0: none. So a save does not go over a rollback unseen.",
        examples=[3],
    )


class PublishBody(BaseModel):
    """Which version calls are to use."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, le=2**31 - 1, examples=[2])
    expected_published: int | None = Field(
        default=None, ge=0, description="The version that was published when you looked; 0: none.", examples=[3]
    )


class DuplicateBody(BaseModel):
    """A copy of a prompt."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, description="Of the copy.", examples=["night shift"])
    version: int | None = Field(
        default=None, ge=1, le=2**31 - 1, description="The version to copy; null: the newest.", examples=[2]
    )
    publish: bool = Field(default=False, description="False: the copy is a draft.")


class UsageBody(BaseModel):
    """What uses a prompt."""

    is_default: bool = Field(description="Calls that name no prompt use it.")
    published_version: int | None = Field(description="The version that calls use.", examples=[3])
    days: int = Field(description="How far back turns are counted; no longer than they are kept.", examples=[30])
    turns: int = Field(description="Turns in that time.", examples=[412])
    last_at: datetime | None = Field(description="When the last of them began; null: there was none.")
    by_version: dict[int, int] = Field(description="Turns by version.", examples=[{2: 12, 3: 400}])
    running: int = Field(description="Turns that use it at this moment, of this instance.", examples=[1])


class DifferenceBody(BaseModel):
    """A field that differs between two versions."""

    field: str = Field(examples=["temperature"])
    left: Any = Field(examples=[0.2])
    right: Any = Field(examples=[0.7])


class ComparisonBody(BaseModel):
    """Two versions of a prompt, side by side."""

    left: int = Field(description="Number of the version.", examples=[2])
    right: int = Field(description="Number of the version.", examples=[3])
    differences: list[DifferenceBody] = Field(description="Empty: they say the same.")


class PromptSummaryBody(BaseModel):
    """A line of the list."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["reception"])
    is_default: bool = Field(description="Used by calls that name no prompt.")
    latest_version: int = Field(examples=[3])
    published_version: int | None = Field(description="The one that calls use; null: only drafts so far.", examples=[3])
    created_at: datetime
    updated_at: datetime
    updated_by: str = Field(examples=["admin"])

    @classmethod
    def of(cls, summary: PromptSummary) -> PromptSummaryBody:
        """From the store's."""
        return cls(
            id=summary.id,
            name=summary.name,
            is_default=summary.is_default,
            latest_version=summary.latest_version,
            published_version=summary.published_version,
            created_at=summary.created_at,
            updated_at=summary.updated_at,
            updated_by=summary.updated_by,
        )


class PromptBody(PromptFields):
    """A prompt with one of its versions, usually the newest."""

    id: int = Field(examples=[1])
    version: int = Field(description="Of the fields here.", examples=[3])
    latest_version: int = Field(examples=[3])
    published_version: int | None = Field(examples=[3])
    is_default: bool
    note: str
    created_at: datetime = Field(description="When this version was made.")
    created_by: str = Field(examples=["admin"])
    updated_at: datetime = Field(description="When the prompt was last changed.")

    @classmethod
    def of(cls, record: PromptRecord) -> PromptBody:
        """From the store's. Built without validation: what is stored is shown, even if the limits changed since."""
        prompt, summary = record.prompt, record.summary
        return cls.model_construct(
            **_fields(prompt),
            id=prompt.id,
            version=prompt.version,
            latest_version=summary.latest_version,
            published_version=summary.published_version,
            is_default=summary.is_default,
            note=record.note,
            created_at=record.created_at,
            created_by=record.created_by,
            updated_at=summary.updated_at,
        )


def _fields(prompt: Prompt) -> dict[str, Any]:
    return {
        "name": prompt.name,
        "content": prompt.content,
        "metadata": dict(prompt.metadata),
        "model": prompt.model,
        "temperature": prompt.temperature,
        "tools": None if prompt.tools is None else list(prompt.tools),
        "actions": [ActionBody.of(each) for each in prompt.actions],
        "output_schema": None if prompt.output_schema is None else dict(prompt.output_schema),
        "fallback": prompt.fallback,
        "timeout": prompt.timeout,
        "greeting": prompt.greeting,
    }


class PromptVersionBody(BaseModel):
    """A line of the list of versions."""

    number: int = Field(examples=[3])
    note: str
    created_at: datetime
    created_by: str = Field(examples=["admin"])
    published: bool = Field(description="Calls use this one.")

    @classmethod
    def of(cls, version: PromptVersionSummary) -> PromptVersionBody:
        """From the store's."""
        return cls(
            number=version.number,
            note=version.note,
            created_at=version.created_at,
            created_by=version.created_by,
            published=version.published,
        )
