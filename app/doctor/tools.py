"""Where tools may go."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from app.doctor.check import Subject
from app.doctor.finding import Finding, fail, ok, warn
from app.tools.guard.entries import Entry
from app.tools.guard.rules import SETTING, AllowListInvalid, Policy

_HERE = ("localhost", "ip6-localhost")


async def check_tools(subject: Subject) -> Sequence[Finding]:
    """The allow-list: readable, and not wider than it seems."""
    try:
        policy = Policy.parse(subject.settings.tools_allowed_hosts)
    except AllowListInvalid as error:
        return [fail("Tool hosts", str(error), f"Correct {SETTING}; docs/guard.md shows every form of an entry.")]
    wide = [entry.text for entry in policy.entries if entry.port is None and _opens_this_machine(entry)]
    if wide:
        return [
            warn(
                "Tool hosts",
                f"{SETTING} opens all ports of this machine to tools ({', '.join(wide)}): Asterisk, Redis, databases",
                f"Name the port that a tool needs, such as 127.0.0.1:8080 in place of {wide[0]}.",
            )
        ]
    if not policy.entries:
        return [ok("Tool hosts", "tools may go to public addresses only")]
    allowed = ", ".join(entry.text for entry in policy.entries[:10])
    more = f" and {len(policy.entries) - 10} more" if len(policy.entries) > 10 else ""
    return [ok("Tool hosts", f"tools may go to public addresses, and to {allowed}{more}")]


def _opens_this_machine(entry: Entry) -> bool:
    if entry.network is not None:
        return any(entry.covers(ip_address(here), [ip_address(here)]) for here in ("127.0.0.1", "::1"))
    return entry.name in _HERE and not entry.below
