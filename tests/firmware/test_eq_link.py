"""eq_link in C under ASan and UBSan: the codec equals Python's, and a board with a toy engine answers as it should."""

import hashlib
import random
import struct
import subprocess
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from console_bench import read_console_bench
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq import __version__
from edgeq.bench.statistics import summarize
from edgeq.errors import BoardTrouble
from edgeq.link.frames import Decoder, Frame, Text, cobs_encode, encode
from edgeq.link.messages import (
    BUSY,
    ERROR,
    BoardError,
    Busy,
    ErrorCode,
    PinState,
    Request,
    RunFlag,
    SelftestResult,
    StepInfo,
    TensorInfo,
)
from edgeq.link.monitor import lines
from edgeq.link.session import Session
from edgeq.link.transport import PipeTransport
from edgeq.preprocess import decode_section
from edgeq.report.bins import bins

HERE = Path(__file__).parent
COMPONENTS = HERE.parents[1] / "firmware" / "components"
INCLUDES = [
    COMPONENTS / "eq_link",
    COMPONENTS / "eq_check",
    COMPONENTS / "eq_preprocess",
    COMPONENTS / "eq_engine" / "include",
    COMPONENTS / "eq_hal",
]
FLAGS = (
    "-std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -g -O1 "
    "-fsanitize=address,undefined -fno-sanitize-recover=all"
)

GOLDEN = bytes([1, 2, 3, 4, 5, 6, 7, 0xF8])
AFTER_STEP = [bytes([2, 3, 4, 5, 6, 7, 8, 0xF9]), bytes([4, 6, 8, 10, 12, 14, 16, 0xF2])]
AFTER_STEP.append(AFTER_STEP[1][::-1])


def compiled(source: str, folder: Path) -> Path:
    program = folder / Path(source).stem
    rooms = ("eq_link", "eq_check", "eq_preprocess")
    sources = [HERE / source, *(path for room in rooms for path in sorted((COMPONENTS / room).glob("*.c")))]
    if source == "link_codec.c":  # needs no engine
        sources = [s for s in sources if s.parent.name != "eq_link" or s.stem in ("cobs", "frame")]
    command = ["cc", *FLAGS.split(), *(f"-I{i}" for i in INCLUDES), *map(str, sources), "-o", str(program)]
    subprocess.run(command, check=True)
    return program


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled("toy_board.c", tmp_path_factory.mktemp("toy"))


class Codec:
    """The C codec behind a pipe; its protocol is at the top of link_codec.c."""

    def __init__(self, program: Path) -> None:
        self._child = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _write(self, data: bytes) -> None:
        self._child.stdin.write(data)
        self._child.stdin.flush()

    def _take(self, size: int) -> bytes:
        data = self._child.stdout.read(size)
        assert len(data) == size, "the C codec died"
        return data

    def _take_string(self) -> bytes:
        return self._take(int.from_bytes(self._take(2), "little"))

    def encode(self, frame: Frame) -> bytes:
        head = struct.pack("<cBBH", b"E", frame.type, frame.seq, len(frame.payload))
        self._write(head + frame.payload)
        return self._take_string()

    def decode(self, data: bytes) -> tuple[list[Text | Frame], int]:
        """A fresh receiver's events, neighbouring text joined, and how many buffers it dropped."""
        self._write(b"RF" + struct.pack("<H", len(data)) + data)
        events: list[Text | Frame] = []
        while (kind := self._take(1)) != b".":
            if kind == b"M":
                events.append(Frame(*self._take(2), self._take_string()))
            elif events and isinstance(events[-1], Text):
                events[-1] = Text(events[-1].data + self._take_string())
            else:
                events.append(Text(self._take_string()))
        return events, int.from_bytes(self._take(4), "little")

    def close(self) -> None:
        self._child.stdin.close()
        assert self._child.wait() == 0
        self._child.stdout.close()


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Codec]:
    codec = Codec(compiled("link_codec.c", tmp_path_factory.mktemp("codec")))
    yield codec
    codec.close()


