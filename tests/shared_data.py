"""The third-party models beside the project, where they are: each as a parameter, else one that skips and says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent.parent / "shared" / "data"


def tflite_files() -> list[Any]:
    """A parameter per `.tflite`."""
    found = sorted(FOLDER.rglob("*.tflite"))
    if not found:
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"no models in {FOLDER}"))]
    return [pytest.param(path, id=path.stem) for path in found]
