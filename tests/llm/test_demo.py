"""The demo model: what people hear before there is a key."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import StructuredTool

from app.llm.demo import DemoChatModel
from app.llm.demo_arguments import fill
from app.llm.demo_script import answer
from app.llm.demo_words import pieces, word_result

PROMPT = """You are the friendly receptionist of Example Ltd. Answer in one or two short sentences.
Say numbers as a person would say them. When the caller asks about an order, look it up.
Opening hours: Monday to Friday from 9 to 17 o'clock, Saturday from 10 to 14.
Our address is 12 Harbour Street, Springfield. A return is free within 30 days."""


def tool(name: str, description: str, /, required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


ORDER = tool("get_order_status", "Looks up where an order is and when it will arrive.", order_id={"type": "string"})
WEATHER = tool("get_weather", "The weather in a city.", city={"type": "string"})
END_CALL = tool("end_call", "Ends the call when the caller says goodbye.")
TRANSFER = tool(
    "transfer_call", "Transfers the caller.", target={"type": "string", "enum": ["sales", "support", "accounting"]}
)
TOOLS = [ORDER, WEATHER, END_CALL, TRANSFER]


def talk(*turns: str, tools: list[dict[str, Any]] | None = None, prompt: str = PROMPT) -> str:
    """The last answer of a conversation without tools' results."""
    messages: list[BaseMessage] = [SystemMessage(prompt)]
    said = ""
    for turn in turns:
        messages.append(HumanMessage(turn))
        said = answer(messages, tools or []).text
        messages.append(AIMessage(said))
    return said


def called(*turns: str, tools: list[dict[str, Any]] | None = None) -> tuple[str, dict[str, Any]] | None:
    """The tool that is called in the last turn."""
    messages: list[BaseMessage] = [SystemMessage(PROMPT)]
    reply = None
    for turn in turns:
        messages.append(HumanMessage(turn))
        reply = answer(messages, TOOLS if tools is None else tools)
        messages.append(AIMessage(reply.text or "..."))
    assert reply is not None
    return (reply.tool_call.name, reply.tool_call.arguments) if reply.tool_call else None


def test_it_greets_and_says_what_it_is() -> None:
    assert "demo model" in talk("Hello!")
    assert "not a language model" in talk("Who are you?")
    assert "demo model" not in talk("Hello", "Hello again")


def test_it_remembers_what_it_was_told() -> None:
    assert talk("My name is Ada and my favourite colour is green.", "Hello", "What is my name?") == "Your name is Ada."
    assert talk("my favourite colour is green", "what's my favourite colour?") == "Your favourite colour is green."
    assert "not told me" in talk("What is my name?")
    assert talk("I need help", "What did I just say?") == "You said: I need help"


@pytest.mark.parametrize(
    ("question", "part"),
    [
        ("When are you open?", "9 to 17"),
        ("What are your opening hours on Saturday?", "9 to 17"),
        ("Where are you located?", "Harbour Street"),
        ("Can I return something?", "30 days"),
        ("Wann haben Sie geöffnet?", "9 to 17"),
    ],
)
def test_it_finds_the_answer_in_the_prompt(question: str, part: str) -> None:
    assert part in talk(question)


@pytest.mark.parametrize(
    "question", ["Can you say a number?", "What does the caller ask about an order?", "Are you friendly?"]
)
def test_it_never_reads_its_instructions_aloud(question: str) -> None:
    said = talk(question)
    assert "as a person would" not in said
    assert "look it up" not in said
    assert "receptionist" not in said


def test_it_repeats_itself_when_asked() -> None:
    assert "9 to 17" in talk("When are you open?", "Could you repeat that?")


def test_it_speaks_a_little_german() -> None:
    assert talk("Hallo, ich heiße Karl", "Wie heiße ich?") == "Sie heißen Karl."
    assert talk("Auf Wiederhören") == "Auf Wiederhören!"


