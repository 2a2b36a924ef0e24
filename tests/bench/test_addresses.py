"""The benchmark of pages asks for every page and every list: a new route without an address fails."""

from __future__ import annotations

from datetime import UTC, datetime

from bench.addresses import FLOOR, NOT_ASKED, addresses, asked_routes
from bench.volume import Volume
from tests.api.conftest import make_app
from tests.api.test_permissions import routes_of


def test_every_route_that_reads_is_asked_or_has_a_reason() -> None:
    reads = {line.removeprefix("GET ") for line in routes_of(make_app().routes) if line.startswith("GET ")}
    assert asked_routes() | set(NOT_ASKED) == reads
    assert not asked_routes() & set(NOT_ASKED)


def test_addresses_are_whole_and_each_is_asked_once() -> None:
    asked = addresses(datetime.now(UTC), Volume(300, 60, 10), {"user_id": 1, "token_id": 1})
    assert asked[0] == FLOOR
    assert len(set(asked)) == len(asked)
    assert not [each for each in asked if "{" in each]
