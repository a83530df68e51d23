"""What the ROM and the second-stage bootloader do at power-on: from a flash to the application it holds."""

from __future__ import annotations

from edgeq.errors import BadInput
from edgeq.images.app import AppImage, read_app_image
from edgeq.images.partitions import (
    SUBTYPE_FACTORY,
    TABLE_BYTES,
    TABLE_OFFSET,
    TYPE_APP,
    read_partition_table,
)
from edgeq.virtual.rom import Flash


def application_in(flash: Flash, chip_id: int) -> AppImage:
    """The sound image in the `factory` partition, built for `chip_id`.

    Raises BadInput, its `what` being the line a bootloader would print. Reads nothing but `flash`.
    """
    where = f"partition table at {TABLE_OFFSET:#x}"
    try:
        table = read_partition_table(flash.read(TABLE_OFFSET, TABLE_BYTES), flash.size)
        factory = table.find(TYPE_APP, SUBTYPE_FACTORY)
        if factory is None:
            raise BadInput("no factory application")
        where = f"application image at {factory.offset:#x}"
        image = read_app_image(flash.read(factory.offset, factory.size))
        if image.chip_id != chip_id:
            raise BadInput(f"made for chip id {image.chip_id:#06x}, this one is {chip_id:#06x}")
    except BadInput as error:
        raise BadInput(f"{where}: {error.what}") from error
    return image