frames = st.builds(
    Frame,
    st.integers(0x80, 0xFF),
    st.integers(0, 255),
    st.one_of(st.binary(max_size=256), st.integers(240, 256).map(lambda n: b"\x01" * n), st.just(bytes(256))),
)
noise = st.one_of(
    st.binary(max_size=30), st.lists(st.sampled_from([0, 1, 2, 0x41, 0x80, 0xFF]), max_size=600).map(bytes)
)


@given(frames)
def test_c_encodes_as_python(codec: Codec, frame: Frame) -> None:
    assert codec.encode(frame) == encode(frame)


def test_a_last_block_of_254_bytes(codec: Codec) -> None:
    frames_of_254 = (Frame(0x80, seq, b"\x01" * 248) for seq in range(1, 256))
    frame = next(f for f in frames_of_254 if len(encode(f)) == 2 + 255 + 1)
    assert codec.encode(frame) == encode(frame)
    assert codec.decode(encode(frame)) == ([frame], 0)


def test_a_payload_of_257_bytes_is_dropped(codec: Codec) -> None:
    """It would fit the buffer where zeros shorten its encoding."""
    body = b"\x90\x01" + bytes(257)
    data = b"\0" + cobs_encode(body + zlib.crc32(body).to_bytes(4, "little")) + b"\0"
    assert codec.decode(data) == ([], 1)


@settings(max_examples=300)
@given(st.lists(st.tuples(noise, frames), min_size=1, max_size=4), st.data())
def test_c_decodes_as_python(codec: Codec, parts: list[tuple[bytes, Frame]], data: st.DataObject) -> None:
    """Noise, frames, a byte lost or changed among them, and in the end a sound frame, which always arrives."""
    stream = bytearray(b"".join(before + encode(frame) for before, frame in parts))
    at = data.draw(st.integers(0, len(stream) - 1))
    stream[at : at + 1] = data.draw(st.binary(max_size=1))
    last = Frame(0x80, 0, b"sound")
    whole = bytes(stream) + encode(last)
    decoder = Decoder()
    events = decoder.feed(whole)
    assert events[-1] == last
    assert codec.decode(whole) == (events, decoder.dropped)


@pytest.fixture
def board(toy: Path) -> Iterator[Session]:
    with_toy = PipeTransport([str(toy)])
    session = Session(with_toy, time.monotonic)
    session.hello()
    yield session
    with_toy.close()


def test_info(board: Session) -> None:
    assert board.info() == {
        "firmware": __version__,
        "board": "toy",
        "kind": "host",
        "port": "test",
        "engine": "toy",
        "engines": "toy,other",
        "engine_version": "a toy",
        "clock_unit": "ticks",
        "clock_hz": "1000",
        "kernels": "conv2d_s8:1,add_s8:1",
        "arena_capacity": "8",
        "scratch_capacity": "32",
        "model_slot_bytes": "0",
        "model": "toy é",
        "trigger": "virtual",
        "features": "golden,hash,profile,step,picture,label",
    }
    assert b"edgeq " + __version__.encode() + b" on toy (host, test)" in board.log


def test_another_engine_is_chosen(board: Session) -> None:
    board.load_golden(0)
    board.choose_engine("other")
    assert board.info()["engine"] == "other"
    with pytest.raises(BoardError) as refused:
        board.run()  # the input went with the engine before
    assert refused.value.code == ErrorCode.NOT_READY
    with pytest.raises(BoardError) as unknown:
        board.choose_engine("third")
    assert unknown.value.code == ErrorCode.OUT_OF_RANGE
    assert board.info()["engine"] == "other"


