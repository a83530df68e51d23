"""Maps of GNU ld: one as ESP-IDF's build leaves it, and one that the real linker writes here."""

import shutil
import subprocess
from pathlib import Path

import pytest
from fake_idf import MAP

from edgeq.errors import BadInput
from edgeq.toolchain.link_map import regions

LINKER = "xtensa-lx106-elf-ld"
ASSEMBLER = "llvm-mc-22"
SCRIPT = """
MEMORY { dram0_0_seg (rw) : ORIGIN = 0x3ffb0000, LENGTH = 4K
         drom0_0_seg (r) : ORIGIN = 0x3f400000, LENGTH = 64K
         unknown_seg (r) : ORIGIN = 0x50000000, LENGTH = 64K }
SECTIONS { .dram0.data : { *(.data) } > dram0_0_seg
           .dram0.bss_with_a_long_name (NOLOAD) : { *(.bss) } > dram0_0_seg
           .flash.rodata : { *(.rodata) } > drom0_0_seg }
"""
SOURCE = ".data\n.zero 100\n.bss\n.zero 1000\n.section .rodata\n.zero 8\n"


def test_regions_of_an_esp32() -> None:
    found = {region.name: (region.used, region.size) for region in regions(MAP)}
    assert found == {
        "dram0_0_seg": (0x2400 + 0x1C000, 0x2C200),
        "iram0_0_seg": (0x403 + 0xB000, 0x20000),
        "extern_ram_seg": (0x200000, 0x400000),
        "drom0_0_seg": (0x9000, 0x3FFFE0),
        "iram0_2_seg": (0x24000, 0x32FFE0),
    }


@pytest.mark.skipif(not (shutil.which(LINKER) and shutil.which(ASSEMBLER)), reason=f"not installed: {LINKER}")
def test_a_map_of_the_real_linker(tmp_path: Path) -> None:
    (tmp_path / "a.s").write_text(SOURCE)
    (tmp_path / "a.ld").write_text(SCRIPT)
    subprocess.run([ASSEMBLER, "-arch=xtensa", "-filetype=obj", "a.s", "-o", "a.o"], cwd=tmp_path, check=True)
    subprocess.run([LINKER, "-T", "a.ld", "-Map", "a.map", "a.o", "-o", "a.elf"], cwd=tmp_path, check=True)
    found = [(r.title, r.used, r.size) for r in regions((tmp_path / "a.map").read_text())]
    assert found == [("internal RAM, data", 1100, 4096), ("flash, constants", 8, 65536)]


@pytest.mark.parametrize(
    "text", ["", "no map at all", MAP.replace("Linker script", ""), MAP.replace("Memory Conf", "")]
)
def test_what_is_no_map(text: str) -> None:
    with pytest.raises(BadInput, match="no map of GNU ld"):
        regions(text)
