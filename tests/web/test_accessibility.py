"""Every page, with something on it: nobody is kept out, in light or in dark, and it fits a phone.

The pages come from the application's routes, so a new one is among them; see :mod:`lab.tour` for what it needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from lab.seed import SETTINGS, Seeded
from lab.service import Service
from lab.tour import NO_PAGES, address, pages
from tests.api.conftest import make_app
from tests.api.test_permissions import routes_of
from tests.fixtures.leaks import keep
from tests.web.browser import LOGIN, PHONE, assert_accessible, assert_fits

PAGES = pages(make_app().routes)


@pytest.fixture(scope="module")
def service(folder: Path, seeded: Seeded) -> Iterator[Service]:
    settings = {"WEB_UI_PASSWORD": LOGIN[1], "DATABASE_URL": f"sqlite:///{folder}/seeded.db", **SETTINGS}
    with Service(folder, settings) as service:
        keep(service)
        yield service


def test_what_is_called_no_page_is_still_there() -> None:
    lines = routes_of(make_app().routes)
    assert PAGES
    assert not [path for path in NO_PAGES if f"GET {path}" not in lines]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_keeps_nobody_out_and_fits_a_phone(page: Page, seeded: Seeded, path: str) -> None:
    response = page.goto(address(path, seeded))
    assert response is not None
    assert response.status == 200
    assert response.headers["content-type"].startswith("text/html")
    page.wait_for_timeout(300)  # scripts build editors and charts
    assert page.locator("h1").count() == 1
    assert page.title()
    assert_accessible(page)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    page.wait_for_timeout(100)
    assert_accessible(page)
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert_fits(page)