def test_model_and_steps(board: Session) -> None:
    model = board.model()
    assert (model.name, model.steps, model.goldens) == ("toy é", 3, 2)
    assert model.input == TensorInfo(8, 0.5, -128, (1, 2, 4, 1))
    assert model.output == TensorInfo(8, 0.5, 3, (1, 2, 4, 1))
    assert (model.arena_used_bytes, model.arena_capacity_bytes) == (8, 8)
    assert (model.scratch_bytes, model.image_bytes, model.image_sha256) == (16, 4096, "ab" * 32)
    assert board.steps() == [
        StepInfo(0, "add", 0, 1, 10, 1, 8),
        StepInfo(1, "layer1.0\\x1b[31m", 3, 2, 20, 2, 8),
        StepInfo(2, "turn round", 999, 3, 3000, 3, 8),
    ]


def test_a_run_with_hashes_and_profile(toy: Path) -> None:
    seen: list[Busy] = []
    pipe = PipeTransport([str(toy)])
    board = Session(pipe, time.monotonic, on_busy=seen.append)
    board.hello()
    board.write_input(GOLDEN)
    assert board.run(RunFlag.HASH | RunFlag.PROFILE) == 600
    assert seen == [Busy(1, 3), Busy(2, 3), Busy(3, 3)]
    assert board.profile() == [100, 200, 300]
    assert board.hashes() == [hashlib.sha256(out).digest()[:8] for out in AFTER_STEP]
    assert board.read_output(8) == AFTER_STEP[2]
    assert board.read_step(2, 8) == AFTER_STEP[2]
    assert board.clock_ticks() == 600
    pipe.close()


@pytest.mark.parametrize("step", [0, 1, 2])
def test_each_step_can_be_read(board: Session, step: int) -> None:
    board.load_golden(0)
    assert board.run(steps=step + 1) == sum(100 * (k + 1) for k in range(step + 1))
    assert board.read_step(step, 8) == AFTER_STEP[step]


def refused(code: ErrorCode) -> object:
    return pytest.raises(BoardError, match=rf"error {code.value} \(")


def test_what_is_not_ready(board: Session) -> None:
    with refused(ErrorCode.NOT_READY):
        board.run()  # no input
    board.write_input(GOLDEN[:7])
    with refused(ErrorCode.NOT_READY):
        board.run()  # a byte is missing
    with refused(ErrorCode.NOT_READY):
        board.profile()
    with refused(ErrorCode.NOT_READY):
        board.hashes()
    board.load_golden(0)
    board.run(steps=1)
    with refused(ErrorCode.NOT_READY):
        board.read_output(8)
    with refused(ErrorCode.NOT_READY):
        board.read_step(1, 8)
    with refused(ErrorCode.NOT_READY):
        board.run()  # the input is used up
    board.load_golden(0)
    with refused(ErrorCode.NOT_READY):
        board.read_step(0, 8)


def test_what_is_out_of_range(board: Session) -> None:
    with refused(ErrorCode.OUT_OF_RANGE):
        board.write_input(bytes(9))
    for ask in (board.load_golden, board.selftest):
        with refused(ErrorCode.OUT_OF_RANGE):
            ask(2)
    board.load_golden(0)
    with refused(ErrorCode.OUT_OF_RANGE):
        board.run(RunFlag(4))
    with refused(ErrorCode.OUT_OF_RANGE):
        board.run(steps=4)
    board.run()
    with refused(ErrorCode.OUT_OF_RANGE):
        board.read_output(9)


def test_selftest(board: Session) -> None:
    assert board.selftest(0) == SelftestResult(True, 0)
    assert board.selftest(1) == SelftestResult(False, 5)


def test_a_reboot_forgets(board: Session) -> None:
    board.load_golden(0)
    board.reboot()
    with refused(ErrorCode.NO_HELLO):
        board.run()
    board.hello()
    with refused(ErrorCode.NOT_READY):
        board.run()
    assert board.log.count(b" on toy ") == 2


