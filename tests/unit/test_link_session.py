"""The session's patience and its distrust, against boards in memory. The clock is the fake transport's."""

import struct
from collections.abc import Callable

import pytest

from edgeq.errors import BoardTrouble
from edgeq.link.frames import Decoder, Frame, encode
from edgeq.link.messages import BUSY, ERROR, BoardError, Busy, Request, RunFlag
from edgeq.link.session import LOG_MAX_BYTES, Session
from edgeq.link.transport import FakeTransport

HELLO = struct.pack("<HH", 1, 256)


class Board:
    """Answers each frame by `answer`, and keeps the frames."""

    def __init__(self, answer: Callable[[Frame], bytes]) -> None:
        self.answer = answer
        self.got: list[Frame] = []
        self._decoder = Decoder()

    def __call__(self, data: bytes) -> bytes:
        said = b""
        for event in self._decoder.feed(data):
            assert isinstance(event, Frame)
            self.got.append(event)
            assert len(self.got) < 1000, "asks for ever"
            said += self.answer(event)
        return said


def reply(request: Frame, payload: bytes = b"") -> bytes:
    return encode(Frame(request.type + 0x40, request.seq, payload))


def busy(request: Frame, done: int, steps: int = 1024) -> bytes:
    return encode(Frame(BUSY, request.seq, struct.pack("<II", done, steps)))


def session_with(answer: Callable[[Frame], bytes], **options) -> tuple[Session, Board, FakeTransport]:
    board = Board(answer)
    transport = FakeTransport(board)
    return Session(transport, transport.clock, **options), board, transport


def test_sequence_numbers_go_from_1_to_255_and_again() -> None:
    session, board, _ = session_with(lambda f: reply(f, HELLO if f.type == Request.HELLO else bytes(8)))
    session.hello()
    for _ in range(257):
        session.clock_ticks()
    session.hello()
    session.clock_ticks()
    assert [f.seq for f in board.got] == [0, *range(1, 256), 1, 2, 0, 1]


def test_a_silent_board_is_asked_six_times() -> None:
    session, board, transport = session_with(lambda f: b"" if len(board.got) > 1 else b"brownout \x1b[2J")
    with pytest.raises(BoardTrouble, match=r"does not answer HELLO, asked 6 times; .*'brownout \\x1b\[2J'"):
        session.hello()
    assert board.got == [Frame(Request.HELLO, 0)] * 6
    assert transport.clock() == pytest.approx(6.0)


def test_a_lost_answer_is_asked_for_again_with_the_same_number() -> None:
    session, board, _ = session_with(lambda f: reply(f, bytes(8)) if len(board.got) == 3 else b"")
    assert session.clock_ticks() == 0
    assert board.got == [Frame(Request.CLOCK, 1)] * 3


def test_late_answers_and_damaged_ones_are_ignored() -> None:
    def answer(f: Frame) -> bytes:
        damaged = bytearray(reply(f, struct.pack("<Q", 1)))
        damaged[5] ^= 1
        late = encode(Frame(f.type + 0x40, 77, struct.pack("<Q", 2)))
        return late + bytes(damaged) + reply(f, struct.pack("<Q", 3))

    assert session_with(answer)[0].clock_ticks() == 3


def test_busy_restarts_the_clock() -> None:
    seen: list[Busy] = []
    session, board, transport = session_with(
        lambda f: busy(f, len(board.got), 8) if len(board.got) < 8 else reply(f, struct.pack("<Q", 5)),
        on_busy=seen.append,
    )
    assert session.run() == 5
    assert seen == [Busy(n, 8) for n in range(1, 8)]
    assert transport.clock() == pytest.approx(70.0)


