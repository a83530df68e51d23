"""Answers of a board, sound and not."""

import math
import struct

import pytest

from edgeq.errors import BoardTrouble
from edgeq.link import messages
from edgeq.link.messages import Request

NUMBERS = [12, 4, 3, 1, 100, 200, 16, 4096]
SCALES = [0.5, -128, 0.25, 3]
DIMS = [1, 2, 2, 3, 1, 1, 1, 4]


def model_answer(
    numbers: list[int] = NUMBERS,
    scales: list[float] = SCALES,
    dims: list[int] = DIMS,
    name: bytes = b"toy",
    name_bytes: int = 3,
) -> bytes:
    return struct.pack("<8I fifi 8H 32s B", *numbers, *scales, *dims, b"\xab" * 32, name_bytes) + name


def test_model() -> None:
    model = messages.unpack_model(model_answer())
    assert model.name == "toy"
    assert model.input == messages.TensorInfo(12, 0.5, -128, (1, 2, 2, 3))
    assert model.output == messages.TensorInfo(4, 0.25, 3, (1, 1, 1, 4))
    assert (model.steps, model.goldens, model.image_bytes) == (3, 1, 4096)
    assert (model.arena_used_bytes, model.arena_capacity_bytes, model.scratch_bytes) == (100, 200, 16)
    assert model.image_sha256 == "ab" * 32


@pytest.mark.parametrize(
    "answer",
    [
        model_answer(numbers=[13, *NUMBERS[1:]]),
        model_answer(numbers=[*NUMBERS[:2], 0, *NUMBERS[3:]]),
        model_answer(numbers=[*NUMBERS[:2], 1025, *NUMBERS[3:]]),
        model_answer(numbers=[*NUMBERS[:4], 201, *NUMBERS[5:]]),
        model_answer(scales=[math.nan, *SCALES[1:]]),
        model_answer(scales=[0.0, *SCALES[1:]]),
        model_answer(scales=[0.5, 128, *SCALES[2:]]),
        model_answer(numbers=[0, *NUMBERS[1:]], dims=[0, *DIMS[1:]]),
        model_answer(name_bytes=4),
        model_answer(name=b"x" * 65, name_bytes=65),
        model_answer()[:-4],
        b"",
    ],
)
def test_a_model_that_cannot_be(answer: bytes) -> None:
    with pytest.raises(BoardTrouble, match="cannot be"):
        messages.unpack_model(answer)


def test_step() -> None:
    answer = struct.pack("<5IB", 7, 8, 9, 3, 2, 5) + b"a\x1b[1m"
    assert messages.unpack_step(4, answer) == messages.StepInfo(4, "a\\x1b[1m", 3, 2, 7, 9, 8)
    with pytest.raises(BoardTrouble, match="a name of 5 bytes with 4 sent"):
        messages.unpack_step(4, answer[:-1])


def test_info_is_escaped() -> None:
    assert messages.parse_info(b"board=wrover\nmodel=a=b\xff\x1b\n") == {
        "board": "wrover",
        "model": "a=b\\xff\\x1b",
    }


@pytest.mark.parametrize("text", [b"no equals sign\n", b"=value\n", b"a=1\na=2\n"])
def test_info_that_cannot_be(text: bytes) -> None:
    with pytest.raises(BoardTrouble, match="in INFO"):
        messages.parse_info(text)


@pytest.mark.parametrize(
    ("unpack", "payload"),
    [
        (messages.unpack_nothing, b"x"),
        (messages.unpack_hello, b"\1\0\0"),
        (messages.unpack_hello, b"\2\0\0\1"),
        (messages.unpack_info_part, b"\0\0\0"),
        (messages.unpack_info_part, b"\xff\xff\0\0"),
        (messages.unpack_ticks, bytes(7)),
        (messages.unpack_rows, bytes(9)),
        (messages.unpack_rows, bytes(264)),
        (messages.unpack_selftest, struct.pack("<II", 2, 0)),
        (messages.unpack_busy, struct.pack("<II", 4, 3)),
        (messages.unpack_busy, struct.pack("<II", 4, 2000)),
    ],
)
def test_answers_that_cannot_be(unpack, payload: bytes) -> None:
    with pytest.raises(BoardTrouble):
        unpack(payload)


def test_a_read_answers_what_was_asked_for() -> None:
    assert messages.unpack_bytes(b"abc", 3) == b"abc"
    with pytest.raises(BoardTrouble, match="3 bytes as the 4 bytes asked for"):
        messages.unpack_bytes(b"abc", 4)


def test_an_error_is_escaped_and_named() -> None:
    error = messages.unpack_error(Request.RUN, struct.pack("<HH", 6, Request.RUN) + b"\x1b]0;x\x07")
    assert error.code == 6
    assert "RUN with error 6 (engine failed): \\x1b]0;x\\x07" in str(error)
    with pytest.raises(BoardTrouble, match="about request 0x80"):
        messages.unpack_error(Request.RUN, struct.pack("<HH", 6, 0x80))


@pytest.mark.parametrize("value", [-1, 1 << 32])
def test_arguments_are_u32(value: int) -> None:
    with pytest.raises(ValueError, match="no u32"):
        messages.pack_u32(value)


@pytest.mark.parametrize("size", [0, 253])
def test_a_write_fits_a_frame(size: int) -> None:
    with pytest.raises(ValueError, match="bytes at once"):
        messages.pack_write(0, bytes(size))
