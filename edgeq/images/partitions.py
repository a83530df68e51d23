"""The partition table: ESP-IDF's binary format, as it lies in flash at 0x8000.

Rows of 32 bytes: 0x50AA, type, subtype, offset, size, name (16), flags; then a row 0xEBEB, 14 bytes 0xFF, MD5 of the
rows before it; the rest of 0xC00 bytes is 0xFF. Numbers are little-endian.
Source: ESP-IDF's `esp_flash_partitions.h` and its guide to partition tables.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
from dataclasses import dataclass

from edgeq.errors import BadInput

TABLE_OFFSET = 0x8000
TABLE_BYTES = 0xC00
FIRST_OFFSET = 0x9000  # behind the table's sector
SECTOR_BYTES = 0x1000

TYPE_APP = 0x00
TYPE_DATA = 0x01
SUBTYPE_FACTORY = 0x00
SUBTYPE_COREDUMP = 0x03
SUBTYPE_MODEL = 0x40  # ours, as the next; ESP-IDF leaves 0x40 to 0xFE to applications
SUBTYPE_SLOT_RECORDS = 0x41

PAGE_BYTES = 0x10000  # the flash cache maps pages of 64 KiB
_ROW = struct.Struct("<HBBII16sI")
_ROW_MAGIC = 0x50AA
_MD5_START = b"\xeb\xeb" + b"\xff" * 14
_END_ROW = b"\xff" * _ROW.size
_WHERE = "partition table"


@dataclass(frozen=True)
class Partition:
    """`size` bytes of flash from `offset`. Raises BadInput for a bad name, alignment or size."""

    name: str
    type: int
    subtype: int
    offset: int
    size: int
    flags: int = 0

    def __post_init__(self) -> None:
        if not (1 <= len(self.name) <= 16 and self.name.isascii() and self.name.isprintable()):
            raise BadInput(f"{self.name!r} is no name of 1 to 16 printable ASCII characters", where=_WHERE)
        if not (0 <= self.type < 256 and 0 <= self.subtype < 256 and 0 <= self.flags < 1 << 32):
            raise BadInput(f"'{self.name}' has a type, subtype or flags out of range", where=_WHERE)
        alignment = PAGE_BYTES if self.type == TYPE_APP else SECTOR_BYTES
        if self.offset % alignment:
            raise BadInput(f"'{self.name}' starts at {self.offset:#x}, not a multiple of {alignment:#x}", where=_WHERE)
        if self.offset < FIRST_OFFSET:
            raise BadInput(f"'{self.name}' starts at {self.offset:#x}, in or before the table", where=_WHERE)
        if self.size <= 0 or self.size % SECTOR_BYTES:
            raise BadInput(f"'{self.name}' has {self.size:#x} bytes, not a multiple of {SECTOR_BYTES:#x}", where=_WHERE)
        if self.end > 1 << 32:
            raise BadInput(f"'{self.name}' ends at {self.end:#x}, above 32 bits", where=_WHERE)

    @property
    def end(self) -> int:
        return self.offset + self.size


@dataclass(frozen=True)
class PartitionTable:
    """Partitions in the order of their rows. Raises BadInput when two overlap or share a name."""

    partitions: tuple[Partition, ...]

    def __post_init__(self) -> None:
        most = TABLE_BYTES // _ROW.size - 1
        if not 1 <= len(self.partitions) <= most:
            raise BadInput(f"{len(self.partitions)} partitions, 1 to {most} are possible", where=_WHERE)
        by_offset = sorted(self.partitions, key=lambda partition: partition.offset)
        for low, high in itertools.pairwise(by_offset):
            if low.end > high.offset:
                raise BadInput(f"'{low.name}' and '{high.name}' overlap", where=_WHERE)
        if len({partition.name for partition in self.partitions}) < len(self.partitions):
            raise BadInput("two partitions have the same name", where=_WHERE)

    def find(self, type: int, subtype: int) -> Partition | None:
        """The first partition of that type and subtype."""
        return next(iter(self._all(type, subtype)), None)

    @property
    def model_slots(self) -> tuple[Partition, ...]:
        """The partitions for a model image, in the order the firmware counts them."""
        return self._all(TYPE_DATA, SUBTYPE_MODEL)

    def _all(self, type: int, subtype: int) -> tuple[Partition, ...]:
        return tuple(p for p in self.partitions if (p.type, p.subtype) == (type, subtype))

    def check_fits(self, flash_bytes: int) -> None:
        """Raises BadInput when a partition ends behind the flash."""
        for partition in self.partitions:
            if partition.end > flash_bytes:
                raise BadInput(
                    f"'{partition.name}' ends at {partition.end:#x}, behind the {flash_bytes:#x} bytes of flash",
                    where=_WHERE,
                )


def write_partition_table(table: PartitionTable) -> bytes:
    """The table's 0xC00 bytes."""
    rows = b"".join(
        _ROW.pack(_ROW_MAGIC, p.type, p.subtype, p.offset, p.size, p.name.encode("ascii"), p.flags)
        for p in table.partitions
    )
    with_md5 = rows + _MD5_START + hashlib.md5(rows, usedforsecurity=False).digest()
    return with_md5.ljust(TABLE_BYTES, b"\xff")


def read_partition_table(data: bytes, flash_bytes: int) -> PartitionTable:
    """The table in the first 0xC00 bytes of `data`, for a flash of `flash_bytes`.

    Raises BadInput for a row without its magic, a missing or wrong MD5, bad alignment, overlap, or a partition
    outside the flash.
    """
    partitions: list[Partition] = []
    for at in range(0, min(len(data), TABLE_BYTES) - _ROW.size + 1, _ROW.size):
        row = data[at : at + _ROW.size]
        if row.startswith(_MD5_START):
            if hashlib.md5(data[:at], usedforsecurity=False).digest() != row[len(_MD5_START) :]:
                raise BadInput("MD5 does not match", where=_WHERE)
            table = PartitionTable(tuple(partitions))
            table.check_fits(flash_bytes)
            return table
        if row == _END_ROW:
            break
        magic, kind, subtype, offset, size, name, flags = _ROW.unpack(row)
        if magic != _ROW_MAGIC:
            raise BadInput(f"row {len(partitions)} starts with {magic:#06x}, not 0x50aa", where=_WHERE)
        text = name.rstrip(b"\0").decode("ascii", "replace")
        partitions.append(Partition(text, kind, subtype, offset, size, flags))
    if not partitions:
        raise BadInput("is empty", where=_WHERE)
    raise BadInput("has no MD5 row", where=_WHERE)
