"""The kernels in assembly on the emulated core: equal bytes to the plain C ones, in few instructions a
product."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from edgeq.bundled import bundled
from edgeq.toolchain.build import build_program
from edgeq.toolchain.compilers import Lx6Compiler
from edgeq.toolchain.program import LX6_LINKER_SCRIPT, Program
from edgeq.virtual.runners import find_runner

MISSING = [
    tool
    for tool in ("clang-22", "llvm-mc-22", "xtensa-lx106-elf-ld", "qemu-system-xtensa")
    if shutil.which(tool) is None
]
pytestmark = [
    pytest.mark.emulator,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]
ROOT = bundled("firmware")
PORT = Path("ports/qemu_lx6")
KERNELS = Path("components/eq_kernels")


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    port = sorted(p for p in (ROOT / PORT).iterdir() if p.suffix in (".c", ".S") and p.name != "main.c")
    kernels = sorted(p for p in (ROOT / KERNELS).iterdir() if p.suffix in (".c", ".S"))
    program = Program(
        root=ROOT,
        sources=(*port, *kernels, Path(__file__).parent / "lx6" / "conv_check.c"),
        include_dirs=(PORT, PORT / "include", KERNELS),
        defines=(("EQ_MAC16", "1"),),
        linker_script=LX6_LINKER_SCRIPT,
    )
    folder = tmp_path_factory.mktemp("lx6-kernels")
    elf, flash = folder / "conv_check.elf", folder / "flash.bin"
    elf.write_bytes(build_program(program, Lx6Compiler.find(werror=True)))
    flash.write_bytes(b"\xff" * 4096)
    command = find_runner("qemu_lx6").command(str(elf), str(flash))
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout
    return [line.split() for line in done.stdout.decode().splitlines()]


def test_the_assembly_gives_the_bytes_of_the_plain_kernels(lines: list[list[str]]) -> None:
    assert Counter(line[0] for line in lines) == {
        "conv2d_s8_gather": 48,
        "conv2d_s8_mac16": 24,
        "fully_connected_s8_mac16": 17,
    }
    assert [line for line in lines if line[1] != "equal"] == []


@pytest.mark.parametrize(
    ("kernel", "a_product"),
    [("conv2d_s8_gather", 1.20), ("conv2d_s8_mac16", 1.20), ("fully_connected_s8_mac16", 1.95)],
)
def test_a_product_takes_few_instructions(lines: list[list[str]], kernel: str, a_product: float) -> None:
    """Of the largest shape, with its weights on a 4-byte boundary, as models have them."""
    counts = [[int(n) for n in line[2:]] for line in lines if line[0] == kernel]
    products, fast, plain = max(counts, key=lambda count: (count[0], -count[1]))
    assert fast / products < a_product
    assert plain / fast > 2.5
