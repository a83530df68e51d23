"""Which function an address of the firmware lies in: its name from the ELF file, and its line where a tool knows it."""

from __future__ import annotations

import bisect
import re
import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import BadInput
from edgeq.toolchain.elf import is_64_bit, read_sections

# Those of GNU read the files of their own chip, those of LLVM any.
ADDR2LINES = (
    "xtensa-esp32-elf-addr2line", "xtensa-esp-elf-addr2line", "riscv32-esp-elf-addr2line",
    "xtensa-lx106-elf-addr2line", "llvm-addr2line-22", "llvm-addr2line",
)  # fmt: skip

_SHT_SYMTAB = 2
_STT_NOTYPE, _STT_FUNC = 0, 2
_ROW_32 = struct.Struct("<IIIBBH")  # name, value, size, info, other, section
_ROW_64 = struct.Struct("<IBBHQQ")  # name, info, other, section, value, size
_SECONDS = 20


@dataclass(frozen=True, order=True)
class Symbol:
    """Code from `address`; `bytes` is 0 where the file does not say, as for a label of an assembly source."""

    address: int
    bytes: int
    name: str


@dataclass(frozen=True)
class Symbols:
    """The functions of a program, by address."""

    symbols: tuple[Symbol, ...]

    def at(self, address: int) -> str | None:
        """The function that `address` lies in and how far behind its start, as `eq_conv2d_s8+0x1c`."""
        below = bisect.bisect_right([symbol.address for symbol in self.symbols], address) - 1
        if below < 0:
            return None
        symbol = self.symbols[below]
        offset = address - symbol.address
        if symbol.bytes and offset >= symbol.bytes:
            return None
        return f"{symbol.name}+{offset:#x}" if offset else symbol.name


def read_symbols(data: bytes, *, where: str = "ELF file") -> Symbols:
    """The code symbols of an ELF file; raises BadInput for anything that is not sound, or for a stripped file."""
    sections = read_sections(data, where=where)
    row = _ROW_64 if is_64_bit(data) else _ROW_32
    found: dict[int, Symbol] = {}
    for table in sections:
        if table.kind != _SHT_SYMTAB:
            continue
        if table.link >= len(sections):
            raise BadInput("the symbols have no names", where=where)
        names = sections[table.link]
        if table.offset + table.bytes > len(data) or names.offset + names.bytes > len(data):
            raise BadInput("the symbols leave the file", where=where)
        text = data[names.offset : names.offset + names.bytes]
        for at in range(table.offset, table.offset + table.bytes - row.size + 1, row.size):
            fields = row.unpack_from(data, at)
            if row is _ROW_64:
                name_at, info, _, index, address, size = fields
            else:
                name_at, address, size, info, _, index = fields
            if info & 0xF not in (_STT_FUNC, _STT_NOTYPE) or not 0 < index < len(sections):
                continue
            if not sections[index].executable or (name := _name(text, name_at)) is None:
                continue
            symbol = Symbol(address, size, name)
            found[address] = max(symbol, found.get(address, symbol))
    if not found:
        raise BadInput("has no symbols", where=where, hint="the ELF file that a run keeps has them")
    return Symbols(tuple(sorted(found.values())))


def _name(text: bytes, at: int) -> str | None:
    end = text.find(b"\0", at)
    name = text[at:end].decode("ascii", "replace") if at < end else ""
    return name if name and name.isprintable() and not name.startswith((".L", "$")) else None


def find_addr2lines(names: Sequence[str] = ADDR2LINES) -> tuple[Path, ...]:
    """Those programs that are installed."""
    return tuple(Path(path) for name in names if (path := shutil.which(name)))


def source_lines(programs: Sequence[Path], elf: Path, addresses: Sequence[int]) -> list[str | None]:
    """For each address "file:line" from the first program that reads the ELF file, or None where that does not say."""
    for program in programs if addresses else ():
        if (lines := _lines(program, elf, addresses)) is not None:
            return lines
    return [None] * len(addresses)


def _lines(program: Path, elf: Path, addresses: Sequence[int]) -> list[str | None] | None:
    try:
        done = subprocess.run(
            [program, "-e", elf, *(f"{address:#x}" for address in addresses)],
            capture_output=True, stdin=subprocess.DEVNULL, timeout=_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.decode(errors="replace").splitlines()
    if done.returncode or len(lines) != len(addresses):
        return None
    return [line if re.search(r":[1-9]\d*", line) else None for line in lines]
