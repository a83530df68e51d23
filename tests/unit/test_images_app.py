"""The application image: round trip, esptool's opinion, and every way it can be wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.errors import BadInput
from edgeq.images.app import CHIP_HOST, AppImage, Segment, read_app_image, write_app_image

IMAGE = AppImage(
    segments=(Segment(0x3FFB0000, b"constants..." * 9), Segment(0x40080000, bytes(range(256)))),
    entry=0x40080004,
)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 0xFFFF0000), st.integers(0, 20).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n))
        ),
        min_size=1,
        max_size=16,
    ),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFF),
)
def test_round_trip(segments: list[tuple[int, bytes]], entry: int, chip_id: int) -> None:
    image = AppImage(tuple(Segment(*segment) for segment in segments), entry, chip_id)
    data = write_app_image(image)
    assert len(data) % 16 == 0
    assert read_app_image(data) == image
    assert read_app_image(data + b"\xff" * 7) == image, "what lies behind is not looked at"


def test_segments_are_padded_to_words() -> None:
    data = write_app_image(AppImage((Segment(0, b"12345"),), 0, CHIP_HOST))
    assert read_app_image(data).segments[0].data == b"12345\0\0\0"


def test_esptool_accepts_it(tmp_path: Path) -> None:
    file = tmp_path / "app.bin"
    file.write_bytes(write_app_image(IMAGE))
    said = subprocess.run(
        [sys.executable, "-m", "esptool", "image-info", str(file)], capture_output=True, text=True, check=True
    ).stdout
    assert "Entry point: 0x40080004" in said
    assert "Segments: 2" in said
    assert "Chip ID: 0 (ESP32)" in said
    assert said.count("(valid)") == 2, "checksum and SHA-256"


DATA = write_app_image(IMAGE)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "0 bytes are too few for a header"),
        (b"\xff" * 4096, "starts with 0xff, not 0xe9"),
        (DATA[:1] + b"\x00" + DATA[2:], "0 segments, 1 to 16 are possible"),
        (DATA[:1] + b"\x11" + DATA[2:], "17 segments, 1 to 16 are possible"),
        (DATA[:23] + b"\x00" + DATA[24:], "carries no SHA-256"),
        (DATA[:28] + b"\x02" + DATA[29:], "segment 0 has 2 bytes, not a multiple of 4"),
        (DATA[:28] + b"\xfc\xff\xff\xff" + DATA[32:], f"segment 0 has 4294967292 bytes, but only {len(DATA) - 32}"),
        (DATA[:24] + b"\xff\xff\xff\xff" + DATA[28:], "leaves the 32-bit address space"),
        (DATA[:144], "ends inside the header of segment 1"),
        (DATA[:-1], "ends before its checksum and SHA-256"),
        (DATA[:40] + bytes((DATA[40] ^ 1,)) + DATA[41:], "checksum is"),
        (DATA[:4] + bytes((DATA[4] ^ 1,)) + DATA[5:], "SHA-256 does not match"),
        (DATA[:-1] + bytes((DATA[-1] ^ 1,)), "SHA-256 does not match"),
    ],
)
def test_says_what_is_wrong(data: bytes, what: str) -> None:
    with pytest.raises(BadInput, match=what.replace("(", r"\(")):
        read_app_image(data)


@settings(deadline=None)
@given(st.binary(max_size=64), st.integers(0, len(DATA) - 1), st.integers(0, 255))
def test_hostile_bytes_raise_nothing_else(noise: bytes, at: int, byte: int) -> None:
    for data in (noise, b"\xe9" + noise, DATA[:at] + bytes((byte,)) + DATA[at + 1 :], DATA[:at] + noise):
        try:
            image = read_app_image(data)
        except BadInput:
            continue
        assert image == IMAGE


def test_impossible_images() -> None:
    with pytest.raises(BadInput, match="0 segments"):
        AppImage((), 0)
    with pytest.raises(BadInput, match="entry"):
        AppImage(IMAGE.segments, 1 << 32)
