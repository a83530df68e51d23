"""The host port's TFLM engine: the real firmware under ASan and UBSan with a real child, and with children that lie."""

from __future__ import annotations

import hashlib
import os
import shlex
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from graphs import every_kernel
from numpy.typing import NDArray

from edgeq import ops
from edgeq.bench.oracles import has_tflm, tflm_arena_bytes
from edgeq.convert import file_layout, read_tflite, write_tflite
from edgeq.graph import Graph
from edgeq.images.layout import layout_for
from edgeq.images.model import ModelImage, write_model_image
from edgeq.images.partitions import write_partition_table
from edgeq.link.messages import BoardError, ErrorCode, RunFlag, SelftestResult
from edgeq.link.session import Session
from edgeq.link.transport import PipeTransport
from edgeq.pipeline import tflm_worker
from edgeq.plan import build_plan, encode_plan
from edgeq.toolchain.build import build_firmware
from edgeq.virtual.runners import RUNNERS

FLASH_BYTES = 2 << 20
VARIABLE = "EDGEQ_TFLM_WORKER"
needs_tflm = pytest.mark.skipif(not has_tflm(), reason="TFLite Micro's interpreter is not installed")


@dataclass(frozen=True)
class Board:
    """A program, a flash file, and the model in it."""

    elf: Path
    flash: Path
    graph: Graph
    tflite: bytes
    inputs: NDArray[np.int8]
    reference: dict[str, NDArray[np.int8]]

    @contextmanager
    def session(self) -> Iterator[Session]:
        pipe = PipeTransport([str(self.elf), str(self.flash)])
        try:
            session = Session(pipe, time.monotonic)
            session.hello()
            yield session
        finally:
            pipe.close()


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder: Path = tmp_path_factory.mktemp("tflm")

    firmware = build_firmware(
        "host", board="esp32-wrover-b", arena_bytes=65536, scratch_bytes=16384, flash_bytes=FLASH_BYTES,
        out=folder, sanitize=True,
    )  # fmt: skip
    tflite = write_tflite(every_kernel())
    graph = read_tflite(tflite)
    inputs = np.random.default_rng(2).integers(-128, 128, (2, *graph.tensor("x").shape[1:]), dtype=np.int8)
    reference = ops.run(graph, {"x": inputs})
    golden = b"".join(x.tobytes() + y.tobytes() for x, y in zip(inputs, reference[graph.outputs[0]], strict=True))
    plan = encode_plan(build_plan(graph, file_layout(tflite)))
    image = write_model_image(ModelImage("every-kernel", plan, tflite, golden, tflm_arena_bytes=33_333))
    table = layout_for(FLASH_BYTES)
    flash = bytearray(b"\xff" * FLASH_BYTES)
    for at, data in ((0x8000, write_partition_table(table)), (table.model_slots[0].offset, image)):
        flash[at : at + len(data)] = data
    (folder / "flash.bin").write_bytes(flash)
    return Board(firmware.elf, folder / "flash.bin", graph, tflite, inputs, reference)


