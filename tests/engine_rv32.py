"""The native engine on an emulated RV32IMC, the ESP32-C3's instruction set, behind one call; as `engine_host.py`.

QEMU's `virt` machine; `-icount` makes its counter of instructions exact.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

from engine_host import COMPONENTS, EngineHost

TOOLS = ("riscv64-unknown-elf-gcc", "qemu-system-riscv32")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
FIRMWARE = Path(__file__).parent / "firmware"
COUNT = 1 << 31  # engine_batch.c: count instead of writing every step's output

# The last two as in eq_kernels/CMakeLists.txt.
FLAGS = (
    *("--specs=picolibc.specs", "-nostartfiles", "-march=rv32imc", "-mabi=ilp32", "-mcmodel=medany"),
    *("-std=c11", "-Wall", "-Wextra", "-Werror", "-O2", "-fno-schedule-insns", "-fno-tree-reassoc"),
)
QEMU = (
    *("qemu-system-riscv32", "-M", "virt", "-bios", "none", "-m", "128M", "-icount", "shift=0"),
    *("-nographic", "-monitor", "none", "-serial", "none", "-semihosting-config", "enable=on,target=native"),
)


def compile_engine_rv32(elf: Path) -> None:
    """Builds `engine_batch.c` with the start-up code beside it and the three components it needs."""
    rooms = ("eq_check", "eq_kernels", "eq_engine")
    includes = [FIRMWARE / "rv32", *(COMPONENTS / room for room in (*rooms, "eq_engine/include", "eq_hal"))]
    sources = [FIRMWARE / "engine_batch.c", *sorted((FIRMWARE / "rv32").glob("*.[cS]"))]
    sources += [source for room in rooms for source in sorted((COMPONENTS / room).glob("*.c"))]
    script = ["-T", str(FIRMWARE / "rv32" / "link.ld"), "-Wl,--no-warn-rwx-segments"]
    subprocess.run(
        [TOOLS[0], *FLAGS, *(f"-I{i}" for i in includes), *script, *map(str, sources), "-o", str(elf)], check=True
    )


class EngineRv32(EngineHost):
    """The program for the emulated core; each call boots it once for a whole batch."""

    def count(self, image: bytes, sample: bytes) -> tuple[bytes, int]:
        """The output and the instructions of one inference."""
        answer = self._call([], struct.pack("<I", len(image)) + image + struct.pack("<I", COUNT | 1) + sample)
        status, instructions = struct.unpack_from("<IQ", answer)
        assert status == 0
        return answer[12:], instructions

    def _call(self, arguments: list[str], stdin: bytes) -> bytes:
        ran = subprocess.run([*QEMU, "-kernel", str(self.program)], input=stdin, capture_output=True, check=False)
        assert ran.returncode == 0, (ran.returncode, ran.stdout[-200:], ran.stderr)
        return ran.stdout
