"""A telephone company that does not exist, for screenshots and tests: its prompts, tools, people and calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app.core.permissions import Role
from app.prompts.draft import PromptDraft
from app.prompts.prompt import Action

MODEL: Final = "openai:gpt-6-luna"
SECOND_MODEL: Final = "gemini:gemini-4-flash"
PRICES: Final = {MODEL: {"input": 0.4, "output": 1.6}, SECOND_MODEL: {"input": 0.15, "output": 0.6}}

_MANNER: Final = """\
What you write is read aloud by a voice:
- Answer in one to three short sentences, in the language of the caller.
- Plain spoken words: no lists, no symbols, no links.
- Ask one question at a time.
"""
_RECEPTION: Final = f"""\
You are the receptionist of Kestrel Telecom, on the telephone with a caller.
{{% if caller_name %}}
The caller's name is {{{{ caller_name }}}}; use it now and then.
{{% endif %}}

{_MANNER}
Our shops are open from Monday to Saturday, from nine to seven. We lay fibre in the whole county.
Look the customer up before you speak about a contract. Ask for the customer number if you do not have it.
For faults transfer to the technicians, for anything about money to the accounts department.
"""
_FAULTS: Final = f"""\
You take reports of broken lines at Kestrel Telecom. The call comes from {{{{ caller_number }}}}.