@pytest.mark.parametrize(
    ("wrong", "code", "text"),
    [("no-model", 4, "no model"), ("refused", 7, r"bad plan: tensor above the arena \(step 7, value 4711\)")],
)
def test_a_board_without_model(toy: Path, wrong: str, code: int, text: str) -> None:
    pipe = PipeTransport([str(toy), wrong])
    board = Session(pipe, time.monotonic)
    board.hello()
    info = board.info()
    assert info["model"] == "none"
    assert text.replace("\\", "") == info["model_error"]
    for ask in (board.model, board.run, board.profile, board.hashes, lambda: board.selftest(0)):
        with pytest.raises(BoardError, match=rf"error {code} .*{text}"):
            ask()
    pipe.close()


def test_an_engine_that_fails(toy: Path) -> None:
    pipe = PipeTransport([str(toy), "fails"])
    board = Session(pipe, time.monotonic)
    board.hello()
    board.load_golden(0)
    with pytest.raises(BoardError, match=r"RUN with error 6 .*no window \(step 1, value 77\)"):
        board.run(RunFlag.PROFILE)
    with refused(ErrorCode.NOT_READY):
        board.read_output(8)
    pipe.close()


PICTURE = bytes(range(8, 32))  # 3 x 8 pixels, grey
INPUT = bytes(128 ^ PICTURE[8 * row + column] for row in (0, 2) for column in (1, 3, 5, 7))


def test_a_picture_becomes_the_input(board: Session) -> None:
    assert board.pictures().room_bytes == 24
    rule = decode_section(board.pictures().section, "toy")
    picture = np.frombuffer(PICTURE, np.uint8).reshape(3, 8, 1)
    assert rule.apply(picture).tobytes() == INPUT
    board.write_picture(PICTURE, 3, 8, 1)
    assert board.read_input(8) == INPUT
    assert board.run() == 600
    with refused(ErrorCode.NOT_READY):
        board.read_input(8)  # used up


def test_a_picture_that_does_not_fit_or_is_not_whole(board: Session) -> None:
    with pytest.raises(BoardError, match=r"error 3 .*the picture takes 27 bytes, 24 are free"):
        board.write_picture(bytes(27), 3, 3, 3)
    board.load_golden(0)
    with refused(ErrorCode.OUT_OF_RANGE):
        board.write_picture(PICTURE, 2, 8, 1)  # longer than it said
    board.load_golden(0)
    board.write_picture(PICTURE[:23], 3, 8, 1)
    with refused(ErrorCode.NOT_READY):
        board.run()  # the golden input has gone, and the picture is not whole
    board.write_input(GOLDEN)
    board.run()
    assert board.read_output(8) == AFTER_STEP[2]


@pytest.mark.parametrize("between", ["write", "golden", "run", "engine"])
def test_what_ends_a_picture(toy: Path, between: str) -> None:
    """A picture begun shares memory with a run: none of these may leave it half there."""
    other = {
        "write": Frame(Request.WRITE_INPUT, 4, bytes(5)),
        "golden": Frame(Request.LOAD_GOLDEN, 4, bytes(4)),
        "run": Frame(Request.SELFTEST, 4, bytes(4)),
        "engine": Frame(Request.ENGINE, 4, b"other"),
    }[between]
    begun = encode(Frame(Request.PICTURE, 1, struct.pack("<3I", 1, 8, 1)))
    half = encode(Frame(Request.WRITE_PICTURE, 2, bytes(8)))
    more = encode(Frame(Request.WRITE_PICTURE, 5, struct.pack("<I", 4) + bytes(4)))
    got = {f.seq: f for f in answers(said(toy, HELLO + begun + half + encode(other) + more)) if f.type != BUSY}
    assert (got[1].type, got[2].type, got[4].type) == (0xD0, 0xD1, other.type + 0x40)
    assert (got[5].type, got[5].payload[:2]) == (ERROR, b"\5\0")


