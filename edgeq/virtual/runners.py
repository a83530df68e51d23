"""What executes a flashed application: a child process whose stdin and stdout are the board's console.

| runner     | takes images for | starts                                                                       |
|------------|------------------|------------------------------------------------------------------------------|
| `qemu_lx6` | the ESP32        | QEMU's nearest Xtensa core; the segments at their addresses, the flash's     |
|            |                  | contents from `FLASH_ADDRESS`                                                 |
| `host`     | chip id 0xFFFE   | segment 0, an executable of this machine, with the flash file as its argument |
"""

from __future__ import annotations

import os
import shlex
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from edgeq.errors import BadInput, ToolMissing
from edgeq.images.app import CHIP_ESP32, CHIP_HOST, AppImage, Segment
from edgeq.virtual.flash_array import FlashArray

FLASH_ADDRESS = 0x04000000

_QEMU = "qemu-system-xtensa"
_QEMU_OPTIONS = (
    *("-M", "sim", "-cpu", "de233_fpu", "-m", "128M"),
    *("-nographic", "-monitor", "none", "-serial", "none", "-semihosting"),
    # An instruction takes 2^5 ns of the emulated clock, so that the core's counter counts instructions.
    *("-icount", "shift=5"),
)


@dataclass(frozen=True)
class Runner:
    """The chip id of the images it runs, the file made of an image, and how that file is started."""

    chip_id: int
    program: Callable[[AppImage], bytes]
    command: Callable[[str, str], list[str]]  # of the program's path and the flash file's
    tool: str = ""
    tool_hint: str = ""
    environment: Callable[[], Mapping[str, str]] = dict  # what the program finds beside this process's own


def segments_to_elf(segments: tuple[Segment, ...], entry: int) -> bytes:
    """An ELF32 executable for Xtensa that loads each segment at its address, without sections or symbols."""
    header_bytes, row_bytes = 52, 32
    at = header_bytes + row_bytes * len(segments)
    rows = []
    for segment in segments:
        size = len(segment.data)
        # PT_LOAD, file offset, virtual and physical address, bytes in file and memory, R+W+X, alignment
        rows.append(struct.pack("<8I", 1, at, segment.address, segment.address, size, size, 7, 1))
        at += size
    identity = b"\x7fELF" + bytes((1, 1, 1)) + bytes(9)  # 32 bits, little-endian, version 1
    # ET_EXEC, EM_XTENSA, version 1, entry, program headers, no sections, flags, sizes and counts
    header = identity + struct.pack(
        "<HHIIIIIHHHHHH",
        *(2, 94, 1, entry, header_bytes, 0, 0),
        *(header_bytes, row_bytes, len(segments), 0, 0, 0),
    )
    return header + b"".join(rows) + b"".join(segment.data for segment in segments)


def _host_program(image: AppImage) -> bytes:
    program = image.segments[0].data
    if not program.startswith(b"\x7fELF"):
        raise BadInput("segment 0 of the application is not a program of this machine")
    return program


def _lx6_program(image: AppImage) -> bytes:
    return segments_to_elf(image.segments, image.entry)


def _host_command(program: str, flash: str) -> list[str]:
    return [program, flash]


def _lx6_command(program: str, flash: str) -> list[str]:
    # QEMU splits the options of a device at commas; a comma in a name is doubled.
    flash = flash.replace(",", ",,")
    loader = f"loader,file={flash},addr={FLASH_ADDRESS:#x},force-raw=on"
    return [_QEMU, *_QEMU_OPTIONS, "-device", loader, "-kernel", program]


def _host_environment() -> dict[str, str]:
    """How the firmware starts TensorFlow Lite Micro's interpreter (docs/tflm.md), where that is installed."""
    if find_spec("tflite_micro") is None:
        return {}
    return {"EDGEQ_TFLM_WORKER": "exec " + shlex.join([sys.executable, "-P", "-m", "edgeq.pipeline.tflm_worker"])}


RUNNERS = {
    "qemu_lx6": Runner(CHIP_ESP32, _lx6_program, _lx6_command, _QEMU, "apt-get install qemu-system-misc"),
    "host": Runner(CHIP_HOST, _host_program, _host_command, environment=_host_environment),
}


def find_runner(name: str) -> Runner:
    """The runner of that name, ready to start. Raises BadInput for an unknown one, ToolMissing without its program."""
    runner = RUNNERS.get(name)
    if runner is None:
        raise BadInput(f"no runner '{name}'", hint=f"choose one of: {', '.join(RUNNERS)}")
    if sys.platform != "linux":
        raise ToolMissing("the virtual board needs Linux")
    if runner.tool and shutil.which(runner.tool) is None:
        raise ToolMissing(f"{runner.tool} is not installed", hint=runner.tool_hint)
    return runner


def start(runner: Runner, image: AppImage, flash: FlashArray) -> subprocess.Popen[bytes]:
    """The application's process; reading and writing its pipes does not block. Raises BadInput for an image that is no
    program.

    The program lies in an anonymous file, so nothing is left behind, whichever way this process ends; and the child is
    killed with the thread that starts it (where `setpriv` is installed, which Debian always has).
    """
    program = os.memfd_create("edgeq-application")
    try:
        with os.fdopen(program, "wb", closefd=False) as out:
            out.write(runner.program(image))
        command = runner.command(f"/proc/self/fd/{program}", str(flash.path))
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            pass_fds=(program,),
            env={**os.environ, **runner.environment()},
            start_new_session=True,  # an interrupt at the keyboard is ours to handle
        )
    finally:
        os.close(program)
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            os.set_blocking(pipe.fileno(), False)
    return child
