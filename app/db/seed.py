"""What an empty database is filled with: a prompt that works at the first call, and a tool to learn from."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Table, func, insert, select

from app.models.base import utc_now
from app.models.names import name_key
from app.models.prompt import PromptRow, PromptVersionRow
from app.models.revision import RevisionRow
from app.models.tool import ToolRow, ToolVersionRow

PROMPT_NAME: Final = "receptionist"
TOOL_NAME: Final = "get_order_status"
AUTHOR: Final = "asterisk-ai"

PROMPT_CONTENT: Final = """\
You are the friendly receptionist of our company, on the telephone with a caller.
{% if caller_name %}
The caller's name is {{ caller_name }}; use it now and then.
{% endif %}
{% if caller_number %}
The call comes from {{ caller_number }}.
{% endif %}

What you write is read aloud by a voice, and the caller can only listen:
- Answer in one to three short sentences, in the language that the caller speaks.
- Plain spoken words: no lists, no headings, no symbols, no links, no emoji.
- Say numbers as a person would say them; say long ones in groups.
- Ask one question at a time, and only when you need its answer.

What you know of the company (an example: replace it by what is true of yours):
- We are open from Monday to Friday, from nine in the morning to six in the evening.
- We sell coffee machines and office furniture, and deliver within three days.

Speech recognition mishears. When a sentence makes no sense, ask the caller to repeat it instead of guessing.
Never invent facts: for what you do not know, use a tool, or say that you do not know.
When the caller asks about an order, ask for its number if you do not have it, then look it up.
When the caller has nothing more to ask, say goodbye in one sentence and end the call.
"""

TOOL_DESCRIPTION: Final = (
    "Looks up where an order is and when it will arrive. Use it when the caller asks about an order and has said the "
    "order number. Do not guess the number."
)
TOOL_PARAMETERS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "order_id": {
            "type": "string",
            "description": "The order number as the caller said it, without spaces, such as A1234.",
            "minLength": 1,
            "maxLength": 40,
        }
    },
    "required": ["order_id"],
    "additionalProperties": False,
}


def fill_if_untouched(connection: Connection, *, service_url: str) -> None:
    """Fill a database that nobody has ever written to; one whose prompts were deleted stays empty. The caller holds
    the lock for migrations, and commits."""
    if connection.scalar(select(func.sum(RevisionRow.number))):
        return
    if connection.scalar(select(PromptRow.id).limit(1)) or connection.scalar(select(ToolRow.id).limit(1)):
        return
    fill(connection, service_url=service_url)


def fill(connection: Connection, *, service_url: str) -> None:
    """Insert the first prompt, as default, and the example tool, which calls ``service_url``. The caller commits."""
    now = utc_now()
    head = {"created_at": now, "updated_at": now, "updated_by": AUTHOR}
    version = {"number": 1, "created_at": now, "created_by": AUTHOR, "note": "Made at the first start"}
    prompt_id = _insert(
        connection,
        PromptRow.__table__,
        name=PROMPT_NAME,
        name_key=name_key(PROMPT_NAME),
        default_mark=1,
        latest_version=1,
        published_version=1,
        **head,
    )
    _insert(
        connection,
        PromptVersionRow.__table__,
        prompt_id=prompt_id,
        content=PROMPT_CONTENT,
        metadata={},
        actions=[{"name": "hangup", "description": "", "targets": []}],
        greeting="Hello, how can I help you?",
        **version,
    )
    tool_id = _insert(
        connection,
        ToolRow.__table__,
        name=TOOL_NAME,
        name_key=name_key(TOOL_NAME),
        version=1,
        enabled=True,
        **head,
    )
    _insert(
        connection,
        ToolVersionRow.__table__,
        tool_id=tool_id,
        description=TOOL_DESCRIPTION,
        parameters=TOOL_PARAMETERS,
        options={},
        request={
            "method": "GET",
            "url": f"{service_url.rstrip('/')}/api/example/orders/{{{{ order_id }}}}",
            "headers": {"Accept": "application/json"},
        },
        **version,
    )


def _insert(connection: Connection, table: Any, **values: Any) -> int:
    assert isinstance(table, Table)
    key = connection.execute(insert(table).values(**values)).inserted_primary_key
    assert key is not None
    return int(key[0])
