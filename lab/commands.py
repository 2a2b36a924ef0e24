"""The commands that the lab tells people to type, so that they can be pasted as they stand."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def lab_command(*words: str) -> str:
    """``python -m lab`` with ``words``, by the Python that runs now, as the shell takes it."""
    # Not resolved: the python of an environment is a link, and only under its own name it knows the environment.
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    return shlex.join([str(python), "-m", "lab", *words])
