"""The pages in a real browser, opened as people do who write the login into the address."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.requirements import must_not_be_missing
from lab.service import Service
from tests.fixtures.leaks import keep

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
PASSWORD = "only-for-tests"


@pytest.fixture(autouse=True)
def _needs_a_browser() -> None:
    """In CI a test that needs a browser fails without it; it never passes by being skipped."""
    if not CHROMIUM:
        say = pytest.fail if must_not_be_missing() else pytest.skip
        say("needs a browser: apt-get install chromium")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service's own, with the login in it."""
    with Service(tmp_path_factory.mktemp("service"), {"WEB_UI_PASSWORD": PASSWORD}) as service:
        keep(service)
        yield service.url.replace("http://", f"http://admin:{PASSWORD}@")


def dom(url: str, profile: Path) -> str:
    """The page after twelve seconds of its own time, in which the status renews itself twice."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
    command += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}"]
    command += ["--virtual-time-budget=12000", "--dump-dom", url]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_the_status_page_renews_itself(address: str, tmp_path: Path) -> None:
    page = dom(f"{address}/ui", tmp_path)
    (banner,) = re.findall(r'<div[^>]*id="offline"[^>]*>', page)
    assert "hidden" in banner


@pytest.mark.parametrize("path", ["docs", "redoc"])
def test_the_pages_of_the_api_load_its_document(address: str, tmp_path: Path, path: str) -> None:
    assert "Save a prompt" in dom(f"{address}/{path}", tmp_path)
