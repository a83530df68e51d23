"""Where the files that ship beside the code lie: `models/` and `firmware/`.

In a checkout they stand at its root; in a wheel they are package data under `edgeq/_bundled/`.
"""

from __future__ import annotations

from pathlib import Path


def bundled(name: str) -> Path:
    """The folder `name` ("models" or "firmware") that came with this edgeq."""
    package = Path(__file__).resolve().parent
    inside = package / "_bundled" / name
    return inside if inside.is_dir() else package.parent / name
