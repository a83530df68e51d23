"""The model image: round trip, and everything it refuses."""

from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.errors import BadInput
from edgeq.images.model import MAGIC, ModelImage, Section, read_model_image, write_model_image

LABELS = st.lists(st.text(st.characters(blacklist_characters="\n", codec="utf-8"), min_size=1, max_size=9), max_size=9)
IMAGE = ModelImage("digits", b"the plan", b"the .tflite", b"golden", ("zero", "eins", "два"), b"preprocessing", 5000)


@given(
    st.builds(
        ModelImage,
        name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=16),
        plan=st.binary(min_size=1, max_size=99),
        tflite=st.binary(min_size=1, max_size=99),
        golden=st.binary(max_size=50),
        labels=LABELS.map(tuple),
        preprocess=st.binary(max_size=60),
    )
)
def test_round_trip(image: ModelImage) -> None:
    data = write_model_image(image)
    assert read_model_image(data) == image
    assert read_model_image(data + b"\xff" * 100) == image  # the rest of the partition


def rows(data: bytes) -> list[tuple[int, int, int, int]]:
    (count,) = struct.unpack_from("<I", data, 12)
    return [struct.unpack_from("<4I", data, 16 + 16 * i) for i in range(count)]


def test_the_form_is_the_documented_one() -> None:
    data = write_model_image(IMAGE)
    magic, major, minor, size = struct.unpack_from("<4s2HI", data)
    assert (magic, major, minor, size) == (MAGIC, 1, 0, len(data))
    assert hashlib.sha256(data[:-32]).digest() == data[-32:]
    table = rows(data)
    assert [kind for kind, *_ in table] == list(Section)
    end = 16 + 16 * len(table)
    for _, offset, length, zero in table:
        assert offset % 16 == 0 and zero == 0
        assert data[end:offset] == bytes(offset - end)  # gaps are zero
        end = offset + length
    assert end == len(data) - 32
    assert data == write_model_image(IMAGE)


def test_a_long_name_is_cut_between_characters() -> None:
    image = ModelImage("я" * 40 + "z", b"p", b"t")
    assert read_model_image(write_model_image(image)).name == "я" * 32
    image = ModelImage("z" + "я" * 40, b"p", b"t")
    assert read_model_image(write_model_image(image)).name == "z" + "я" * 31


@pytest.mark.parametrize(
    "image",
    [
        ModelImage("", b"p", b"t"),
        ModelImage("n", b"", b"t"),
        ModelImage("n", b"p", b""),
        ModelImage("n", b"p", b"t", labels=("a\nb",)),
        ModelImage("n", b"p", b"t", labels=("",)),
        ModelImage("n", b"p", b"t", labels=("я" * 129,)),
    ],
)
def test_what_no_firmware_opens_is_not_written(image: ModelImage) -> None:
    with pytest.raises(BadInput):
        write_model_image(image)


def patched(at: int, value: int, form: str = "<I") -> bytes:
    """The image with one field changed and its SHA-256 right again."""
    out = bytearray(write_model_image(IMAGE))
    struct.pack_into(form, out, at, value)
    return bytes(out[:-32]) + hashlib.sha256(out[:-32]).digest()


FIRST, SECOND = 16, 32  # rows of the section table


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not a model image"),
        (b"\xff" * 4096, "is not a model image"),
        (patched(0, 0), "is not a model image"),
        (patched(4, 2, "<H"), "has version 2"),
        (patched(8, 1 << 30), "truncated"),
        (patched(8, 100), "truncated"),
        (patched(12, 0), "truncated"),
        (patched(12, 17), "truncated"),
        (write_model_image(IMAGE)[:-1], "truncated"),
        (write_model_image(IMAGE)[:-1] + b"?", "SHA-256"),
        (patched(FIRST, 9), "PLAN is missing"),
        (patched(FIRST, 0), "section 0"),
        (patched(SECOND, Section.PLAN), "there twice"),
        (patched(FIRST + 4, 0), "out of place"),
        (patched(FIRST + 4, 97), "out of place"),
        (patched(SECOND + 4, 96), "out of place"),
        (patched(FIRST + 4, 0xFFFFFFF0), "out of place"),
        (patched(FIRST + 8, 0xFFFFFFFF), "out of place"),
        (patched(FIRST + 8, 0), "empty"),
        (patched(rows(write_model_image(IMAGE))[3][1], 0xFF, "<B"), "not UTF-8"),
        (patched(rows(write_model_image(IMAGE))[4][1], 0xFF, "<B"), "not UTF-8"),
    ],
)
def test_what_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_model_image(data)


def test_a_name_that_is_too_long_is_refused() -> None:
    # The name's row takes the golden samples' place, which may be longer.
    data = bytearray(write_model_image(ModelImage("n", b"p", b"t", bytes(65))))
    at = next(16 + 16 * i for i, row in enumerate(rows(bytes(data))) if row[0] == Section.GOLDEN)
    struct.pack_into("<I", data, at, Section.NAME)
    struct.pack_into("<I", data, at + 16, 9)
    data[-32:] = hashlib.sha256(data[:-32]).digest()
    with pytest.raises(BadInput, match="longer than 64"):
        read_model_image(bytes(data))


@given(st.integers(0, len(write_model_image(IMAGE)) - 1), st.integers(0, 7))
def test_any_flipped_bit_is_noticed(at: int, bit: int) -> None:
    data = bytearray(write_model_image(IMAGE))
    data[at] ^= 1 << bit
    with pytest.raises(BadInput):
        read_model_image(bytes(data))
