"""Patterns as Asterisk matches them, and nothing beside what the operator listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.prompts.action_rules import action_problems, allow_list
from app.prompts.allowed import PatternWrong, any_of, extension_line, pattern_expression
from app.prompts.prompt import Action


@pytest.mark.parametrize(
    ("pattern", "matched", "refused"),
    [
        ("_2XX", ["200", "299"], ["20", "2000", "2AB", "300", "", "_2XX", "200@x", "200\n", "２00"]),
        ("_0[1-9]X.", ["0123", "01234567"], ["012", "0012", "01a4&5", "0123,1", "0123 "]),
        ("_ZNXx", ["1200", "9999"], ["0200", "1100"]),
        ("_[2-47]0", ["20", "30", "40", "70"], ["50", "60", "-0"]),
        ("_+49!", ["+49", "+4930123"], ["49", "+49(30)"]),
        ("_2-X-X", ["200"], ["2-0-0"]),
        ("_[a-c]1", ["a1", "c1"], ["d1", "A1"]),
        ("_*6X", ["*61"], ["61"]),
    ],
)
def test_a_pattern_matches_as_in_the_dialplan(pattern: str, matched: list[str], refused: list[str]) -> None:
    line = extension_line(pattern)
    assert [value for value in matched if not line.permits(value)] == []
    assert [value for value in refused if line.permits(value)] == []


@pytest.mark.parametrize("pattern", ["_.", "_!", "_", "_2.5", "_[12", "_[]1", "_[5-2]", "_2X&3", "_${X}", "_2,1", "_-"])
def test_what_asterisk_would_not_understand_or_allows_everything_is_refused(pattern: str) -> None:
    with pytest.raises(PatternWrong):
        pattern_expression(pattern)


def test_a_context_is_taken_by_the_letter() -> None:
    line = extension_line("_2XX@from-internal")
    assert line.permits("200@from-internal")
    for other in ("200", "200@from-internal2", "200@from", "200@a@from-internal", "2@00@from-internal"):
        assert not line.permits(other)


@pytest.mark.parametrize(
    ("action", "permitted", "refused"),
    [
        (Action("dtmf", targets=("1", "_XXXX#")), ["1", "1234#"], ["12", "12345#", "1w", "abcd#"]),
        (
            Action("play", targets=("sound:hi", "custom/*")),
            ["hi", "custom/a/b"],
            ["custom/../x", "custom/", "h", "custom/a.b", "custom//a"],
        ),
        (
            Action("leave", targets=("ivr,_7XX,1", "700@ivr")),
            ["ivr,701,1", "700@ivr"],
            ["ivr,701,2", "701@ivr", "ivr,7,1"],
        ),
        (
            Action("originate", targets=("PJSIP/200", "PJSIP/_0X.@trunk")),
            ["PJSIP/200", "PJSIP/0123@trunk"],
            ["PJSIP/201", "PJSIP/0123@other", "Local/200", "PJSIP/0123@trunk&SIP/1", "PJSIP/"],
        ),
        (Action("queue_state", targets=("support",)), ["support"], ["sales", "support,ready"]),
    ],
)
def test_each_kind_has_its_own_list(action: Action, permitted: list[str], refused: list[str]) -> None:
    assert list(action_problems([action])) == []
    allowed = allow_list(action)
    assert [value for value in permitted if not any_of(allowed, value)] == []
    assert [value for value in refused if any_of(allowed, value)] == []


@pytest.mark.parametrize(
    ("action", "field", "words"),
    [
        (Action("transfer"), "targets", "List whom the AI may transfer to"),
        (Action("transfer", targets=("_2[",)), "targets", "not closed"),
        (Action("transfer", targets=("a b",), via="ari"), "targets", "no extension"),
        (Action("transfer", targets=("200@a b",), via="ari"), "targets", "no context"),
        (
            Action("leave", targets=("701@",)),
            "targets",
            "701@: the context is missing; write it with one, such as 701@",
        ),
        (Action("leave", targets=("@ivr",)), "targets", "@ivr: the extension is missing"),
        (Action("leave", targets=("ivr,700",)), "targets", "context,extension,priority"),
        (Action("leave", targets=("ivr,700,n",)), "targets", "context,extension,priority"),
        (Action("dtmf", targets=("12w",)), "targets", "digits are"),
        (Action("dtmf", targets=("1" * 33,)), "targets", "at most 32"),
        *[
            (Action("set_variable", targets=(name,)), "targets", words)
            for name, words in [
                ("CALLERID(num)", "Functions"),
                ("_X", "underscore"),
                ("AI_STATUS", "belongs"),
                ("ai_action", "belongs"),
                ("EXTEN", "belongs"),
                ("TRANSFER_CONTEXT", "belongs"),
                ("X" * 90, "named with"),
                ("", "empty"),
            ]
        ],
        (Action("play", targets=("custom/../../etc/passwd",)), "targets", "name a sound"),
        (Action("play", targets=("a&b",)), "targets", "name a sound"),
        (Action("play", targets=("*",)), "targets", "name a sound"),
        (Action("extension_state", targets=("200",)), "targets", "context of its hint"),
        (Action("queue_state", targets=("_XX",)), "targets", None),
        (Action("originate", targets=("200",)), "targets", "as Dial() does"),
        (Action("originate", targets=("PJSIP/200",), via="ari"), "place", "where the call goes"),
        (Action("originate", targets=("PJSIP/200",), via="ari", place="200"), "place", "and its context"),
        (Action("originate", targets=("PJSIP/200",), caller_id='"x"'), "caller_id", "Write a number"),
        (Action("hangup", targets=("1",)), "targets", "takes no list"),
        (Action("hangup", place="1@x"), "place", "Only originate"),
        (Action("brochure", via="ari"), "via", "Only the dialplan"),
        *[
            (Action(word), "name", "only small letters")
            for word in ("send brochure", "Brochure", "send-brochure", "größe", "x" * 41, "brochure\n")
        ],
        (Action("end_call"), "name", "what the model calls the action hangup"),
        (Action("transfer_call"), "name", "write transfer"),
        (Action("answer"), "name", "the model's own tool"),
        (Action("hangup", via="smoke signals"), "via", "done by the dialplan"),
    ],
)
def test_every_mistake_stands_at_its_field(action: Action, field: str, words: str | None) -> None:
    problems = {problem.field: str(problem) for problem in action_problems([Action("ok"), action])}
    if words is None:  # a name as good as any other
        assert problems == {}
        return
    assert words in problems[f"actions.1.{field}"]


@pytest.mark.parametrize("word", ["brochure", "ticket_2", "2", "x" * 40])
def test_a_word_of_ones_own_is_what_the_documented_dialplan_lets_through(word: str) -> None:
    assert list(action_problems([Action(word)])) == []
    page = (Path(__file__).parents[2] / "docs/actions.md").read_text(encoding="utf-8")
    (kept,) = re.findall(r"Set\(AI_DO_WORD=\$\{FILTER\(([^,]*),", page)
    assert re.fullmatch(f"[{kept}]+", word)


def test_all_rows_are_looked_at() -> None:
    fields = [
        problem.field for problem in action_problems([Action("transfer"), Action("x", via="ari"), Action("dtmf")])
    ]
    assert fields == ["actions.0.targets", "actions.1.via", "actions.2.targets"]
