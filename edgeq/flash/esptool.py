"""The one door to esptool, which runs as a child process and is never imported."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import BadInput, BoardTrouble, ToolMissing

DEFAULT_BAUD = 460800
ROM_BAUD = 115200
_SECTOR_BYTES = 0x1000
_FLASH_BYTES_MAX = 16 << 20

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class FlashResult:
    """What the flash now holds of ours, (offset, bytes) each. `verified`: the board's MD5 of every part equals ours."""

    parts: tuple[tuple[int, int], ...]
    seconds: float
    verified: bool

    @property
    def bytes(self) -> int:
        """Bytes of all parts."""
        return sum(size for _, size in self.parts)


@dataclass(frozen=True)
class _Trouble:
    """A failure as esptool words it, and as we do. `milder` ones may go away without the stub or at a lower baud."""

    pattern: str
    what: str
    hint: str
    milder: bool = False


# The first that matches counts, so causes stand before the general words they come with.
_TROUBLES = (
    _Trouble(
        r"Permission denied",
        "no permission to open the port",
        "add yourself to the group that owns it (`sudo usermod -aG dialout $USER`) and log in again",
    ),
    _Trouble(
        r"exclusively lock|Resource temporarily unavailable|Device or resource busy|Access is denied",
        "the port is in use",
        "close the other program that has it open (a serial monitor, brltty)",
    ),
    _Trouble(
        r"socket disconnected|Connection ?[Rr]eset|Broken ?[Pp]ipe",
        "the other side closed the connection",
        "close the other program that has the board (it serves one at a time)",
    ),
    _Trouble(r"Connection refused", "nothing listens there", "start the board's server, or correct the address"),
    _Trouble(
        r"\[Errno 2\]|No such file|FileNotFoundError",
        "there is no such port",
        "plug the board in and see what `edgeq ports` lists; some USB cables carry no data",
    ),
    _Trouble(r"Could not open", "the port does not open", "see what `edgeq ports` lists"),
    _Trouble(
        r"Wrong boot mode",
        "the board started its application instead of its loader",
        "hold BOOT, press and release EN (RESET), then try again",
    ),
    _Trouble(
        r"Download mode successfully detected",
        "the board is in its loader but hears nothing from us",
        "check the wire from our TX to the board's RX",
    ),
    _Trouble(
        r"Failed to connect to",
        "the board does not answer",
        "hold BOOT while connecting; check the port, the cable, and that the board has power",
    ),
    _Trouble(
        r"This chip is|Wrong chip argument", "another chip is on this port", "choose the board that is plugged in"
    ),
    _Trouble(r"will not fit in", "the flash of the board is too small", "choose a smaller model or a larger board"),
    _Trouble(
        r"MD5 of file does not match|written flash region is empty",
        "the flash holds other bytes than were sent",
        "try a lower baud; check the supply; the flash may be worn out",
        milder=True,
    ),
    _Trouble(
        r"Failed to start stub|Failed to write to target RAM|Failed to enter RAM",
        "the flashing stub does not start",
        "try without the stub",
        milder=True,
    ),
    _Trouble(
        r"head of packet|No more data to read|data stream stopped|transfer stopped|SLIP escape|No serial data"
        r"|Response doesn't match|Failed to (write|enter|leave|calculate)|Guru Meditation",
        "the board stopped answering while it was written",
        "check cable and supply (a brown-out looks like this), or try a lower baud",
        milder=True,
    ),
)
_FATAL = re.compile(r"fatal error occurred: (.+)")
_WRITING = re.compile(r"Writing at 0x([0-9a-fA-F]{1,8})\b")
_MAC = re.compile(r"^MAC:\s+((?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2})\b", re.MULTILINE)
_HELD = re.compile(r"Hash of data verified|already in flash")  # once for each part


