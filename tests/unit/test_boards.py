"""edgeq/boards/: the facts that ship, and how a wrong file is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeq.boards.board import boards, internal_arena_bytes, load_board
from edgeq.boards.placement import place_arena
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
    assert (board.arena_bytes, board.scratch_bytes) == (96 << 10, 32 << 10)


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


def test_a_board_that_names_its_base(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "esp32-wrover-b"\nname = "mine"\nscratch_bytes = 65_536\n')
    shipped = load_board("esp32-wrover-b")
    assert load_board(str(path)) == shipped.model_copy(update={"name": "mine", "scratch_bytes": 65_536})


def test_what_the_chips_linkers_give() -> None:
    # ESP-IDF's memory.ld: end and start of dram0_0_seg
    ends = {"esp32": (0x3FFDC200, 0x3FFB0000), "esp32s3": (0x3FCDB700, 0x3FC88000), "esp32c3": (0x3FCCE710, 0x3FC80000)}
    chips = {board.chip.name: board.chip for board in boards()}
    assert {name: chip.dram_static_bytes for name, chip in chips.items()} == {n: e - s for n, (e, s) in ends.items()}
    assert {name: chip.image_chip_id for name, chip in chips.items()} == {"esp32": 0, "esp32s3": 9, "esp32c3": 5}
    assert {n: c.bootloader_offset for n, c in chips.items()} == {"esp32": 0x1000, "esp32s3": 0, "esp32c3": 0}


def test_a_board_without_psram_offers_all_of_its_sram() -> None:
    small = [board for board in boards() if not board.psram_bytes]
    assert {board.name: board.arena_bytes for board in small} == {
        board.name: internal_arena_bytes(board.chip, board.scratch_bytes) for board in small
    }


def test_the_arena_goes_where_it_fits() -> None:
    board = load_board("esp32-wrover-b")
    static = board.chip.dram_static_bytes - board.chip.firmware_static_bytes
    inside = static // 4096 * 4096
    assert place_arena(board, inside, 0) == place_arena(board, 1, static - inside)
    assert (place_arena(board, inside, 0).where, place_arena(board, inside, 0).capacity) == ("internal", inside)
    assert (place_arena(board, inside + 1, 0).where, place_arena(board, inside + 1, 0).capacity) == ("psram", 2 << 20)
    assert place_arena(board, inside, 32 << 10).where == "psram"  # the scratch takes the room
    assert place_arena(board, (2 << 20), 0).where == "psram"
    assert place_arena(board, (2 << 20) + 1, 0).where == "nowhere"
    scratch = place_arena(board, 16, board.scratch_bytes + 1)
    assert scratch.where == "nowhere" and "98,305" in scratch.why


def test_without_psram_it_fits_inside_or_nowhere() -> None:
    board = load_board("esp32-devkitc")
    assert place_arena(board, board.arena_bytes, board.scratch_bytes).where == "internal"
    assert place_arena(board, board.arena_bytes + 1, board.scratch_bytes).where == "nowhere"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("clock_hz = 240_000_000", "clock_hz = 480_000_000", "clock_hz"),
        ("flash_bytes = 4_194_304", "flash_bytes = 33_554_432", "flash_bytes"),
        ("psram_bytes = 4_194_304", "psram_bytes = 8_388_608", "psram_bytes"),
        ("arena_bytes = 2_097_152", "arena_bytes = 8_388_608", "arena_bytes"),
        ("scratch_bytes = 98_304", "scratch_bytes = 196_608", "SRAM"),
        ("psram_bytes = 4_194_304", "psram_bytes = 0", "psram_type"),
        ('psram_bytes = 4_194_304\npsram_type = "quad"', "psram_bytes = 0", "SRAM"),
        ('psram_type = "quad"', 'psram_type = "none"', "psram_type"),
        ('psram_type = "quad"', 'psram_type = "hex"', "psram_type"),
        ('flash_mode = "qio"', 'flash_mode = "spi"', "flash_mode"),
        ("flash_hz = 80_000_000", "flash_hz = 0", "flash_hz"),
        ("trigger_gpio = 32", "trigger_gpio = 6", "trigger_gpio"),
        ("trigger_gpio = 32", "trigger_gpio = 34", "trigger_gpio"),
        ("done_gpio = 33", "done_gpio = 32", "done_gpio"),
        ('device = "uart0"', 'device = "uart1"', "console.device"),
        ('chip = "esp32"', 'base = "esp32-wrover-b-8mb"', "base"),
        ('chip = "esp32"', 'base = "esp99"', "esp99"),
        ('chip = "esp32"', 'base = "../x"', "../x"),
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
