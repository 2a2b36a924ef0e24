"""All checks, and how they are run. For ``asterisk-ai doctor`` and for the web interface."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from app.core.errors import GatewayError
from app.core.metrics import UNEXPECTED
from app.doctor.asterisk import check_asterisk
from app.doctor.asterisk_files import check_asterisk_files
from app.doctor.check import Check, Subject
from app.doctor.clock import check_clock
from app.doctor.database import check_database
from app.doctor.finding import Finding, fail
from app.doctor.memory import check_memory
from app.doctor.models import check_models
from app.doctor.secrets import check_secrets
from app.doctor.settings import check_settings
from app.doctor.tools import check_tools
from app.doctor.web import check_web

log = structlog.get_logger(__name__)

# Seconds for one check. Asking language models is the longest.
TIMEOUT = 30.0

CHECKS = (
    Check("settings", check_settings),
    Check("asterisk", check_asterisk),
    Check("asterisk_files", check_asterisk_files),
    Check("models", check_models),
    Check("memory", check_memory),
    Check("database", check_database),
    Check("web", check_web),
    Check("secrets", check_secrets),
    Check("tools", check_tools),
    Check("clock", check_clock),
)


async def examine(subject: Subject, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Run the checks at the same time; their findings come in the checks' order.

    Never raises for what a check meets, and takes at most :data:`TIMEOUT`. Cancelling it ends the checks.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_run(check, subject), name=f"check {check.name}") for check in checks]
    return [
        replace(finding, check=check.name)
        for check, task in zip(checks, tasks, strict=True)
        for finding in task.result()
    ]


async def _run(check: Check, subject: Subject) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(TIMEOUT):
            return await check.run(subject)
    except TimeoutError:
        return [
            fail(check.name, f"the check did not end within {TIMEOUT:g} s", "Try again; if it stays so, report it.")
        ]
    except GatewayError as error:
        return [fail(check.name, str(error), "Mend what the sentence above names, then run the check again.")]
    except Exception as error:
        UNEXPECTED.labels("doctor").inc()
        log.error("doctor.unexpected_error", check=check.name, exc_info=error)
        return [
            fail(
                check.name, f"unexpected {type(error).__name__}: {error}", "Run it with DEBUG_MODE=true, and report it."
            )
        ]