def flash(
    port: str,
    parts: Sequence[tuple[int, bytes]],
    *,
    chip: str = "esp32",
    baud: int = DEFAULT_BAUD,
    stub: bool = True,
    before: str | None = None,
    after: str | None = None,
    progress: Progress = lambda fraction, text: None,
) -> FlashResult:
    """Writes each (flash offset, bytes) in the order given and has the board compare the MD5 of what it then holds.

    A part that the flash holds already is not written again, so that losing power cannot harm it.

    `port` is a device or a pyserial URL. `before` and `after` are esptool's reset modes; by default the board is reset
    by the control lines, and not at all where there are none (`socket://`). On a device, a failure that may come from
    the stub or the speed is tried again without the stub, then at 115200 baud. `progress` gets the fraction written and
    what is being done.

    Raises BadInput for impossible parts, BoardTrouble when the board is not written as asked, ToolMissing without
    esptool.
    """
    _check(parts)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edgeq-flash-") as folder:
        files = [str(item) for part in parts for item in _as_file(Path(folder), *part)]
        command = ["write-flash", "--skip-flashed", *files]
        _climb(port, command, folder, parts, _ladder(port, stub, baud), _Connection(chip, before, after), progress)
    progress(1.0, "verified")
    held = tuple((offset, len(data)) for offset, data in parts)
    return FlashResult(held, time.monotonic() - start, verified=True)


def read_flash(
    port: str,
    offset: int,
    size: int,
    *,
    chip: str = "esp32",
    baud: int = DEFAULT_BAUD,
    before: str | None = None,
    after: str | None = None,
) -> bytes:
    """What the flash of the board behind `port` holds from `offset` on; else as `flash`."""
    if offset < 0 or size < 1 or offset + size > _FLASH_BYTES_MAX:
        raise BadInput(f"{size} bytes at flash offset {offset:#x} are in no flash")
    with tempfile.TemporaryDirectory(prefix="edgeq-flash-") as folder:
        file = Path(folder) / "read.bin"
        command = ["read-flash", hex(offset), hex(size), str(file)]
        rungs = _ladder(port, True, baud)
        _climb(port, command, folder, (), rungs, _Connection(chip, before, after), lambda fraction, text: None)
        data = file.read_bytes() if file.is_file() else b""
    if len(data) != size:
        raise BoardTrouble(f"esptool read {len(data)} of {size} bytes of flash", where=port, hint="try again")
    return data


def read_mac(port: str) -> str:
    """The address of the chip behind `port`, as `24:0a:c4:12:34:56`; any chip that esptool knows. Resets the board.

    Raises BoardTrouble where none answers.
    """
    with tempfile.TemporaryDirectory(prefix="edgeq-flash-") as folder:
        connection = _Connection("auto", None, None)
        said = _climb(port, ["read-mac"], folder, (), [(False, ROM_BAUD)], connection, lambda fraction, text: None)
    found = _MAC.search(said)
    if found is None:
        raise BoardTrouble("esptool does not say the chip's address", where=port, hint="try again")
    return found[1].lower()


@dataclass(frozen=True)
class _Connection:
    """esptool's chip and reset modes; None for the modes that the port allows."""

    chip: str
    before: str | None
    after: str | None

    def options(self, port: str, baud: int) -> list[str]:
        no_lines = port.startswith("socket://")
        before = self.before or ("no-reset" if no_lines else "default-reset")
        after = self.after or ("no-reset" if no_lines else "hard-reset")
        return ["--chip", self.chip, "--port", port, "--baud", str(baud), "--before", before, "--after", after]


def _climb(
    port: str,
    command: list[str],
    folder: str,
    parts: Sequence[tuple[int, bytes]],
    rungs: list[tuple[bool, int]],
    connection: _Connection,
    progress: Progress,
) -> str:
    """Runs the command on one rung of the ladder after the other, and gives back what esptool printed where it worked.
    Raises BoardTrouble when no rung is left to try."""
    if importlib.util.find_spec("esptool") is None:
        raise ToolMissing("esptool is not installed", hint="pip install esptool")
    for rung, (with_stub, speed) in enumerate(rungs, start=1):
        options = connection.options(port, speed) + ([] if with_stub else ["--no-stub"])
        worked, output = _run([*options, *command], folder, parts, speed, progress)
        if worked:
            return output
        trouble, what = _explain(output)
        if rung == len(rungs) or not trouble.milder:
            raise BoardTrouble(what, where=port, hint=trouble.hint)
        progress(0.0, f"{what}; trying again, more carefully")
    raise AssertionError("a ladder without a rung")


