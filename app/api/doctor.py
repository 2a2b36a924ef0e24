"""``/api/doctor``: what is wrong with this installation, and what to do."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.access import needs
from app.api.examination import AT_ONCE, Examination
from app.api.parts import PartsDep
from app.api.responses import BODY
from app.core.permissions import Permission
from app.doctor.finding import Level
from app.schemas.doctor import DoctorBody, ExamineBody, FindingBody

router = APIRouter(tags=["settings"])


@router.get("/doctor", summary="Read the doctor's findings")
@needs(Permission.MANAGE_SETTINGS)
async def findings(parts: PartsDep) -> DoctorBody:
    """As `asterisk-ai doctor` has them; at most 30 seconds old, and made within as long. No language model is asked."""
    return doctor_body(await parts.samples.examinations.get(parts.settings))


@router.post("/doctor", summary="Have the doctor look again", responses=BODY)
@needs(Permission.MANAGE_SETTINGS)
async def examine(parts: PartsDep, body: ExamineBody) -> DoctorBody:
    """Now; one examination at a time. With `online`, every configured language model is asked a question."""
    examinations = parts.samples.examinations
    return doctor_body(await examinations.get(parts.settings, online=body.online, no_older_than=AT_ONCE))


def doctor_body(examination: Examination) -> DoctorBody:
    """As the API has it."""
    return DoctorBody(
        ok=not any(finding.level is Level.FAIL for finding in examination.findings),
        as_of=examination.at,
        online=examination.online,
        findings=[FindingBody.model_validate(finding) for finding in examination.findings],
    )
