"""A virtual ESP32: flash, boot pins, a serial port, and whatever runs on it. It knows no socket.

OFF       held in reset
DOWNLOAD  the ROM's loader has the port (`rom.py`)
RUNNING   the application has the port: a child process (`runners.py`)
HALTED    nothing has it: no sound application in flash, or the application ended
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from enum import Enum

from edgeq.errors import BadInput
from edgeq.virtual import slip
from edgeq.virtual.boot import application_in
from edgeq.virtual.faults import BROWNOUT, PANIC, BrownOutFlash, Faults, Lifetime, PowerLost, Wire
from edgeq.virtual.flash_array import FlashArray
from edgeq.virtual.lines import Edge, ResetCircuit
from edgeq.virtual.rom import Flash, RomLoader
from edgeq.virtual.runners import find_runner, start

KEPT_BYTES = 1 << 16  # of the console while nobody listens, and of input that the application does not take
RESTART_S = 0.2
EXIT_REBOOT = 64  # an emulated application that ends so asks for a restart

_POWER_ON = "rst:0x1 (POWERON_RESET)"
_SOFTWARE = "rst:0xc (SW_CPU_RESET)"
_WATCHDOG = "rst:0x10 (RTCWDT_RTC_RESET)"
_BROWN_OUT = "rst:0xf (RTCWDT_BROWN_OUT_RESET)"

# A SYNC request of the loader's protocol, from its direction byte on.
_SYNC = re.compile(rb"\x00\x08\x24\x00.{4}\x07\x07\x12\x20\x55{32}", re.DOTALL)
_SYNC_BYTES = 44


class State(Enum):
    OFF = "off"
    DOWNLOAD = "download"
    RUNNING = "running"
    HALTED = "halted"


class Board:
    """The board behind one serial port, driven by one thread.

    `control_lines` tells whether the port has DTR and RTS. Where it has not (plain TCP), a SYNC request of the loader
    stands for them: it resets the board into download mode, and the end of that connection resets it into run mode.
    Raises BadInput for an unknown runner, ToolMissing for one whose program is not installed.
    """

    def __init__(
        self,
        flash: FlashArray,
        runner: str,
        faults: Faults,
        *,
        control_lines: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._array = flash
        self._flash: Flash = flash
        if faults.brown_out_at is not None:
            self._flash = BrownOutFlash(flash, faults.brown_out_at)
        self._runner = find_runner(runner)
        self._faults = faults
        self._wire_in = Wire(faults, "to the board")
        self._wire_out = Wire(faults, "from the board", faults.stall_after)
        self._life = Lifetime(faults)
        self._control_lines = control_lines
        self._clock = clock
        self._circuit = ResetCircuit()
        self._rom = RomLoader(flash)
        self._recent = b""
        self._restart_at: float | None = None
        self._attached = False
        self.baud = 115200
        self.state = State.OFF
        self.child: subprocess.Popen[bytes] | None = None
        self.to_child = bytearray()
        self.to_client = bytearray()

    # What a person does: the power switch and the two buttons.

    def run(self, reason: str = _POWER_ON) -> None:
        """Resets and starts the application that flash holds."""
        self.hold()
        self.state = State.HALTED
        self._say(f"\r\n{reason},boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n")
        if self._faults.boot:
            self._boot_fault()
            return
        try:
            self.child = start(self._runner, application_in(self._flash, self._runner.chip_id), self._array)
        except BadInput as error:
            self._say(f"E boot: {error.what}\r\n")
        except OSError as error:
            self._say(f"E boot: the application does not start: {error.strerror}\r\n")
        else:
            self.state = State.RUNNING
            self._life.started()

    def download(self) -> None:
        """Resets into the ROM's loader."""
        self.hold()
        self.state = State.DOWNLOAD
        self._rom = RomLoader(self._flash)
        self._rom.baud = self.baud
        self.to_client.clear()

    def hold(self) -> None:
        """Holds the chip in reset; ends what runs."""
        self.state = State.OFF
        self._restart_at = None
        self._recent = b""
        self.to_child.clear()
        if self.child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGKILL)
            self._bury(self.child)

    # What the port does.

    def attach(self) -> None:
        """Somebody listens from now on; gets what was kept."""
        self._attached = True
        self._life.connected()

    def detach(self) -> None:
        """Nobody listens any more."""
        self._attached = False
        if self._control_lines:
            self.lines(dtr=False, rts=False)
        elif self.state is State.DOWNLOAD:
            self.run()
        self._trim()

    def lines(self, *, dtr: bool, rts: bool) -> None:
        """DTR and RTS stand so from now on."""
        self._follow(self._circuit.change(dtr, rts, self._clock()))

    def receive(self, data: bytes) -> None:
        """Takes what was sent to the board."""
        data = self._wire_in.carry(data)
        if not self._control_lines and self.state is not State.DOWNLOAD:
            data = self._reset_by_sync(data)
        if self.state is State.DOWNLOAD:
            self._load(data)
        elif self.state is State.RUNNING:
            self.to_child += data[: KEPT_BYTES - len(self.to_child)]  # the rest is lost, as in a full UART

    # What time and the child process do.

    def time_left(self) -> float | None:
        """Seconds until `tick` is due; None if nothing is."""
        due = [time for time in (self._restart_at, self._circuit.decides_at) if time is not None]
        return max(min(due) - self._clock(), 0) if due else None

    def tick(self) -> None:
        """Does what is due."""
        now = self._clock()
        self._follow(self._circuit.tick(now))
        if self._restart_at is not None and now >= self._restart_at:
            self.run(_WATCHDOG if self._faults.boot else _SOFTWARE)

    def child_readable(self) -> None:
        """The application printed something, or ended."""
        if self.child is None or self.child.stdout is None:
            return
        try:
            printed = os.read(self.child.stdout.fileno(), KEPT_BYTES)
        except BlockingIOError:
            return
        if not printed:
            self._application_ended(self.child)
            return
        printed, dead = self._life.printed(printed)
        self._say(printed)
        if dead:  # its end shows on its output
            os.killpg(self.child.pid, signal.SIGKILL)

    def child_writable(self) -> None:
        """The application takes input."""
        if self.child is None or self.child.stdin is None:
            return
        try:
            taken = os.write(self.child.stdin.fileno(), self.to_child)
        except BlockingIOError:
            return
        except BrokenPipeError:  # it closed its input; its end shows on its output
            taken = len(self.to_child)
        del self.to_child[:taken]

    def _follow(self, edge: Edge | None) -> None:
        if edge is Edge.HOLD:
            self.hold()
        elif edge is Edge.RUN:
            self.run()
        elif edge is Edge.DOWNLOAD:
            self.download()
            self._say(f"\r\n{_POWER_ON},boot:0x3 (DOWNLOAD_BOOT(UART0))\r\nwaiting for download\r\n")

    def _reset_by_sync(self, data: bytes) -> bytes:
        """Looks for a SYNC across pieces; gives back what is for whoever has the port then."""
        seen = self._recent + data
        sync = _SYNC.search(seen)
        if sync is None:
            self._recent = seen[-(_SYNC_BYTES - 1) :]
            return data
        self.download()
        return slip.END + seen[sync.start() :]

    def _load(self, data: bytes) -> None:
        try:
            self._say(self._rom.receive(data))
        except PowerLost:
            self._say(BROWNOUT)
            self.run(_BROWN_OUT)
        else:
            if self._rom.leave:
                self.run(_SOFTWARE)

    def _application_ended(self, child: subprocess.Popen[bytes]) -> None:
        try:
            status = child.wait(timeout=1)
        except subprocess.TimeoutExpired:  # it closed its output and lives on: nobody would hear of it again
            os.killpg(child.pid, signal.SIGKILL)
            status = child.wait()
        self._bury(child)
        self.state = State.HALTED
        if status == EXIT_REBOOT:
            self._restart_at = self._clock() + RESTART_S
        elif status < 0:
            self._say(f"\r\nE board: the application was killed by {signal.Signals(-status).name}\r\n")
        else:
            self._say(f"\r\nE board: the application ended with status {status}\r\n")

    def _bury(self, child: subprocess.Popen[bytes]) -> None:
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()
        self.child = None

    def _boot_fault(self) -> None:
        if self._faults.boot == "loop":
            self._restart_at = self._clock() + RESTART_S
        elif self._faults.boot == "panic":
            self._say(PANIC)
        else:
            self._say(self._wire_out.noise(256))

    def _say(self, text: bytes | str) -> None:
        self.to_client += self._wire_out.carry(text.encode() if isinstance(text, str) else text)
        self._trim()

    def _trim(self) -> None:
        if not self._attached:
            del self.to_client[:-KEPT_BYTES]