@pytest.mark.parametrize(
    ("said", "call"),
    [
        ("Where is my order A1042?", ("get_order_status", {"order_id": "A1042"})),
        ("I'd like to know about order A 1042 please", ("get_order_status", {"order_id": "A1042"})),
        ("status of my package b77", ("get_order_status", {"order_id": "B77"})),
        ("What is the weather in San Francisco?", ("get_weather", {"city": "San Francisco"})),
        ("is it raining in berlin?", ("get_weather", {"city": "Berlin"})),
        ("Goodbye!", ("end_call", {})),
        ("I want to speak to a human", ("transfer_call", {"target": "support"})),
        ("Please transfer me to accounting", ("transfer_call", {"target": "accounting"})),
        ("Are you a human?", None),
        ("Tell me a joke", None),
        ("My name is Ada", None),
    ],
)
def test_it_calls_the_tool_that_the_words_ask_for(said: str, call: tuple[str, dict[str, Any]] | None) -> None:
    assert called(said) == call


def test_it_asks_for_what_a_tool_needs_and_takes_it_from_the_next_turn() -> None:
    assert "order id" in talk("Where is my order?", tools=TOOLS)
    assert called("Where is my order?", "It is A1042") == ("get_order_status", {"order_id": "A1042"})


def test_it_still_knows_the_order_that_was_named_before() -> None:
    assert called("Where is order A1042?", "And when will my order arrive?") == (
        "get_order_status",
        {"order_id": "A1042"},
    )


def test_hanging_up_and_transferring_are_spoken_too() -> None:
    messages = [SystemMessage(PROMPT), HumanMessage("Goodbye")]
    assert answer(messages, TOOLS).text.startswith("Goodbye")
    messages[-1] = HumanMessage("Connect me to sales")
    assert "connecting you" in answer(messages, TOOLS).text


RESULTS = [
    (
        '{"order_id": "A1042", "status": "shipped", "item": "espresso machine", "arrives": "tomorrow", '
        '"arrives_on": "2026-01-31", "note": "The courier calls before it comes."}',
        "Order A1042 is shipped, the item is espresso machine, it arrives tomorrow. The courier calls before it comes.",
    ),
    (
        '{"city": "Berlin", "temperature": 18.0, "sunny": true, "wind": null}',
        "Here is what I found: the city is Berlin, the temperature is 18, sunny: yes.",
    ),
    ('["red", "green", "blue", "black"]', "I found 4: red, green, blue, and 1 more."),
    ('{"note": "It rains all day."}', "It rains all day."),
    ("[]", "I looked, and found nothing."),
    ("42", "The answer is 42."),
    ('{"error": "no such order"}', "That did not work: no such order"),
    ("It rains.", "Here is what I found: It rains."),
    ("", "That is done."),
]


@pytest.mark.parametrize(("result", "said"), RESULTS)
def test_a_result_becomes_a_sentence(result: str, said: str) -> None:
    assert word_result(result) == said


def test_a_failed_tool_is_regretted() -> None:
    messages = [
        HumanMessage("Where is my order A1?"),
        AIMessage("", tool_calls=[{"name": "get_order_status", "args": {"order_id": "A1"}, "id": "1"}]),
        ToolMessage("timeout", tool_call_id="1", name="get_order_status", status="error"),
    ]
    assert "could not look that up" in answer(messages, TOOLS).text


