"""A real browser that watches what people would not see: errors on the console, refused resources, failed requests.

The fixtures are in ``conftest.py``. Playwright's synchronous API is used, so tests with a page are plain functions;
while a browser is open, this thread cannot run a loop of its own, and :func:`in_a_thread` runs what needs one.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, sync_playwright

from lab.requirements import must_not_be_missing

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or ""
LOGIN: Final = ("admin", "only-for-tests")
DESKTOP: Final = (1280, 900)
PHONE: Final = (390, 844)
# Milliseconds: pages answer in a few, but a busy machine shares them.
PATIENCE: Final = 15_000

Scheme = Literal["light", "dark"]
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")

_AXE: Final = Path(__file__).parent / "vendor/axe-core/axe.min.js"
_RUN_AXE: Final = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.map(({ id, impact, help, nodes }) => ({
    id, impact, help, where: nodes.map((node) => `${node.target.join(" ")}: ${node.failureSummary}`),
  }));
}"""


def require_browser() -> None:
    """In CI a test that needs a browser fails without it; it never passes by being skipped."""
    if not CHROMIUM:
        say = pytest.fail if must_not_be_missing() else pytest.skip
        say("needs a browser: apt-get install chromium")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window. Skips, or fails, where there is none."""
    require_browser()
    with sync_playwright() as playwright:
        browser = launch(playwright)
        try:
            yield browser
        finally:
            browser.close()


def launch(playwright: Playwright) -> Browser:
    """Start it. Its sandbox needs more than containers give."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


class Complaints:
    """What went wrong on a page behind its reader's back.

    Attributes:
        found: A line for each, in their order.
    """

    def __init__(self) -> None:
        self.found: list[str] = []
        # Browsers ask for it by themselves where an answer is no page of ours, such as JSON.
        self._allowed: list[re.Pattern[str]] = [re.compile(r"/favicon\.ico\b")]

    def allow(self, pattern: str) -> None:
        """What a test provokes, as a regular expression: a form that comes back with 422, a connection that is cut."""
        self._allowed.append(re.compile(pattern))

    def add(self, text: str) -> None:
        """Note it."""
        self.found.append(text)

    def left(self) -> list[str]:
        """Those that no test allowed."""
        return [text for text in self.found if not any(pattern.search(text) for pattern in self._allowed)]

    def watch(self, page: Page) -> None:
        """Note what happens on ``page`` from now on. What its policy refuses is an error on its console."""
        page.on(
            "console",
            lambda said: self.add(f"console: {said.text} at {place(said)}") if said.type == "error" else None,
        )
        page.on("pageerror", lambda error: self.add(f"error: {error}"))
        page.on("response", lambda it: self.add(f"response: {it.status} {it.url}") if it.status >= 400 else None)
        # A page that is left cuts what it still waits for; that is no failure.
        page.on(
            "requestfailed",
            lambda it: None if "ERR_ABORTED" in (it.failure or "") else self.add(f"request: {it.failure} {it.url}"),
        )


def place(said: ConsoleMessage) -> str:
    """Which page, and which line of what, said it."""
    where = said.location
    return f"{where['url']}:{where['lineNumber'] + 1} on {said.page.url if said.page else 'a page that is gone'}"


@dataclass(frozen=True)
class Visitor:
    """Somebody at a browser, signed in to a service: opens pages of one size and colour scheme."""

    context: BrowserContext
    complaints: Complaints

    def page(self) -> Page:
        """An empty page, watched."""
        page = self.context.new_page()
        self.complaints.watch(page)
        return page


@contextmanager
def visiting(
    browser: Browser,
    address: str,
    *,
    size: tuple[int, int] = DESKTOP,
    scheme: Scheme = "light",
    login: tuple[str, str] | None = LOGIN,
    complaints: Complaints | None = None,
) -> Iterator[Visitor]:
    """A visitor of the service at ``address``; paths such as ``/ui`` are taken from there."""
    context = browser.new_context(
        base_url=address,
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        reduced_motion="reduce",
        is_mobile=size == PHONE,
        has_touch=size == PHONE,
        http_credentials=None if login is None else {"username": login[0], "password": login[1]},
    )
    context.set_default_timeout(PATIENCE)
    try:
        yield Visitor(context, complaints or Complaints())
    finally:
        context.close()


def fail_for(complaints: Complaints) -> None:
    """Fail the test for what no test allowed."""
    if left := complaints.left():
        pytest.fail("the page complained:\n" + "\n".join(left), pytrace=False)


def violations(page: Page, scheme: Scheme) -> list[str]:
    """What axe-core calls serious or critical, in that colour scheme: what it is, and where."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_axe())
    found = page.evaluate(_RUN_AXE)
    return [
        f"{scheme}: {one['id']} ({one['impact']}): {one['help']}\n    " + "\n    ".join(one["where"])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@cache
def _axe() -> str:
    return _AXE.read_text(encoding="utf-8") + "\n;undefined"


def assert_accessible(page: Page) -> None:
    """Fail for whatever keeps people out of the page as it is now, in light and in dark."""
    found = [violation for scheme in SCHEMES for violation in violations(page, scheme)]
    assert not found, f"{page.url}\n" + "\n".join(found)


def assert_fits(page: Page) -> None:
    """Fail when the page is wider than the screen: what is wide scrolls in itself, never the page."""
    wide = page.evaluate(
        """() => {
          const screen = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= screen) return [];
          const inside = ["auto", "scroll", "hidden", "clip"];
          const scrolls = (it) => it && it !== document.body
            && (inside.includes(getComputedStyle(it).overflowX) || scrolls(it.parentElement));
          return [...document.body.querySelectorAll("*")]
            .filter((it) => it.getBoundingClientRect().right > screen + 1 && !scrolls(it.parentElement))
            .map((it) => `${it.tagName} ${it.id} ${it.className}`).slice(0, 10).concat("wider than the screen");
        }"""
    )
    assert not wide, f"{page.url}: {wide}"


def in_a_thread(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run ``coroutine`` in a thread of its own, and give its result or its exception."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.extend((True, asyncio.run(coroutine)))
        except BaseException as error:  # noqa: BLE001 - raised again, in the thread that asked
            outcome.extend((False, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if outcome[0]:
        return outcome[1]
    raise outcome[1]