@pytest.fixture
def real_child(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in RUNNERS["host"].environment().items():
        monkeypatch.setenv(name, value)


@needs_tflm
def test_every_operators_bytes_are_the_references(board: Board, real_child: None) -> None:
    with board.session() as talk:
        assert talk.info()["engines"] == "native,tflm"
        native = {step.name for step in talk.steps()}
        talk.choose_engine("tflm")
        info, steps = talk.info(), talk.steps()
        assert (info["engine"], info["model"]) == ("tflm", "every-kernel")
        assert info["engine_version"].startswith("tflite-micro ") and "timed alone" in info["engine_version"]
        assert talk.model().arena_used_bytes == tflm_arena_bytes(board.tflite)
        written = [(name, node) for node in board.graph.nodes for name in node.outputs]
        assert [s.name for s in steps] == [name for name, _ in written]
        assert [s.op for s in steps] == [ops.OPS[node.op].code for _, node in written]
        assert sum(s.macs for s in steps) == ops.macs(board.graph)
        assert native < {s.name for s in steps}
        first = [name == node.outputs[0] for name, node in written]
        assert not all(first), "a SPLIT has more than one"
        for i, data in enumerate(board.inputs):
            talk.write_input(data.tobytes())
            ticks = talk.run(RunFlag.HASH | RunFlag.PROFILE)
            expected = [board.reference[s.name][i].tobytes() for s in steps]
            assert talk.hashes() == [hashlib.sha256(e).digest()[:8] for e in expected]
            assert sum(talk.profile()) == ticks > 0
            assert all(value > 0 for value, is_first in zip(talk.profile(), first, strict=True) if is_first)
            assert talk.read_output(talk.model().output.bytes) == expected[-1]
            assert talk.selftest(i) == SelftestResult(True, 0)
        talk.load_golden(0)
        talk.run(steps=3)
        assert talk.read_step(2, steps[2].output_bytes) == board.reference[steps[2].name][0].tobytes()


@needs_tflm
def test_the_clock_leaves_out_the_conversation(board: Board, real_child: None) -> None:
    with board.session() as talk:
        talk.choose_engine("tflm")
        talk.load_golden(0)
        before, begun = talk.clock_ticks(), time.monotonic_ns()
        ticks = talk.run(RunFlag.PROFILE)
        after, ended = talk.clock_ticks(), time.monotonic_ns()
        assert ticks < after - before < ended - begun


@needs_tflm
def test_back_to_native_and_through_a_reboot(board: Board, real_child: None) -> None:
    with board.session() as talk:
        talk.choose_engine("tflm")
        talk.choose_engine("native")
        assert talk.selftest(0).equal
        talk.choose_engine("tflm")
        talk.reboot()
        talk.hello()
        assert talk.info()["engine"] == "native"
        talk.choose_engine("tflm")
        assert talk.selftest(1).equal


def test_without_a_child_there_is_no_such_engine(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with board.session() as talk:
        assert talk.info()["engines"] == "native"
        with pytest.raises(BoardError) as caught:
            talk.choose_engine("tflm")
        assert caught.value.code == ErrorCode.OUT_OF_RANGE


def refused(talk: Session, why: str) -> None:
    with pytest.raises(BoardError) as caught:
        talk.choose_engine("tflm")
    assert caught.value.code == ErrorCode.MODEL_REFUSED
    assert why in caught.value.what
    assert talk.info()["model"] == "none"


# Children that lie: a greeting, and what comes whatever is asked.


def answer(status: int, payload: bytes) -> bytes:
    return struct.pack("<2I", status, len(payload)) + payload


GREETING = answer(0, b"a child")
TENSOR = struct.pack("<Ifi4H", 12, 0.5, 1, 1, 2, 2, 3)


def opened(
    steps: int = 1, output: int = 1, first: bytes = TENSOR, written: bytes = TENSOR, name_bytes: int = 1,
    more: bytes = b"y",
) -> bytes:  # fmt: skip
    head = struct.pack("<3I", 1000, steps, output)
    return answer(0, head + first + (struct.pack("<3I", 7, 3, name_bytes) + written) * min(steps, 2000) + more)


def child(tmp_path: Path, said: bytes, *, taken: int = 1 << 30) -> str:
    """A command that says all of that at once, and ends when it has taken so many bytes."""
    (tmp_path / "said").write_bytes(said)
    program = (
        "import os, sys; os.write(0, open(sys.argv[1], 'rb').read()); left = int(sys.argv[2])\n"
        "while left and (part := os.read(0, min(left, 65536))): left -= len(part)"
    )
    return "exec " + shlex.join([sys.executable, "-c", program, str(tmp_path / "said"), str(taken)])


GRAPH = every_kernel()
INPUT, OUTPUT = (GRAPH.tensor(name) for name in (*GRAPH.inputs, *GRAPH.outputs))
RUNS = GREETING + opened(first=tflm_worker._tensor(INPUT), written=tflm_worker._tensor(OUTPUT))
LOST = "TFLM's interpreter is lost"
SHORT = TENSOR[:4] + bytes(16)  # no dimensions
LARGE = struct.pack("<Ifi4H", 2 * 65535, 0.5, 1, 1, 2, 1, 65535)  # than the arena


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", None),
        (answer(0, bytes(201)), LOST),  # a version too long
        (answer(1, b"no"), LOST),
        (GREETING + answer(7, b""), LOST),  # no such status
        (GREETING + answer(1, b"it is too new"), "unsupported: it is too new"),
        (GREETING + answer(1, bytes(300)), LOST),
        (GREETING + answer(2, struct.pack("<I", 99_999)), "TFLM needs a larger arena (step 0, value 99999)"),
        (GREETING + answer(2, struct.pack("<I", 5_000)), "value 33333"),  # as the image says of the chip
        (GREETING + answer(2, b""), LOST),
        (GREETING + answer(0, b""), LOST),
        (GREETING + opened(steps=0), LOST),
        (GREETING + opened(steps=1025), LOST),
        (GREETING + opened(output=0), LOST),
        (GREETING + opened(output=2), LOST),
        (GREETING + opened(first=SHORT), LOST),
        (GREETING + opened(written=SHORT), LOST),
        (GREETING + opened(written=LARGE), LOST),
        (GREETING + opened(name_bytes=65), LOST),
        (GREETING + opened(name_bytes=0xFFFFFFFF), LOST),
        (GREETING + opened(more=b""), LOST),
        (GREETING + opened(more=b"yz"), LOST),
    ],
)
def test_a_child_that_lies_is_refused(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes, why: str | None
) -> None:
    monkeypatch.setenv(VARIABLE, child(tmp_path, said) if said else "exit 3")
    with board.session() as talk:
        refused(talk, why or LOST)
        talk.choose_engine("native")
        assert talk.selftest(0).equal


