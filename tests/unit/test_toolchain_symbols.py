"""Names of addresses: from real ELF files, from damaged ones, and of a panic on the emulated core."""

import shutil
import subprocess
from pathlib import Path

import pytest

from edgeq.bundled import bundled
from edgeq.errors import BadInput
from edgeq.link.panic import code_addresses
from edgeq.pipeline.panic import PanicDecoder
from edgeq.toolchain.build import build_program
from edgeq.toolchain.compilers import Lx6Compiler
from edgeq.toolchain.program import LX6_LINKER_SCRIPT, Program
from edgeq.toolchain.symbols import Symbol, Symbols, find_addr2lines, read_symbols, source_lines
from edgeq.virtual.runners import find_runner

SOURCE = "int add(int a, int b) {\n    return a + b;\n}\nint main(void) { return add(1, -1); }\n"
TOOLS = ("clang-22", "llvm-mc-22", "xtensa-lx106-elf-ld", "qemu-system-xtensa")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
DIES = """
#include "simcall.h"
int main(void);
void deep_inside(void);
__attribute__((noinline)) void deep_inside(void) { __asm__ volatile(".byte 0, 0, 0"); }
int main(void) {
    static const uint8_t words[] = "it runs\\r\\n";
    console_write(words, sizeof words - 1);
    deep_inside();
    return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program of this machine, with debug information."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "add.c").write_text(SOURCE)
    subprocess.run(["gcc", "-g", "-O0", "-no-pie", "add.c", "-o", "add"], cwd=folder, check=True)
    return folder / "add"


def _address(symbols: Symbols, name: str) -> int:
    return next(symbol.address for symbol in symbols.symbols if symbol.name == name)


def test_names_of_addresses(program: Path) -> None:
    symbols = read_symbols(program.read_bytes())
    add = _address(symbols, "add")
    assert symbols.at(add) == "add"
    assert symbols.at(add + 3) == "add+0x3"
    assert symbols.at(1) is None
    main = next(symbol for symbol in symbols.symbols if symbol.name == "main")
    assert symbols.at(main.address + main.bytes) != f"main+{main.bytes:#x}"


def test_a_label_without_a_size_reaches_to_the_next() -> None:
    symbols = Symbols((Symbol(0x100, 0, "vector"), Symbol(0x120, 8, "handler")))
    assert [symbols.at(a) for a in (0x11F, 0x127, 0x128)] == ["vector+0x1f", "handler+0x7", None]


def test_lines_of_addresses(program: Path) -> None:
    addr2lines = (Path("/nowhere"), *find_addr2lines())
    add = _address(read_symbols(program.read_bytes()), "add")
    found = source_lines(addr2lines, program, [add, 1])
    assert found[0] is not None and found[0].endswith("add.c:1")
    assert found[1] is None
    assert source_lines([Path("/nowhere")], program, [add]) == [None]


def test_a_stripped_file_has_no_symbols(program: Path, tmp_path: Path) -> None:
    subprocess.run(["strip", program, "-o", tmp_path / "stripped"], check=True)
    with pytest.raises(BadInput, match="has no symbols"):
        read_symbols((tmp_path / "stripped").read_bytes())


def test_damaged_files_are_refused_or_read(program: Path) -> None:
    """Whatever is cut off or changed, nothing but BadInput comes out."""
    data = program.read_bytes()
    for end in range(0, len(data), 97):
        with pytest.raises(BadInput):
            read_symbols(data[:end])
    table = int.from_bytes(data[40:48], "little")  # section headers
    for at in range(table, len(data), 3):
        damaged = bytearray(data)
        damaged[at] ^= 0xFF
        try:
            read_symbols(bytes(damaged))
        except BadInput:
            continue


@pytest.mark.parametrize(
    ("line", "addresses"),
    [
        (
            "Backtrace: 0x400d1234:0x3ffb1f30 0x400d5678:0x3ffb1f50 |<-CORRUPTED",
            (0x400D1234, 0x400D5678),
        ),
        ("PC      : 0x400d1234  PS      : 0x00060030  A0      : 0x800d5678  A1      : 0x3ffb1f30", (0x400D1234,)),
        ("MEPC    : 0x42008a5c  RA      : 0x42008a40  SP      : 0x3fc91ab0", (0x42008A5C, 0x42008A40)),
        ("panic: EXCCAUSE 28 EPC 0x0001234c EXCVADDR 0x00000000", (0x0001234C,)),
        ("Guru Meditation Error: Core  0 panic'ed (LoadProhibited). Exception was unhandled.", ()),
        ("edgeq> info", ()),
        ("Backtrace: 0x400d1234", ()),
        ("", ()),
    ],
)
def test_addresses_of_a_panic(line: str, addresses: tuple[int, ...]) -> None:
    assert code_addresses(line) == addresses


@pytest.mark.emulator
@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_a_panic_of_the_emulated_core(tmp_path: Path) -> None:
    root = bundled("firmware")
    port = Path("ports/qemu_lx6")
    (tmp_path / "main.c").write_text(DIES)
    sources = sorted(p for p in (root / port).iterdir() if p.suffix in (".c", ".S") and p.name != "main.c")
    program = Program(
        root=root, sources=(*sources, tmp_path / "main.c"), include_dirs=(port, port / "include"),
        linker_script=LX6_LINKER_SCRIPT,
    )  # fmt: skip
    elf, flash = tmp_path / "firmware.elf", tmp_path / "flash.bin"
    elf.write_bytes(build_program(program, Lx6Compiler.find(werror=True)))
    flash.write_bytes(b"\xff" * 4096)
    command = find_runner("qemu_lx6").command(str(elf), str(flash))
    text = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60).stdout.decode()
    decoder = PanicDecoder.of(tmp_path)
    decoded = [place for line in text.splitlines() for place in decoder.decode(line)]
    assert len(decoded) == 1, text
    assert "  deep_inside" in decoded[0]
