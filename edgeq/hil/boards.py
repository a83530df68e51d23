"""From an entry of `hil.toml` to a board that is ours for a while: found, locked, and with its power switch."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgeq.boards.board import load_board
from edgeq.errors import BoardTrouble
from edgeq.flash.esptool import read_mac
from edgeq.flash.ports import SerialPort, serial_ports
from edgeq.hil.lock import InUse, board_lock, held
from edgeq.hil.places import Borrowed, Places
from edgeq.hil.settings import BenchFile, BoardEntry
from edgeq.virtual.flash_array import FlashArray
from edgeq.virtual.serve import VirtualBoard

POWER_LIMIT_S = 60
_SCAN_AGAIN_S = 1.0


class NotThere(BoardTrouble):
    """The board is not plugged in: skipped where it is optional."""


@dataclass
class Rack:
    """Where the boards of a bench are. `plugged` lists the serial ports; `places` is who hands out the others."""

    bench: BenchFile
    places: Places | None = None
    plugged: Callable[[], Sequence[SerialPort]] = serial_ports
    ask_mac: Callable[[str], str] = read_mac
    _macs: dict[str, str] = field(default_factory=dict)  # of the ports that were asked
    _asking: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def open(
        self, entry: BoardEntry, say: Callable[[str], None], stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[Borrowed]:
        """The board for as long as the block lasts; nobody else has it meanwhile.

        Raises NotThere, or BoardTrouble where somebody else keeps it for `lock_wait_s` seconds.
        """
        with self._open(entry, say, stopped) as borrowed:
            power = power_hook(entry, self.bench.path.parent) or borrowed.cycle_power
            yield replace(borrowed, cycle_power=power)

    def _open(
        self, entry: BoardEntry, say: Callable[[str], None], stopped: Callable[[], bool]
    ) -> contextlib.AbstractContextManager[Borrowed]:
        if entry.virtual is not None:
            return _virtual(self.bench, entry)
        if entry.place is not None:
            if self.places is None:
                raise AssertionError("a bench with places has somebody who hands them out")
            return self.places.acquire(entry.place, wait_s=self.bench.settings.bench.lock_wait_s, stopped=stopped)
        return self._local(entry, say, stopped)

    @contextlib.contextmanager
    def _local(self, entry: BoardEntry, say: Callable[[str], None], stopped: Callable[[], bool]) -> Iterator[Borrowed]:
        wait_s = self.bench.settings.bench.lock_wait_s
        port = self.port_of(entry, stopped)
        with held(board_lock(port), f"board {entry.name} ({port})", wait_s=wait_s, say=say, stopped=stopped):
            yield Borrowed(port)

    def port_of(self, entry: BoardEntry, stopped: Callable[[], bool] = lambda: False) -> str:
        """The port of a board of this machine. Raises NotThere where none is that board's."""
        if entry.port is not None:
            return entry.port
        if entry.usb_serial is not None:
            return self._by_serial(entry.name, entry.usb_serial)
        if entry.mac is not None:
            return self._by_mac(entry.name, entry.mac.replace("-", ":").lower(), stopped)
        raise AssertionError(f"{entry.name} is no board of this machine")

    def _by_serial(self, name: str, serial: str) -> str:
        found = [port.device for port in self.plugged() if port.serial == serial]
        if len(found) != 1:
            there = ", ".join(port.serial for port in self.plugged() if port.serial) or "none"
            what = f"{len(found)} ports have" if found else "no port has"
            raise NotThere(
                f"{what} the USB serial number {serial!r}; plugged in are: {there}", where=f"board {name}",
                hint="`edgeq ports --json` lists them",
            )  # fmt: skip
        return found[0]

    def _by_mac(self, name: str, mac: str, stopped: Callable[[], bool]) -> str:
        """Asks one port after the other, each under its lock; those that others have may be the board, later."""
        end_s = time.monotonic() + self.bench.settings.bench.lock_wait_s
        with self._asking:
            while True:
                busy = self._ask_all(mac)
                for port, found in self._macs.items():
                    if found == mac:
                        return port
                if not busy or time.monotonic() >= end_s or stopped():
                    known = ", ".join(f"{found} ({port})" for port, found in self._macs.items()) or "none"
                    in_use = f"; in use by others: {', '.join(busy)}" if busy else ""
                    raise NotThere(
                        f"no chip answers with {mac}; plugged in are: {known}{in_use}", where=f"board {name}",
                        hint="`edgeq hil doctor` says what each port answers",
                    )  # fmt: skip
                time.sleep(_SCAN_AGAIN_S)

    def _ask_all(self, mac: str) -> list[str]:
        """Asks the ports that may have a board and have not answered yet, until one is it; returns those in use."""
        ports = [port.device for port in self.plugged() if port.bridge]
        for gone in set(self._macs) - set(ports):
            del self._macs[gone]
        busy = []
        for port in ports:
            if port in self._macs or mac in self._macs.values():
                continue
            try:
                with held(board_lock(port), port, wait_s=0, say=lambda text: None):
                    self._macs[port] = self.ask_mac(port)
            except InUse:
                busy.append(port)
            except BoardTrouble:  # nothing that answers is no board of ours
                continue
        return busy


@contextlib.contextmanager
def _virtual(bench: BenchFile, entry: BoardEntry) -> Iterator[Borrowed]:
    """A board of this process' own, with erased flash. Its power switch is the reset button."""
    board = load_board(entry.board)
    with (
        FlashArray(flash_bytes=board.flash_bytes) as array,
        VirtualBoard(array, entry.virtual or "host", faults=entry.faults) as virtual,
    ):
        yield Borrowed(virtual.url, virtual.reset)


def power_hook(entry: BoardEntry, folder: Path) -> Callable[[], None] | None:
    """What takes the supply away and gives it back, if the bench has it; run in `folder`. It raises BoardTrouble."""
    if not entry.power:
        return None

    def cycle() -> None:
        where = f"power hook of board {entry.name}"
        try:
            hook = subprocess.Popen(
                list(entry.power), cwd=folder,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C in its middle would leave the board without power
            )  # fmt: skip
        except OSError as e:
            raise BoardTrouble(f"{entry.power[0]} does not start: {e.strerror}", where=where) from e
        try:
            status = hook.wait(POWER_LIMIT_S)
        except subprocess.TimeoutExpired as e:
            os.killpg(hook.pid, signal.SIGKILL)  # with whatever it started
            hook.wait()
            raise BoardTrouble(f"{entry.power[0]} has not ended in {POWER_LIMIT_S} s", where=where) from e
        if status:
            raise BoardTrouble(f"{entry.power[0]} ended with status {status}; try it by hand", where=where)

    return cycle
