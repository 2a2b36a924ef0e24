"""The pages name what exists, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from app.core.metrics import REGISTRY

DOCS = Path(__file__).parents[2] / "docs"


def test_every_metric_is_on_its_page() -> None:
    collected = set()
    for family in REGISTRY.collect():
        collected.add(family.name + ("_total" if family.type == "counter" else ""))
    named = set(re.findall(r"^\| `(asterisk_ai_\w+)`", (DOCS / "metrics.md").read_text(), re.MULTILINE))
    assert named == collected


def test_every_link_between_pages_leads_somewhere() -> None:
    root = DOCS.parent
    broken = []
    for page in (root / "README.md", *sorted(DOCS.glob("*.md"))):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []


def test_every_command_can_be_typed_as_it_stands_in_a_checkout() -> None:
    # Nothing is on the PATH there but what the system has: our programs are in .venv/bin, or make knows them. In a
    # sentence, `asterisk-ai doctor` names the command; in a block it is to be typed.
    bare = re.compile(r"^ {4,}(\$ )?(asterisk-ai [a-z]+\b|pytest|uvicorn)|(?<!/)\bpython3? -m (?!venv)")
    found = []
    for page in sorted(DOCS.glob("*.md")):
        for number, line in enumerate(page.read_text().splitlines(), 1):
            if bare.search(line):
                found.append(f"{page.name}:{number}: {line.strip()}")
    assert found == []
