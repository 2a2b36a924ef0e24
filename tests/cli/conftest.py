"""A real Asterisk for the commands that talk to one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from app.core.settings import Settings
from lab.asterisk import Asterisk
from lab.roots import FORKY
from tests.fixtures.lab import need
from tests.fixtures.leaks import keep


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Commands read the environment and the working directory's ``.env``: both belong to the test."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Commands set up the whole process's logging."""
    config = structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**config)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture(scope="package")
def pbx() -> Iterator[Asterisk]:
    """An Asterisk for this room alone: its tests change the dialplan and unload modules."""
    need(FORKY)
    with Asterisk() as running:
        keep(running)
        yield running


@pytest.fixture
def ari_env(pbx: Asterisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of somebody who has set up this Asterisk, and nothing else."""
    monkeypatch.setenv("ASTERISK_ARI_URL", pbx.http_url)
    monkeypatch.setenv("ASTERISK_ARI_USERNAME", pbx.username)
    monkeypatch.setenv("ASTERISK_ARI_PASSWORD", pbx.password)
