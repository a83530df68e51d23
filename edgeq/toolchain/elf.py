"""Reads what a linker wrote: the segments to load, the sections, and how large each kind of section is. Pure.

Little-endian ELF, 32 and 64 bit (System V ABI, "Object Files"). Every offset is checked against the file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from edgeq.errors import BadInput

_MAGIC = b"\x7fELF"
_CLASS_64 = 2
_PT_LOAD = 1
_SHT_NULL, _SHT_NOBITS = 0, 8
_SHF_WRITE, _SHF_ALLOC, _SHF_EXECINSTR = 1, 2, 4


@dataclass(frozen=True)
class Sizes:
    """Bytes of memory by kind. `bss` takes memory, but no flash."""

    text: int
    rodata: int
    data: int
    bss: int


@dataclass(frozen=True)
class Loadable:
    """`data` is loaded at `address`; behind it, memory up to `memory_bytes` is zero."""

    address: int
    data: bytes
    memory_bytes: int


@dataclass(frozen=True)
class Section:
    """A row of the section header table; `link` is the index of the section that belongs to it."""

    kind: int
    flags: int
    address: int
    offset: int
    bytes: int
    link: int

    @property
    def executable(self) -> bool:
        """Whether it holds code."""
        return bool(self.flags & _SHF_EXECINSTR)


@dataclass(frozen=True)
class Elf:
    entry: int
    loadables: tuple[Loadable, ...]  # in the file's order, without those that carry no bytes
    sizes: Sizes


@dataclass(frozen=True)
class _Layout:
    """Where one ELF class keeps its fields: offsets in the file header, and the two tables' row formats."""

    header: struct.Struct  # entry, program header offset, section header offset, flags, ehsize,
    #                        phentsize, phnum, shentsize, shnum
    program: struct.Struct
    section: struct.Struct
    program_fields: tuple[int, int, int, int, int]  # type, offset, physical address, file bytes, memory bytes


_LAYOUTS = {
    1: _Layout(struct.Struct("<IIIIHHHHH"), struct.Struct("<8I"), struct.Struct("<10I"), (0, 1, 3, 4, 5)),
    2: _Layout(struct.Struct("<QQQIHHHHH"), struct.Struct("<IIQQQQQQ"), struct.Struct("<IIQQQQIIQQ"), (0, 2, 4, 5, 6)),
}
_HEADER_OFFSET = 24  # behind e_ident, type, machine, version


def read_elf(data: bytes, *, where: str = "ELF file") -> Elf:
    """Segments and sizes of an ELF file; raises BadInput for anything that is not sound."""
    layout, header = _header(data, where)
    entry, ph_offset, _, _, _, ph_bytes, ph_count, _, _ = header

    loadables = []
    for row in _rows(data, layout.program, ph_offset, ph_bytes, ph_count, f"{where}, program headers"):
        kind, offset, address, file_bytes, memory_bytes = (row[field] for field in layout.program_fields)
        if kind != _PT_LOAD or file_bytes == 0:
            continue
        if offset + file_bytes > len(data) or file_bytes > memory_bytes:
            raise BadInput(f"segment for {address:#x} leaves the file", where=where)
        loadables.append(Loadable(address, data[offset : offset + file_bytes], memory_bytes))

    text = rodata = initialised = bss = 0
    for section in read_sections(data, where=where):
        if section.kind == _SHT_NULL or not section.flags & _SHF_ALLOC:
            continue
        if section.kind == _SHT_NOBITS:
            bss += section.bytes
        elif section.executable:
            text += section.bytes
        elif section.flags & _SHF_WRITE:
            initialised += section.bytes
        else:
            rodata += section.bytes
    return Elf(entry, tuple(loadables), Sizes(text, rodata, initialised, bss))


def read_sections(data: bytes, *, where: str = "ELF file") -> tuple[Section, ...]:
    """The section header table; raises BadInput where it leaves the file. What a row points at is not checked."""
    layout, header = _header(data, where)
    _, _, offset, _, _, _, _, row_bytes, count = header
    rows = _rows(data, layout.section, offset, row_bytes, count, f"{where}, section headers")
    return tuple(Section(*row[1:7]) for row in rows)


def is_64_bit(data: bytes) -> bool:
    """Of a file that `read_sections` took."""
    return data[4] == _CLASS_64


def _header(data: bytes, where: str) -> tuple[_Layout, tuple[int, ...]]:
    if data[:4] != _MAGIC or len(data) < 6:
        raise BadInput("not an ELF file", where=where)
    layout = _LAYOUTS.get(data[4])
    if layout is None or data[5] != 1:
        raise BadInput("an ELF file, but not a little-endian one of 32 or 64 bits", where=where)
    if len(data) < _HEADER_OFFSET + layout.header.size:
        raise BadInput("ends inside its header", where=where)
    return layout, layout.header.unpack_from(data, _HEADER_OFFSET)


def _rows(
    data: bytes, row: struct.Struct, offset: int, row_bytes: int, count: int, where: str
) -> list[tuple[int, ...]]:
    if count and (row_bytes != row.size or offset + count * row_bytes > len(data)):
        raise BadInput("the table leaves the file", where=where)
    return [row.unpack_from(data, offset + index * row_bytes) for index in range(count)]
