"""edgeq/boards/: the facts that ship, and how a wrong file is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeq.boards.board import boards, load_board
from edgeq.errors import BadInput

SHIPPED = Path(__file__).parents[2] / "edgeq" / "boards"


def test_every_file_is_a_board_under_its_own_name() -> None:
    assert [board.name for board in boards()] == sorted(path.stem for path in SHIPPED.glob("*.toml"))
    assert all(load_board(board.name) == board for board in boards())


def test_every_chip_is_under_its_own_name() -> None:
    assert {board.chip.name for board in boards()} == {path.stem for path in (SHIPPED / "chips").glob("*.toml")}


def test_wrover_b() -> None:
    board = load_board("esp32-wrover-b")
    assert (board.chip.name, board.clock_hz) == ("esp32", 240_000_000)
    assert (board.flash_bytes, board.psram_bytes) == (4 << 20, 4 << 20)
    assert (board.arena_bytes, board.scratch_bytes) == (2 << 20, 96 << 10)
    assert "10c4:ea60" in board.usb


def test_devkitc_keeps_arena_and_scratch_in_sram() -> None:
    board = load_board("esp32-devkitc")
    assert board.psram_bytes == 0
    assert (board.arena_bytes, board.scratch_bytes) == (120 << 10, 32 << 10)


def test_unknown_name_lists_what_is_known() -> None:
    with pytest.raises(BadInput) as caught:
        load_board("esp8266")
    assert all(board.name in str(caught.value) for board in boards())


def _own(tmp_path: Path, old: str = "", new: str = "") -> str:
    text = (SHIPPED / "esp32-wrover-b.toml").read_text()
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1) if old else text)
    return str(path)


def test_a_board_of_ones_own(tmp_path: Path) -> None:
    board = load_board(_own(tmp_path, "flash_bytes = 4_194_304", "flash_bytes = 16_777_216"))
    assert board.flash_bytes == 16 << 20


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("clock_hz = 240_000_000", "clock_hz = 480_000_000", "clock_hz"),
        ("flash_bytes = 4_194_304", "flash_bytes = 33_554_432", "flash_bytes"),
        ("psram_bytes = 4_194_304", "psram_bytes = 8_388_608", "psram_bytes"),
        ("arena_bytes = 2_097_152", "arena_bytes = 8_388_608", "arena_bytes"),
        ("scratch_bytes = 98_304", "scratch_bytes = 196_608", "SRAM"),
        ("psram_bytes = 4_194_304", "psram_bytes = 0", "SRAM"),
        ("flash_bytes = 4_194_304", 'flash_bytes = "4 MB"', "flash_bytes"),
        ("flash_bytes = 4_194_304", "", "flash_bytes"),
        ('chip = "esp32"', 'chip = "esp99"', "esp99"),
        ('chip = "esp32"', 'chip = "../esp32"', "../esp32"),
        ('usb = ["10c4:ea60"', 'usb = ["CP2102"', "usb"),
        ("[console]", "colour = 1\n[console]", "colour"),
        ("[console]", "[console", "TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_the_field(tmp_path: Path, old: str, new: str, named: str) -> None:
    path = _own(tmp_path, old, new)
    with pytest.raises(BadInput) as caught:
        load_board(path)
    assert path in str(caught.value) and named in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        load_board(str(tmp_path / "none.toml"))


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "bytes.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="not TOML"):
        load_board(str(path))
