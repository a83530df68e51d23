"""The firmware finds the model partition that edgeq writes, and no table leads it out of the flash."""

import random
import struct
from collections.abc import Callable

from edgeq.images.layout import layout_for
from edgeq.images.partitions import TABLE_BYTES, TABLE_OFFSET, write_partition_table

Find = Callable[[list[bytes]], list[tuple[int, int]]]


def flash(table: bytes, size: int = 0x10000) -> bytes:
    return (b"\xff" * TABLE_OFFSET + table).ljust(size, b"\xff")


def row(kind: int, subtype: int, offset: int, size: int) -> bytes:
    return struct.pack("<HBBII16sI", 0x50AA, kind, subtype, offset, size, b"x", 0)


MODEL = row(1, 0x40, 0x9000, 0x1000)


def test_the_table_that_edgeq_writes(find: Find) -> None:
    arrays, expected = [], []
    for size in (2 << 20, 4 << 20):
        layout = layout_for(size)
        model = layout.model_slots[0]
        arrays.append(flash(write_partition_table(layout), size))
        expected.append((model.offset, model.size))
    assert find(arrays) == expected


def test_rows_that_are_no_model_partition(find: Find) -> None:
    none = (0, 0)
    md5 = b"\xeb\xeb" + b"\xff" * 30
    cases = {
        flash(b""): none,
        b"\xff" * 100: none,
        flash(MODEL)[: TABLE_OFFSET + TABLE_BYTES - 1]: none,
        flash(row(0, 0x40, 0x9000, 0x1000) + row(1, 0x41, 0x9000, 0x1000)): none,
        flash(row(1, 0x40, 0x10000, 1)): none,
        flash(row(1, 0x40, 0xF000, 0x1001)): none,
        flash(row(1, 0x40, 0xFFFFF000, 0x2000)): none,
        flash(row(1, 0x40, 0x9000, 0xFFFFFFFF)): none,
        flash(row(0, 0, 0x9000, 0x1000) + b"\xff" * 32 + MODEL): none,  # behind the end of the table
        flash(row(0, 0, 0x9000, 0x1000) + md5 + MODEL): (0x9000, 0x1000),
        flash(row(1, 0x40, 0xF000, 0x1000)): (0xF000, 0x1000),
        flash(row(0, 0, 0, 1) * 95 + MODEL): (0x9000, 0x1000),
        flash(row(0, 0, 0, 1) * 96 + MODEL): none,  # behind the table's greatest length
    }
    assert dict(zip(cases, find(list(cases)), strict=True)) == cases


def test_random_tables_stay_within_the_flash(find: Find) -> None:
    rng = random.Random(5)
    arrays = []
    for _ in range(200):
        rows = b"".join(
            row(
                1,
                0x40 + rng.randrange(2),
                rng.getrandbits(rng.choice((12, 16, 32))),
                rng.getrandbits(rng.choice((12, 32))),
            )
            for _ in range(4)
        )
        arrays.append(flash(rows, rng.choice((TABLE_OFFSET + TABLE_BYTES, 0x10000))))
    found = find(arrays)
    assert all(offset + size <= len(array) for array, (offset, size) in zip(arrays, found, strict=True))
    assert 0 < sum(size > 0 for _, size in found) < len(found)
