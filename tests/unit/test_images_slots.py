"""The records of the model slots: their bytes, and that an update touches neither the slot nor the record in use."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.errors import BadInput
from edgeq.images.slots import (
    RECORD_BYTES,
    RECORDS_BYTES,
    SlotRecord,
    first_slot,
    next_slot,
    read_slot_record,
    write_slot_record,
)

SHA = bytes(range(32))
OTHER = bytes(range(1, 33))
ERASED = b"\xff" * RECORDS_BYTES


def test_bytes() -> None:
    body = b"EQSL" + b"\x02\x01\0\0" + b"\1\0\0\0" + SHA
    assert write_slot_record(SlotRecord(0x102, 1, SHA)) == body + zlib.crc32(body).to_bytes(4, "little")
    assert RECORD_BYTES == 48


@given(st.integers(0, (1 << 32) - 1), st.integers(0, 1), st.binary(min_size=32, max_size=32))
def test_round_trip(sequence: int, slot: int, sha: bytes) -> None:
    record = SlotRecord(sequence, slot, sha)
    assert read_slot_record(write_slot_record(record).ljust(4096, b"\xff")) == record


def test_what_is_no_record() -> None:
    good = write_slot_record(SlotRecord(1, 0, SHA))
    for byte in range(RECORD_BYTES):
        assert read_slot_record(good[:byte] + bytes([good[byte] ^ 1]) + good[byte + 1 :]) is None
    assert read_slot_record(good[:-1]) is None and read_slot_record(b"") is None and read_slot_record(ERASED) is None
    third = b"EQSL" + b"\1\0\0\0" + b"\2\0\0\0" + SHA
    assert read_slot_record(third + zlib.crc32(third).to_bytes(4, "little")) is None
    for bad in ((-1, 0, SHA), (1 << 32, 0, SHA), (1, 2, SHA), (1, 0, SHA[1:])):
        with pytest.raises(BadInput, match="out of range"):
            SlotRecord(*bad)


@settings(deadline=None)
@given(st.binary(max_size=2 * RECORDS_BYTES))
def test_any_bytes_have_a_next(records: bytes) -> None:
    assert next_slot(records, SHA).slot in (0, 1)


def written(records: bytes, offset: int, record: bytes) -> bytes:
    """What esptool leaves: the sectors that are written are erased first."""
    size = -(-len(record) // 4096) * 4096
    return records[:offset] + record.ljust(size, b"\xff") + records[offset + size :]


def test_updates_go_back_and_forth() -> None:
    first = first_slot(SHA)
    assert (first.slot, first.offset, len(first.records)) == (0, 0, RECORDS_BYTES), "no stale record is left"
    records = written(ERASED, first.offset, first.records)
    assert records[4096:] == b"\xff" * 4096
    for turn in range(1, 6):
        update = next_slot(records, OTHER)
        in_use = records[(1 - update.offset // 4096) * 4096 :][:4096]
        before = read_slot_record(in_use)
        assert before is not None and before.slot == 1 - update.slot == (turn + 1) % 2
        records = written(records, update.offset, update.records)
        assert in_use in (records[:4096], records[4096:]), "the record in use is not touched"
        assert read_slot_record(update.records) == SlotRecord(turn + 1, update.slot, OTHER)


def test_sequence_numbers_wrap_around() -> None:
    last = write_slot_record(SlotRecord((1 << 32) - 1, 0, SHA)).ljust(4096, b"\xff")
    update = next_slot(last + b"\xff" * 4096, OTHER)
    assert read_slot_record(update.records) == SlotRecord(0, 1, OTHER)
    following = next_slot(written(last + b"\xff" * 4096, update.offset, update.records), SHA)
    assert read_slot_record(following.records) == SlotRecord(1, 0, SHA)


def test_a_torn_record_leaves_the_one_before() -> None:
    records = written(ERASED, 0, first_slot(SHA).records)
    torn = next_slot(records, OTHER)
    assert next_slot(written(records, torn.offset, torn.records[:20]), OTHER) == torn
    assert next_slot(ERASED, SHA) == first_slot(SHA)
