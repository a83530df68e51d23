"""NOR semantics, persistence, and what a flash refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.errors import BadInput, BoardTrouble
from edgeq.virtual.flash_array import FlashArray

MIB = 1 << 20


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3 * 4096 - 64), st.binary(max_size=64)), max_size=20))
def test_programming_clears_bits_and_erasing_sets_sectors(steps: list[tuple[bool, int, bytes]]) -> None:
    model = bytearray(b"\xff" * MIB)
    with FlashArray(flash_bytes=MIB) as flash:
        for erase, offset, data in steps:
            if erase:
                flash.erase(offset, len(data))
                for sector in {at // 4096 for at in range(offset, offset + len(data))}:
                    model[sector * 4096 : (sector + 1) * 4096] = b"\xff" * 4096
            else:
                flash.program(offset, data)
                for at, byte in enumerate(data, start=offset):
                    model[at] &= byte
        assert flash.read(0, MIB) == model


@pytest.mark.parametrize(("offset", "size"), [(-1, 2), (MIB, 1), (MIB - 1, 2), (0, -1)])
def test_stays_inside(offset: int, size: int) -> None:
    with FlashArray(flash_bytes=MIB) as flash:
        for act in (flash.read, flash.erase):
            with pytest.raises(BadInput, match="not inside"):
                act(offset, size)
    with FlashArray(flash_bytes=MIB) as flash, pytest.raises(BadInput, match="not inside"):
        flash.program(MIB - 1, b"12")


def test_a_file_outlives_the_board(tmp_path: Path) -> None:
    file = tmp_path / "flash.bin"
    with FlashArray(file, MIB) as flash:
        flash.program(100, b"kept")
        assert flash.path == file
    assert [one.name for one in tmp_path.iterdir()] == ["flash.bin"]
    with FlashArray(file) as again:
        assert (again.size, again.read(98, 8)) == (MIB, b"\xff\xffkept\xff\xff")


def test_one_board_a_file(tmp_path: Path) -> None:
    file = tmp_path / "flash.bin"
    with FlashArray(file, MIB), pytest.raises(BoardTrouble, match="belongs to a board"):
        FlashArray(file)
    FlashArray(file).close()


def test_sizes(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        FlashArray(flash_bytes=3 * MIB)
    other = tmp_path / "letter.txt"
    other.write_text("not a flash")
    with pytest.raises(BadInput, match="has 11 bytes"):
        FlashArray(other)
    assert other.read_text() == "not a flash"
    with pytest.raises(BadInput, match="cannot open"):
        FlashArray(tmp_path / "no" / "folder")
    with FlashArray(tmp_path / "flash.bin", MIB):
        pass
    with pytest.raises(BadInput, match="not 2097152 bytes"):
        FlashArray(tmp_path / "flash.bin", 2 * MIB)
