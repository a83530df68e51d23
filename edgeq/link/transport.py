"""Doors to a board's console: a serial port or URL, a child process, and a fake in memory."""

from __future__ import annotations

import errno
import math
import os
import select
import subprocess
from collections.abc import Callable, Sequence
from typing import Protocol

import serial

from edgeq.errors import BadInput, BoardTrouble, ToolMissing

WRITE_TIMEOUT_S = 5.0
_READ_BYTES = 4096
_POLL_S = 0.05


class Transport(Protocol):
    """A stream of bytes in both directions. Every method raises BoardTrouble where the other side is gone."""

    def read(self, timeout_s: float) -> bytes:
        """Waits for at least one byte and returns what there is; nothing after timeout_s."""

    def write(self, data: bytes) -> None:
        """Sends all of it."""

    def close(self) -> None:
        """Closes it; a second time does nothing."""


class SerialTransport:
    """A port that pyserial opens: /dev/ttyUSB0, COM3, socket://host:port, rfc2217://host:port."""

    def __init__(self, url: str, *, baud: int = 115200) -> None:
        self.url = url
        # pyserial knows no write timeout on rfc2217; over a network the connection has its own.
        options = {} if "://" in url else {"write_timeout": WRITE_TIMEOUT_S}
        try:
            self._port = serial.serial_for_url(
                url, baudrate=baud, timeout=_POLL_S, exclusive=True, do_not_open=True, **options
            )
            if "://" in url:  # what a served board sends at once are its last words; pyserial would throw them away
                self._port.reset_input_buffer = lambda: None
            self._port.open()
        except (serial.SerialException, OSError) as error:
            raise _not_opened(url, error) from error
        except ValueError as error:
            if "remote rejected" in str(error):  # pyserial's words where an rfc2217 server could not do as it was asked
                hint = "is there a real serial port behind it, with control lines?"
                raise BoardTrouble(f"the port's server refuses: {error}", where=url, hint=hint) from error
            raise BadInput(f"not a port: {error}", where=url, hint="/dev/ttyUSB0 or socket://HOST:PORT") from error

    def read(self, timeout_s: float) -> bytes:
        data = bytearray()
        try:
            # In turns of one length: to change pyserial's timeout would negotiate anew over rfc2217.
            for _ in range(max(1, math.ceil(timeout_s / _POLL_S))):
                data += self._port.read(1)
                if data:
                    break
            while data and len(data) < _READ_BYTES and (waiting := self._port.in_waiting):
                data += self._port.read(waiting)
        except (serial.SerialException, OSError, TypeError) as error:  # TypeError: closed while reading
            if not data:  # what came before the end is read first, the next call meets the end again
                raise self._gone(error) from error
        return bytes(data)

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
            self._port.flush()
        except (serial.SerialException, OSError, TypeError) as error:
            raise self._gone(error) from error

    def close(self) -> None:
        self._port.close()

    def _gone(self, error: Exception) -> BoardTrouble:
        return BoardTrouble(
            f"the port went away: {error}",
            where=self.url,
            hint="check the cable; end other programs on this port",
        )


def _not_opened(url: str, error: Exception) -> BoardTrouble:
    number = getattr(error, "errno", None)
    if number in (errno.EACCES, errno.EPERM):
        return BoardTrouble(
            "no permission to open the port",
            where=url,
            hint="sudo usermod -a -G dialout $USER, then log in again",
        )
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in str(error):
        return BoardTrouble("the port is in use by another program", where=url, hint="close the other monitor or tool")
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return BoardTrouble(
            "no such port",
            where=url,
            hint="plug the board in with a data cable; `edgeq ports` lists what is there",
        )
    if "Connection refused" in str(error):
        return BoardTrouble("nothing listens there", where=url, hint="start the board's server, or correct the address")
    return BoardTrouble(f"the port does not open: {error}", where=url, hint="check the name and that it listens")


class PipeTransport:
    """A child process whose stdin and stdout are the console, as the host firmware's."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.name = argv[0]
        try:
            self._child = subprocess.Popen(list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        except OSError as error:
            raise ToolMissing(f"does not start: {error.strerror}", where=self.name) from error
        if self._child.stdin is None or self._child.stdout is None:
            raise AssertionError("Popen was asked for pipes")
        self._to, self._from = self._child.stdin, self._child.stdout

    def read(self, timeout_s: float) -> bytes:
        self._must_be_open()
        ready, _, _ = select.select([self._from], [], [], max(timeout_s, 0.0))
        if not ready:
            return b""
        data = os.read(self._from.fileno(), _READ_BYTES)
        if not data:
            raise self._gone()
        return data

    def write(self, data: bytes) -> None:
        self._must_be_open()
        rest = memoryview(data)
        try:
            while rest:
                _, ready, _ = select.select([], [self._to], [], WRITE_TIMEOUT_S)
                if not ready:
                    raise BoardTrouble("does not read its console", where=self.name)
                # Up to PIPE_BUF a pipe that is ready takes all at once and does not block.
                rest = rest[os.write(self._to.fileno(), rest[: select.PIPE_BUF]) :]
        except BrokenPipeError as error:
            raise self._gone() from error

    def close(self) -> None:
        """Ends the child: first by the end of its stdin, then by force."""
        self._to.close()
        try:
            self._child.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._from.close()

    def _must_be_open(self) -> None:
        if self._to.closed:
            raise BoardTrouble("the console is closed", where=self.name)

    def _gone(self) -> BoardTrouble:
        try:
            status = f"ended with status {self._child.wait(timeout=1)}"
        except subprocess.TimeoutExpired:
            status = "closed its console"
        return BoardTrouble(f"the process {status}", where=self.name)


class FakeTransport:
    """A console in memory with a clock of its own, for tests: waiting costs no time, it moves the clock.

    `board` gets what is written and returns what the board says to it.
    """

    def __init__(self, board: Callable[[bytes], bytes], said: bytes = b"") -> None:
        self._board = board
        self._said = said
        self._now_s = 0.0
        self.closed = False

    def clock(self) -> float:
        """Seconds of waiting so far."""
        return self._now_s

    def read(self, timeout_s: float) -> bytes:
        if self.closed:
            raise BoardTrouble("the console is closed", where="fake")
        if not self._said:
            self._now_s += max(timeout_s, 0.0)
        said, self._said = self._said, b""
        return said

    def write(self, data: bytes) -> None:
        if self.closed:
            raise BoardTrouble("the console is closed", where="fake")
        self._said += self._board(data)

    def close(self) -> None:
        self.closed = True
