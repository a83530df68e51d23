"""A board that means harm: on loopback it speaks the link's protocol well enough to be believed, and lies in it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping

from edgeq.link.frames import Decoder, Frame, encode
from edgeq.link.messages import ANSWER, BUSY, ERROR, Request

# What a terminal, a page, Markdown or rich would obey; what no decoder takes; what turns writing round.
CONTROL = (
    b"\x1b[2J\x1b[31m\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x1b]8;;http://owned.example\x1b\\x\x9b31m\x08\r\x00"
    b"\xff\xfe\xc3\x28\xed\xa0\x80"
)
MARKUP = "<script>owned()</script><b onload=x>&lt;[bold red]x[/][link=http://owned]`|*_#\u202e\u2066abc\u200b\u2028"
NAME = MARKUP.encode()[:40] + b"\x1b[31m\x9b\xff\x07"  # of at most 64 bytes
LONG = MARKUP.encode() + b"\x1b]0;owned\x07\xff\x85"

_SECTION = bytes(
    [1, 0, 0, 1, 2, 0, 4, 0, 0, 0, 0x7F, 0x43, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0xE0, 0xFF, 0, 0, 0x40, 0]
)  # nearest to 2 x 4 x 1
Answers = Mapping[Request, Callable[[bytes], bytes]]


def model(
    *, input_bytes: int = 8, output_bytes: int = 2, steps: int = 2, goldens: int = 2, used: int = 64,
    capacity: int = 1024, image_bytes: int = 4096, scale: float = 0.5, zero_point: int = 0,
    dims: tuple[int, int, int, int] = (1, 2, 4, 1), output_dims: tuple[int, int, int, int] = (1, 1, 1, 2),
    name: bytes = NAME, name_bytes: int | None = None,
) -> bytes:  # fmt: skip
    """MODEL's answer, in which each field may be another."""
    head = struct.pack("<8I", input_bytes, output_bytes, steps, goldens, used, capacity, 16, image_bytes)
    ends = struct.pack("<fifi4H4H32sB", scale, zero_point, 1.0, 0, *dims, *output_dims, b"\xab" * 32,
                       len(name) if name_bytes is None else name_bytes)  # fmt: skip
    return head + ends + name


def info(**facts: bytes) -> bytes:
    """INFO's text: hostile words wherever there is room for some."""
    known = {
        "firmware": LONG, "board": LONG, "kind": b"host", "port": LONG, "engine": LONG, "engines": LONG,
        "engine_version": LONG, "clock_unit": b"ns", "clock_hz": b"9" * 5000, "arena_capacity": b"-1",
        "scratch_capacity": "\u0663".encode(), "model": LONG, "trigger": LONG, "features": LONG,
        LONG.decode("latin1"): LONG,
    } | facts  # fmt: skip
    return b"".join(key.encode("latin1").replace(b"=", b"") + b"=" + value + b"\n" for key, value in known.items())


def honest(text: bytes = info()) -> dict[Request, Callable[[bytes], bytes]]:
    """What it answers where it does not lie: a model of two steps, in names that mean harm."""

    def part(payload: bytes) -> bytes:
        at = int.from_bytes(payload, "little")
        return struct.pack("<I", len(text)) + text[at : at + 252]

    def step(payload: bytes) -> bytes:
        name = LONG[:200]
        return struct.pack("<5IB", 100, 8, 1, 3, 1, len(name)) + name

    nothing = (Request.WRITE_INPUT, Request.LOAD_GOLDEN, Request.ENGINE, Request.PICTURE, Request.WRITE_PICTURE)
    return {
        **dict.fromkeys(nothing, lambda payload: b""),
        Request.HELLO: lambda payload: struct.pack("<HH", 1, 256),
        Request.INFO: part,
        Request.MODEL: lambda payload: model(),
        Request.STEP: step,
        Request.RUN: lambda payload: struct.pack("<Q", 3000),
        Request.READ_PROFILE: lambda payload: struct.pack("<QQ", 1000, 2000),
        Request.SELFTEST: lambda payload: struct.pack("<II", 1, 0),
        Request.PREPROCESSING: lambda payload: struct.pack("<I", 64) + _SECTION,
        Request.READ_OUTPUT: lambda payload: b"\x01\x02",
        Request.LABEL: lambda payload: LONG[:200],
    }


def talker(answers: Answers, between: bytes = b"") -> Callable[[socket.socket], None]:
    """A behaviour: answers each request, and prints `between` before each answer."""

    def behave(board: socket.socket) -> None:
        decoder = Decoder()
        while data := board.recv(4096):
            for event in decoder.feed(data):
                if isinstance(event, Frame) and event.type in answers:
                    payload = answers[Request(event.type)](event.payload)
                    board.sendall(between + encode(Frame(event.type + ANSWER, event.seq, payload)))

    return behave


def framer(answers: Answers, request: Request, frame: Callable[[Frame], bytes]) -> Callable[[socket.socket], None]:
    """Like `talker`, but for one request, to which it says any bytes."""

    def behave(board: socket.socket) -> None:
        decoder = Decoder()
        while data := board.recv(4096):
            for event in decoder.feed(data):
                if isinstance(event, Frame) and event.type == request:
                    board.sendall(frame(event))
                elif isinstance(event, Frame) and event.type in answers:
                    payload = answers[Request(event.type)](event.payload)
                    board.sendall(encode(Frame(event.type + ANSWER, event.seq, payload)))

    return behave


def error(asked: Frame, code: int = 6, about: int | None = None, text: bytes = LONG) -> bytes:
    """An error answer."""
    payload = struct.pack("<HH", code, asked.type if about is None else about) + text[:200]
    return encode(Frame(ERROR, asked.seq, payload))


def busy(asked: Frame, done: int, steps: int) -> bytes:
    """A BUSY frame."""
    return encode(Frame(BUSY, asked.seq, struct.pack("<II", done, steps)))


def without_end(data: bytes) -> Callable[[socket.socket], None]:
    """A behaviour: prints that for ever, and listens to nobody."""

    def behave(board: socket.socket) -> None:
        while True:
            board.sendall(data)

    return behave


def once(data: bytes) -> Callable[[socket.socket], None]:
    """A behaviour: prints that and hangs up."""
    return lambda board: board.sendall(data)


@contextlib.contextmanager
def served(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A board that behaves so to everyone who connects; its URL."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                board, _ = listener.accept()
                with board, contextlib.suppress(OSError):
                    behave(board)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"socket://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
