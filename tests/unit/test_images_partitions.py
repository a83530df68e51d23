"""The partition table: round trip, a known one of ESP-IDF, and every way it can be wrong."""

from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.errors import BadInput
from edgeq.images.layout import layout_for
from edgeq.images.partitions import (
    Partition,
    PartitionTable,
    read_partition_table,
    write_partition_table,
)

MIB = 1 << 20


def table_of(*rows: bytes) -> bytes:
    """A table with a right MD5 and whatever rows."""
    body = b"".join(rows)
    return (body + b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(body, usedforsecurity=False).digest()).ljust(0xC00, b"\xff")


def row(name: bytes, kind: int, subtype: int, offset: int, size: int) -> bytes:
    return struct.pack("<2sBBII16sI", b"\xaa\x50", kind, subtype, offset, size, name, 0)


def test_round_trip() -> None:
    table = layout_for(4 * MIB)
    data = write_partition_table(table)
    assert len(data) == 0xC00
    assert read_partition_table(data + b"\xff" * 0x400, 4 * MIB) == table


def test_find_and_slots() -> None:
    table = layout_for(4 * MIB)
    assert table.find(0, 0) == Partition("factory", 0, 0, 0x10000, 0x100000)
    assert table.find(1, 0x40) == table.model_slots[0] and table.find(1, 0x7F) is None
    assert [slot.name for slot in table.model_slots] == ["model_0", "model_1"]


def test_rows_are_esp_idfs() -> None:
    # `factory, app, factory, 0x10000, 1M` and `coredump, data, coredump, , 64K` as gen_esp32part.py writes them
    expected = bytes.fromhex(
        "aa50 00 00 00000100 00001000 666163746f7279000000000000000000 00000000"
        "aa50 01 03 00001100 00000100 636f726564756d700000000000000000 00000000"
    )
    assert write_partition_table(layout_for(4 * MIB))[32:96] == expected


GOOD = row(b"factory", 0, 0, 0x10000, 0x100000)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "is empty"),
        (b"\xff" * 0xC00, "is empty"),
        (GOOD + b"\xff" * 32, "no MD5 row"),
        (GOOD, "no MD5 row"),
        (b"\x00" * 0xC00, "row 0 starts with 0x0000"),
        (table_of(GOOD)[:63] + b"?", "MD5 does not match"),
        (table_of(), "0 partitions"),
        (table_of(row(b"app", 0, 0, 0x11000, 0x1000)), "not a multiple of 0x10000"),
        (table_of(row(b"data", 1, 0, 0x11001, 0x1000)), "not a multiple of 0x1000"),
        (table_of(row(b"data", 1, 0, 0x11000, 0x1001)), "not a multiple of 0x1000"),
        (table_of(row(b"data", 1, 0, 0x8000, 0x1000)), "in or before the table"),
        (table_of(row(b"data", 1, 0, 0xFFFFF000, 0x2000)), "above 32 bits"),
        (table_of(row(b"data", 1, 0, 0x3FF000, 0x2000)), "behind the 0x400000 bytes of flash"),
        (table_of(GOOD, row(b"data", 1, 0, 0x10F000, 0x1000)), "overlap"),
        (table_of(GOOD, row(b"factory", 1, 0, 0x110000, 0x1000)), "same name"),
        (table_of(row(b"\xff\x00", 1, 0, 0x110000, 0x1000)), "printable ASCII"),
        (table_of(row(b"", 1, 0, 0x110000, 0x1000)), "printable ASCII"),
    ],
)
def test_says_what_is_wrong(data: bytes, what: str) -> None:
    with pytest.raises(BadInput, match=what):
        read_partition_table(data, 4 * MIB)


def test_too_many_partitions() -> None:
    rows = [Partition(f"p{i}", 1, 0, 0x9000 + i * 0x1000, 0x1000) for i in range(96)]
    assert read_partition_table(write_partition_table(PartitionTable(tuple(rows[:95]))), 4 * MIB)
    with pytest.raises(BadInput, match="96 partitions"):
        PartitionTable(tuple(rows))


@settings(deadline=None)
@given(st.lists(st.binary(min_size=30, max_size=30), max_size=4), st.binary(max_size=100))
def test_hostile_bytes_raise_nothing_else(rows: list[bytes], tail: bytes) -> None:
    for data in (
        tail,
        table_of(*(b"\xaa\x50" + rest for rest in rows)),
        b"".join(b"\xaa\x50" + r for r in rows) + tail,
    ):
        try:
            table = read_partition_table(data, 4 * MIB)
        except BadInput:
            continue
        table.check_fits(4 * MIB)
