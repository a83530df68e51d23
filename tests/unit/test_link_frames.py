"""The codec: round trip, limits, and what it delivers after noise. Its equality with C is in tests/firmware."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.link.frames import COBS_MAX_BYTES, Decoder, Frame, Text, cobs_decode, cobs_encode, encode

frames = st.builds(Frame, st.integers(0x80, 0xFF), st.integers(0, 255), st.binary(max_size=256))
noise = st.lists(st.sampled_from([0, 1, 2, 0x41, 0x80, 0xC3, 0xFF]), max_size=600).map(bytes)


@pytest.mark.parametrize(
    ("raw", "encoded"),
    [
        (b"", "01"),
        (b"\0", "0101"),
        (b"\x11\x22\0\x33", "0311220233"),
        (b"\x11\0\0\0", "0211010101"),
        (b"\x01" * 254, "ff" + "01" * 254),
        (b"\x01" * 255, "ff" + "01" * 254 + "0201"),
        (b"\x01" * 254 + b"\0", "ff" + "01" * 254 + "0101"),
        (b"\0" + b"\x01" * 254, "01ff" + "01" * 254),
    ],
)
def test_cobs_of_the_paper(raw: bytes, encoded: str) -> None:
    assert cobs_encode(raw).hex() == encoded
    assert cobs_decode(bytes.fromhex(encoded)) == raw


@pytest.mark.parametrize("data", ["00", "03 11", "05 11 22 00", "02 11 09 01"])
def test_cobs_that_does_not_add_up(data: str) -> None:
    assert cobs_decode(bytes.fromhex(data)) is None


@given(st.binary(max_size=1200))
def test_cobs_round_trip(raw: bytes) -> None:
    encoded = cobs_encode(raw)
    assert 0 not in encoded
    assert len(encoded) <= len(raw) + len(raw) // 254 + 1
    assert cobs_decode(encoded) == raw


@given(noise, frames)
def test_a_sound_frame_is_delivered_after_any_noise(before: bytes, frame: Frame) -> None:
    assert Decoder().feed(before + encode(frame))[-1] == frame


@given(frames, frames, st.data())
def test_a_lost_byte_costs_its_own_frame_at_most(first: Frame, second: Frame, data: st.DataObject) -> None:
    whole = encode(first)
    at = data.draw(st.integers(0, len(whole) - 1))
    events = Decoder().feed(whole[:at] + whole[at + 1 :] + encode(second))
    assert [e for e in events if isinstance(e, Frame)] in ([second], [first, second])


@given(st.lists(st.one_of(frames, st.binary(min_size=1, max_size=9).map(Text)), max_size=6), st.integers(1, 40))
def test_the_size_of_the_pieces_does_not_matter(parts: list[Text | Frame], size: int) -> None:
    stream = b"".join(p.data if isinstance(p, Text) else encode(p) for p in parts)
    whole, in_pieces = Decoder(), Decoder()
    pieces = [e for at in range(0, len(stream), size) for e in in_pieces.feed(stream[at : at + size])]

    def join(events: list[Text | Frame]) -> list[object]:
        joined: list[object] = []
        for event in events:
            if isinstance(event, Frame):
                joined.append(event)
            elif joined and isinstance(joined[-1], bytes):
                joined[-1] += event.data
            else:
                joined.append(event.data)
        return joined

    assert join(pieces) == join(whole.feed(stream))
    assert in_pieces.dropped == whole.dropped


def test_text_between_frames() -> None:
    hello = encode(Frame(0x80, 0))
    assert Decoder().feed(b"boot\r\n" + hello + b"edgeq> ") == [
        Text(b"boot\r\n"),
        Frame(0x80, 0),
        Text(b"edgeq> "),
    ]


def test_text_behind_a_stray_zero_is_text() -> None:
    assert Decoder().feed(b"a\0bc") == [Text(b"abc")]


def test_an_endless_frame_is_dropped() -> None:
    decoder = Decoder()
    assert decoder.feed(b"\0" + b"\x90" * COBS_MAX_BYTES) == []
    assert decoder.dropped == 0
    assert decoder.feed(b"\x90") == []
    assert decoder.dropped == 1
    assert decoder.feed(b"x") == [Text(b"x")]


def test_a_payload_of_257_bytes_is_dropped() -> None:
    body = b"\x90\x01" + bytes(257)
    decoder = Decoder()
    assert decoder.feed(b"\0" + cobs_encode(body + zlib.crc32(body).to_bytes(4, "little")) + b"\0") == []
    assert decoder.dropped == 1


@pytest.mark.parametrize(
    ("type_", "seq", "size"), [(0x7F, 0, 0), (0x100, 0, 0), (0x80, 256, 0), (0x80, -1, 0), (0x80, 0, 257)]
)
def test_what_is_no_frame(type_: int, seq: int, size: int) -> None:
    with pytest.raises(ValueError, match=r"frame type|sequence number|payload"):
        Frame(type_, seq, bytes(size))
