"""The native engine on the emulated LX6 behind one call, its kernels in assembly included; as `engine_host.py`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from engine_host import EngineHost

from edgeq.bundled import bundled
from edgeq.toolchain.build import build_program
from edgeq.toolchain.compilers import Lx6Compiler
from edgeq.toolchain.program import LX6_LINKER_SCRIPT, Program
from edgeq.virtual.runners import find_runner

TOOLS = ("clang-22", "llvm-mc-22", "xtensa-lx106-elf-ld", "qemu-system-xtensa")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
PORT = Path("ports/qemu_lx6")
FIRMWARE = Path(__file__).parent / "firmware"
ROOMS = ("eq_check", "eq_kernels", "eq_engine")


def compile_engine_lx6(elf: Path) -> None:
    """Builds `engine_batch.c` with the port's start-up code and the three components it needs."""
    root = bundled("firmware")
    sources = [p for p in sorted((root / PORT).iterdir()) if p.suffix in (".c", ".S") and p.name != "main.c"]
    for room in ROOMS:
        sources += sorted(p for p in (root / "components" / room).iterdir() if p.suffix in (".c", ".S"))
    components = [Path("components") / room for room in (*ROOMS, "eq_engine/include", "eq_hal")]
    program = Program(
        root=root,
        sources=(*sources, FIRMWARE / "engine_batch.c"),
        include_dirs=(PORT, PORT / "include", FIRMWARE / "lx6", *components),
        defines=(("EQ_MAC16", "1"),),
        linker_script=LX6_LINKER_SCRIPT,
    )
    elf.write_bytes(build_program(program, Lx6Compiler.find(werror=True)))


class EngineLx6(EngineHost):
    """The program for the emulated core; each call boots it once for a whole batch."""

    def _call(self, arguments: list[str], stdin: bytes) -> bytes:
        flash = self.program.with_suffix(".flash")
        flash.write_bytes(b"\xff" * 4096)
        command = find_runner("qemu_lx6").command(str(self.program), str(flash))
        ran = subprocess.run(command, input=stdin, capture_output=True, check=False)
        assert ran.returncode == 0, (ran.returncode, ran.stdout[-200:], ran.stderr)
        return ran.stdout
