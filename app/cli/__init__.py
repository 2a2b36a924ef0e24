"""The command line: ``asterisk-ai``. One file a command; each imports what it needs when it runs, so that ``--help``
answers at once."""

from app.cli.entry import main

__all__ = ["main"]
