"""What a runner makes of an application image."""

from __future__ import annotations

import shutil
import struct

import pytest

from edgeq.errors import BadInput, ToolMissing
from edgeq.images.app import Segment
from edgeq.virtual.runners import find_runner, segments_to_elf


def test_elf_loads_each_segment_at_its_address() -> None:
    segments = (Segment(0x10000, b"text" * 5), Segment(0xFE000000, b"reset..."))
    elf = segments_to_elf(segments, entry=0x10004)
    assert elf[:7] == b"\x7fELF\x01\x01\x01"
    kind, machine, _, entry, table = struct.unpack_from("<HHIII", elf, 16)
    row_bytes, rows = struct.unpack_from("<HH", elf, 42)
    assert (kind, machine, entry, row_bytes, rows) == (2, 94, 0x10004, 32, 2)
    loaded = []
    for row in range(rows):
        p_type, offset, virtual, physical, in_file, in_memory, _, _ = struct.unpack_from("<8I", elf, table + 32 * row)
        assert (p_type, virtual, in_file) == (1, physical, in_memory)
        loaded.append(Segment(physical, elf[offset : offset + in_file]))
    assert tuple(loaded) == segments


def test_unknown_runner() -> None:
    with pytest.raises(BadInput, match="no runner 'abacus'"):
        find_runner("abacus")


def test_without_qemu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ToolMissing) as caught:
        find_runner("qemu_lx6")
    assert "qemu-system-misc" in caught.value.hint
    assert find_runner("host").tool == ""