{_MANNER}
Check the line first. If it is down, open a ticket and say its number in pairs of digits.
An engineer comes within two working days; never promise an hour.
Customers with the {{{{ tariff | default("standard") }}}} tariff get a spare router at once.
"""
_SURVEY: Final = """\
Classify what the caller has said after the call: what it was about, and how content they were.
"""
_TICKET_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "topic": {"type": "string", "enum": ["fault", "invoice", "contract", "other"]},
        "content": {"type": "integer", "description": "From 1, angry, to 5, delighted."},
    },
    "required": ["topic", "content"],
}
_HANGUP: Final = Action("hangup", "When the caller has said goodbye.")
_TRANSFER: Final = Action("transfer", "When a person has to help.", ("200", "300"))


@dataclass(frozen=True, slots=True)
class Saved:
    """One version of a prompt: who saved it, and how many days ago."""

    draft: PromptDraft
    by: str
    days: float
    publish: bool = True


def _reception(content: str, note: str, **values: Any) -> PromptDraft:
    given: dict[str, Any] = {
        "metadata": {"team": "front desk", "voice": "amelia"},
        "actions": (_HANGUP, _TRANSFER),
        "greeting": "Kestrel Telecom, good day. How can I help you?",
        "fallback": "I am sorry, I did not get that. I will put you through to a colleague.",
        "timeout": 8.0,
    }
    return PromptDraft("receptionist", content, note=note, **{**given, **values})


_FAULTS_DRAFT: Final = PromptDraft(
    "line faults",
    _FAULTS,
    metadata={"team": "technicians"},
    model=MODEL,
    temperature=0.2,
    tools=("look_up_customer", "check_line", "open_ticket"),
    actions=(_HANGUP, _TRANSFER),
    fallback="I am sorry, our fault desk is not available just now. Please call again in some minutes.",
    timeout=10.0,
    greeting="Kestrel Telecom, fault desk. Which line is it about?",
    note="First version",
)

# By name, oldest version first. The first one replaces what an empty installation begins with.
PROMPTS: Final[Mapping[str, tuple[Saved, ...]]] = {
    "receptionist": (
        Saved(_reception(_RECEPTION.replace("to seven", "to six"), "Ours instead of the example"), "maria", 41.2),
        Saved(_reception(_RECEPTION, "Shops are open until seven"), "tom", 12.4),
        Saved(
            _reception(_RECEPTION.replace("the whole county", "the whole county but Ashby"), "Ashby has no fibre yet"),
            "tom",
            0.3,
            publish=False,
        ),
    ),
    "line faults": (
        Saved(_FAULTS_DRAFT, "aisha", 30.1),
        Saved(
            PromptDraft(
                **{
                    **{name: getattr(_FAULTS_DRAFT, name) for name in PromptDraft.__slots__},
                    "content": _FAULTS.replace("within two", "within three"),
                    "note": "Engineers are busy",
                }
            ),
            "aisha",
            6.7,
        ),
    ),
    "accounts": (
        Saved(
            PromptDraft(
                "accounts",
                f"You answer questions about invoices of Kestrel Telecom.\n\n{_MANNER}",
                metadata={"team": "accounts"},
                tools=("look_up_customer", "get_invoice"),
                actions=(_HANGUP, Action("transfer", "For refunds.", ("300",))),
                note="First version",
            ),
            "maria",
            25.5,
        ),
    ),
    "after the call": (
        Saved(
            PromptDraft(
                "after the call", _SURVEY, model=SECOND_MODEL, output_schema=_TICKET_SCHEMA, note="For the statistics"
            ),
            "tom",
            9.0,
        ),
    ),
    "number porting": (
        Saved(
            PromptDraft("number porting", f"You help callers who bring their number along.\n\n{_MANNER}"),
            "aisha",
            0.1,
            publish=False,
        ),
    ),
}


def _schema(required: bool = True, **properties: Mapping[str, Any]) -> dict[str, Any]:
    names = list(properties) if required else []
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


_NUMBER: Final = {"type": "string", "description": "Six digits, as on the contract.", "pattern": "^[0-9]{6}$"}

# Name, address, who registered it, and how many days ago.
MCP_SERVERS: Final[tuple[tuple[str, str, str, float], ...]] = (
    ("Spare parts store", "http://10.20.0.14:8100/mcp", "tom", 9.0),
    ("Field service", "https://mcp.fieldservice.example/mcp", "maria", 4.0),
)

# Name, value, servers, description, who stored it, and how many days ago.
SECRETS: Final[tuple[tuple[str, str, tuple[str, ...], str, str, float], ...]] = (
    (
        "crm-token",
        "only-an-example-of-a-token",
        ("https://crm.kestrel.example",),
        "Reads customers, changes none. From the sales systems, ext. 4120",
        "maria",
        41.3,
    ),
    (
        "sms-api-key",
        "only-an-example-of-a-key",
        ("https://sms.kestrel.example",),
        "1,000 messages a month",
        "tom",
        14.2,
    ),
    (
        "noc-api-token",
        "only-an-example-of-a-token",
        ("https://noc.kestrel.example",),
        "Measures lines and opens tickets; from the network centre, ext. 4410",
        "admin",
        31.0,
    ),
    (
        "billing-password",
        "only-an-example-of-a-password",
        ("https://billing.kestrel.example",),
        "User asterisk-ai, may only read invoices. Ends in December",
        "maria",
        26.4,
    ),
    (
        "porting-client-secret",
        "only-an-example-of-a-secret",
        ("https://login.porting.example", "https://api.porting.example"),
        "For the porting centre's new interface",
        "maria",
        2.1,
    ),
)

# As a form sends them, who made them, and how many days ago. The server of an MCP tool stands by its name.
TOOLS: Final[tuple[tuple[dict[str, Any], str, float], ...]] = (
    (
        {
            "name": "look_up_customer",
            "description": "Finds a customer by number: name, address, tariff. Use it before you speak about one.",
            "parameters": _schema(customer=_NUMBER),
            "request": {
                "method": "GET",
                "url": "https://crm.kestrel.example/customers/{{ customer }}",
                "headers": {"Accept": "application/json"},
            },
            "authorisation": {"type": "bearer", "token": "crm-token"},
            "result": {
                "select": "{name: name, tariff: contract.tariff, address: address.lines}",
                "statuses": {"404": "There is no customer with this number. Ask the caller to read it out again."},
            },
            "behaviour": {"cache_seconds": 60, "retries": 1},
        },
        "maria",
        40.9,
    ),
    (
        {
            "name": "check_line",
            "description": "Measures a line and says whether it is up.",
            "parameters": _schema(customer=_NUMBER),
            "request": {"method": "GET", "url": "https://noc.kestrel.example/lines/{{ customer }}", "timeout": 8},
            "authorisation": {"type": "bearer", "token": "noc-api-token"},
            "result": {
                "template": "The line is {{ 'up' if result.up else 'down since ' ~ result.since }}.",
                "statuses": {"5xx": "The measuring system is out of order. Transfer the caller to a technician."},
            },
            "behaviour": {
                "filler": "One moment, I am measuring your line.",
                "max_concurrent": 4,
                "breaker_failures": 3,
            },
        },
        "aisha",
        30.2,
    ),
    (
        {
            "name": "open_ticket",
            "description": "Opens a fault ticket and gives its number. Only after check_line has said that it is down.",
            "parameters": _schema(
                customer=_NUMBER,
                fault={
                    "type": "string",
                    "enum": ["no signal", "slow", "noise", "router"],
                    "description": "What the caller complains of.",
                },
                caller={"type": "string", "description": "Where the engineer calls back."},
            ),
            "bound": {"caller": "{{ call.caller_number }}"},
            "request": {"method": "POST", "url": "https://noc.kestrel.example/tickets"},
            "authorisation": {"type": "bearer", "token": "noc-api-token"},
            "result": {"select": "ticket"},
            "behaviour": {
                "needs_confirmation": True,
                "commit_on_interrupt": True,
                "retries": 2,
                "repeatable": True,
                "idempotency_header": "Idempotency-Key",
            },
        },
        "aisha",
        30.15,
    ),
    (
        {
            "name": "get_invoice",
            "description": "The last invoice of a customer: amount, date, whether it is paid.",
            "parameters": _schema(customer=_NUMBER),
            "request": {
                "method": "GET",
                "url": "https://billing.kestrel.example/invoices",
                "query": {"customer": "{{ customer }}", "last": 1},
            },
            "authorisation": {"type": "basic", "username": "asterisk-ai", "password": "billing-password"},
            "result": {"select": "invoices[0].{amount: total, date: issued_on, paid: paid}"},
        },
        "maria",
        25.6,
    ),
    (
        {
            "name": "send_text_message",
            "description": "Sends a short text to the telephone that the caller calls from, such as a ticket's number.",
            "parameters": _schema(
                to={"type": "string"},
                text={"type": "string", "maxLength": 160, "description": "One sentence, without links."},
            ),
            "bound": {"to": "{{ call.caller_number }}"},
            "request": {
                "method": "POST",
                "url": "https://sms.kestrel.example/messages",
                "body": {"kind": "form", "fields": {"from": "Kestrel", "to": "{{ to }}", "text": "{{ text }}"}},
            },
            "authorisation": {"type": "api_key", "place": "header", "name": "X-Api-Key", "key": "sms-api-key"},
            "result": {"template": "The message is on its way."},
            "behaviour": {"needs_confirmation": True, "per_minute": 20},
        },
        "tom",
        14.1,
    ),
    (
        {
            "name": "find_router",
            "description": "Says whether a router is in stock, and in which shop.",
            "parameters": _schema(model={"type": "string", "description": "As on its label, such as KT-500."}),
            "request": {"kind": "mcp", "server": "Spare parts store", "tool": "find_article"},
            "result": {"max_bytes": 2_000},
        },
        "tom",
        8.8,
    ),
    (
        {
            "name": "porting_state",
            "description": "How far the porting of a telephone number is.",
            "parameters": _schema(number={"type": "string", "description": "In full, such as +441632960001."}),
            "request": {"method": "GET", "url": "https://api.porting.example/numbers/{{ number }}"},
            "authorisation": {
                "type": "oauth2",
                "grant": "client_credentials",
                "token_url": "https://login.porting.example/oauth/token",
                "client_id": "kestrel-telecom",
                "client_secret": "porting-client-secret",
                "scope": "numbers:read",
            },
            "enabled": False,
        },
        "aisha",
        0.12,
    ),
)

PASSWORD: Final = "a-long-password-of-the-lab"
# Name, role, days ago.
USERS: Final[tuple[tuple[str, Role, float], ...]] = (
    ("maria", Role.ADMINISTRATOR, 42.0),
    ("tom", Role.EDITOR, 41.5),
    ("aisha", Role.EDITOR, 31.0),
    ("jonas", Role.VIEWER, 20.0),
    ("former-helper", Role.EDITOR, 41.4),
)
ADDRESSES: Final[Mapping[str, str]] = {
    "admin": "192.0.2.10",
    "maria": "192.0.2.11",
    "tom": "192.0.2.24",
    "aisha": "198.51.100.7",
}


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool call in a dialogue; ``ms`` is how long it took."""

    name: str
    arguments: Mapping[str, Any]
    result: str
    ms: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """What a caller says, and what comes of it. ``status`` other than OK has no answer of the model."""

    caller: str
    answer: str = ""
    tools: tuple[Tool, ...] = ()
    action: str = ""
    target: str = ""
    status: str = "OK"
    error: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A call, and how often it happens beside the others."""

    prompt: str
    lines: tuple[Line, ...]
    weight: float = 1.0
    output: Mapping[str, Any] = field(default_factory=dict)


_CUSTOMER: Final = Tool(
    "look_up_customer",
    {"customer": "204417"},
    '{"name": "Ada Hill", "tariff": "fibre 500", "address": "3 Mill Lane, Ashby"}',
    182.4,
)
_BYE: Final = Line("No, thank you, goodbye.", "You are welcome. Goodbye!", action="hangup")

DIALOGUES: Final[tuple[Dialogue, ...]] = (
    Dialogue(
        "receptionist", (Line("Until when are you open today?", "We are open until seven this evening."), _BYE), 4
    ),
    Dialogue(
        "receptionist",
        (
            Line("I would like to know my tariff.", "Gladly. What is your customer number, please?"),
            Line("Two zero four four one seven.", "Thank you. You have our fibre five hundred tariff.", (_CUSTOMER,)),
            Line(
                "Can I have the faster one?", "Yes, from the first of next month. Shall I put you through to accounts?"
            ),
            Line("Yes, please.", "One moment, I connect you.", action="transfer", target="300"),
        ),
        3,
    ),
    Dialogue(
        "line faults",
        (
            Line("My internet does not work since this morning.", "I am sorry. What is your customer number, please?"),
            Line(
                "It is 204417, and I need it for work, can you come at once?",
                "Your line is down. I opened ticket forty-eight, twelve, seven. An engineer comes within three days.",
                (
                    _CUSTOMER,
                    Tool("check_line", {"customer": "204417"}, '{"up": false, "since": "07:12"}', 1_104.0),
                    Tool("open_ticket", {"customer": "204417", "fault": "no signal"}, '{"ticket": 48127}', 240.9),
                ),
            ),
            _BYE,
        ),
        3,
    ),
    Dialogue(
        "line faults",
        (
            Line("The line crackles.", "Please tell me your customer number."),
            Line(
                "Two zero four four one seven.",
                "I cannot measure the line just now. I put you through to a technician.",
                (
                    Tool(
                        "check_line",
                        {"customer": "204417"},
                        "The service did not answer in 4 seconds.",
                        4_000.0,
                        "timeout",
                    ),
                ),
                action="transfer",
                target="200",
            ),
        ),
    ),
    Dialogue(
        "accounts",
        (
            Line("Did you get my money?", "Let me see. Your customer number, please?"),
            Line(
                "204417.",
                "Yes, your last invoice over thirty-nine pounds is paid.",
                (
                    _CUSTOMER,
                    Tool("get_invoice", {"customer": "204417"}, '{"amount": 39.0, "paid": true}', 95.2),
                ),
            ),
            Line("And the one before?", status="ABANDONED"),
        ),
        2,
    ),
    Dialogue(
        "after the call",
        (Line("It works again, thank you so much, that was quick!", "Thank you."),),
        1.5,
        {"topic": "fault", "content": 5},
    ),
    Dialogue(
        "receptionist",
        (
            Line(
                "Can you tell me everything about your tariffs?",
                status="TIMEOUT",
                error="turn_timeout",
                detail="The model did not answer within 8 seconds.",
            ),
        ),
        0.4,
    ),
    Dialogue(
        "accounts",
        (
            Line(
                "Hello, I have a question about my invoice.",
                status="ERROR",
                error="provider_rate_limited",
                detail="OpenAI says that it got too many requests this minute. Raise the limit, or set a second model.",
            ),
        ),
        0.4,
    ),
)

CALLERS: Final[tuple[tuple[str, str], ...]] = (
    ("+441632960014", "Ada Hill"),
    ("+441632960127", ""),
    ("+441632960233", "J. Okafor"),
    ("+441632960288", ""),
    ("+441632960301", "Mill Lane Bakery"),
    ("+441632960352", "P. Lindqvist"),
    ("+441632960419", ""),
    ("+441632960477", "R. Castellanos"),
)
