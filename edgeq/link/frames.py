"""Frames between text on the serial console: COBS between zero bytes, with a CRC-32. Pure.

The rules are docs/link-protocol.md's; firmware/components/eq_link/{cobs,frame}.c is the same in C.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

PAYLOAD_MAX_BYTES = 256
RAW_MAX_BYTES = 2 + PAYLOAD_MAX_BYTES + 4
COBS_MAX_BYTES = RAW_MAX_BYTES + 2
FIRST_TYPE = 0x80

_BLOCK_BYTES = 254


@dataclass(frozen=True)
class Frame:
    """A sound frame. ValueError if type, seq or payload cannot be in one."""

    type: int
    seq: int
    payload: bytes = b""

    def __post_init__(self) -> None:
        if not FIRST_TYPE <= self.type <= 0xFF:
            raise ValueError(f"frame type {self.type:#x} is not in 0x80..0xff")
        if not 0 <= self.seq <= 0xFF:
            raise ValueError(f"sequence number {self.seq} is not a byte")
        if len(self.payload) > PAYLOAD_MAX_BYTES:
            raise ValueError(f"payload of {len(self.payload)} bytes, at most {PAYLOAD_MAX_BYTES} fit")


@dataclass(frozen=True)
class Text:
    """Bytes outside frames, as they came."""

    data: bytes


def cobs_encode(raw: bytes) -> bytes:
    """Consistent Overhead Byte Stuffing (Cheshire and Baker 1999): no zero byte in the result."""
    out = bytearray()
    pieces = raw.split(b"\0")
    for index, piece in enumerate(pieces):
        while len(piece) > _BLOCK_BYTES or (len(piece) == _BLOCK_BYTES and index < len(pieces) - 1):
            out += b"\xff" + piece[:_BLOCK_BYTES]
            piece = piece[_BLOCK_BYTES:]
        out.append(len(piece) + 1)
        out += piece
    return bytes(out)


def cobs_decode(data: bytes) -> bytes | None:
    """The inverse; None if the codes do not add up."""
    out = bytearray()
    at = 0
    while at < len(data):
        code = data[at]
        block = data[at + 1 : at + code]
        if code == 0 or len(block) != code - 1:
            return None
        out += block
        at += code
        if code != 0xFF and at < len(data):
            out.append(0)
    return bytes(out)


def encode(frame: Frame) -> bytes:
    """The frame as it goes over the line, zeros included."""
    body = bytes((frame.type, frame.seq)) + frame.payload
    return b"\0\0" + cobs_encode(body + struct.pack("<I", zlib.crc32(body))) + b"\0"


def _open(buffer: bytes) -> Frame | None:
    raw = cobs_decode(buffer)
    if raw is None or not 6 <= len(raw) <= RAW_MAX_BYTES or raw[0] < FIRST_TYPE:
        return None
    body, crc = raw[:-4], raw[-4:]
    if struct.pack("<I", zlib.crc32(body)) != crc:
        return None
    return Frame(body[0], body[1], body[2:])


class Decoder:
    """Takes the stream in pieces of any size. `dropped` counts buffers that were no sound frame."""

    def __init__(self) -> None:
        self.dropped = 0
        self._in_frame = False
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Text | Frame]:
        """What became whole with these bytes, in order; neighbouring text is joined."""
        events: list[Text | Frame] = []
        text = bytearray()
        for byte in data:
            frame = self._feed(byte, text)
            if frame is not None:
                if text:
                    events.append(Text(bytes(text)))
                    text.clear()
                events.append(frame)
        if text:
            events.append(Text(bytes(text)))
        return events

    def _feed(self, byte: int, text: bytearray) -> Frame | None:
        buffer = self._buffer
        if not self._in_frame:
            if byte:
                text.append(byte)
            else:
                self._in_frame = True
        elif byte == 0:
            if not buffer:
                return None
            frame = _open(bytes(buffer))
            buffer.clear()
            if frame is not None:
                self._in_frame = False
                return frame
            self.dropped += 1  # stays in frame state: this zero may be the opening one of the next
        elif len(buffer) == COBS_MAX_BYTES:
            self.dropped += 1
            buffer.clear()
            self._in_frame = False
        else:
            buffer.append(byte)
            if len(buffer) == 2 and byte < FIRST_TYPE:  # behind the COBS code comes the type
                text += buffer
                buffer.clear()
                self._in_frame = False
        return None
