"""The documentation knows what there is, and speaks of nothing that is not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgeq.boards.board import Board, boards
from edgeq.cli.console import INTERNAL_FAULT, INTERRUPTED
from edgeq.errors import EdgeqError
from edgeq.ops import OPS
from edgeq.ops import page as operators
from edgeq.report.validate import schema

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("**/*.md")}


def _commands() -> set[str]:
    import typer

    from edgeq.cli import app

    command = typer.main.get_command(app)
    # A typer app with a single command is that command, without a name.
    return set(getattr(command, "commands", {})) or {str(command.name)}


def test_every_command_is_documented() -> None:
    text = README + "".join(PAGES.values())
    missing = {name for name in _commands() if not re.search(rf"\bedgeq {re.escape(name)}\b", text)}
    assert not missing


def test_the_readme_names_no_command_that_is_not_there() -> None:
    named = set(re.findall(r"`edgeq ([a-z][a-z-]*)", README)) | set(re.findall(r"^    edgeq ([a-z-]+)", README, re.M))
    assert named and named <= _commands()


@pytest.mark.parametrize("board", boards(), ids=lambda board: board.name)
def test_every_board_is_documented_with_its_numbers(board: Board) -> None:
    (row,) = [line for line in PAGES[Path("docs/boards.md")].splitlines() if line.startswith(f"| `{board.name}`")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == board.chip.name
    assert cells[2] == _size(board.flash_bytes)
    assert cells[3].startswith(_size(board.psram_bytes) if board.psram_bytes else "none")
    assert cells[4].startswith(_size(board.arena_bytes)) and cells[5] == _size(board.scratch_bytes)
    assert re.findall(r"[0-9a-f]{4}:[0-9a-f]{4}", cells[6]) == board.usb


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"


def test_every_part_of_the_report_is_documented() -> None:
    page = PAGES[Path("docs/report.md")]
    assert all(f"`{part}`" in page for part in schema()["properties"])
    assert all(f"`{status}`" in page for status in schema()["$defs"]["hop"]["properties"]["status"]["enum"])


def test_the_readme_lists_every_exit_code() -> None:
    def codes(kind: type[EdgeqError]) -> set[int]:
        return {kind.exit_code}.union(*(codes(sub) for sub in kind.__subclasses__()))

    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    assert listed == codes(EdgeqError) | {0, INTERNAL_FAULT, INTERRUPTED}


def test_every_make_target_of_the_readme_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)\b", README)) <= targets | {"it"}


def test_links_between_pages_lead_somewhere() -> None:
    for page, text in {Path("README.md"): README, **PAGES}.items():
        for target in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text):
            assert (ROOT / page.parent / target).exists(), f"{page}: {target}"


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text and len(text) > 11_000


def test_the_page_of_the_operators_is_fresh() -> None:
    """`make docs` writes it."""
    text = PAGES[Path("docs/operators.md")]
    assert text == operators.page()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| <a id=")]
    assert len(rows) == len(OPS) and all(f"`{op}`" in row[0] for op, row in zip(sorted(OPS), rows, strict=True))
    assert all(row[1].strip() for row in rows)  # every operator says what it takes
    anchors = set(re.findall(r"numerics\.md#([a-z0-9-]+)", text))
    assert anchors and all(f'<a id="{anchor}"></a>' in PAGES[Path("docs/numerics.md")] for anchor in anchors)


def test_the_reference_of_the_commands_is_fresh(tmp_path: Path) -> None:
    """`make docs` writes it."""
    made = tmp_path / "cli.md"
    command = [sys.executable, "-m", "typer", "edgeq.cli", "utils", "docs", "--name", "edgeq", "--output", str(made)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    assert made.read_text() == (ROOT / "docs/cli.md").read_text()
