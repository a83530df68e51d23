"""The firmware finds its own application image's SHA-256, and no image leads it out of the flash."""

import random
from collections.abc import Callable

from edgeq.images.app import CHIP_HOST, AppImage, Segment, write_app_image
from edgeq.images.layout import layout_for
from edgeq.images.partitions import TABLE_OFFSET, write_partition_table

Finder = Callable[[list[bytes]], list[tuple[int, int, int]]]
FLASH_BYTES = 2 << 20
TABLE = layout_for(FLASH_BYTES)
FACTORY = next(partition for partition in TABLE.partitions if partition.name == "factory")


def flash(app: bytes) -> bytes:
    array = (b"\xff" * TABLE_OFFSET + write_partition_table(TABLE)).ljust(FACTORY.offset, b"\xff") + app
    return array.ljust(FLASH_BYTES, b"\xff")


def apps(sizes: tuple[int, ...]) -> list[bytes]:
    """One image of each size in its last segment, the one before it being of 8 bytes."""
    return [write_app_image(AppImage((Segment(0, bytes(8)), Segment(64, bytes(n))), 0, CHIP_HOST)) for n in sizes]


def test_the_hash_that_ends_the_image(finder: Finder) -> None:
    images = apps((4, 8, 12, 16, 20, 4096))
    ends = [FACTORY.offset + len(image) - 32 for image in images]
    assert [app for _, _, app in finder([flash(image) for image in images])] == ends


def test_what_is_no_image(finder: Finder) -> None:
    (image,) = apps((16,))
    last = 24 + 8 + 8 + 4  # the length of the second segment
    longer = image[:last] + FACTORY.size.to_bytes(4, "little") + image[last + 4 :]
    to_the_end = (FACTORY.size - last - 4).to_bytes(4, "little")
    without_hash = image[:last] + to_the_end + image[last + 4 :]
    arrays = [flash(app) for app in (b"", b"\xe8" + image[1:], image[:1] + b"\xff" + image[2:], longer, without_hash)]
    arrays += [flash(image)[:TABLE_OFFSET], flash(image)[: FACTORY.offset + 100]]
    assert [app for _, _, app in finder(arrays)] == [-1] * len(arrays)


def test_random_images_stay_within_the_flash(finder: Finder) -> None:
    rng = random.Random(7)
    arrays = []
    for _ in range(60):
        image = bytearray(apps((rng.randrange(4, 64, 4),))[0])
        for _ in range(rng.randrange(1, 6)):
            image[rng.randrange(1, len(image))] = rng.choice((0, 1, 0x7F, 0xFF, rng.randrange(256)))
        arrays.append(flash(bytes(image)))
    assert all(app == -1 or FACTORY.offset < app <= FLASH_BYTES - 32 for _, _, app in finder(arrays))
