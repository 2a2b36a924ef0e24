"""``$ref`` within an OpenAPI document. One that leads anywhere else is never followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from referencing import Registry, Resource
from referencing.exceptions import Unresolvable

# References that lead to references.
_MAX_HOPS: Final = 20


class ReferenceLost(Exception):
    """A reference cannot be followed; the message is for operators."""


class References:
    """The references of one document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = _resolver(document)

    def lookup(self, reference: Any, within: Mapping[str, Any] | None = None) -> Any:
        """What a reference leads to.

        Args:
            within: The schema that it stands in. Some generators write ``#/$defs/X`` and mean that schema's, where by
                the letter it is the document's.

        Raises:
            ReferenceLost
        """
        if not isinstance(reference, str):
            raise ReferenceLost("a $ref is no text")
        if not reference.startswith("#"):
            raise ReferenceLost(
                f"{reference[:100]} lies in another document, which is not fetched; put it into this one"
            )
        for resolver in (self._document, None if within is None else _resolver(within)):
            try:
                if resolver is not None:
                    return resolver.lookup(reference).contents
            except (Unresolvable, TypeError, ValueError):
                # The last two come of a pointer that goes on below a text, or names no place of a list.
                continue
        raise ReferenceLost(f"{reference[:100]} leads to nothing in the document")

    def resolved(self, value: Any) -> Mapping[str, Any]:
        """A part of the document (a parameter, a body, a path), behind its references. Raises ReferenceLost."""
        for _ in range(_MAX_HOPS):
            if not isinstance(value, Mapping):
                raise ReferenceLost("something is not the object that it should be")
            if "$ref" not in value:
                return value
            value = self.lookup(value["$ref"])
        raise ReferenceLost("references lead in a circle")


def _resolver(contents: Mapping[str, Any]) -> Any:
    # Opaque: no $id in it makes another address of a part, and nothing is retrieved.
    return Registry().with_resource("", Resource.opaque(contents)).resolver()
