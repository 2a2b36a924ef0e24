"""What every test has: the servers of the lab by name, and the guard against what a test leaves behind."""

pytest_plugins = [
    "tests.fixtures.leaks",
    "tests.fixtures.lab",
    "tests.fixtures.gateway",
    "tests.fixtures.tool_server",
]
