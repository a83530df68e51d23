"""The ESP32's serial loader: bytes in, bytes out, and operations on a flash. No port, no file, no clock.

It speaks what esptool 5 speaks to the ROM, and, once a program has been loaded into RAM and started, what it speaks
to its stub: nothing is executed, a started program is taken to be that stub. The stub adds commands, answers with two
status bytes where the ROM has four, and takes larger blocks.

Packets (SLIP, see `slip.py`):

    request   00, command, length (2), checksum (4), payload
    answer    01, command, length (2), value (4), data, status

Numbers are little-endian; the checksum is 0xEF XOR the payload's data bytes, and counts in data commands only.
Source: esptool's documentation, "Serial Protocol". Whatever arrives, it is answered, refused by a status or ignored.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from edgeq.virtual import slip
from edgeq.virtual.registers import Registers

_BLOCK_BYTES_MAX = 0x4000
_DATA_HEADER_BYTES = 16
_PACKET_BYTES_MAX = 8 + _DATA_HEADER_BYTES + _BLOCK_BYTES_MAX
_RAM_BYTES_MAX = 0x80000
_READ_BLOCK_BYTES = 0x1000
_READ_WINDOW_BYTES = 0x10000  # sent without being acknowledged, at most
_SLOW_READ_BYTES = 64
_SECTOR_BYTES = 0x1000
_SYNC = b"\x07\x07\x12\x20" + b"\x55" * 32
_ROM_SYNC_VALUE = 0x20120707

_INVALID, _FAILED, _BAD_CHECKSUM, _BAD_DEFLATE = 0x05, 0x06, 0x07, 0x0B


class Flash(Protocol):
    """What the loader does to a flash; `FlashArray` is one."""

    size: int

    def read(self, offset: int, size: int) -> bytes: ...
    def program(self, offset: int, data: bytes) -> None: ...
    def erase(self, offset: int, size: int) -> None: ...


class _Refused(Exception):
    """The request's answer is this status and nothing is done."""

    def __init__(self, status: int = _INVALID) -> None:
        self.status = status


@dataclass
class _Download:
    """A region that is being filled block by block, in flash or (where nothing is kept) in RAM."""

    offset: int
    size: int
    block_bytes: int
    blocks: int
    inflater: zlib._Decompress | None = None
    next_block: int = 0
    written: int = 0


@dataclass
class _Upload:
    """A region of flash that is being read, in packets that the other side acknowledges by their total."""

    offset: int
    size: int
    block_bytes: int
    window_bytes: int
    sent: int = 0
    acknowledged: int = 0
    md5: hashlib._Hash = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))


