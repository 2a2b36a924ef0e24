"""Databases for the tests of this room."""

from tests.db.databases import database, empty_url, second

__all__ = ["database", "empty_url", "second"]
