"""The same application as the API's tests; and, for tests in a real browser, a service as a process and pages of it.

A test module that needs another service defines a ``service`` fixture of its own, of module scope.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from lab.seed import Seeded, seed
from lab.service import Service
from tests.api.conftest import app, client, parts, stranger
from tests.fixtures.leaks import keep
from tests.web.browser import LOGIN, PHONE, Complaints, fail_for, in_a_thread, open_browser, require_browser, visiting

__all__ = ["app", "client", "parts", "stranger"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests of a module."""
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A new installation, with the login of :data:`tests.web.browser.LOGIN`."""
    require_browser()
    with Service(tmp_path_factory.mktemp("service"), {"WEB_UI_PASSWORD": LOGIN[1]}) as service:
        keep(service)
        yield service


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a seeded service runs."""
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def seeded(folder: Path) -> Seeded:
    """A database with the life of a telephone company, ``seeded.db`` in ``folder``, for a ``service`` of one's own."""
    require_browser()
    result = in_a_thread(seed(f"sqlite:///{folder}/seeded.db"))
    assert isinstance(result, Seeded)
    return result


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """What the pages of this test complain of; ``allow`` what the test provokes, the rest fails it."""
    complaints = Complaints()
    yield complaints
    fail_for(complaints)


@pytest.fixture
def page(browser: Browser, service: Service, complaints: Complaints) -> Iterator[Page]:
    """An empty page at a desk, signed in: ``page.goto("/ui")``. Whatever it complains of fails the test."""
    with visiting(browser, service.url, complaints=complaints) as visitor:
        yield visitor.page()


@pytest.fixture
def phone(browser: Browser, service: Service, complaints: Complaints) -> Iterator[Page]:
    """The same on a phone."""
    with visiting(browser, service.url, size=PHONE, complaints=complaints) as visitor:
        yield visitor.page()
