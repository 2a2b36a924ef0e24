"""How a command runs the service's parts: without their log, unless something is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from app.core.logging import configure_logging
from app.core.settings import Settings


def run_quietly(settings: Settings, work: Coroutine[Any, Any, bool]) -> bool:
    """Run ``work``; errors are logged to standard error, with ``DEBUG_MODE`` everything. Ctrl-C ends it with False."""
    writer = configure_logging(
        level="debug" if settings.debug_mode else "error",
        speech=settings.log_speech,
        secrets=[secret.get_secret_value() for secret in settings.secrets()],
    )
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        return False
    finally:
        writer.close()
