"""edgeq's layout of a flash: the application, room for a core dump, and one or two slots for a model image."""

from __future__ import annotations

from edgeq.errors import DoesNotFit
from edgeq.images.partitions import (
    FIRST_OFFSET,
    PAGE_BYTES,
    SUBTYPE_COREDUMP,
    SUBTYPE_FACTORY,
    SUBTYPE_MODEL,
    SUBTYPE_SLOT_RECORDS,
    TYPE_APP,
    TYPE_DATA,
    Partition,
    PartitionTable,
)
from edgeq.images.slots import RECORDS_BYTES

APP_LEAST_BYTES = 1 << 20
COREDUMP_BYTES = 0x10000

_NAMES = {TYPE_APP: "app", TYPE_DATA: "data"}
_SUBTYPE_NAMES = {(TYPE_APP, SUBTYPE_FACTORY): "factory", (TYPE_DATA, SUBTYPE_COREDUMP): "coredump"}


def layout_for(flash_bytes: int, image_bytes: int = 0, app_bytes: int = 0) -> PartitionTable:
    """Two model slots, and the records that say which one runs, where two slots hold the image; else one large slot.

    Slots start on pages of the flash cache and take all of the flash, so that the layout is the same for every model
    that fits it. Raises DoesNotFit where even one slot is too small.
    """
    app, dump = _in_front(app_bytes)
    whole = largest_image(flash_bytes, app_bytes)
    if not whole:
        raise DoesNotFit(
            f"{flash_bytes:,} bytes of flash have no room for an application of {app.size:,} and a model",
            hint="a board with more flash",
        )
    half = whole // (2 * PAGE_BYTES) * PAGE_BYTES
    if half and image_bytes <= half:
        records = Partition("modelsel", TYPE_DATA, SUBTYPE_SLOT_RECORDS, FIRST_OFFSET, RECORDS_BYTES)
        return PartitionTable((records, app, dump, _slot(0, dump.end, half), _slot(1, dump.end + half, half)))
    if image_bytes > whole:
        raise DoesNotFit(
            f"the model image takes {image_bytes:,} bytes of flash, at most {whole:,} are left for it",
            hint="a board with more flash, or a narrower network",
        )
    return PartitionTable((app, dump, _slot(0, dump.end, whole)))


def largest_image(flash_bytes: int, app_bytes: int = 0) -> int:
    """The most bytes a model image may have: those of one large slot."""
    _, dump = _in_front(app_bytes)
    return max(flash_bytes - dump.end, 0) // PAGE_BYTES * PAGE_BYTES


def _in_front(app_bytes: int) -> tuple[Partition, Partition]:
    """The application's partition and the core dump's."""
    app = Partition("factory", TYPE_APP, SUBTYPE_FACTORY, PAGE_BYTES, max(_whole_pages(app_bytes), APP_LEAST_BYTES))
    return app, Partition("coredump", TYPE_DATA, SUBTYPE_COREDUMP, app.end, COREDUMP_BYTES)


def to_csv(table: PartitionTable) -> str:
    """The table as ESP-IDF's build reads it (`partitions.csv`)."""
    rows = [
        (
            p.name,
            _NAMES.get(p.type, f"{p.type:#x}"),
            _SUBTYPE_NAMES.get((p.type, p.subtype), f"{p.subtype:#x}"),
            f"{p.offset:#x}",
            f"{p.size:#x}",
            "",
        )
        for p in table.partitions
    ]
    return "\n".join(["# Name, Type, SubType, Offset, Size, Flags", *(", ".join(row).rstrip() for row in rows)]) + "\n"


def _slot(index: int, offset: int, size: int) -> Partition:
    return Partition(f"model_{index}", TYPE_DATA, SUBTYPE_MODEL, offset, size)


def _whole_pages(size: int) -> int:
    return -(-size // PAGE_BYTES) * PAGE_BYTES
