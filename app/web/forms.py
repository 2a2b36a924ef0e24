"""Forms of the pages: what was typed stays typed, and what is wrong stands beside its field."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile

from app.api.problems import ProblemError, status_for
from app.core.errors import GatewayError
from app.schemas.wording import sentence

Body = TypeVar("Body", bound=BaseModel)

_MAX_FIELDS: Final = 5_000
_MAX_PART_BYTES: Final = 8_000_000  # the whole body is bounded too, before


class Form:
    """One form, from what the browser sent to what the page shows again.

    A page reads its fields with the methods below; each notes what is wrong in ``errors`` and answers with something
    harmless, so that all fields are looked at before the page shows them all.

    Attributes:
        values: Field to what was typed, with line ends as ``\\n``; of several of one name the last.
        lists: Field to all its values, for check boxes and rows.
        files: Field to what was chosen, decoded as UTF-8; empty where nothing was.
        errors: Field to a sentence. "" stands for the form as a whole.
        status: Of the answer that shows the form again.
        refused: The error that the last :meth:`noting` took; None: none.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]] = (), files: Mapping[str, str] | None = None) -> None:
        self.values: dict[str, str] = {}
        self.lists: dict[str, list[str]] = {}
        self.files = dict(files or {})
        self.errors: dict[str, str] = {}
        self.status = 422
        self.refused: GatewayError | ProblemError | None = None
        for name, value in pairs:
            text = value.replace("\r\n", "\n")
            self.values[name] = text
            self.lists.setdefault(name, []).append(text)

    @classmethod
    async def read(cls, request: Request) -> Form:
        """What the browser sent, url-encoded or multipart.

        Raises:
            ProblemError: 400, it cannot be read; 413, it is larger than the service takes.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            return await cls._read_multipart(request)
        body = await request.body()
        try:
            # Megabytes take some hundredths of a second, in which no call would be served.
            pairs = await asyncio.to_thread(
                parse_qsl, body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS
            )
        except ValueError as error:
            raise ProblemError(400, "form_unreadable", f"The form cannot be read: {error}.") from error
        return cls(pairs)

    @classmethod
    async def _read_multipart(cls, request: Request) -> Form:
        pairs: list[tuple[str, str]] = []
        files: dict[str, str] = {}
        async with request.form(max_files=5, max_fields=_MAX_FIELDS, max_part_size=_MAX_PART_BYTES) as data:
            for name, value in data.multi_items():
                if not isinstance(value, UploadFile):
                    pairs.append((name, value))
                    continue
                try:
                    files[name] = (await value.read()).decode("utf-8-sig")
                except UnicodeDecodeError as error:
                    raise ProblemError(
                        400, "file_unreadable", f"{value.filename or 'The file'} is not UTF-8 text."
                    ) from error
        return cls(pairs, files)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Form:
        """A form that shows ``values``: texts, numbers, None (empty), True (ticked) or lists of texts."""
        form = cls()
        for name, value in values.items():
            if isinstance(value, list | tuple):
                form.lists[name] = [str(each) for each in value]
            elif value is not None and value is not False:
                form.values[name] = "on" if value is True else str(value)
                form.lists[name] = [form.values[name]]
        return form

    @property
    def ok(self) -> bool:
        """Nothing is wrong so far."""
        return not self.errors

    def note(self, field: str, message: str) -> None:
        """Say what is wrong with ``field``. The first word on a field stands."""
        self.errors.setdefault(field, message)

    def text(self, name: str) -> str:
        """As typed."""
        return self.values.get(name, "")

    def optional(self, name: str) -> str | None:
        """Without blanks at both ends; None when nothing is left."""
        return self.text(name).strip() or None

    def flag(self, name: str) -> bool:
        """Whether the box is ticked."""
        return name in self.values

    def many(self, name: str) -> list[str]:
        """All values of that name, in order."""
        return self.lists.get(name, [])

    def number(self, name: str) -> float | None:
        """A number, with a point or a comma; None when empty."""
        typed = self.optional(name)
        if typed is None:
            return None
        try:
            value = float(typed.replace(",", "."))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self.note(name, "Write a number, such as 8 or 0.5.")
            return None
        return value

    def whole(self, name: str) -> int | None:
        """A whole number; None when empty."""
        typed = self.optional(name)
        if typed is None:
            return None
        if len(typed) > 18 or not typed.removeprefix("-").isdecimal():
            self.note(name, "Write a whole number.")
            return None
        return int(typed)

    def json(self, name: str, default: Any = None) -> Any:
        """A JSON value; ``default`` when empty."""
        typed = self.text(name)
        if not typed.strip():
            return default
        try:
            return json.loads(typed, parse_constant=_no_constant)
        except json.JSONDecodeError as error:
            self.note(name, f"This is not JSON: line {error.lineno}, column {error.colno}: {error.msg}.")
        except RecursionError:
            self.note(name, "This JSON is nested too deeply.")
        except ValueError as error:
            self.note(name, f"This is not JSON: {error}.")
        return default

    def build(self, model: type[Body], data: Mapping[str, Any]) -> Body | None:
        """``data`` as the body that the API would take; None, with what is wrong noted, when it would not."""
        try:
            body = model.model_validate(data)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_input=False):
                self.note(".".join(str(part) for part in detail["loc"]), sentence(detail))
            return None
        return body if self.ok else None

    @asynccontextmanager
    async def noting(self) -> AsyncIterator[None]:
        """Carry out what the form asks for: a refusal is noted beside its field instead of becoming an error page."""
        try:
            yield
        except GatewayError as error:
            field = getattr(error, "field", None)
            self.note(field if isinstance(field, str) else "", str(error))
            self.status, self.refused = status_for(error), error
        except ProblemError as error:
            for each in error.problem.errors:
                self.note(each.field, each.message)
            if not error.problem.errors:
                self.note("", error.problem.detail)
            self.status, self.refused = error.problem.status, error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
