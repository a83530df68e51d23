"""A console that is given up at a deadline, or when the run is stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from edgeq.errors import BoardTrouble
from edgeq.link.transport import Transport

_SLICE_S = 0.25


class Stopped(Exception):
    """The run was interrupted: what is under way is given up, and is no board's fault."""


class Watched:
    """A transport that ends with its time: BoardTrouble behind `limit_s` seconds, Stopped once `stop` is set."""

    def __init__(
        self,
        transport: Transport,
        limit_s: float,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._limit_s = limit_s
        self._stop = stop
        self._clock = clock
        self._end_s = clock() + limit_s

    def read(self, timeout_s: float) -> bytes:
        """Waits in slices, so that a stop is heard."""
        end_s = self._clock() + timeout_s
        while True:
            self._check()
            left_s = end_s - self._clock()
            data = self._transport.read(min(max(left_s, 0.0), _SLICE_S))
            if data or left_s <= _SLICE_S:
                return data

    def write(self, data: bytes) -> None:
        """Sends all of it."""
        self._check()
        self._transport.write(data)

    def close(self) -> None:
        """Closes the transport."""
        self._transport.close()

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped
        if self._clock() > self._end_s:
            raise BoardTrouble(
                f"the job has not ended in {self._limit_s:.0f} s",
                hint="look at the board's console; where it is only slow, raise timeout_factor",
            )
