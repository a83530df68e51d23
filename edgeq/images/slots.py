"""Which model slot runs: two records, each in a sector of its own, of which the newer counts (docs/plan-format.md).

    u32 "EQSL", u32 sequence, u32 slot, 32 bytes SHA-256 of the slot's model image, u32 CRC-32 of what stands before

Numbers are little-endian. A new model goes into the other slot, then its record into the other sector: whatever is
interrupted, the slot that ran before and its record are whole.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from edgeq.errors import BadInput
from edgeq.images.partitions import SECTOR_BYTES

SLOTS = 2
RECORDS = 2
RECORDS_BYTES = RECORDS * SECTOR_BYTES

_MAGIC = b"EQSL"
_RECORD = struct.Struct("<4s2I32s")
_CRC = struct.Struct("<I")
RECORD_BYTES = _RECORD.size + _CRC.size
_HALF = 1 << 31


@dataclass(frozen=True)
class SlotRecord:
    """`slot` holds a whole image with that SHA-256; of two records the one with the later sequence number counts."""

    sequence: int
    slot: int
    image_sha256: bytes

    def __post_init__(self) -> None:
        if not (0 <= self.sequence < 1 << 32 and 0 <= self.slot < SLOTS and len(self.image_sha256) == 32):
            raise BadInput("sequence, slot or SHA-256 out of range", where="slot record")


def write_slot_record(record: SlotRecord) -> bytes:
    """The record's 48 bytes, the start of a sector."""
    body = _RECORD.pack(_MAGIC, record.sequence, record.slot, record.image_sha256)
    return body + _CRC.pack(zlib.crc32(body))


def read_slot_record(sector: bytes) -> SlotRecord | None:
    """The record at the start of a sector; None where there is no sound one, as in an erased or torn sector."""
    if len(sector) < RECORD_BYTES:
        return None
    magic, sequence, slot, sha256 = _RECORD.unpack_from(sector)
    (crc,) = _CRC.unpack_from(sector, _RECORD.size)
    if magic != _MAGIC or crc != zlib.crc32(sector[: _RECORD.size]) or slot >= SLOTS:
        return None
    return SlotRecord(sequence, slot, sha256)


@dataclass(frozen=True)
class SlotUpdate:
    """The slot a new image goes into, and, after it, `records` at `offset` of the records' partition."""

    slot: int
    offset: int
    records: bytes


def first_slot(image_sha256: bytes) -> SlotUpdate:
    """For a flash without records: the first slot, and both sectors, so that no stale record is left."""
    record = write_slot_record(SlotRecord(1, 0, image_sha256))
    return SlotUpdate(0, 0, record.ljust(RECORDS_BYTES, b"\xff"))


def next_slot(records: bytes, image_sha256: bytes) -> SlotUpdate:
    """For a flash whose records' partition holds `records`: the slot and the sector that are not in use."""
    sectors = [read_slot_record(records[at : at + SECTOR_BYTES]) for at in range(0, RECORDS_BYTES, SECTOR_BYTES)]
    newest: tuple[int, SlotRecord] | None = None
    for sector, record in enumerate(sectors):
        if record and (newest is None or (record.sequence - newest[1].sequence) % (1 << 32) < _HALF):
            newest = sector, record
    if newest is None:
        return first_slot(image_sha256)
    sector, record = newest
    following = SlotRecord((record.sequence + 1) % (1 << 32), SLOTS - 1 - record.slot, image_sha256)
    offset = (RECORDS - 1 - sector) * SECTOR_BYTES
    return SlotUpdate(following.slot, offset, write_slot_record(following))
