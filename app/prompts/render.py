"""A prompt's content and the call's variables in, the system prompt out. Pure, and bounded in time and memory.

The language is Jinja's, without the parts that compute: variables, ``if``, ``for`` (not nested), comparisons, joining
with ``~`` and the filters in :data:`FILTERS`. A sandbox alone would not do: ``{{ 'x'.ljust(10 ** 9) }}``, three nested
loops or thirty lines of ``{% set a = a ~ a %}`` pass Jinja's own and stop every call of the process. What is not in
the list is refused when the prompt is saved, with the line it stands in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import ChainableUndefined, Template, TemplateError, TemplateSyntaxError, filters, meta, nodes
from jinja2.runtime import Undefined

from app.core.data_templates import WORDS, DataEnvironment, line_of
from app.prompts.errors import PromptTemplateError

# Text without markup may be of any length that the database takes; these bound what is compiled and what comes out.
MAX_TEMPLATE_CHARS = 256_000
MAX_TEMPLATE_NODES = 4_000
MAX_OUTPUT_CHARS = 1_000_000

_CALL = "call"
_MARKUP = re.compile(r"\{[{%#]")

_ALLOWED: frozenset[type[nodes.Node]] = frozenset(
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
    }
)


def _replace(value: object, old: str, new: str) -> str:
    text = str(value)
    if len(text) + text.count(old) * len(new) > MAX_OUTPUT_CHARS:
        raise OverflowError("replace makes the prompt too long")
    return text.replace(old, new)


def _join(value: Iterable[Any], separator: str = "") -> str:
    parts = [str(part) for part in value]
    if sum(map(len, parts)) + len(parts) * len(str(separator)) > MAX_OUTPUT_CHARS:
        raise OverflowError("join makes the prompt too long")
    return str(separator).join(parts)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "capitalize": lambda value: str(value).capitalize(),
    "d": filters.do_default,
    "default": filters.do_default,
    "first": filters.do_first,
    "float": filters.do_float,
    "int": filters.do_int,
    "join": _join,
    "last": filters.do_last,
    "length": len,
    "lower": lambda value: str(value).lower(),
    "replace": _replace,
    "round": lambda value, precision=0: round(float(value), max(-20, min(20, precision))),
    "title": filters.do_title,
    "tojson": lambda value: json.dumps(value if not isinstance(value, Undefined) else None, ensure_ascii=False),
    "trim": filters.do_trim,
    "truncate": filters.do_truncate,
    "upper": lambda value: str(value).upper(),
}


def _environment() -> DataEnvironment:
    environment = DataEnvironment(
        undefined=ChainableUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=0,
    )
    environment.globals.clear()  # no range, no lipsum, no namespace
    environment.filters = dict(FILTERS)
    return environment


_ENVIRONMENT = _environment()


def render(content: str, variables: Mapping[str, str]) -> str:
    """The system prompt of one turn.

    ``{{ NAME }}`` and ``{{ call.NAME }}``, as tools write it, are the same. A variable that the call does not have is
    empty. Compiled templates are kept by their content, so a turn pays for
    the substitution only; content without markup comes back as it is.

    Raises:
        PromptTemplateError: the content is no template, asks for what is not allowed, or becomes too long.
    """
    if _MARKUP.search(content) is None:
        return content
    template = _compile(content)
    pieces: list[str] = []
    length = 0
    try:
        for piece in template.generate({_CALL: variables, **variables}):
            pieces.append(piece)
            length += len(piece)
            if length > MAX_OUTPUT_CHARS:
                break
    except (TemplateError, ArithmeticError, TypeError, ValueError, LookupError, AttributeError) as error:
        line = line_of(error)
        raise (_at(line, str(error)) if line else PromptTemplateError(str(error))) from error
    if length > MAX_OUTPUT_CHARS:
        raise PromptTemplateError(
            f"The prompt becomes longer than {MAX_OUTPUT_CHARS:,} characters with this call's variables."
        )
    return "".join(pieces)


def check(content: str) -> None:
    """Raise :class:`PromptTemplateError` where :func:`render` would refuse ``content``; for saving a prompt."""
    if _MARKUP.search(content) is not None:
        _compile(content)


def variables_of(content: str) -> tuple[str, ...]:
    """The names that the content takes from the call, sorted.

    Raises:
        PromptTemplateError: the content is no template.
    """
    return tuple(sorted(variable_lines(content)))


def variable_lines(content: str) -> Mapping[str, Sequence[int]]:
    """The names that the content takes from the call, each with the lines (from 1) where it does.

    Raises:
        PromptTemplateError: the content is no template.
    """
    if _MARKUP.search(content) is None:
        return {}
    tree = _parse(content)
    names = meta.find_undeclared_variables(tree)
    found: dict[str, set[int]] = {name: set() for name in names if name != _CALL}
    for node in tree.find_all((nodes.Name, nodes.Getattr, nodes.Getitem)):
        if isinstance(node, nodes.Name):
            name = node.name if node.name in found else None
        else:
            name = _of_call(node) if _CALL in names else None
        if name is not None:
            found.setdefault(name, set()).add(node.lineno)
    return {name: sorted(lines) for name, lines in found.items()}


def _of_call(node: nodes.Node) -> str | None:
    """``x`` of ``call.x`` and ``call['x']``."""
    if not isinstance(node, nodes.Getattr | nodes.Getitem) or getattr(node.node, "name", None) != _CALL:
        return None
    name = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
    return name if isinstance(name, str) else None


@lru_cache(maxsize=256)
def _compile(content: str) -> Template:
    tree = _parse(content)
    try:
        return _ENVIRONMENT.from_string(tree)
    except (TemplateSyntaxError, RecursionError, SyntaxError, MemoryError) as error:
        raise _malformed(error) from error


def _parse(content: str) -> nodes.Template:
    if len(content) > MAX_TEMPLATE_CHARS:
        raise PromptTemplateError(
            f"A prompt with {{{{ }}}} or {{% %}} may have {MAX_TEMPLATE_CHARS:,} characters; this one has "
            f"{len(content):,}. Shorten it, or take the markup out."
        )
    try:
        tree = _ENVIRONMENT.parse(content)
        _refuse_what_computes(tree)
    except (TemplateSyntaxError, RecursionError) as error:
        raise _malformed(error) from error
    return tree


def _malformed(error: BaseException) -> PromptTemplateError:
    if isinstance(error, TemplateSyntaxError):
        return _at(error.lineno, error.message or "this is no template")
    return _at(1, "the expressions are nested too deeply")


def _at(line: int, what: str) -> PromptTemplateError:
    return PromptTemplateError(f"Line {line}: {what}", line=line)


def _refuse_what_computes(tree: nodes.Template) -> None:
    for count, (node, inside_loop) in enumerate(_walk(tree, inside_loop=False), start=1):
        if count > MAX_TEMPLATE_NODES:
            raise _at(node.lineno, f"the template has more than {MAX_TEMPLATE_NODES:,} parts; make it simpler.")
        if type(node) not in _ALLOWED:
            word = WORDS.get(type(node).__name__, type(node).__name__)
            raise _at(node.lineno, f"{word} cannot be used in a prompt")
        if isinstance(node, nodes.For) and (inside_loop or node.recursive):
            raise _at(node.lineno, "a loop inside a loop cannot be used in a prompt")
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            raise _at(node.lineno, f"there is no filter {node.name!r}; there are {', '.join(sorted(FILTERS))}")


def _walk(node: nodes.Node, *, inside_loop: bool) -> Iterator[tuple[nodes.Node, bool]]:
    yield node, inside_loop
    within = inside_loop or isinstance(node, nodes.For)
    children: Sequence[nodes.Node] = list(node.iter_child_nodes())
    for child in children:
        yield from _walk(child, inside_loop=within)
