"""Console text: escaped for a terminal, and as lines with times."""

import itertools

import pytest

from edgeq.errors import BoardTrouble
from edgeq.link.escape import escape
from edgeq.link.frames import Frame, encode
from edgeq.link.monitor import LINE_MAX_BYTES, Line, lines


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain", "plain"),
        ("Grüße 模型".encode(), "Grüße 模型"),
        (b"\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        (b"a\r\n\tb\x00\x7f", "a\\x0d\\x0a\\x09b\\x00\\x7f"),
        (b"\xff\xc3(", "\\xff\\xc3("),
        ("\x9b31m".encode(), "\\x9b31m"),
        ("a\u202eb\u2028\u200b", "a\\u202eb\\u2028\\u200b"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_escape(raw: bytes | str, shown: str) -> None:
    assert escape(raw) == shown
    assert escape(raw).isprintable()


class Said:
    """Says each piece once, then ends."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = iter(pieces)

    def read(self, timeout_s: float) -> bytes:
        try:
            return next(self._pieces)
        except StopIteration:
            raise BoardTrouble("ended") from None

    def write(self, data: bytes) -> None:
        raise AssertionError

    def close(self) -> None:
        raise AssertionError


def monitored(*pieces: bytes) -> list[Line]:
    ticks = itertools.count(1)
    got: list[Line] = []
    with pytest.raises(BoardTrouble, match="ended"):
        for line in lines(Said(*pieces), lambda: float(next(ticks))):
            got.append(line)
    return got


def test_lines_have_the_time_they_began() -> None:
    assert monitored(b"one\r\nt", b"", b"wo\x1b[2J\n\nedgeq> ") == [
        Line(1.0, "one"),
        Line(1.0, "two\\x1b[2J"),
        Line(3.0, ""),
        Line(3.0, "edgeq> "),
    ]


def test_frames_are_left_out() -> None:
    frame = encode(Frame(0xC0, 3, b"\nabc\n"))
    assert monitored(b"bo" + frame[:4], frame[4:] + b"ot\n") == [Line(1.0, "boot")]


def test_a_long_line_is_broken() -> None:
    first, second = monitored(b"x" * LINE_MAX_BYTES + b"yz\n")
    assert (len(first.text), second.text) == (LINE_MAX_BYTES, "yz")
