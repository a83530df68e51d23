"""The ELF reader: what it finds in a file made by hand, and that damage is an error and never a crash."""

import random
import struct

import pytest

from edgeq.errors import BadInput
from edgeq.toolchain.elf import Loadable, Sizes, read_elf

ALLOC, WRITE, EXEC = 2, 1, 4
PROGBITS, NOBITS = 1, 8
SECTIONS = [  # type, flags, bytes
    (0, 0, 0),
    (PROGBITS, ALLOC | EXEC, 8),
    (PROGBITS, ALLOC, 5),
    (PROGBITS, ALLOC | WRITE, 3),
    (NOBITS, ALLOC | WRITE, 1000),
    (PROGBITS, 0, 77),  # debug information takes no memory
]
LOADED = bytes(range(16))


def elf32() -> bytes:
    header, rows = 52, 2 * 32
    at = header + rows
    ident = b"\x7fELF" + bytes((1, 1, 1)) + bytes(9)
    counts = (52, 32, 2, 40, len(SECTIONS), 0)
    out = ident + struct.pack("<HHIIIIIHHHHHH", 2, 94, 1, 0x4000, header, at + len(LOADED), 0, *counts)
    out += struct.pack("<8I", 1, at, 0x9000, 0x1000, len(LOADED), 1016, 7, 4)
    out += struct.pack("<8I", 1, 0, 0x9000, 0x2000, 0, 64, 7, 4)  # memory only
    out += LOADED
    return out + b"".join(struct.pack("<10I", 0, k, f, 0, 0, n, 0, 0, 0, 0) for k, f, n in SECTIONS)


def elf64() -> bytes:
    header, rows = 64, 2 * 56
    at = header + rows
    ident = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    counts = (64, 56, 2, 64, len(SECTIONS), 0)
    out = ident + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x4000, header, at + len(LOADED), 0, *counts)
    out += struct.pack("<IIQQQQQQ", 1, 7, at, 0x9000, 0x1000, len(LOADED), 1016, 4)
    out += struct.pack("<IIQQQQQQ", 6, 7, 0, 0x9000, 0x2000, 8, 8, 4)  # not to be loaded
    out += LOADED
    return out + b"".join(struct.pack("<IIQQQQIIQQ", 0, k, f, 0, 0, n, 0, 0, 0, 0) for k, f, n in SECTIONS)


@pytest.mark.parametrize("data", [elf32(), elf64()], ids=["32", "64"])
def test_segments_and_sizes(data: bytes) -> None:
    elf = read_elf(data)
    assert elf.entry == 0x4000
    assert elf.loadables == (Loadable(0x1000, LOADED, 1016),)
    assert elf.sizes == Sizes(text=8, rodata=5, data=3, bss=1000)


@pytest.mark.parametrize("data", [elf32(), elf64()], ids=["32", "64"])
def test_a_file_that_ends_early_is_bad_input(data: bytes) -> None:
    for length in range(len(data)):
        with pytest.raises(BadInput):
            read_elf(data[:length])


def test_other_files_are_bad_input() -> None:
    big_endian = bytearray(elf32())
    big_endian[5] = 2
    for data in (b"", b"\x7fELF", b"#!/bin/sh\n" * 10, bytes(big_endian)):
        with pytest.raises(BadInput):
            read_elf(data)


@pytest.mark.parametrize("data", [elf32(), elf64()], ids=["32", "64"])
def test_damage_is_bad_input_or_harmless(data: bytes) -> None:
    rng = random.Random(2)
    refused = 0
    for _ in range(2000):
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] = rng.randrange(256)
        try:
            elf = read_elf(bytes(damaged))
        except BadInput:
            refused += 1
        else:
            assert all(len(part.data) <= len(data) for part in elf.loadables)
    assert refused > 100