@pytest.mark.parametrize(
    "then",
    [
        b"",  # ends once it has opened the model
        answer(0, b"?"),
        answer(1, b""),
        answer(0, b"") + answer(0, bytes(8 + OUTPUT.bytes - 1)),
        answer(0, b"") + answer(0, bytes(8 + OUTPUT.bytes + 1)),
        answer(0, b"") + answer(1, bytes(8 + OUTPUT.bytes)),
        answer(0, b"") + answer(0, struct.pack("<Q", 1 << 60) + bytes(OUTPUT.bytes)),  # longer than it took
    ],
)
def test_a_child_that_lies_in_a_run_is_lost_and_the_board_is_not(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: bytes
) -> None:
    taken = 1 << 30 if then else 8 + 4 + len(board.tflite)
    monkeypatch.setenv(VARIABLE, child(tmp_path, RUNS + then, taken=taken))
    with board.session() as talk:
        talk.choose_engine("tflm")
        assert [s.name for s in talk.steps()] == ["y"]
        for _ in range(2):
            talk.write_input(board.inputs[0].tobytes())
            with pytest.raises(BoardError, match=LOST) as caught:
                talk.run()
            assert caught.value.code == ErrorCode.ENGINE_FAILED
        talk.choose_engine("native")
        assert talk.selftest(0).equal


# The child's side.


class Script:
    """A stream that gives these bytes and keeps what is sent."""

    def __init__(self, data: bytes) -> None:
        self.data, self.sent = data, b""

    def recv(self, size: int, /) -> bytes:
        part, self.data = self.data[: min(size, 7)], self.data[min(size, 7) :]
        return part

    def sendall(self, data: bytes, /) -> None:
        self.sent += data


@needs_tflm
@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\1",
        struct.pack("<2I", 4, 0),  # no such kind
        struct.pack("<2I", 1, 3),
        struct.pack("<2I", 1, 0xFFFFFFFF),
        struct.pack("<2I", 1, 100) + bytes(50),
        struct.pack("<2I", 2, 0),  # nothing is open
        struct.pack("<2II", 3, 4, 0),
    ],
)
def test_a_request_that_makes_no_sense_ends_the_child(request_bytes: bytes) -> None:
    stream = Script(request_bytes)
    with pytest.raises((ValueError, EOFError)):
        tflm_worker.serve(stream)
    assert stream.sent[:4] == bytes(4)  # it greeted, and no more
    assert len(stream.sent) == 8 + int.from_bytes(stream.sent[4:8], "little")


@needs_tflm
def test_an_arena_a_byte_too_small_is_answered_with_the_size_that_would_do() -> None:
    tflite = write_tflite(GRAPH)
    exact = tflm_arena_bytes(tflite)
    for arena, expected in ((exact, 0), (exact - 1, 2)):
        body = struct.pack("<I", arena) + tflite
        stream = Script(struct.pack("<2I", 1, len(body)) + body)
        tflm_worker.serve(stream)
        greeting = 8 + int.from_bytes(stream.sent[4:8], "little")
        status, size, first = struct.unpack_from("<3I", stream.sent, greeting)
        assert (status, first) == (expected, exact)
        assert (size == 4) == (expected == 2)


@needs_tflm
def test_a_damaged_model_is_refused_with_a_reason() -> None:
    tflite = write_tflite(every_kernel())
    body = struct.pack("<I", 1 << 20) + tflite[: len(tflite) // 2]
    stream = Script(struct.pack("<2I", 1, len(body)) + body)
    tflm_worker.serve(stream)
    greeting = 8 + int.from_bytes(stream.sent[4:8], "little")
    status, size = struct.unpack_from("<2I", stream.sent, greeting)
    assert status == 1 and 0 < size <= 200
    assert b"damaged" in stream.sent[greeting:]


def test_the_child_is_named_where_it_can_run() -> None:
    environment = RUNNERS["host"].environment()
    assert set(environment) == ({VARIABLE} if has_tflm() else set())
    assert not RUNNERS["qemu_lx6"].environment()
    assert VARIABLE not in os.environ
