"""What a virtual board can be told to do wrong, as real ones do."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from edgeq.errors import BadInput
from edgeq.virtual.rom import Flash

PANIC = (
    "Guru Meditation Error: Core  0 panic'ed (LoadProhibited). Exception was unhandled.\r\n"
    "Core  0 register dump:\r\n"
    "PC      : 0x400d1234  PS      : 0x00060d30  A0      : 0x800d2345  A1      : 0x3ffb4f50\r\n"
    "EXCVADDR: 0x00000000  LBEG    : 0x4000c46c  LEND    : 0x4000c477  LCOUNT  : 0x00000000\r\n"
    "Backtrace: 0x400d1231:0x3ffb4f50 0x400d2342:0x3ffb4f70\r\n"
)
BROWNOUT = "Brownout detector was triggered\r\n"
DIES_WITHIN_BYTES = 4096


@dataclass(frozen=True)
class Faults:
    """None by default.

    drop, corrupt: probability for each byte, in either direction, to be lost or to have a bit flipped.
    stall_after: bytes after which the board sends nothing more.
    brown_out_at: flash offset whose programming makes the supply fail: what comes before it is written, then the
      board resets.
    boot: instead of the application, restart for ever, send noise, or panic.
    die_after: bytes of its console after which the application is killed, each time it was started.
    die: probability for each connection that the application is killed in it, within DIES_WITHIN_BYTES of its console.
    seed: of the random numbers; the same seed fails in the same way.
    """

    drop: float = 0.0
    corrupt: float = 0.0
    stall_after: int | None = None
    brown_out_at: int | None = None
    boot: Literal["", "loop", "garbage", "panic"] = ""
    die_after: int | None = None
    die: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not all(0 <= share <= 1 for share in (self.drop, self.corrupt, self.die)):
            raise BadInput("a fault's probability lies between 0 and 1")
        if self.boot not in ("", "loop", "garbage", "panic"):
            raise BadInput(f"no fault {self.boot!r} at boot: loop, garbage or panic")


class Wire:
    """One direction of the port, with its faults."""

    def __init__(self, faults: Faults, name: str, stall_after: int | None = None) -> None:
        self._faults = faults
        self._random = random.Random(f"{faults.seed} {name}")  # noqa: S311 - faults are to be repeatable
        self._left = stall_after

    def noise(self, size: int) -> bytes:
        """`size` random bytes."""
        return self._random.randbytes(size)

    def carry(self, data: bytes) -> bytes:
        """What arrives of `data`."""
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        if not (self._faults.drop or self._faults.corrupt):
            return data
        kept = bytearray()
        for byte in data:
            if self._random.random() < self._faults.drop:
                continue
            if self._random.random() < self._faults.corrupt:
                byte ^= 1 << self._random.randrange(8)
            kept.append(byte)
        return bytes(kept)


class Lifetime:
    """How much an application may print before it is killed."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._random = random.Random(f"{faults.seed} life")  # noqa: S311 - faults are to be repeatable
        self._left: int | None = None

    def started(self) -> None:
        """The application begins."""
        self._left = self._faults.die_after

    def connected(self) -> None:
        """Somebody begins to talk to it."""
        if self._random.random() < self._faults.die:
            self._left = self._random.randrange(DIES_WITHIN_BYTES)

    def printed(self, data: bytes) -> tuple[bytes, bool]:
        """What it could still print of `data`, and whether it is dead then."""
        if self._left is None:
            return data, False
        data = data[: self._left]
        self._left -= len(data)
        return data, not self._left


class PowerLost(Exception):
    """The supply failed while the flash was programmed; the board resets."""


class BrownOutFlash:
    """A flash whose programming at `offset` makes the supply fail."""

    def __init__(self, flash: Flash, offset: int) -> None:
        self._flash = flash
        self._offset = offset
        self.size = flash.size

    def read(self, offset: int, size: int) -> bytes:
        return self._flash.read(offset, size)

    def erase(self, offset: int, size: int) -> None:
        self._flash.erase(offset, size)

    def program(self, offset: int, data: bytes) -> None:
        if offset <= self._offset < offset + len(data):
            self._flash.program(offset, data[: self._offset - offset])
            raise PowerLost
        self._flash.program(offset, data)