class RomLoader:
    """The loader from one reset to the next.

    `stub` tells whether the stub's commands are on. `leave` turns true when the other side asked to start what is in
    flash: the board then resets.
    """

    def __init__(self, flash: Flash) -> None:
        self._flash = flash
        self._registers = Registers(flash.size)
        self._packets = slip.Decoder(_PACKET_BYTES_MAX)
        self._to_flash: _Download | None = None
        self._to_ram: _Download | None = None
        self._upload: _Upload | None = None
        self.stub = False
        self.leave = False

    @property
    def baud(self) -> int:
        """Bits a second at which the port stands; read back by a tool that measures the crystal."""
        return self._registers.baud

    @baud.setter
    def baud(self, value: int) -> None:
        self._registers.baud = max(value, 1)

    def receive(self, data: bytes) -> bytes:
        """Takes bytes from the port, returns the bytes to send."""
        return b"".join(self._answer(packet) for packet in self._packets.feed(data))

    def _answer(self, packet: bytes) -> bytes:
        if self._upload is not None:
            return self._continue_upload(self._upload, packet)
        if len(packet) < 8 or packet[0] != 0:
            return b""
        _, command, length, checksum = struct.unpack_from("<BBHI", packet)
        payload = packet[8:]
        stub = self.stub  # a command that changes sides is answered in the old manner
        try:
            handler = _ROM_COMMANDS.get(command) or (_STUB_COMMANDS.get(command) if stub else None)
            if handler is None or length != len(payload):
                raise _Refused
            value, answer, behind = handler(self, payload, checksum)
            status = b"\0\0"
        except _Refused as refused:
            value, answer, behind, status = 0, b"", b"", bytes((1, refused.status))
        body = answer + (status if stub else status + b"\0\0")
        response = slip.encode(struct.pack("<BBHI", 1, command, len(body), value) + body)
        repeats = 8 if command == _SYNC_COMMAND and status == b"\0\0" else 1
        return response * repeats + behind

    # Each command takes its payload and the packet's checksum; it returns the value, the data, and bytes to send
    # behind the answer, or raises _Refused.

    def _sync(self, payload: bytes, _: int) -> _Result:
        if payload != _SYNC:
            raise _Refused
        return (0 if self.stub else _ROM_SYNC_VALUE), b"", b""

    def _read_register(self, payload: bytes, _: int) -> _Result:
        (address,) = _words(payload, 1)
        return self._registers.read(address), b"", b""

    def _write_register(self, payload: bytes, _: int) -> _Result:
        words = _words(payload, len(payload) // 4)
        if not words or len(words) % 4:
            raise _Refused
        for address, value, mask, _delay_us in zip(*[iter(words)] * 4, strict=True):
            self._registers.write(address, value, mask)
        return _DONE

    def _spi_set_params(self, payload: bytes, _: int) -> _Result:
        _words(payload, 6)
        return _DONE

    def _spi_attach(self, payload: bytes, _: int) -> _Result:
        if len(payload) not in (4, 8):
            raise _Refused
        return _DONE

    def _change_baud(self, payload: bytes, _: int) -> _Result:
        baud, _old = _words(payload, 2)
        self.baud = baud
        return _DONE

    def _mem_begin(self, payload: bytes, _: int) -> _Result:
        size, blocks, block_bytes, offset = _words(payload, 4)
        if size > _RAM_BYTES_MAX or block_bytes > _BLOCK_BYTES_MAX:
            raise _Refused
        self._to_ram = _Download(offset, size, block_bytes, blocks)
        return _DONE

    def _mem_data(self, payload: bytes, checksum: int) -> _Result:
        _next_block(self._to_ram, payload, checksum)
        return _DONE

    def _mem_end(self, payload: bytes, _: int) -> _Result:
        stay, _entry = _words(payload, 2)
        if self._to_ram is None or self._to_ram.next_block < self._to_ram.blocks:
            raise _Refused(_FAILED)
        self._to_ram = None
        if stay:
            return _DONE
        self.stub = True
        return 0, b"", slip.encode(b"OHAI")

    def _flash_begin(self, payload: bytes, _: int) -> _Result:
        self._to_flash = self._begin_flash(payload)
        return _DONE

    def _flash_deflated_begin(self, payload: bytes, _: int) -> _Result:
        self._to_flash = self._begin_flash(payload)
        self._to_flash.inflater = zlib.decompressobj()
        return _DONE

    def _begin_flash(self, payload: bytes) -> _Download:
        # The fifth word, which only the stub takes, asks for encryption.
        words = _words(payload, 5 if self.stub and len(payload) == 20 else 4)
        size, blocks, block_bytes, offset = words[:4]
        if block_bytes > _BLOCK_BYTES_MAX:
            raise _Refused
        if words[4:] not in ((), (0,)) or offset + size > self._flash.size:
            raise _Refused(_FAILED)
        self._flash.erase(offset, size)
        return _Download(offset, size, block_bytes, blocks)

    def _flash_data(self, payload: bytes, checksum: int) -> _Result:
        download = self._to_flash
        block = _next_block(download, payload, checksum)
        if download is None or block is None:
            return _DONE
        left = download.size - download.written
        if download.inflater is None:
            data = block[:left]  # the last block comes padded
        else:
            try:
                data = download.inflater.decompress(block, left + 1)
            except zlib.error:
                raise _Refused(_BAD_DEFLATE) from None
            if len(data) > left:
                raise _Refused(_BAD_DEFLATE)
        self._flash.program(download.offset + download.written, data)
        download.written += len(data)
        return _DONE

    def _flash_end(self, payload: bytes, _: int) -> _Result:
        (stay,) = _words(payload, 1)
        if self._to_flash is None:
            raise _Refused(_FAILED)
        self._to_flash = None
        if not self.stub:
            self.leave = True  # the ROM starts the application, whichever way it is asked
        elif not stay:
            self.stub = False  # the chip's reset by software; the boot pins still say download
        return _DONE

    def _flash_md5(self, payload: bytes, _: int) -> _Result:
        offset, size, _a, _b = _words(payload, 4)
        digest = hashlib.md5(self._checked_read(offset, size), usedforsecurity=False)
        return 0, digest.digest() if self.stub else digest.hexdigest().encode(), b""

    def _read_slow(self, payload: bytes, _: int) -> _Result:
        offset, size = _words(payload, 2)
        if self.stub or size > _SLOW_READ_BYTES:
            raise _Refused
        return 0, self._checked_read(offset, size).ljust(_SLOW_READ_BYTES, b"\0"), b""

    def _erase_flash(self, payload: bytes, _: int) -> _Result:
        _words(payload, 0)
        self._flash.erase(0, self._flash.size)
        return _DONE

    def _erase_region(self, payload: bytes, _: int) -> _Result:
        offset, size = _words(payload, 2)
        if offset % _SECTOR_BYTES or size % _SECTOR_BYTES or offset + size > self._flash.size:
            raise _Refused(_FAILED)
        self._flash.erase(offset, size)
        return _DONE

    def _read_flash(self, payload: bytes, _: int) -> _Result:
        offset, size, block_bytes, in_flight = _words(payload, 4)
        if not 0 < block_bytes <= _READ_BLOCK_BYTES or not in_flight or offset + size > self._flash.size:
            raise _Refused(_FAILED)
        window = min(in_flight * block_bytes, _READ_WINDOW_BYTES)
        self._upload = _Upload(offset, size, block_bytes, window)
        return 0, b"", self._send_window(self._upload)

    def _continue_upload(self, upload: _Upload, packet: bytes) -> bytes:
        """An acknowledgement moves the window; anything else ends the upload."""
        acknowledged = int.from_bytes(packet, "little")
        if len(packet) != 4 or not upload.acknowledged < acknowledged <= upload.sent:
            self._upload = None
            return self._answer(packet)
        upload.acknowledged = acknowledged
        return self._send_window(upload)

    def _send_window(self, upload: _Upload) -> bytes:
        out = []
        while upload.sent < upload.size and upload.sent - upload.acknowledged < upload.window_bytes:
            size = min(upload.block_bytes, upload.size - upload.sent)
            data = self._flash.read(upload.offset + upload.sent, size)
            upload.md5.update(data)
            upload.sent += size
            out.append(slip.encode(data))
        if upload.acknowledged == upload.size:
            out.append(slip.encode(upload.md5.digest()))
            self._upload = None
        return b"".join(out)

    def _checked_read(self, offset: int, size: int) -> bytes:
        if offset + size > self._flash.size:
            raise _Refused(_FAILED)
        return self._flash.read(offset, size)


_Result = tuple[int, bytes, bytes]
_Handler = Callable[[RomLoader, bytes, int], _Result]
_DONE: _Result = (0, b"", b"")
_SYNC_COMMAND = 0x08

_ROM_COMMANDS: dict[int, _Handler] = {
    0x02: RomLoader._flash_begin,
    0x03: RomLoader._flash_data,
    0x04: RomLoader._flash_end,
    0x05: RomLoader._mem_begin,
    0x06: RomLoader._mem_end,
    0x07: RomLoader._mem_data,
    _SYNC_COMMAND: RomLoader._sync,
    0x09: RomLoader._write_register,
    0x0A: RomLoader._read_register,
    0x0B: RomLoader._spi_set_params,
    0x0D: RomLoader._spi_attach,
    0x0E: RomLoader._read_slow,
    0x0F: RomLoader._change_baud,
    0x10: RomLoader._flash_deflated_begin,
    0x11: RomLoader._flash_data,
    0x12: RomLoader._flash_end,
    0x13: RomLoader._flash_md5,
}
_STUB_COMMANDS: dict[int, _Handler] = {
    0xD0: RomLoader._erase_flash,
    0xD1: RomLoader._erase_region,
    0xD2: RomLoader._read_flash,
}


def _words(payload: bytes, count: int) -> tuple[int, ...]:
    if len(payload) != 4 * count:
        raise _Refused
    return struct.unpack(f"<{count}I", payload)


def _next_block(download: _Download | None, payload: bytes, checksum: int) -> bytes | None:
    """The data of the block that is due, or None for one that came before (its answer was lost)."""
    if download is None or len(payload) < _DATA_HEADER_BYTES:
        raise _Refused(_FAILED)
    length, number, _a, _b = struct.unpack_from("<4I", payload)
    data = payload[_DATA_HEADER_BYTES:]
    if length != len(data) or length > download.block_bytes:
        raise _Refused
    if checksum != 0xEF ^ int(np.bitwise_xor.reduce(np.frombuffer(data, np.uint8), initial=0)):
        raise _Refused(_BAD_CHECKSUM)
    if number == download.next_block - 1:
        return None
    if number != download.next_block or number >= download.blocks:
        raise _Refused(_FAILED)
    download.next_block += 1
    return data