def _check(parts: Sequence[tuple[int, bytes]]) -> None:
    """Raises BadInput for no parts, an empty one, or one whose erasing would harm another."""
    if not parts:
        raise BadInput("nothing to flash")
    end = 0
    for offset, data in sorted(parts):
        if not data:
            raise BadInput(f"the part for flash offset {offset:#x} is empty")
        if offset < 0 or offset % _SECTOR_BYTES:
            raise BadInput(f"flash offset {offset:#x} is not a multiple of {_SECTOR_BYTES:#x}")
        if offset < end:
            raise BadInput(f"the part for flash offset {offset:#x} overlaps the one before it")
        end = offset + len(data)
        if end > _FLASH_BYTES_MAX:
            raise BadInput(f"the part for flash offset {offset:#x} ends at {end:#x}, behind any flash")


def _as_file(folder: Path, offset: int, data: bytes) -> tuple[str, Path]:
    file = folder / f"{offset:#x}.bin"
    file.write_bytes(data)
    return f"{offset:#x}", file


def _ladder(port: str, stub: bool, baud: int) -> list[tuple[bool, int]]:
    """(with the stub, baud) of each try. A URL's other end is no wire: what fails there fails again."""
    rungs = [(stub, baud)]
    if "://" not in port:
        if stub:
            rungs.append((False, baud))
        if baud > ROM_BAUD:
            rungs.append((False, ROM_BAUD))
    return rungs


def _run(
    arguments: list[str], folder: str, parts: Sequence[tuple[int, bytes]], baud: int, progress: Progress
) -> tuple[bool, str]:
    """Runs esptool: whether it succeeded and the flash holds every part, verified, and what it printed."""
    total = sum(len(data) for _, data in parts)
    limit_s = 120 + 30 * total / baud  # ten bits a byte, three times over
    progress(0.0, "connecting")
    lines: list[str] = []
    child = subprocess.Popen(
        [sys.executable, "-m", "esptool", *arguments],
        cwd=folder,  # and not where some esptool.cfg lies
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "COLUMNS": "250", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    watchdog = threading.Timer(limit_s, child.kill)
    watchdog.daemon = True  # an interrupt while it starts does not wait for it
    try:
        watchdog.start()
        for line in child.stdout or ():
            lines.append(line)
            writing = _WRITING.search(line)
            if writing:
                at = int(writing[1], 16)
                progress(_written(parts, at) / total, f"writing at {at:#x}")
        status = child.wait()
        if status < 0:
            lines.append(f"fatal error occurred: it was killed, after {limit_s:.0f} s at most")
    finally:
        watchdog.cancel()
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()
    output = "".join(lines)
    return status == 0 and len(_HELD.findall(output)) == len(parts), output


def _written(parts: Sequence[tuple[int, bytes]], at: int) -> int:
    """Bytes of the parts that are done once esptool, which takes them in their order, writes at flash offset `at`."""
    done = 0
    for offset, data in parts:
        if offset <= at <= offset + len(data):
            return done + at - offset
        done += len(data)
    return 0


def _explain(output: str) -> tuple[_Trouble, str]:
    """The trouble in esptool's words, and a sentence for the user."""
    for trouble in _TROUBLES:
        if re.search(trouble.pattern, output):
            return trouble, trouble.what
    fatal = _FATAL.search(output)
    said = "".join(c for c in fatal[1][:200] if c.isprintable()) if fatal else "it did not say why"
    return _Trouble("", "", "run `python -m esptool` by hand to see more"), f"esptool failed: {said}"
