"""The console as lines with the time they began."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgeq.errors import BoardTrouble
from edgeq.link.escape import escape
from edgeq.link.frames import Decoder, Text
from edgeq.link.transport import Transport

LINE_MAX_BYTES = 4096
_WAIT_S = 0.5


@dataclass(frozen=True)
class Line:
    """A line of console text, escaped, without its end. `at_s` is the clock when its first byte was read."""

    at_s: float
    text: str


def lines(transport: Transport, clock: Callable[[], float], until_s: float = math.inf) -> Iterator[Line]:
    """Yields lines as they become whole, frames left out; one longer than LINE_MAX_BYTES is broken there.

    Goes on until the clock reads until_s or the console ends: then an unfinished line comes out, and at the end of the
    console BoardTrouble is raised.
    """
    decoder = Decoder()
    line = bytearray()
    now_s = begun_s = 0.0
    while now_s < until_s:
        try:
            data = transport.read(_WAIT_S)
        except BoardTrouble:
            if line:
                yield Line(begun_s, escape(bytes(line)))
            raise
        now_s = clock()
        for event in decoder.feed(data):
            if not isinstance(event, Text):
                continue
            for byte in event.data:
                if byte == ord("\n") or len(line) == LINE_MAX_BYTES:
                    yield Line(begun_s if line else now_s, escape(bytes(line.removesuffix(b"\r"))))
                    line.clear()
                if byte != ord("\n"):
                    begun_s = begun_s if line else now_s
                    line.append(byte)
    if line:
        yield Line(begun_s, escape(bytes(line)))