def test_no_pictures_and_bad_ones(toy: Path) -> None:
    pipe = PipeTransport([str(toy), "no-pictures"])
    board = Session(pipe, time.monotonic)
    board.hello()
    assert (board.pictures().section, board.label(0)) == (b"", None)
    with pytest.raises(BoardError, match=r"error 5 .*says nothing about pictures"):
        board.write_picture(bytes(8), 1, 8, 1)
    pipe.close()
    pipe = PipeTransport([str(toy), "bad-pictures"])
    board = Session(pipe, time.monotonic)
    board.hello()
    for ask in (board.pictures, lambda: board.write_picture(bytes(8), 1, 8, 1)):
        with pytest.raises(BoardError, match=r"error 7 .*another version"):
            ask()
    pipe.close()


def test_labels(board: Session) -> None:
    assert [board.label(i) for i in range(4)] == ["zero", "é", "e\\x1b[3m", None]


def test_the_virtual_trigger(board: Session) -> None:
    assert board.pin() == PinState(False, False, 0, 0)
    board.write_input(bytes(8))
    assert board.pin(False) == PinState(False, False, 0, 0)
    assert board.pin(True) == PinState(True, True, 1, 600)
    assert board.read_output(8) == b"\2" * 8  # of the input that was there
    assert board.pin(True).runs == 1  # no edge
    board.pin(False)
    assert board.pin() == PinState(False, True, 1, 600)
    board.pin(True)
    assert board.read_output(8) == AFTER_STEP[2]  # of golden sample 0: the input was used up
    assert board.pin() == PinState(True, True, 2, 600)


def test_a_triggered_run_that_fails_leaves_done_low(toy: Path) -> None:
    pipe = PipeTransport([str(toy), "fails"])
    board = Session(pipe, time.monotonic)
    board.hello()
    with pytest.raises(BoardError, match="PIN with error 6"):
        board.pin(True)
    assert board.pin() == PinState(True, False, 0, 0)
    pipe.close()


def test_a_trigger_that_is_a_pin(toy: Path) -> None:
    """Edges come between bytes, the pin tells the end, and the link cannot play it."""
    read = encode(Frame(Request.PIN, 1, b"\2\0\0\0"))
    play = encode(Frame(Request.PIN, 2, b"\1\0\0\0"))
    output = encode(Frame(Request.READ_OUTPUT, 3, struct.pack("<II", 0, 8)))
    events = said(toy, HELLO + b"^" + read + play + b"^" + output + b"info\r", "pin")
    text = b"".join(e.data for e in events if isinstance(e, Text))
    assert text.count(b"<busy><done>") == 2
    assert b"\r\ntrigger                 pin\r\n" in text
    got = answers(events)
    assert got[1].payload == struct.pack("<IIIQ", 0, 1, 1, 600)
    assert (got[2].type, got[2].payload[:4]) == (ERROR, struct.pack("<HH", 3, Request.PIN))
    assert got[3].payload == AFTER_STEP[2]


