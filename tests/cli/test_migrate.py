"""``asterisk-ai migrate``."""

from __future__ import annotations

from typer.testing import CliRunner

from app.cli.entry import cli


def test_it_makes_the_tables_once() -> None:
    first = CliRunner().invoke(cli, ["migrate"], catch_exceptions=False)
    again = CliRunner().invoke(cli, ["migrate"], catch_exceptions=False)
    assert first.exit_code == again.exit_code == 0
    assert "was made; its tables are at " in first.stdout
    assert "is up to date; its tables are at " in again.stdout
