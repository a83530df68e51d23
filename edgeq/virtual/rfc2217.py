"""The board's serial port as Telnet carries it (RFC 2217): data, baud rate, DTR and RTS.

pyserial's `PortManager` speaks the protocol and believes it commands a serial port; that port is here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from serial.rfc2217 import IAC, PortManager

_OPTION_BYTES_MAX = 256  # all of RFC 2217's are shorter than 16


class ProtocolError(Exception):
    """The other side sent what pyserial cannot read; the connection is of no more use."""


class PortState:
    """What `PortManager` reads and sets on a serial port. Lines and baud rate are passed on, the rest is kept."""

    def __init__(
        self,
        on_lines: Callable[[bool, bool], None],
        on_baud: Callable[[int], None],
        on_purge: Callable[[], None],
    ) -> None:
        self._on_lines, self._on_baud, self.reset_input_buffer = on_lines, on_baud, on_purge
        self._dtr = self._rts = False
        self._baudrate = 115200
        self.bytesize, self.parity, self.stopbits = 8, "N", 1
        self.xonxoff = self.rtscts = self.break_condition = False
        self.cts = self.dsr = self.cd = True
        self.ri = False

    def reset_output_buffer(self) -> None:
        """What was sent to the board is already there."""

    @property
    def dtr(self) -> bool:
        return self._dtr

    @dtr.setter
    def dtr(self, value: bool) -> None:
        self._dtr = value
        self._on_lines(self._dtr, self._rts)

    @property
    def rts(self) -> bool:
        return self._rts

    @rts.setter
    def rts(self, value: bool) -> None:
        self._rts = value
        self._on_lines(self._dtr, self._rts)

    @property
    def baudrate(self) -> int:
        return self._baudrate

    @baudrate.setter
    def baudrate(self, value: int) -> None:
        self._baudrate = value
        self._on_baud(value)


class Telnet:
    """One connection: `decode` what came, `encode` what goes, and send `replies` before anything encoded later."""

    def __init__(
        self,
        on_data: Callable[[bytes], None],
        on_lines: Callable[[bool, bool], None],
        on_baud: Callable[[int], None],
        on_purge: Callable[[], None],
    ) -> None:
        self.replies = bytearray()
        self._on_data = on_data
        self._data = bytearray()

        def lines(dtr: bool, rts: bool) -> None:
            self._hand_over()  # what came before the lines moved
            on_lines(dtr, rts)

        self._manager = PortManager(PortState(lines, on_baud, on_purge), self)

    def write(self, data: bytes) -> None:
        """Called by `PortManager`."""
        self.replies += data

    def decode(self, received: bytes) -> None:
        """Hands data and changes to the callbacks, in their order. Raises ProtocolError."""
        try:
            for byte in self._manager.filter(received):
                self._data += byte
        except (struct.error, TypeError, KeyError, ValueError) as error:
            raise ProtocolError from error
        self._hand_over()
        if len(self._manager.suboption or b"") > _OPTION_BYTES_MAX:
            raise ProtocolError

    @staticmethod
    def encode(data: bytes) -> bytes:
        return data.replace(IAC, IAC + IAC)

    def _hand_over(self) -> None:
        data, self._data = bytes(self._data), bytearray()
        if data:
            self._on_data(data)
