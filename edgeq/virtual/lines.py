"""The reset circuit of a development board: what DTR and RTS of the port do to EN and IO0 of the chip.

EN is low if RTS and not DTR, IO0 is low if DTR and not RTS (the two transistors of Espressif's boards). EN rises
slowly (a capacitor): a port that moves one line after the other passes through "both high" on its way into download
mode. Over a network tens of milliseconds lie between the lines, so here EN takes `RISE_S`, and IO0 going low while it
rises decides at once.
"""

from __future__ import annotations

from enum import Enum

RISE_S = 0.3


class Edge(Enum):
    """What the chip does."""

    HOLD = "held in reset"
    RUN = "starts what is in flash"
    DOWNLOAD = "starts its loader"


class ResetCircuit:
    """The circuit's state. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self._held = False
        self.decides_at: float | None = None

    def change(self, dtr: bool, rts: bool, now: float) -> Edge | None:
        """The lines stand so from `now` on."""
        if rts and not dtr:
            self.decides_at = None
            was_held, self._held = self._held, True
            return None if was_held else Edge.HOLD
        if self._held:
            self._held = False
            self.decides_at = now + RISE_S
        if self.decides_at is not None and dtr and not rts:
            self.decides_at = None
            return Edge.DOWNLOAD
        return None

    def tick(self, now: float) -> Edge | None:
        """`now` has come."""
        if self.decides_at is None or now < self.decides_at:
            return None
        self.decides_at = None
        return Edge.RUN
