"""The ROM's loader, spoken to in its own protocol; esptool speaks to it in tests/e2e/test_esptool.py."""

from __future__ import annotations

import hashlib
import random
import struct
import zlib
from collections.abc import Iterator
from functools import reduce
from operator import xor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.virtual import slip
from edgeq.virtual.flash_array import FlashArray
from edgeq.virtual.rom import RomLoader

MIB = 1 << 20
SYNC = b"\x07\x07\x12\x20" + b"\x55" * 32


@pytest.fixture
def rom() -> Iterator[RomLoader]:
    with FlashArray(flash_bytes=MIB) as flash:
        flash.program(0, b"\0" * 0x20000)  # so that erasing shows
        yield RomLoader(flash)


def request(op: int, *words: int, data: bytes = b"", checksum: int | None = None) -> bytes:
    payload = struct.pack(f"<{len(words)}I", *words) + data
    if checksum is None:
        checksum = reduce(xor, data, 0xEF)
    return slip.encode(struct.pack("<BBHI", 0, op, len(payload), checksum) + payload)


def ask(rom: RomLoader, op: int, *words: int, data: bytes = b"", checksum: int | None = None) -> tuple[int, bytes]:
    """(value, data and status) of the one answer, checked for its shape."""
    (answer,) = slip.Decoder(1 << 16).feed(rom.receive(request(op, *words, data=data, checksum=checksum)))
    direction, op_back, length, value = struct.unpack_from("<BBHI", answer)
    assert (direction, op_back, length) == (1, op, len(answer) - 8)
    return value, answer[8:]


OK_ROM, OK_STUB = b"\0\0\0\0", b"\0\0"


def start_stub(rom: RomLoader) -> None:
    assert ask(rom, 0x05, 4, 1, 0x1800, 0x4009F000) == (0, OK_ROM)
    assert ask(rom, 0x07, 4, 0, 0, 0, data=b"code") == (0, OK_ROM)
    answer, greeting = slip.Decoder(64).feed(rom.receive(request(0x06, 0, 0x4009F000)))
    assert answer.endswith(OK_ROM) and greeting == b"OHAI"
    assert rom.stub


def test_sync_is_answered_eight_times(rom: RomLoader) -> None:
    answers = slip.Decoder(64).feed(rom.receive(b"noise" + request(0x08, data=SYNC, checksum=0)))
    assert len(answers) == 8 and len(set(answers)) == 1
    assert struct.unpack_from("<I", answers[0], 4) != (0,), "the ROM's value is not 0, the stub's is"
    start_stub(rom)
    answers = slip.Decoder(64).feed(rom.receive(request(0x08, data=SYNC)))
    assert len(answers) == 8 and struct.unpack_from("<I", answers[0], 4) == (0,)


def test_is_an_esp32_with_its_flash(rom: RomLoader) -> None:
    assert ask(rom, 0x0A, 0x40001000) == (0x00F01D83, OK_ROM)
    spi = 0x3FF42000
    for register, value in ((0x2C, 23), (0x24, 7 << 28 | 0x9F), (0x80, 0), (0x00, 1 << 18)):
        assert ask(rom, 0x09, spi + register, value, 0xFFFFFFFF, 0) == (0, OK_ROM)
    assert ask(rom, 0x0A, spi) == (0, OK_ROM), "the command clears itself"
    assert ask(rom, 0x0A, spi + 0x80) == (0x1440EF, OK_ROM), "1 MiB"


