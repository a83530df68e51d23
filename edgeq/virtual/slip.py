"""SLIP (RFC 1055) as the ESP32's ROM speaks it: a packet stands between two END bytes."""

from __future__ import annotations

import re

END = b"\xc0"
_BAD_ESCAPE = re.compile(rb"\xdb(?![\xdc\xdd])")


def encode(packet: bytes) -> bytes:
    """`packet` between two END bytes, escaped."""
    return END + packet.replace(b"\xdb", b"\xdb\xdd").replace(END, b"\xdb\xdc") + END


class Decoder:
    """Cuts a stream into packets of at most `limit` bytes; longer and ill-escaped ones are dropped.

    What stands between the END that closes a packet and the one that opens the next (text, noise) comes out as a
    packet too: END bytes look alike. The reader of packets has to check each anyway.
    """

    def __init__(self, limit: int) -> None:
        self._most_bytes = 2 * limit  # every byte escaped
        self._limit = limit
        self._partial = b""
        self._dropping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The packets that `data` completes."""
        *complete, self._partial = (self._partial + data).split(END)
        packets = []
        for piece in complete:
            packet = b"" if self._dropping else _unescape(piece)
            self._dropping = False
            if 0 < len(packet) <= self._limit:
                packets.append(packet)
        if len(self._partial) > self._most_bytes:
            self._dropping = True
            self._partial = b""
        return packets


def _unescape(piece: bytes) -> bytes:
    if _BAD_ESCAPE.search(piece):
        return b""
    return piece.replace(b"\xdb\xdc", END).replace(b"\xdb\xdd", b"\xdb")
