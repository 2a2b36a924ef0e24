"""The variables of the contract."""

from __future__ import annotations

import pytest

from app.agent.events import ActionRequested
from app.calls.outcome import Outcome, Status
from app.calls.variables import MOST_OUTPUT_VARIABLES, NAME_CHARS, channel_variables


def test_every_variable_of_the_contract_is_set_each_time() -> None:
    names = list(channel_variables(Outcome(Status.ERROR, "Sorry.")))
    assert names == [
        "AI_RESPONSE",
        "AI_RESPONSE_COUNT",
        "AI_RESPONSE_1",
        "AI_ACTION",
        "AI_ACTION_DATA",
        "AI_ACTION_COUNT",
        "AI_ACTION_DONE",
        "AI_ACTION_FAILED",
        "AI_ACTION_ERROR",
        "AI_ERROR",
        "AI_MODEL_USED",
        "AI_PROMPT_VERSION",
        "AI_TURN",
        "AI_LATENCY_MS",
        "AI_STATUS",
    ]


def test_of_several_actions_all_are_numbered_and_the_last_stands_alone_too() -> None:
    actions = [
        ActionRequested("dtmf", "12#"),
        ActionRequested("play", "custom/hi", via="ari"),
        ActionRequested("leave", "700@ivr"),
    ]
    variables = channel_variables(Outcome(Status.OK, "x", actions))
    assert {name: value for name, value in variables.items() if name.startswith("AI_ACTION")} == {
        "AI_ACTION": "leave",
        "AI_ACTION_DATA": "ivr,700,1",
        "AI_ACTION_COUNT": "2",
        "AI_ACTION_1": "dtmf",
        "AI_ACTION_1_DATA": "12#",
        "AI_ACTION_2": "leave",
        "AI_ACTION_2_DATA": "ivr,700,1",
        "AI_ACTION_DONE": "",
        "AI_ACTION_FAILED": "",
        "AI_ACTION_ERROR": "",
    }


@pytest.mark.parametrize(
    ("target", "data"), [("700", "shop,700,1"), ("700@ivr", "ivr,700,1"), ("ivr,700,5", "ivr,700,5")]
)
def test_a_place_without_a_context_is_in_that_of_the_call(target: str, data: str) -> None:
    outcome = Outcome(Status.OK, "Fine.", actions=[ActionRequested("leave", target)], context="shop")
    assert channel_variables(outcome)["AI_ACTION_DATA"] == data


def test_a_long_answer_is_whole_in_its_parts() -> None:
    text = "A sentence of forty bytes, more or less. " * 300
    variables = channel_variables(Outcome(Status.OK, text))
    count = int(variables["AI_RESPONSE_COUNT"])
    assert " ".join(variables[f"AI_RESPONSE_{n}"] for n in range(1, count + 1)) == text.strip()
    assert len(variables["AI_RESPONSE"].encode()) <= 4000
    assert text.startswith(variables["AI_RESPONSE"])


def test_output_fields_become_variables_that_a_dialplan_can_compare() -> None:
    output = {
        "intent": "book",
        "score": 0.75,
        "total": 3.0,
        "urgent": True,
        "spam": False,
        "nothing": None,
        "slots": {"date of visit": "Monday", "who": 'the "boss"'},
        "items": ["tea", "milk"],
    }
    variables = channel_variables(Outcome(Status.OK, "Fine.", output=output))
    out = {name: value for name, value in variables.items() if name.startswith("AI_OUT_")}
    assert out == {
        "AI_OUT_INTENT": "book",
        "AI_OUT_SCORE": "0.75",
        "AI_OUT_TOTAL": "3",
        "AI_OUT_URGENT": "1",
        "AI_OUT_SPAM": "0",
        "AI_OUT_NOTHING": "",
        "AI_OUT_SLOTS_DATE_OF_VISIT": "Monday",
        "AI_OUT_SLOTS_WHO": "the boss",
        "AI_OUT_ITEMS_COUNT": "2",
        "AI_OUT_ITEMS_1": "tea",
        "AI_OUT_ITEMS_2": "milk",
    }


def test_a_flood_of_output_fields_is_bounded() -> None:
    variables = channel_variables(Outcome(Status.OK, "x", output={f"f{n}": n for n in range(5000)}))
    assert sum(name.startswith("AI_OUT_") for name in variables) == MOST_OUTPUT_VARIABLES


SLOTS = {
    "properties": {
        "intent": {"type": "string"},
        "slots": {"type": "object", "properties": {"date": {"type": "string"}, "time": {"type": "string"}}},
        "items": {"type": "array", "items": {"type": "string"}},
    }
}


@pytest.mark.parametrize("status", [Status.OK, Status.TIMEOUT])
def test_a_field_that_is_absent_does_not_keep_the_value_of_the_turn_before(status: Status) -> None:
    output = {"intent": "book", "slots": {"date": "Tuesday"}} if status is Status.OK else {}
    variables = channel_variables(Outcome(status, "x", output=output, output_schema=SLOTS))
    out = {name: value for name, value in variables.items() if name.startswith("AI_OUT_")}
    assert out == {
        "AI_OUT_INTENT": output.get("intent", ""),
        "AI_OUT_SLOTS_DATE": "Tuesday" if output else "",
        "AI_OUT_SLOTS_TIME": "",
        "AI_OUT_ITEMS_COUNT": "0",
    }


def test_of_fields_with_the_same_name_the_first_counts_and_long_names_are_cut() -> None:
    output = {"a b": 1, "a_b": 2, "k" * 5000: 3, "日本": 4}
    variables = channel_variables(Outcome(Status.OK, "x", output=output))
    assert [variables[name] for name in variables if name.startswith("AI_OUT_")] == ["1", "3"]
    assert max(map(len, variables)) == NAME_CHARS


def test_values_from_the_model_are_harmless_in_a_quoted_argument() -> None:
    outcome = Outcome(Status.OK, "x", [ActionRequested("transfer", '100",${EVIL}')])
    assert channel_variables(outcome)["AI_ACTION_DATA"] == "100,{EVIL}"
