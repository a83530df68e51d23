"""The ESP32 application image: what lies in an `app` partition and what the bootloader checks before it starts it.

    8 bytes   0xE9, segment count, flash mode, flash size and frequency, entry point
    16 bytes  write-protect pin, pin drive (3), chip id, least revision (3), greatest revision (2), reserved (4),
              1 if a SHA-256 follows
    segments  each: load address, length (a multiple of 4), data
    padding   zeros, so that the next byte is the last of a 16-byte line
    1 byte    0xEF XOR every byte of the segments' data
    32 bytes  SHA-256 of everything before it

Numbers are little-endian. Source: ESP-IDF's `esp_app_format.h` and esptool's documentation of the image format.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edgeq.errors import BadInput

CHIP_ESP32 = 0x0000
CHIP_HOST = 0xFFFE  # ours: the one segment is an executable of the machine that runs the virtual board

MAGIC = 0xE9
MAX_SEGMENTS = 16
_CHECKSUM_SEED = 0xEF
_HEADER = struct.Struct("<BBBBI")
_EXTENDED = struct.Struct("<B3sHBHH4sB")
_SEGMENT = struct.Struct("<II")
_HASH_BYTES = 32
_NO_WP_PIN = 0xEE
_ANY_REVISION = 0xFFFF
_WHERE = "application image"


@dataclass(frozen=True)
class Segment:
    """`data` to be loaded at `address`."""

    address: int
    data: bytes

    def __post_init__(self) -> None:
        if self.address < 0 or self.address + len(self.data) > 1 << 32:
            raise BadInput(
                f"segment of {len(self.data)} bytes at {self.address:#x} leaves the 32-bit address space",
                where=_WHERE,
            )


@dataclass(frozen=True)
class AppImage:
    """Segments, and where the program starts. Raises BadInput for no segment or more than 16."""

    segments: tuple[Segment, ...]
    entry: int
    chip_id: int = CHIP_ESP32
    flash_mode: int = 2  # DIO
    flash_size_and_frequency: int = 0x20  # 4 MB, 40 MHz

    def __post_init__(self) -> None:
        if not 1 <= len(self.segments) <= MAX_SEGMENTS:
            raise BadInput(f"{len(self.segments)} segments, 1 to {MAX_SEGMENTS} are possible", where=_WHERE)
        for name, value, bits in (
            ("entry", self.entry, 32),
            ("chip id", self.chip_id, 16),
            ("flash mode", self.flash_mode, 8),
            ("flash size and frequency", self.flash_size_and_frequency, 8),
        ):
            if not 0 <= value < 1 << bits:
                raise BadInput(f"{name} {value:#x} does not fit {bits} bits", where=_WHERE)


def write_app_image(image: AppImage) -> bytes:
    """The bytes of an application image; segments are padded with zeros to a multiple of 4."""
    segments = [(segment.address, _padded(segment.data, 4)) for segment in image.segments]
    out = bytearray(_HEADER.pack(MAGIC, len(segments), image.flash_mode, image.flash_size_and_frequency, image.entry))
    out += _EXTENDED.pack(_NO_WP_PIN, bytes(3), image.chip_id, 0, 0, _ANY_REVISION, bytes(4), 1)
    for address, data in segments:
        out += _SEGMENT.pack(address, len(data)) + data
    out += bytes(15 - len(out) % 16)
    out.append(_checksum(data for _, data in segments))
    return bytes(out + hashlib.sha256(out).digest())


def read_app_image(data: bytes) -> AppImage:
    """The image that starts at `data[0]`; what lies behind its SHA-256 is not looked at.

    Raises BadInput that names the first thing wrong: magic, segment count, a length that leaves the data,
    checksum, SHA-256.
    """
    if len(data) < _HEADER.size + _EXTENDED.size:
        raise BadInput(f"{len(data)} bytes are too few for a header", where=_WHERE)
    magic, count, flash_mode, size_and_frequency, entry = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise BadInput(f"starts with {magic:#04x}, not {MAGIC:#04x}", where=_WHERE)
    if not 1 <= count <= MAX_SEGMENTS:
        raise BadInput(f"{count} segments, 1 to {MAX_SEGMENTS} are possible", where=_WHERE)
    _, _, chip_id, _, _, _, _, hashed = _EXTENDED.unpack_from(data, _HEADER.size)
    if hashed != 1:
        raise BadInput("carries no SHA-256", where=_WHERE)

    segments = []
    at = _HEADER.size + _EXTENDED.size
    for index in range(count):
        if at + _SEGMENT.size > len(data):
            raise BadInput(f"ends inside the header of segment {index}", where=_WHERE)
        address, length = _SEGMENT.unpack_from(data, at)
        at += _SEGMENT.size
        if length % 4:
            raise BadInput(f"segment {index} has {length} bytes, not a multiple of 4", where=_WHERE)
        if length > len(data) - at:
            raise BadInput(f"segment {index} has {length} bytes, but only {len(data) - at} are left", where=_WHERE)
        segments.append(Segment(address, bytes(data[at : at + length])))
        at += length

    end = at + 16 - at % 16
    if end + _HASH_BYTES > len(data):
        raise BadInput("ends before its checksum and SHA-256", where=_WHERE)
    expected = _checksum(segment.data for segment in segments)
    if data[end - 1] != expected:
        raise BadInput(f"checksum is {data[end - 1]:#04x}, should be {expected:#04x}", where=_WHERE)
    if hashlib.sha256(data[:end]).digest() != data[end : end + _HASH_BYTES]:
        raise BadInput("SHA-256 does not match", where=_WHERE)
    return AppImage(tuple(segments), entry, chip_id, flash_mode, size_and_frequency)


def _padded(data: bytes, multiple: int) -> bytes:
    return data + bytes(-len(data) % multiple)


def _checksum(parts: Iterable[bytes]) -> int:
    total = _CHECKSUM_SEED
    for part in parts:
        total ^= int(np.bitwise_xor.reduce(np.frombuffer(part, np.uint8), initial=0))
    return total
