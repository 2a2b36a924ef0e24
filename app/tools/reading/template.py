"""The operator's template for what the model sees of a result: Jinja, without the parts that compute.

``result`` is what came or was selected, ``status`` the HTTP status. There are variables, ``if``, ``for`` (three deep at
most), comparisons, ``~`` and the filters in :data:`FILTERS`; what is not there is refused when the tool is saved, with
its line. While it runs it is bounded in time and in what comes out: a sandbox alone would let ``{{ 'x' * 10 ** 9 }}``,
or loops in loops over a long result, stop every call of the process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from jinja2 import ChainableUndefined, Template, TemplateError, TemplateSyntaxError, filters, nodes, pass_context
from jinja2.runtime import Context, Undefined

from app.core.data_templates import WORDS, DataEnvironment, line_of
from app.tools.reading.cutting import compact

MAX_NODES: Final = 1_000
MAX_LOOPS: Final = 3
MAX_OUTPUT_CHARS: Final = 500_000
MAX_SECONDS: Final = 0.5
MAX_TURNS: Final = 100_000

_VARIABLES: Final = frozenset({"result", "status"})
_BUDGET: Final = "budget of this rendering"  # with spaces: no template can name it
_EACH: Final = "each turn of a loop"

_ALLOWED: Final[frozenset[type[nodes.Node]]] = frozenset(
    {
        nodes.Template,
        nodes.Output,
        nodes.TemplateData,
        nodes.Name,
        nodes.Const,
        nodes.Getattr,
        nodes.Getitem,
        nodes.If,
        nodes.For,
        nodes.CondExpr,
        nodes.Compare,
        nodes.Operand,
        nodes.And,
        nodes.Or,
        nodes.Not,
        nodes.Concat,
        nodes.Add,
        nodes.Sub,
        nodes.Neg,
        nodes.Filter,
        nodes.Test,
        nodes.Keyword,
        nodes.List,
        nodes.Tuple,
        nodes.Slice,
    }
)
_TESTS: Final = ("defined", "undefined", "none", "number", "string", "mapping", "sequence", "iterable", "true", "false")


class TemplateInvalid(ValueError):
    """It is no template, or asks for what is not allowed. Says in which line."""


class TemplateFailed(ValueError):
    """It does not fit what came, or takes too long over it. Holds nothing of what came."""


def check_template(text: str) -> None:
    """Raise TemplateInvalid where :func:`render_result` would refuse it."""
    _compiled(text)


def render_result(text: str, result: Any, status: int) -> str:
    """The text for the model.

    Raises:
        TemplateInvalid: see there.
        TemplateFailed: see there.
    """
    template = _compiled(text)
    pieces: list[str] = []
    length = 0
    try:
        for piece in template.generate({"result": result, "status": status, _BUDGET: _Budget()}):
            pieces.append(piece)
            length += len(piece)
            if length > MAX_OUTPUT_CHARS:
                raise TemplateFailed(f"the text becomes longer than {MAX_OUTPUT_CHARS:,} characters")  # noqa: TRY301
    except TemplateFailed:
        raise
    except (TemplateError, ArithmeticError, TypeError, ValueError, LookupError, AttributeError) as error:
        line = line_of(error)
        place = f"line {line} " if line else ""
        raise TemplateFailed(f"{place}fails over this response ({type(error).__name__})") from error
    except RecursionError as error:
        raise TemplateFailed("the response is nested too deeply") from error
    return "".join(pieces).strip()


class _Budget:
    """What one rendering may take."""

    def __init__(self) -> None:
        self._ends = time.perf_counter() + MAX_SECONDS
        self._turns = MAX_TURNS

    def take(self) -> None:
        self._turns -= 1
        if self._turns < 0 or time.perf_counter() > self._ends:
            raise TemplateFailed("its loops take too long over this response; select less")


@pass_context
def _each(context: Context, values: Iterable[Any]) -> Iterator[Any]:
    """What every loop goes through, so that its turns are counted."""
    budget = context[_BUDGET]
    for value in values if not isinstance(values, Undefined) else ():
        budget.take()
        yield value


def _text(value: Any) -> str:
    """A value as it stands in the text: objects and lists as JSON, nothing for null."""
    if value is None or isinstance(value, Undefined):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return compact(value) if isinstance(value, dict | list | tuple) else str(value)


def _bounded(text: str) -> str:
    if len(text) > MAX_OUTPUT_CHARS:
        raise TemplateFailed(f"the text becomes longer than {MAX_OUTPUT_CHARS:,} characters")
    return text


def _replace(value: object, old: str, new: str) -> str:
    text = _text(value)
    if len(text) + text.count(str(old)) * len(str(new)) > MAX_OUTPUT_CHARS:
        raise TemplateFailed("replace makes the text too long")
    return text.replace(str(old), str(new))


def _join(value: Iterable[Any], separator: str = "") -> str:
    parts = [_text(part) for part in (() if isinstance(value, Undefined) else value)]
    if sum(map(len, parts)) + len(parts) * len(str(separator)) > MAX_OUTPUT_CHARS:
        raise TemplateFailed("join makes the text too long")
    return str(separator).join(parts)


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "capitalize": lambda value: _text(value).capitalize(),
    "d": filters.do_default,
    "default": filters.do_default,
    "first": filters.do_first,
    "float": filters.do_float,
    "int": filters.do_int,
    "items": lambda value: list(value.items()) if isinstance(value, Mapping) else [],
    "join": _join,
    "last": filters.do_last,
    "length": lambda value: 0 if value is None else len(value),
    "lower": lambda value: _text(value).lower(),
    "replace": _replace,
    "round": lambda value, precision=0: round(float(value), max(-20, min(20, precision))),
    "title": lambda value: filters.do_title(_text(value)),
    "tojson": lambda value: _bounded("null" if isinstance(value, Undefined) else compact(value)),
    "trim": lambda value: _text(value).strip(),
    "truncate": filters.do_truncate,
    "upper": lambda value: _text(value).upper(),
}


def _environment() -> DataEnvironment:
    environment = DataEnvironment(
        undefined=ChainableUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_text,
        cache_size=0,
    )
    environment.globals.clear()
    environment.filters = {**FILTERS, _EACH: _each}
    environment.tests = {name: test for name, test in environment.tests.items() if name in _TESTS}
    return environment


_ENVIRONMENT: Final = _environment()


@lru_cache(maxsize=512)
def _compiled(text: str) -> Template:
    try:
        tree = _ENVIRONMENT.parse(text)
        _check(tree)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, _EACH, [], [], None, None, lineno=loop.lineno)
        return _ENVIRONMENT.from_string(tree)
    except TemplateSyntaxError as error:
        raise _at(error.lineno, error.message or "this is no template") from error
    except (RecursionError, SyntaxError, MemoryError) as error:
        raise _at(1, "the expressions are nested too deeply") from error


def _check(tree: nodes.Template) -> None:
    loop_names = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"} | {"loop"}
    for count, (node, loops) in enumerate(_walk(tree, 0), start=1):
        if count > MAX_NODES:
            raise _at(node.lineno, f"the template has more than {MAX_NODES:,} parts; make it simpler")
        if type(node) not in _ALLOWED:
            word = WORDS.get(type(node).__name__, type(node).__name__)
            raise _at(node.lineno, f"{word} cannot be used here")
        if isinstance(node, nodes.For) and (loops >= MAX_LOOPS or node.recursive):
            raise _at(node.lineno, f"loops may stand in each other {MAX_LOOPS} deep")
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            raise _at(node.lineno, f"there is no filter {node.name!r}; there are {', '.join(sorted(FILTERS))}")
        if isinstance(node, nodes.Test) and node.name not in _TESTS:
            raise _at(node.lineno, f"there is no test {node.name!r}; there are {', '.join(_TESTS)}")
        if isinstance(node, nodes.Name) and node.name not in _VARIABLES | loop_names:
            raise _at(node.lineno, f"{node.name} is not known here; there are result and status")


def _walk(node: nodes.Node, loops: int) -> Iterator[tuple[nodes.Node, int]]:
    yield node, loops
    within = loops + isinstance(node, nodes.For)
    for child in node.iter_child_nodes():
        yield from _walk(child, within)


def _at(line: int, what: str) -> TemplateInvalid:
    return TemplateInvalid(f"Line {line}: {what.rstrip('.')}.")