def test_arguments_follow_the_schema() -> None:
    schema = {
        "type": "object",
        "properties": {
            "email": {"type": "string", "format": "email"},
            "guests": {"type": "integer", "minimum": 1, "maximum": 20},
            "size": {"enum": ["small", "large"]},
            "code": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{3}$"},
            "day": {"type": "string"},
            "vegetarian": {"type": "boolean"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
    }
    text = "A large table for 4, vegetarian, tomorrow, code xy123, ada@example.com"
    assert fill(schema, text).values == {
        "email": "ada@example.com",
        "guests": 4,
        "size": "large",
        "code": "XY123",
        "day": "tomorrow",
        "vegetarian": True,
        "note": text,
    }
    assert fill({"properties": {"n": {"type": "integer"}}, "required": ["n"]}, "no number").missing == ["n"]


OUTPUT = tool(
    "answer",
    "Gives your final answer.",
    ["say", "intent", "urgent"],
    say={"type": "string"},
    intent={"type": "string", "enum": ["order_status", "opening_hours", "other"]},
    urgent={"type": "boolean"},
    order_id={"type": "string"},
)


def test_structured_output_is_filled_from_the_words() -> None:
    reply = answer([SystemMessage(PROMPT), HumanMessage("When are you open?")], [OUTPUT], "any")
    assert reply.tool_call is not None
    assert reply.tool_call.arguments["intent"] == "opening_hours"
    assert "9 to 17" in reply.tool_call.arguments["say"]
    assert reply.tool_call.arguments["urgent"] is False
    reply = answer([SystemMessage(PROMPT), HumanMessage("hm hm")], [OUTPUT], "any")
    assert reply.tool_call is not None
    assert reply.tool_call.arguments["intent"] == "other"


def test_structured_output_comes_after_the_tool_that_was_asked_for() -> None:
    messages: list[BaseMessage] = [SystemMessage(PROMPT), HumanMessage("Where is my order A1042?")]
    first = answer(messages, [ORDER, OUTPUT], "any")
    assert first.tool_call is not None
    assert first.tool_call.name == "get_order_status"
    call = {"name": "get_order_status", "args": {"order_id": "A1042"}, "id": "1"}
    messages += [
        AIMessage("", tool_calls=[call]),
        ToolMessage('{"order_id": "A1042", "status": "shipped"}', tool_call_id="1", name="get_order_status"),
    ]
    second = answer(messages, [ORDER, OUTPUT], "any")
    assert second.tool_call is not None
    assert second.tool_call.name == "answer"
    assert second.tool_call.arguments["say"] == "Order A1042 is shipped."
    assert second.tool_call.arguments["order_id"] == "A1042"


def test_a_named_tool_is_called_whatever_was_said() -> None:
    reply = answer([HumanMessage("Hello")], TOOLS, "get_weather")
    assert reply.tool_call is not None
    assert reply.tool_call.name == "get_weather"


async def test_thinking_takes_as_long_as_it_was_asked_to_and_can_be_cancelled() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert "0.1 seconds" in (await DemoChatModel().ainvoke("Please think for 0.1 seconds")).text
    assert 0.1 <= loop.time() - begun < 1
    task = asyncio.create_task(DemoChatModel().ainvoke("think for 50 seconds"))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_it_works_as_an_agent_and_streams() -> None:
    async def get_order_status(order_id: str) -> str:
        return f'{{"order_id": "{order_id}", "status": "shipped", "expected_delivery": "tomorrow"}}'

    made = StructuredTool(
        name="get_order_status",
        description="Looks up where an order is.",
        args_schema=ORDER["function"]["parameters"],
        coroutine=get_order_status,
    )
    agent: Any = create_agent(DemoChatModel(), [made], system_prompt=PROMPT)
    texts = []
    async for chunk, _ in agent.astream({"messages": [HumanMessage("Where is order A1042?")]}, stream_mode="messages"):
        if chunk.type == "AIMessageChunk" and chunk.text:
            texts.append(chunk.text)
    assert len(texts) > 1
    assert "".join(texts) == "Order A1042 is shipped, the expected delivery is tomorrow."


@given(text=st.text(max_size=200))
def test_it_answers_whatever_is_said(text: str) -> None:
    reply = answer([SystemMessage(PROMPT), HumanMessage(text)], TOOLS)
    assert reply.text or reply.tool_call
    assert reply == answer([SystemMessage(PROMPT), HumanMessage(text)], TOOLS)


@given(text=st.text(max_size=200))
def test_the_pieces_of_a_text_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text
