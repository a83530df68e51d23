"""The house stands as docs/architecture.md draws it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_imports_go_down_the_floors() -> None:
    """import-linter's contracts of pyproject.toml hold."""
    linter = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    ran = subprocess.run(
        [sys.executable, "-c", linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 broken" in ran.stdout


def test_every_room_is_in_the_table() -> None:
    package = ROOT / "edgeq"
    rooms = {f"edgeq/{path.parent.name}/" for path in package.glob("*/__init__.py")}
    rooms |= {f"edgeq/{path.name}" for path in package.glob("*.py") if path.name != "__init__.py"}
    rooms |= {f"firmware/components/{path.name}/" for path in (ROOT / "firmware" / "components").iterdir()}
    assert rooms and not {room for room in rooms if f"| `{room}` |" not in PAGE}


def test_the_table_names_no_room_that_is_not_there() -> None:
    named = [line.split("`")[1] for line in PAGE.splitlines() if line.startswith("| `") and "/" in line.split("`")[1]]
    promised = [line.split("`")[1] for line in PAGE.splitlines() if "(not there yet)" in line]
    gone = [room for room in named if room not in promised and not (ROOT / room).exists()]
    assert named and not gone
