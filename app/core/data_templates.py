"""What the templates of operators have in common, those of prompts and those of results: values are data in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

# How an operator would name what the parser calls by its class.
WORDS: Final[Mapping[str, str]] = {
    "Assign": "{% set %}",
    "AssignBlock": "{% set %}",
    "Block": "{% block %}",
    "Call": "calling a function or a method",
    "CallBlock": "{% call %}",
    "Dict": "a dictionary",
    "Extends": "{% extends %}",
    "FilterBlock": "{% filter %}",
    "FromImport": "{% from %}",
    "Import": "{% import %}",
    "Include": "{% include %}",
    "Macro": "{% macro %}",
    "Mul": "*",
    "Pow": "**",
    "Mod": "%",
    "Div": "/",
    "FloorDiv": "//",
    "With": "{% with %}",
}


class DataEnvironment(ImmutableSandboxedEnvironment):
    """Values are data: their Python attributes (``name.upper``) do not exist for a template."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        if isinstance(obj, LoopContext):
            return super().getattr(obj, attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(argument, str):
            return self.getattr(obj, argument)
        return super().getitem(obj, argument)


def line_of(error: BaseException) -> int | None:
    """The template's line in a traceback: Jinja rewrites it to the template's own lines, in a file ``<template>``."""
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
