"""Where tools may connect to: operators' words in, decisions out. Nothing here touches the network.

Public addresses are open. Loopback, private networks and the like are open where the allow-list says so. Link-local
addresses, metadata services of clouds, multicast, and the service's own ports are never open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from app.tools.errors import ToolError, ToolFailure
from app.tools.guard.addresses import Address, carried, kind_of
from app.tools.guard.entries import Entry, read_entry
from app.tools.guard.hosts import PORTS, canonical_host, with_port

SETTING: Final = "TOOLS_ALLOWED_HOSTS"
FOR_MODEL: Final = (
    "The gateway does not let this tool go where it leads, and nothing that you say can change that. "
    "Go on without it, and tell the caller so."
)


class ToolRefused(ToolFailure):
    """The guard does not let the request go where it leads. Nothing was connected to."""

    code = "tool_refused"


class AllowListInvalid(ToolError):
    """Entries of the allow-list are malformed; the message names each.

    Attributes:
        entries: As they were typed.
    """

    code = "tool_allow_list_invalid"

    def __init__(self, message: str, *, entries: tuple[str, ...]) -> None:
        super().__init__(message)
        self.entries = entries


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request may not go out.

    Attributes:
        reason: For the operator: where it leads, and what to change.
        for_model: Harmless: no addresses, no names.
    """

    reason: str
    for_model: str = FOR_MODEL

    def error(self) -> ToolRefused:
        """The failure of the tool's call."""
        return ToolRefused(self.reason, for_model=self.for_model)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a URL leads, in one form for each place.

    Attributes:
        host: A name in lower case without a dot at its end, or an address.
    """

    scheme: str
    host: str | Address
    port: int

    def __str__(self) -> str:
        """Such as ``http://crm.lan:8080``."""
        return f"{self.scheme}://{with_port(self.host, self.port)}"


@dataclass(frozen=True, slots=True)
class Policy:
    """What operators allow. Without entries: public addresses."""

    entries: tuple[Entry, ...] = ()

    @classmethod
    def parse(cls, words: str | Iterable[str], *, setting: str = SETTING) -> Policy:
        """Read an allow-list: entries with commas or spaces between them, or one by one.

        An entry is a host name, ``*.example.com`` (the names below it), an address, or a network such as
        ``10.1.0.0/16``; each with ``:port``, where only that port is meant. IPv6 with a port stands in brackets.

        Raises:
            AllowListInvalid: names every entry that is malformed, or could never have an effect.
        """
        texts = re.split(r"[,\s]+", words) if isinstance(words, str) else [each.strip() for each in words]
        entries, wrong, messages = [], [], []
        for text in filter(None, texts):
            try:
                entries.append(read_entry(text))
            except ValueError as error:
                wrong.append(text)
                messages.append(f"{text[:100]!r} {error}")
        if wrong:
            raise AllowListInvalid(f"{setting}: {'; '.join(messages)}", entries=tuple(wrong))
        return cls(tuple(entries))

    def refusal(
        self, destination: Destination, address: Address, *, own: bool = False, permitted: bool = False
    ) -> Refusal | None:
        """Why a connection to ``address``, which is where ``destination`` was found to be, is refused; None: it is not.

        Args:
            own: The service itself listens there, and this request may not go to it.
            permitted: No entry of the allow-list is needed.
        """
        kinds = [kind for kind in map(kind_of, carried(address)) if kind is not None]
        never = next((kind for kind in kinds if kind.never), None)
        if never is not None:
            asking = f", or ask who runs the name {destination.host}" if isinstance(destination.host, str) else ""
            return Refusal(
                f"{_leads(destination, address)}, which is {never.words}. Tools can never go there, "
                f"whatever {SETTING} says: change the tool's URL{asking}"
            )
        if own:
            return Refusal(
                f"{_leads(destination, address)}, port {destination.port}, where this service itself listens. "
                f"Tools can never go there, whatever {SETTING} says: change the tool's URL"
            )
        if not kinds or permitted or self._allows(destination, address):
            return None
        return Refusal(
            f"{_leads(destination, address)}, which is {kinds[0].words}, and tools go there by permission only. "
            f"If this one should, {self._advice(destination, address)}"
        )

    def _allows(self, destination: Destination, address: Address) -> bool:
        parts = carried(address)
        # The form that carries one address may be allowed in its place. An address that leads to two places at once
        # needs the permission for both.
        whole = () if address in parts else (address,)
        return all(
            kind_of(part) is None
            or any(e.opens(destination.port) and e.covers(destination.host, (part, *whole)) for e in self.entries)
            for part in parts
        )

    def _advice(self, destination: Destination, address: Address) -> str:
        parts = carried(address)
        advice = f"add {with_port(parts[0], destination.port)} to {SETTING} in .env"
        if isinstance(destination.host, str):
            advice += f" (or {with_port(destination.host, destination.port)}, wherever that name leads)"
        near = [e.text for e in self.entries if not e.opens(destination.port) and e.covers(destination.host, parts)]
        entries = "the entry {} is" if len(near) == 1 else "the entries {} are"
        advice += ", then restart the service"
        return advice + (f"; {entries.format(' and '.join(near))} for another port" if near else "")


def destination_of(scheme: str, host: str | None, port: int | None) -> Destination | Refusal:
    """Where a URL leads, or why that cannot be said for certain.

    Args:
        host: As it is in the URL, without brackets. It is refused in every form that one program reads as one place
            and another as another: numbers other than a.b.c.d, percent encodings, zones, letters outside ASCII.
    """
    if scheme.lower() not in ("http", "https"):
        return Refusal(f"the URL begins with {scheme[:20]!r}; tools speak http:// and https:// only")
    if port is None or port not in PORTS:
        return Refusal(f"the URL's port is {port}; ports go from 1 to 65535")
    try:
        return Destination(scheme.lower(), canonical_host(host or ""), port)
    except ValueError as error:
        return Refusal(f"the URL's host {(host or '')[:100]!r} {error}")


def _leads(destination: Destination, address: Address) -> str:
    within = [str(each) for each in carried(address) if each != address]
    return f"{destination} leads to {address}" + (f" (that is {', '.join(within)})" if within else "")