@pytest.mark.parametrize("stub", [False, True])
@pytest.mark.parametrize("deflated", [False, True])
def test_writes_flash(rom: RomLoader, stub: bool, deflated: bool) -> None:
    if stub:
        start_stub(rom)
    ok = OK_STUB if stub else OK_ROM
    data = random.Random(0).randbytes(5000) + b"\x55" * 5000
    sent = zlib.compress(data) if deflated else data
    block, first = 0x400, 0x10 if deflated else 0x02
    blocks = -(-len(sent) // block)
    encrypted = (0,) if stub else ()
    assert ask(rom, first, len(data), blocks, block, 0x1000, *encrypted) == (0, ok)
    for number in range(blocks):
        piece = sent[number * block : (number + 1) * block]
        if not deflated:
            piece = piece.ljust(block, b"\xff")
        for _ in range(2):  # one whose answer was lost comes again
            assert ask(rom, first + 1, len(piece), number, 0, 0, data=piece) == (0, ok)
    flash = rom._flash
    assert flash.read(0x1000, len(data)) == data
    assert flash.read(0xFFF, 1) == b"\0" and flash.read(0x4000, 1) == b"\0", "only its sectors are erased"
    assert flash.read(0x1000 + len(data), 0x3000 - len(data)) == b"\xff" * (0x3000 - len(data))
    md5 = hashlib.md5(data, usedforsecurity=False)
    expected = md5.digest() if stub else md5.hexdigest().encode()
    assert ask(rom, 0x13, 0x1000, len(data), 0, 0) == (0, expected + ok)
    assert ask(rom, first + 2, 1) == (0, ok)
    assert rom.leave is not stub, "the ROM starts the application, the stub stays"


def test_reads_flash_in_acknowledged_packets(rom: RomLoader) -> None:
    start_stub(rom)
    data = random.Random(1).randbytes(300_000)
    rom._flash.erase(0, MIB)
    rom._flash.program(0x20000, data)
    decoder = slip.Decoder(0x2000)
    packets = decoder.feed(rom.receive(request(0xD2, 0x20000, len(data), 0x1000, 64)))[1:]
    assert sum(map(len, packets)) == 0x10000, "the window"
    received = b""
    while packets:
        received += packets.pop(0)
        if len(received) < len(data):
            packets += decoder.feed(rom.receive(slip.encode(len(received).to_bytes(4, "little"))))
    assert received == data
    (digest,) = decoder.feed(rom.receive(slip.encode(len(received).to_bytes(4, "little"))))
    assert digest == hashlib.md5(data, usedforsecurity=False).digest()
    assert ask(rom, 0x0A, 0x40001000)[1] == OK_STUB, "and commands are heard again"


def test_another_packet_ends_a_read(rom: RomLoader) -> None:
    start_stub(rom)
    rom.receive(request(0xD2, 0, 0x40000, 0x1000, 2))
    assert ask(rom, 0x0A, 0x40001000) == (0x00F01D83, OK_STUB)
    assert rom.receive(slip.encode(b"\0\x10\0\0")) == b"", "an acknowledgement of nothing is no packet"


def test_erases(rom: RomLoader) -> None:
    assert ask(rom, 0xD1, 0x1000, 0x1000) == (0, b"\x01\x05\0\0"), "the stub's command"
    start_stub(rom)
    assert ask(rom, 0xD1, 0x1000, 0x1000) == (0, OK_STUB)
    assert rom._flash.read(0xFFF, 2) + rom._flash.read(0x1FFF, 2) == b"\0\xff\xff\0"
    assert ask(rom, 0xD1, 0x1000, 0x10) == (0, b"\x01\x06")
    assert ask(rom, 0xD0) == (0, OK_STUB)
    assert rom._flash.read(0, MIB) == b"\xff" * MIB
    assert ask(rom, 0x04, 0) == (0, b"\x01\x06"), "no download to end"
    assert ask(rom, 0x02, 0, 0, 0x4000, 0, 0) == (0, OK_STUB)
    assert ask(rom, 0x04, 0) == (0, OK_STUB)
    assert not rom.stub, "a reset by software goes back to the ROM"


@pytest.mark.parametrize(
    ("op", "words", "data", "status"),
    [
        (0x14, (), b"", 5),  # an ESP32 has no security information
        (0x77, (), b"", 5),
        (0x0A, (), b"", 5),
        (0x0A, (1, 2), b"", 5),
        (0x09, (0x3FF42000, 1, 1), b"", 5),
        (0x02, (0x1000, 1, 0x8000, 0), b"", 5),  # a block larger than any buffer
        (0x02, (0x1000, 1, 0x400, 0, 0), b"", 5),  # the stub's form
        (0x02, (0xFFFFFFFF, 1, 0x400, 0), b"", 6),
        (0x10, (0x1000, 1, 0x400, MIB), b"", 6),
        (0x03, (4, 0, 0, 0), b"data", 6),  # before begin
        (0x05, (0xFFFFFFFF, 1, 0x400, 0), b"", 5),
        (0x06, (0, 0), b"", 6),
        (0x13, (MIB - 1, 2, 0, 0), b"", 6),
        (0x0E, (0, 65), b"", 5),
        (0x0E, (MIB - 1, 2), b"", 6),
    ],
)
def test_refuses(rom: RomLoader, op: int, words: tuple[int, ...], data: bytes, status: int) -> None:
    assert ask(rom, op, *words, data=data) == (0, bytes((1, status, 0, 0)))


def test_refuses_bad_blocks(rom: RomLoader) -> None:
    ask(rom, 0x02, 8, 2, 4, 0x1000)
    refused = [
        ask(rom, 0x03, 4, 0, 0, 0, data=b"data", checksum=0),
        ask(rom, 0x03, 5, 0, 0, 0, data=b"data"),
        ask(rom, 0x03, 5, 0, 0, 0, data=b"dataa"),
        ask(rom, 0x03, 4, 1, 0, 0, data=b"data"),
    ]
    assert [status[1] for _, status in refused] == [7, 5, 5, 6]
    assert ask(rom, 0x03, 4, 0, 0, 0, data=b"data")[1] == OK_ROM
    assert ask(rom, 0x03, 4, 1, 0, 0, data=b"data")[1] == OK_ROM
    assert ask(rom, 0x03, 4, 2, 0, 0, data=b"data")[1][1] == 6, "more than was announced"
    assert rom._flash.read(0x1000, 9) == b"datadata\xff"


def test_refuses_a_deflate_bomb(rom: RomLoader) -> None:
    bomb = zlib.compress(bytes(1 << 24), 9)[:0x4000]
    assert ask(rom, 0x10, 0x1000, 4, 0x4000, 0x1000)[1] == OK_ROM
    assert ask(rom, 0x11, len(bomb), 0, 0, 0, data=bomb) == (0, b"\x01\x0b\0\0")
    assert rom._flash.read(0x1000, 0x1000) == b"\xff" * 0x1000
    ask(rom, 0x10, 0x1000, 1, 0x4000, 0x1000)
    assert ask(rom, 0x11, 4, 0, 0, 0, data=b"junk") == (0, b"\x01\x0b\0\0")


words = st.one_of(st.integers(0, 16), st.integers(0, 0xFFFFFFFF), st.sampled_from([0x400, 0x1000, 0x4000, MIB]))
requests = st.builds(
    lambda op, values, data: request(op, *values, data=data),
    st.one_of(st.sampled_from([*range(2, 0x15), 0xD0, 0xD1, 0xD2]), st.integers(0, 255)),
    st.lists(words, max_size=6),
    st.one_of(st.just(b""), st.just(b"data"), st.binary(max_size=40)),
)


@settings(max_examples=150, deadline=None)
@given(st.booleans(), st.lists(st.one_of(requests, st.binary(max_size=60)), max_size=25))
def test_hostile_input_gets_answers_and_nothing_else(stub: bool, pieces: list[bytes]) -> None:
    with FlashArray(flash_bytes=MIB) as flash:
        rom = RomLoader(flash)
        if stub:
            start_stub(rom)
        for piece in pieces:
            assert len(rom.receive(piece)) < 1 << 18
        # Two END bytes close whatever was open; then it answers as ever, from either side.
        rom.receive(slip.END * 2)
        rom.receive(request(0x0A, 0))
        assert ask(rom, 0x0A, 0x40001000)[0] == 0x00F01D83
