"""SLIP: round trip in any pieces, and what is dropped."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.virtual.slip import END, Decoder, encode


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40)), st.integers(1, 9))
def test_round_trip_in_pieces(packets: list[bytes], piece: int) -> None:
    stream = b"".join(map(encode, packets))
    decoder = Decoder(40)
    assert [p for at in range(0, len(stream), piece) for p in decoder.feed(stream[at : at + piece])] == packets


def test_escapes() -> None:
    assert encode(b"\xc0\xdb\xdc") == b"\xc0\xdb\xdc\xdb\xdd\xdc\xc0"


def test_ill_escaped_and_overlong_packets_are_dropped() -> None:
    decoder = Decoder(4)
    assert decoder.feed(END + b"\xdb\x00" + END + b"12345" + END + b"good" + END) == [b"good"]
    assert decoder.feed(END + b"x" * 100) == []
    assert decoder.feed(b"x" * 100 + END + b"good" + END) == [b"good"], "the tail of a long one is not a packet"


@settings(deadline=None)
@given(st.binary(max_size=4000))
def test_keeps_little(noise: bytes) -> None:
    decoder = Decoder(16)
    assert all(0 < len(packet) <= 16 for packet in decoder.feed(noise))
    assert len(decoder._partial) <= 32