def test_a_board_that_is_busy_without_getting_on_is_given_up() -> None:
    session, board, _ = session_with(lambda f: busy(f, 1) * 3)
    with pytest.raises(BoardTrouble, match="does not answer RUN"):
        session.run()
    assert len(board.got) == 6


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (lambda f: encode(Frame(0xC6, f.seq, bytes(8))), "answer 0xc6 to CLOCK"),
        (lambda f: reply(f, bytes(9)), "9 bytes as clock ticks"),
        (lambda f: encode(Frame(ERROR, f.seq, b"\1\0\x85\0?")), "error about request 0x85"),
        (lambda f: encode(Frame(ERROR, f.seq, b"\1")), "1 bytes as an error"),
    ],
)
def test_lies(answer: Callable[[Frame], bytes], what: str) -> None:
    with pytest.raises(BoardTrouble, match=what):
        session_with(answer)[0].clock_ticks()


def info_board(total: int, text: bytes) -> Callable[[Frame], bytes]:
    def answer(f: Frame) -> bytes:
        (at,) = struct.unpack("<I", f.payload)
        return reply(f, struct.pack("<I", total) + text[at : at + 252])

    return answer


def test_info_comes_in_parts() -> None:
    text = "".join(f"key{i}=value{i}\n" for i in range(60)).encode()
    session, board, _ = session_with(info_board(len(text), text))
    assert session.info() == {f"key{i}": f"value{i}" for i in range(60)}
    assert len(board.got) == -(-len(text) // 252)


@pytest.mark.parametrize(("total", "text"), [(300, b"a=" + b"1" * 253), (3, b"a=12345\n")])
def test_info_of_another_length_than_said(total: int, text: bytes) -> None:
    with pytest.raises(BoardTrouble, match="INFO of"):
        session_with(info_board(total, text))[0].info()


def test_rows_that_never_end() -> None:
    session, board, _ = session_with(lambda f: reply(f, bytes(256)))
    with pytest.raises(BoardTrouble, match="more than 1024 steps"):
        session.profile()
    assert len(board.got) == 33


def test_rows_end_where_a_page_is_not_full() -> None:
    counts = {0: 32, 32: 32, 64: 0}
    session, board, _ = session_with(lambda f: reply(f, b"\1" * 8 * counts[struct.unpack("<I", f.payload)[0]]))
    assert session.hashes() == [b"\1" * 8] * 64
    assert [f.type for f in board.got] == [Request.READ_HASHES] * 3


def test_reads_and_writes_are_cut_to_frames() -> None:
    memory = bytes(i % 251 for i in range(1000))
    written = bytearray(1000)

    def answer(f: Frame) -> bytes:
        if f.type == Request.WRITE_INPUT:
            (at,) = struct.unpack("<I", f.payload[:4])
            written[at : at + len(f.payload) - 4] = f.payload[4:]
            return reply(f)
        at, n = struct.unpack("<II", f.payload[-8:])
        return reply(f, memory[at : at + n])

    session, board, _ = session_with(answer)
    session.write_input(memory)
    assert written == memory
    assert session.read_output(1000) == memory
    assert session.read_step(3, 249) == memory[:249]
    assert board.got[-1].payload == struct.pack("<III", 3, 248, 1)


def test_a_reboot_whose_answer_was_lost() -> None:
    session, board, _ = session_with(
        lambda f: encode(Frame(ERROR, f.seq, struct.pack("<HH", 8, f.type))) if len(board.got) == 2 else b""
    )
    session.reboot()
    assert board.got == [Frame(Request.REBOOT, 1)] * 2


def test_a_board_that_restarted_is_noticed() -> None:
    session, _, _ = session_with(lambda f: encode(Frame(ERROR, f.seq, struct.pack("<HH", 8, f.type) + b"no HELLO")))
    with pytest.raises(BoardError, match="no hello") as caught:
        session.run(RunFlag.HASH)
    assert caught.value.code == 8
    assert "restarted" in caught.value.hint


def test_text_is_kept_to_a_bound() -> None:
    heard: list[bytes] = []
    session, _, _ = session_with(
        lambda f: b"x" * LOG_MAX_BYTES + b"yz" + reply(f, bytes(8)) + b"later", on_text=heard.append
    )
    session.clock_ticks()
    assert session.log == b"x" * (LOG_MAX_BYTES - 2) + b"yz"
    session.clock_ticks()
    assert b"".join(heard).startswith(b"xx")
    assert b"yzlaterxx" in b"".join(heard)