def said(toy: Path, stdin: bytes, wrong: str = "none") -> list[Text | Frame]:
    done = subprocess.run([toy, wrong], input=stdin, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return Decoder().feed(done.stdout)


def answers(events: list[Text | Frame]) -> list[Frame]:
    return [e for e in events if isinstance(e, Frame)]


HELLO = encode(Frame(Request.HELLO, 0))
HELLO_ANSWER = Frame(0xC0, 0, struct.pack("<HH", 1, 256))


def test_a_resent_request_is_not_executed_again(toy: Path) -> None:
    """A second RUN would be refused, since the input is used up, and move the clock; both resends cost neither."""
    run = encode(Frame(Request.RUN, 2, bytes(8)))
    stdin = HELLO + encode(Frame(Request.LOAD_GOLDEN, 1, bytes(4))) + run * 3 + encode(Frame(Request.CLOCK, 3))
    got = answers(said(toy, stdin))
    ran = Frame(0xC5, 2, struct.pack("<Q", 600))
    busy = [Frame(BUSY, 2, struct.pack("<II", n, 3)) for n in (1, 2, 3)]
    assert got == [HELLO_ANSWER, Frame(0xCD, 1), *busy, ran, ran, ran, Frame(0xCC, 3, struct.pack("<Q", 600))]


def test_hello_forgets_the_last_answer(toy: Path) -> None:
    clock = encode(Frame(Request.CLOCK, 1))
    selftest = encode(Frame(Request.SELFTEST, 2, bytes(4)))
    got = answers(said(toy, HELLO + clock + HELLO + selftest + clock))
    assert [f.payload for f in got if f.type == 0xCC] == [struct.pack("<Q", 0), struct.pack("<Q", 600)]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (Frame(Request.CLOCK, 0), ErrorCode.MALFORMED),
        (Frame(Request.HELLO, 1), ErrorCode.MALFORMED),
        (Frame(Request.HELLO, 0, b"x"), ErrorCode.MALFORMED),
        (Frame(Request.WRITE_INPUT, 1, bytes(4)), ErrorCode.MALFORMED),
        (Frame(Request.WRITE_INPUT, 1, b"\1\0\0\0x"), ErrorCode.OUT_OF_RANGE),
        (Frame(Request.WRITE_INPUT, 1, b"\xff\xff\xff\xffx"), ErrorCode.OUT_OF_RANGE),
        (Frame(Request.READ_STEP, 1, bytes(11)), ErrorCode.MALFORMED),
        (Frame(Request.STEP, 1, b"\3\0\0\0"), ErrorCode.OUT_OF_RANGE),
        (Frame(Request.INFO, 1, b"\xff\xff\xff\xff"), ErrorCode.OUT_OF_RANGE),
        (Frame(0x8E, 1), ErrorCode.MALFORMED),
        (Frame(0x95, 1), ErrorCode.UNKNOWN_REQUEST),
        (Frame(Request.PICTURE, 1, bytes(12)), ErrorCode.OUT_OF_RANGE),
        (Frame(Request.PICTURE, 1, struct.pack("<3I", 0x80000001, 2, 1)), ErrorCode.OUT_OF_RANGE),
        (Frame(Request.WRITE_PICTURE, 1, bytes(5)), ErrorCode.NOT_READY),
        (Frame(Request.READ_INPUT, 1, bytes(8)), ErrorCode.NOT_READY),
        (Frame(Request.LABEL, 1, b"\3\0\0\0"), ErrorCode.OUT_OF_RANGE),
        (Frame(Request.LABEL, 1, b"\xff\xff\xff\xff"), ErrorCode.OUT_OF_RANGE),
        (Frame(Request.PIN, 1, b"\3\0\0\0"), ErrorCode.OUT_OF_RANGE),
        (Frame(0xBF, 1), ErrorCode.UNKNOWN_REQUEST),
    ],
)
def test_malformed_requests(toy: Path, frame: Frame, code: ErrorCode) -> None:
    got = answers(said(toy, HELLO + encode(frame)))
    assert got[0] == HELLO_ANSWER
    assert (got[1].type, got[1].seq) == (ERROR, frame.seq)
    assert struct.unpack("<HH", got[1].payload[:4]) == (code, frame.type)


@pytest.mark.parametrize("type_", [0xC0, 0xFE, 0xFF])
def test_frames_that_are_no_requests_are_ignored(toy: Path, type_: int) -> None:
    assert answers(said(toy, encode(Frame(type_, 1)) + HELLO)) == [HELLO_ANSWER]


