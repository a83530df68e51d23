"""The layout of a flash, and that ESP-IDF's table generator takes it: its rules, applied to the CSV of every board."""

from __future__ import annotations

import pytest

from edgeq.boards.board import Board, boards
from edgeq.errors import DoesNotFit
from edgeq.images.layout import layout_for, to_csv
from edgeq.images.partitions import Partition, PartitionTable, read_partition_table, write_partition_table

MIB = 1 << 20
KIB = 1 << 10

TYPES = {"app": 0, "data": 1}
SUBTYPES = {"app": {"factory": 0x00}, "data": {"coredump": 0x03}}


def parsed_as_esp_idf_does(csv: str, flash_bytes: int) -> PartitionTable:
    """The rules of `gen_esp32part.py` without secure boot, for tables that name every offset and size."""
    rows, end = [], 0x9000  # behind the table, which takes a sector
    for line in csv.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        name, kind, subtype, offset, size, flags = [field.strip() for field in (line + ",,,").split(",")[:6]]
        at, length = int(offset, 0), int(size, 0)
        assert at >= end, f"{name} starts before the end of what stands above it"
        assert at % {"app": 0x10000, "data": 0x1000}[kind] == 0, f"{name} is not aligned"
        assert kind != "app" or length % 0x1000 == 0, f"the size of {name} is not a multiple of a sector"
        assert len(name) < 16 and flags == "" and length > 0
        number = SUBTYPES[kind].get(subtype) if subtype in SUBTYPES[kind] else int(subtype, 0)
        assert number is not None and (subtype in SUBTYPES[kind] or 0x40 <= number <= 0xFE), "a subtype of applications"
        end = at + length
        rows.append(Partition(name, TYPES[kind], number, at, length))
    assert len({row.name for row in rows}) == len(rows)
    assert end <= flash_bytes
    return PartitionTable(tuple(rows))


@pytest.mark.parametrize("board", boards(), ids=lambda board: board.name)
@pytest.mark.parametrize("app_bytes", [300_000, MIB + 1])
def test_esp_idf_takes_it(board: Board, app_bytes: int) -> None:
    for image_bytes in (1, 1400 * KIB, 2 * MIB):
        table = layout_for(board.flash_bytes, image_bytes, app_bytes)
        assert parsed_as_esp_idf_does(to_csv(table), board.flash_bytes) == table
        assert read_partition_table(write_partition_table(table), board.flash_bytes) == table
        assert all(slot.size >= image_bytes and slot.offset % 0x10000 == 0 for slot in table.model_slots)
        factory = table.find(0, 0)
        assert factory is not None and factory.offset == 0x10000 and factory.size >= max(app_bytes, MIB)


def test_the_csv_of_4_mib() -> None:
    assert to_csv(layout_for(4 * MIB)) == (
        "# Name, Type, SubType, Offset, Size, Flags\n"
        "modelsel, data, 0x41, 0x9000, 0x2000,\n"
        "factory, app, factory, 0x10000, 0x100000,\n"
        "coredump, data, coredump, 0x110000, 0x10000,\n"
        "model_0, data, 0x40, 0x120000, 0x170000,\n"
        "model_1, data, 0x40, 0x290000, 0x170000,\n"
    )


@pytest.mark.parametrize(("flash", "half", "whole"), [(4, 1472, 2944), (8, 3520, 7040), (16, 7616, 15232)])
def test_two_slots_where_two_fit_else_one(flash: int, half: int, whole: int) -> None:
    two, one = layout_for(flash * MIB, half * KIB), layout_for(flash * MIB, half * KIB + 1)
    assert [slot.size for slot in two.model_slots] == [half * KIB] * 2 and two.find(1, 0x41)
    assert [slot.size for slot in one.model_slots] == [whole * KIB] and not one.find(1, 0x41)
    assert layout_for(flash * MIB, whole * KIB) == one
    with pytest.raises(DoesNotFit, match=f"{whole * KIB + 1:,} bytes"):
        layout_for(flash * MIB, whole * KIB + 1)
    assert layout_for(flash * MIB) == two, "the layout is one for all models that fit it"


def test_a_large_application_takes_from_the_slots() -> None:
    table = layout_for(4 * MIB, 0, 2 * MIB - 0x10000 + 1)
    assert table.find(0, 0) == Partition("factory", 0, 0, 0x10000, 2 * MIB)
    assert table.model_slots[0].offset == 2 * MIB + 0x20000


def test_flash_without_room() -> None:
    with pytest.raises(DoesNotFit, match="no room for an application"):
        layout_for(MIB)
    with pytest.raises(DoesNotFit, match="no room for an application"):
        layout_for(4 * MIB, 0, 4 * MIB)
    least = layout_for(MIB + 0x30000)
    assert [slot.size for slot in least.model_slots] == [0x10000], "one page is one slot"
