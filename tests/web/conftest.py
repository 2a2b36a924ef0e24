"""The same application as the API's tests."""

from tests.api.conftest import app, client, parts, stranger

__all__ = ["app", "client", "parts", "stranger"]
