"""A JSON Schema without some of its properties, and without what speaks of them: for the model, which is not to see
bound parameters. It allows at least what the whole schema allows with these filled in; the arguments are checked
against the whole one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

_MAX_DEPTH: Final = 30
_TOGETHER: Final = ("allOf", "anyOf", "oneOf")


def resolved(schema: Any, root: Mapping[str, Any]) -> Any:
    """The schema that a chain of local ``$ref`` leads to; itself, where there is none or it leads nowhere."""
    for _ in range(_MAX_DEPTH):
        if not isinstance(schema, Mapping) or not isinstance(schema.get("$ref"), str):
            return schema
        found = _at(schema["$ref"], root)
        if not isinstance(found, Mapping):
            return schema
        schema = {**found, **{name: each for name, each in schema.items() if name != "$ref"}}
    return {}


def without(schema: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """A copy of ``schema``, an object's, without the properties ``names``."""
    if not names:
        return dict(schema)
    stripped = _stripped(schema, names, schema, 0)
    made = _inlined(stripped, tuple(f"#/properties/{_pointer(name)}" for name in names), schema, 0)
    assert isinstance(made, dict)
    return _without_leftovers(made)


def _stripped(schema: Any, names: frozenset[str], root: Mapping[str, Any], depth: int) -> Any:
    """What holds for the object itself, and not for what is within it, without ``names``."""
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return schema
    if "$ref" in schema and _speaks_of(resolved(schema, root), names, root, 0):
        schema = resolved(schema, root)
    made = dict(schema)
    if isinstance(made.get("properties"), Mapping):
        made["properties"] = {name: part for name, part in made["properties"].items() if name not in names}
    if isinstance(made.get("required"), list):
        made["required"] = [name for name in made["required"] if name not in names]
        if not made["required"] and depth:
            del made["required"]
    _strip_dependencies(made, names, root, depth)
    for word in _TOGETHER:
        if isinstance(made.get(word), list):
            made[word] = [_stripped(part, names, root, depth + 1) for part in made[word]]
    if "not" in made and _speaks_of(made["not"], names, root, 0):
        del made["not"]
    if any(_speaks_of(made.get(word), names, root, 0) for word in ("if", "then", "else")):
        for word in ("if", "then", "else"):
            made.pop(word, None)
    for word in ("minProperties", "maxProperties"):
        if isinstance(made.get(word), int):
            made[word] = max(0, made[word] - (len(names) if word == "minProperties" else 0))
    return made


def _strip_dependencies(made: dict[str, Any], names: frozenset[str], root: Mapping[str, Any], depth: int) -> None:
    needed = made.get("dependentRequired")
    if isinstance(needed, Mapping):
        made["dependentRequired"] = {
            name: [each for each in others if each not in names] if isinstance(others, list) else others
            for name, others in needed.items()
            if name not in names
        }
    parts = made.get("dependentSchemas")
    if isinstance(parts, Mapping):
        made["dependentSchemas"] = {
            name: _stripped(part, names, root, depth + 1) for name, part in parts.items() if name not in names
        }


def _speaks_of(schema: Any, names: frozenset[str], root: Mapping[str, Any], depth: int) -> bool:
    """Whether it says anything of one of ``names``, as properties of the object itself."""
    schema = resolved(schema, root)
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return False
    for word in ("properties", "dependentRequired", "dependentSchemas"):
        if isinstance(schema.get(word), Mapping) and names & set(schema[word]):
            return True
    if isinstance(schema.get("required"), list) and names & {each for each in schema["required"] if _is_text(each)}:
        return True
    dependent = schema.get("dependentRequired")
    if isinstance(dependent, Mapping) and any(
        names & {each for each in others if _is_text(each)} for others in dependent.values() if isinstance(others, list)
    ):
        return True
    within = [part for word in _TOGETHER if isinstance(schema.get(word), list) for part in schema[word]]
    within += [schema.get(word) for word in ("not", "if", "then", "else")]
    if isinstance(schema.get("dependentSchemas"), Mapping):
        within += schema["dependentSchemas"].values()
    return any(_speaks_of(part, names, root, depth + 1) for part in within)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _inlined(schema: Any, gone: tuple[str, ...], root: Mapping[str, Any], depth: int) -> Any:
    """References to what is not there any more, replaced by what was there; without an end, by anything."""
    if isinstance(schema, list):
        return [_inlined(part, gone, root, depth) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and any(reference == each or reference.startswith(f"{each}/") for each in gone):
        rest = {name: part for name, part in schema.items() if name != "$ref"}
        found = _at(reference, root) if depth < _MAX_DEPTH else {}
        schema = {**found, **rest} if isinstance(found, Mapping) else rest
        return _inlined(schema, gone, root, depth + 1)
    return {name: _inlined(part, gone, root, depth) for name, part in schema.items()}


def _without_leftovers(schema: dict[str, Any]) -> dict[str, Any]:
    """Without the definitions that nothing refers to now."""
    definitions = schema.get("$defs")
    if not isinstance(definitions, Mapping):
        return schema
    rest = {name: part for name, part in schema.items() if name != "$defs"}
    needed: set[str] = set()
    waiting = list(_references(rest))
    while waiting:
        reference = waiting.pop()
        if reference == "#" or not reference.startswith("#/"):
            return schema  # to all of it, or by a name that is not looked up here
        name = _unescaped(reference[2:].split("/")[1]) if reference.startswith("#/$defs/") else ""
        if name in definitions and name not in needed:
            needed.add(name)
            waiting += _references(definitions[name])
    kept = {name: part for name, part in definitions.items() if name in needed}
    return {**rest, "$defs": kept} if kept else rest


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for word in ("$ref", "$dynamicRef"):
            if isinstance(value.get(word), str):
                yield value[word]
        for part in value.values():
            yield from _references(part)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part)


def _at(reference: str, root: Mapping[str, Any]) -> Any:
    """What a local JSON pointer leads to; None where it leads nowhere."""
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        return None
    found: Any = root
    for step in reference[2:].split("/"):
        name = _unescaped(step)
        if isinstance(found, Mapping):
            found = found.get(name)
        elif isinstance(found, list) and name.isascii() and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found


def _pointer(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _unescaped(step: str) -> str:
    return unquote(step).replace("~1", "/").replace("~0", "~")