def mutated(rng: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(out))
        match rng.randrange(4):
            case 0:
                out[at] ^= 1 << rng.randrange(8)
            case 1:
                out[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2 if len(out) > 1:
                del out[at]
            case _:
                out[at:at] = rng.randbytes(rng.randint(1, 4))
    return bytes(out)


def test_ten_thousand_mutated_frames(toy: Path) -> None:
    """Half damaged on the line, half with sound checksums and any arguments: no crash, no hang, HELLO works."""
    rng = random.Random(7)
    numbers = (0, 0, 1, 2, 3, 7, 8, 248, 249, 0x7FFFFFFF, 0xFFFFFFFF)
    begun = (
        encode(Frame(Request.PICTURE, 1, struct.pack("<3I", 1, 8, 1))),
        encode(Frame(Request.LOAD_GOLDEN, 1, bytes(4))),
    )
    stdin = bytearray()
    for n in range(10_000):
        if n % 8 == 0:
            stdin += HELLO + begun[n // 8 % 2]  # REBOOT is among what follows
        payload = b"".join(struct.pack("<I", rng.choice(numbers)) for _ in range(rng.randrange(4)))
        payload = mutated(rng, payload) if payload and rng.random() < 0.2 else payload
        data = encode(Frame(rng.randrange(0x80, 0x96), rng.randrange(2, 256), payload))
        stdin += mutated(rng, data) if n % 2 else data
    events = said(toy, bytes(stdin) + HELLO)
    assert events[-1] == HELLO_ANSWER
    answered = {f.type for f in answers(events)}
    assert answered >= {0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xCA, 0xCB, 0xCC, 0xCD, BUSY, ERROR}
    assert answered >= {0xCF, 0xD0, 0xD1, 0xD2, 0xD3, 0xD4}
    codes = {struct.unpack("<H", f.payload[:2])[0] for f in answers(events) if f.type == ERROR}
    assert codes == {1, 2, 3, 5, 8}


def typed(toy: Path, keys: bytes, wrong: str = "none") -> str:
    """What the console prints behind its first prompt."""
    (event,) = said(toy, keys, wrong)
    assert isinstance(event, Text)
    return event.data.decode().split("edgeq> ", 1)[1]


def test_console_bench(toy: Path) -> None:
    assert typed(toy, b"bench 3\r") == (HERE / "console-bench.txt").read_text().replace("\n", "\r\n") + "edgeq> "


def test_console_bench_counts_as_the_tool_does(toy: Path) -> None:
    """Every run is kept, up to the most that it takes: percentiles and bins are those of the tool."""
    for n in (2, 7, 20, 1000):
        said = read_console_bench(typed(toy, f"bench {n}\r".encode(), "varies"))
        values = [600 + i * i % 97 for i in range(n)]
        summary = asdict(summarize(values)) | {"mean": sum(values) // n}
        assert said.figures == {name: summary[name] for name in ("p50", "p90", "p99", "min", "max", "mean")}
        assert said.bins == [(b.low, b.count) for b in bins(values)]
        assert said.runs == n


def test_console_profile(toy: Path) -> None:
    assert typed(toy, b"profile\n").split("\r\n") == [
        "profile",
        "step  name           op                      macs         ticks  share",
        "   0  add            ADD                       10           100  16.7%",
        "   1  layer1.0?[31m  CONV_2D                   20           200  33.3%",
        "   2  turn round     op 999                  3000           300  50.0%",
        "all                                          3030           600",
        "edgeq> ",
    ]


def test_console_selftest(toy: Path) -> None:
    assert typed(toy, b"selftest\r") == (
        "selftest\r\ngolden   0  equal\r\ngolden   1  DIFFERS from byte 5\r\n1 of 2 golden samples equal\r\nedgeq> "
    )


@pytest.mark.parametrize(
    ("keys", "prints"),
    [
        (b"", ""),
        (b"\r\n\r\n", "\r\nedgeq> \r\nedgeq> "),
        (b"\n\n", "\r\nedgeq> \r\nedgeq> "),
        (b"  nonsense  1\r", "  nonsense  1\r\nunknown command; type help\r\nedgeq> "),
        (b"benchx\r", "benchx\r\nunknown command; type help\r\nedgeq> "),
        (b"bench 1001\r", "bench 1001\r\nbench takes a number from 1 to 1000\r\nedgeq> "),
        (
            b"bench 99999999999999999999\r",
            "bench 99999999999999999999\r\nbench takes a number from 1 to 1000\r\nedgeq> ",
        ),
        (b"bench 0\r", "bench 0\r\nbench takes a number from 1 to 1000\r\nedgeq> "),
        (b"bench -1\r", "bench -1\r\nbench takes a number from 1 to 1000\r\nedgeq> "),
        (b"\x7f\x08ab\x08\x7f", "ab\b \b\b \b"),
        (b"\x1b[A\x1b[1;5C\x1bOPx\x07\xc3\xa9", "x"),
        (b"y" * 200, "y" * 80),
    ],
)
def test_console_editing(toy: Path, keys: bytes, prints: str) -> None:
    assert typed(toy, keys) == prints


def test_console_without_goldens_runs_zeros(toy: Path) -> None:
    said = typed(toy, b"bench 2\r", "no-goldens")
    assert read_console_bench(said).figures["mean"] == 600 and "golden samples  none in the model image\r\n" in said
    assert typed(toy, b"selftest\r", "no-goldens") == "selftest\r\n0 of 0 golden samples equal\r\nedgeq> "


@pytest.mark.parametrize("command", ["bench", "profile", "selftest"])
@pytest.mark.parametrize(
    ("wrong", "why"),
    [("refused", "no model: bad plan: tensor above the arena"), ("fails", "failed: other: no window")],
)
def test_console_says_why_not(toy: Path, command: str, wrong: str, why: str) -> None:
    assert typed(toy, command.encode() + b"\r", wrong).startswith(f"{command}\r\n{why} (step ")


def test_console_help_names_each_command(toy: Path) -> None:
    shown = typed(toy, b"help\r").split("\r\n")[1:-1]
    assert [line.split()[0] for line in shown] == ["help", "info", "bench", "profile", "selftest", "engine", "reboot"]
    page = (HERE.parents[1] / "docs" / "link-protocol.md").read_text()
    for line in shown:
        assert f"| `{line.split()[0]}" in page


def test_console_info_and_reboot(toy: Path) -> None:
    shown = typed(toy, b"info\rreboot\r")
    assert "\r\nclock_unit              ticks\r\n" in shown
    assert shown.count("edgeq> ") == 2
    banner = f"\r\nedgeq {__version__} on toy (host, test)\r\nmodel toy é: 3 steps, arena 8 of 8 bytes\r\n"
    assert shown.endswith(f"reboot\r\n{banner}Type help.\r\nedgeq> ")


def test_a_person_and_a_tool_on_one_line(toy: Path) -> None:
    """Frames in the middle of a typed line leave it alone."""
    events = said(toy, HELLO + b"sel" + encode(Frame(Request.CLOCK, 1)) + b"ftest\r")
    assert [f.type for f in answers(events)] == [0xC0, 0xCC]
    assert b"1 of 2 golden samples equal" in events[-1].data


def test_monitor(toy: Path) -> None:
    pipe = PipeTransport([str(toy)])
    pipe.write(b"help\rreboot\r")
    got = []
    for line in lines(pipe, time.monotonic):
        got.append(line.text)
        if got.count("Type help.") == 2:
            break
    assert "edgeq> help" in got
    pipe.close()
    with pytest.raises(BoardTrouble):
        pipe.read(0.1)


def test_operators_have_tflites_names() -> None:
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    source = (COMPONENTS / "eq_link" / "text.c").read_text()
    table = source[source.index("BuiltinOperator") : source.index("};", source.index("} ops[]"))]
    rows = [row.split(",") for row in table.replace("\n", "").split("{")[2:] if '"' in row]
    assert len(rows) == 11
    for code, name, *_ in rows:
        assert getattr(schema.BuiltinOperator, name.strip(' "}')) == int(code)
