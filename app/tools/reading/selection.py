"""What the operator selects of a response, in JMESPath (https://jmespath.org). Bounded in steps.

A short expression can work without end: ``[@,@]|[@,@]|[@,@]...`` doubles with each part, and comparing or joining what
came of it takes hours in one uninterruptible step. So each step is counted, and what a function would go through is
counted before it does.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, cast

from jmespath.exceptions import (
    EmptyExpressionError,
    IncompleteExpressionError,
    JMESPathError,
    JMESPathTypeError,
    LexerError,
    ParseError,
)
from jmespath.functions import Functions
from jmespath.parser import Parser
from jmespath.visitor import Options, TreeInterpreter

MAX_PARTS: Final = 500
# Enough for five fields of twenty thousand records.
MAX_STEPS: Final = 300_000
_CHARS_PER_STEP: Final = 50
# Functions that look at all of a value, not only at its length.
_GO_DEEP: Final = frozenset({"to_string", "contains", "sort", "min", "max", "sum", "avg"})


class SelectionInvalid(ValueError):
    """The expression is malformed. Says where."""


class SelectionFailed(ValueError):
    """The expression does not fit what came, or takes too many steps over it. Holds nothing of what came."""


def check_selection(expression: str) -> None:
    """Raise SelectionInvalid for what cannot be evaluated."""
    _parsed(expression)


def select(expression: str, value: Any) -> Any:
    """What the expression selects; None: nothing. It may hold the same part more than once, never too much in all.

    Raises:
        SelectionInvalid: it is malformed.
        SelectionFailed: it fails over this value.
    """
    tree = _parsed(expression)
    steps = _Steps()
    try:
        selected = _Interpreter(steps).visit(tree, value)
        steps.walk(selected)
    except JMESPathTypeError as error:
        raise SelectionFailed(f"{error.function_name}() does not take a value of type {error.actual_type}") from error
    except (JMESPathError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        if isinstance(error, SelectionFailed):
            raise
        raise SelectionFailed(f"it fails over this response ({type(error).__name__})") from error
    except RecursionError as error:
        raise SelectionFailed("the response is nested too deeply") from error
    return selected


class _Steps:
    def __init__(self) -> None:
        self._left = MAX_STEPS

    def take(self, number: int = 1) -> None:
        self._left -= number
        if self._left < 0:
            raise SelectionFailed("it takes too many steps over this response; select less, or ask the system for less")

    def walk(self, value: Any) -> None:
        """Take as many as there are parts in ``value``, counting each as often as it stands there."""
        open_ = [value]
        while open_:
            part = open_.pop()
            self.take(1 + (len(part) // _CHARS_PER_STEP if isinstance(part, str) else 0))
            if isinstance(part, list):
                self.take(len(part))
                open_ += part
            elif isinstance(part, dict):
                self.take(len(part))
                open_ += part.values()


class _Functions(Functions):
    def __init__(self, steps: _Steps) -> None:
        self._steps = steps

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> Any:
        arguments = list(resolved_args)
        if function_name in _GO_DEEP:
            self._steps.walk(arguments)
        elif function_name == "join":
            self._steps.take(_joined_chars(arguments) // _CHARS_PER_STEP)
        else:
            self._steps.take(1 + sum(map(_length, arguments)))
        return super().call_function(function_name, arguments)


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value) // _CHARS_PER_STEP
    return len(value) if isinstance(value, list | dict) else 0


def _joined_chars(arguments: list[Any]) -> int:
    match arguments:
        case [str(separator), list(parts)]:
            return sum(len(part) + len(separator) for part in parts if isinstance(part, str))
    return 0


class _Interpreter(TreeInterpreter):
    def __init__(self, steps: _Steps) -> None:
        super().__init__(Options(custom_functions=_Functions(steps)))
        self._steps = steps

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self._steps.take()
        return super().visit(node, *args, **kwargs)

    def visit_flatten(self, node: Any, value: Any) -> Any:
        merged = super().visit_flatten(node, value)
        self._steps.take(len(merged or ()))
        return merged

    def visit_slice(self, node: Any, value: Any) -> Any:
        part = super().visit_slice(node, value)
        self._steps.take(len(part or ()))
        return part

    def visit_comparator(self, node: Any, value: Any) -> Any:
        sides = [self.visit(child, value) for child in node["children"]]
        self._steps.walk(sides)
        compared = dict(node, children=[{"type": "literal", "children": [], "value": side} for side in sides])
        return super().visit_comparator(cast("Any", compared), value)


@lru_cache(maxsize=512)
def _parsed(expression: str) -> Any:
    try:
        tree = Parser().parse(expression).parsed
        _check_functions(tree)
    except EmptyExpressionError as error:
        raise SelectionInvalid("It is empty.") from error
    except IncompleteExpressionError as error:
        raise SelectionInvalid("It breaks off at its end: something is missing there.") from error
    except LexerError as error:
        words = _words(error.message)
        raise SelectionInvalid(f"Column {error.lexer_position + 1}: {words}") from error
    except ParseError as error:
        token = str(error.token_value)[:40]
        raise SelectionInvalid(f"Column {error.lex_position + 1}: {token!r} cannot stand here.") from error
    except RecursionError as error:
        raise SelectionInvalid("It is nested too deeply.") from error
    except (JMESPathError, ValueError) as error:
        if isinstance(error, SelectionInvalid):
            raise
        raise SelectionInvalid(f"This is no JMESPath: {_words(str(error))}") from error
    return tree


def _check_functions(tree: Any) -> None:
    """The library would say it only when the expression is evaluated: in a call."""
    parts, open_ = 0, [tree]
    while open_:
        node = open_.pop()
        parts += 1
        if parts > MAX_PARTS:
            raise SelectionInvalid(f"It has more than {MAX_PARTS} parts; make it simpler.")
        if node["type"] == "function_expression":
            _check_function(node["value"], len(node["children"]))
        elif node["type"] == "slice" and node["children"][2] == 0:
            raise SelectionInvalid("The step of a slice cannot be 0.")
        open_ += [child for child in node["children"] if isinstance(child, dict)]


def _check_function(name: str, given: int) -> None:
    known = Functions.FUNCTION_TABLE
    if name not in known:
        raise SelectionInvalid(f"There is no function {name[:40]}(); there are {', '.join(sorted(known))}.")
    wanted = known[name]["signature"]
    variadic = bool(wanted) and wanted[-1].get("variadic", False)
    if given < len(wanted) or (given > len(wanted) and not variadic):
        least = "at least " if variadic else ""
        raise SelectionInvalid(f"{name}() takes {least}{len(wanted)} values, not {given}.")


def _words(message: str) -> str:
    line = message.splitlines()[0].strip() if message.strip() else "this cannot be read"
    return (line[:1].upper() + line[1:])[:200].rstrip(".") + "."
