"""Which model slot the firmware opens, whatever an update left behind, and that nothing leads it out of the flash."""

import random
from collections.abc import Callable
from itertools import product

import pytest

from edgeq.images.layout import layout_for
from edgeq.images.model import ModelImage, write_model_image
from edgeq.images.partitions import (
    SUBTYPE_SLOT_RECORDS,
    TABLE_OFFSET,
    TYPE_DATA,
    Partition,
    PartitionTable,
    write_partition_table,
)
from edgeq.images.slots import SlotRecord, first_slot, next_slot, write_slot_record

Find = Callable[[list[bytes]], list[tuple[int, int]]]

FLASH_BYTES = 0x150000  # two slots of a page each
TABLE = layout_for(FLASH_BYTES)
SLOTS = tuple(slot.offset for slot in TABLE.model_slots)
RECORDS = TABLE.partitions[0].offset
A, B = (write_model_image(ModelImage(name, b"plan", b"tflite" * 9)) for name in ("a", "b"))
TORN = A[:100]
STALE = write_slot_record(SlotRecord(7, 1, A[-32:]))


def record(sequence: int, slot: int, image: bytes) -> bytes:
    return write_slot_record(SlotRecord(sequence, slot, image[-32:]))


def flash(slots: tuple[bytes, bytes], records: tuple[bytes, bytes], table: bytes | None = None) -> bytes:
    array = bytearray(b"\xff" * FLASH_BYTES)
    places = ((TABLE_OFFSET, table or write_partition_table(TABLE)), *zip(SLOTS, slots, strict=True))
    for at, data in (*places, *((RECORDS + 4096 * i, data) for i, data in enumerate(records))):
        array[at : at + len(data)] = data
    return bytes(array)


CASES: dict[str, tuple[tuple[bytes, bytes], tuple[bytes, bytes], int]] = {
    "erased": ((b"", b""), (b"", b""), 0),
    "one model, as first flashed": ((A, b""), (record(1, 0, A), b""), 0),
    "the newer record counts": ((A, B), (record(1, 0, A), record(2, 1, B)), 1),
    "in whichever sector it lies": ((A, B), (record(2, 1, B), record(1, 0, A)), 1),
    "back in the first slot": ((A, B), (record(3, 0, A), record(2, 1, B)), 0),
    "sequence numbers wrap around": ((A, B), (record((1 << 32) - 1, 0, A), record(0, 1, B)), 1),
    "an update that stopped inside the image": ((A, TORN), (record(1, 0, A), b""), 0),
    "an update that stopped before its record": ((A, B), (record(1, 0, A), b""), 0),
    "an update of the first slot that stopped": ((TORN, B), (record(1, 0, A), record(2, 1, B)), 1),
    "an update whose record is torn": ((A, B), (record(1, 0, A), record(2, 1, B)[:30]), 0),
    "the model in use is damaged": ((A, TORN), (record(1, 0, A), record(2, 1, B)), 0),
    "its slot was erased": ((A, b""), (record(1, 0, A), record(2, 1, B)), 0),
    "it is not the one that was meant": ((A, B), (record(1, 0, A), record(2, 1, A)), 0),
    "nor is there another": ((b"", B), (b"", record(2, 1, A)), 1),
    "no record: the first that verifies": ((TORN, B), (b"", b""), 1),
    "no record, both verify": ((A, B), (b"", b""), 0),
    "no model at all: the one that was meant": ((TORN, TORN), (record(1, 0, A), record(2, 1, B)), 1),
    "a record for a slot that there is not": ((A, B), (b"EQSL" + b"\1" * 44, record(1, 1, B)), 1),
}  # fmt: skip


def test_each_case(find: Find) -> None:
    found = find([flash(slots, records) for slots, records, _ in CASES.values()])
    assert dict(zip(CASES, found, strict=True)) == {
        name: (SLOTS[slot], 0x10000) for name, (_, _, slot) in CASES.items()
    }


def test_an_update_interrupted_anywhere_leaves_a_whole_model(find: Find) -> None:
    """The bytes are written as edgeq writes them: the slot that is not in use, then the record."""
    first = first_slot(A[-32:])
    before = (first.records[:4096], first.records[4096:])
    update = next_slot(first.records, B[-32:])
    assert (update.slot, update.offset) == (1, 4096)
    stops = [*range(0, len(B), 16), len(B)]
    arrays = [flash((A, B[:stop]), before) for stop in stops]
    arrays += [flash((A, B), (before[0], update.records[:stop])) for stop in range(0, len(update.records), 4)]
    assert set(find(arrays)) == {(SLOTS[0], 0x10000)}
    assert find([flash((A, B), (before[0], update.records))]) == [(SLOTS[1], 0x10000)]


def test_one_slot_reads_no_records(find: Find) -> None:
    table = write_partition_table(layout_for(FLASH_BYTES, 0x10001))
    array = flash((TORN, A), (STALE, b""), table)
    assert find([array]) == [(SLOTS[0], 0x30000)]


def test_records_without_room(find: Find) -> None:
    """A partition of one sector holds no two records: there are none."""
    small = Partition("modelsel", TYPE_DATA, SUBTYPE_SLOT_RECORDS, RECORDS, 0x1000)
    shrunk = write_partition_table(PartitionTable((small, *TABLE.partitions[1:])))
    contents = (A, B), (record(1, 1, B), b"")
    assert find([flash(*contents), flash(*contents, shrunk)]) == [(SLOTS[1], 0x10000), (SLOTS[0], 0x10000)]


@pytest.mark.parametrize("seed", [1, 2])
def test_damage_stays_within_the_flash(find: Find, seed: int) -> None:
    rng = random.Random(seed)
    good = flash((A, B), (record(1, 0, A), record(2, 1, B)))
    hot = [range(TABLE_OFFSET, TABLE_OFFSET + 160), *(range(at, at + 64) for at in (RECORDS, RECORDS + 4096, *SLOTS))]
    arrays = []
    for _ in range(40):
        array = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            array[rng.choice(rng.choice(hot))] = rng.randrange(256)
        arrays.append(bytes(array))
    found = find(arrays)
    assert all(offset + size <= FLASH_BYTES for offset, size in found)
    assert {offset for offset, _ in found} >= set(SLOTS)


def test_every_pair_of_states(find: Find) -> None:
    """Whatever lies in slots and records: a slot that verifies is opened if there is one."""
    states = [(slots, records) for slots in product((A, B, TORN, b""), repeat=2)
              for records in product((record(1, 0, A), record(2, 1, B), STALE, b""), repeat=2)]  # fmt: skip
    for (slots, _), (offset, _) in zip(states, find([flash(*state) for state in states]), strict=True):
        whole = [at for at, data in zip(SLOTS, slots, strict=True) if data in (A, B)]
        assert offset in (whole or SLOTS)
