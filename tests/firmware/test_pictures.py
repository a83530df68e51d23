"""Pictures on the real firmware, on the host under sanitizers and on the emulated core: the board makes Python's bytes
of them; labels, the trigger; and `edgeq run` against such a board."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from edgeq import ops
from edgeq.cli import app
from edgeq.convert.tflite import file_layout, read_tflite, write_tflite
from edgeq.graph import Graph
from edgeq.images.app import read_app_image
from edgeq.images.model import ModelImage, write_model_image
from edgeq.images.partitions import (
    SUBTYPE_FACTORY,
    SUBTYPE_MODEL,
    TABLE_OFFSET,
    TYPE_APP,
    TYPE_DATA,
    Partition,
    PartitionTable,
    write_partition_table,
)
from edgeq.link.messages import BoardError
from edgeq.link.session import Session
from edgeq.link.transport import PipeTransport
from edgeq.ops import conv2d
from edgeq.pipeline.run_images import Pictures
from edgeq.plan import build_plan, encode_plan
from edgeq.preprocess import FloatRule, IntegerRule, Method, encode_section, integer_rule
from edgeq.toolchain.build import FirmwareBuild, build_firmware
from edgeq.toolchain.program import Target
from edgeq.virtual.flash_array import FlashArray
from edgeq.virtual.runners import find_runner
from edgeq.virtual.serve import VirtualBoard

FLASH_BYTES = 8 << 20
ARENA_BYTES = 16384
MODEL_AT = 0x700000  # the host's firmware is large with its sanitizers
TOOLS = ("clang-22", "llvm-mc-22", "xtensa-lx106-elf-ld", "qemu-system-xtensa")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
EMULATOR = (
    pytest.mark.emulator,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
)
TARGETS = ["host", pytest.param("qemu_lx6", marks=EMULATOR)]
LABELS = ("nought", "één", "two", "three", "four")


@dataclass(frozen=True)
class Model:
    graph: Graph
    rule: IntegerRule
    image: bytes

    def output(self, picture: NDArray[np.uint8]) -> NDArray[np.int8]:
        values = ops.run(self.graph, {"x": self.rule.apply(picture)[None]})
        return np.asarray(values[self.graph.outputs[0]]).reshape(-1)


def model(method: Method, channels: int) -> Model:
    """A convolution whose window is the whole input of 9 x 8: five scores."""
    tflite = write_tflite(conv2d.case((1, 9, 8, channels), 5, (9, 8), padding="VALID"))
    graph = read_tflite(tflite)
    quant = graph.tensor("x").quant
    assert quant is not None
    means, stds = (0.4, 0.5, 0.45)[:channels], (0.3, 0.25, 0.2)[:channels]
    span = 255 * quant.scale[0]  # all of the int8 range is used
    real = FloatRule(9, 8, channels, method, span / 1000, tuple(m * span / 4 for m in means), stds)
    rule = integer_rule(real, quant.scale[0], quant.zero_point[0])
    plan = encode_plan(build_plan(graph, file_layout(tflite)))
    return Model(graph, rule, write_model_image(ModelImage("m", plan, tflite, b"", LABELS, encode_section(rule))))


def flash_parts(image: bytes, app_image: bytes) -> list[tuple[int, bytes]]:
    table = PartitionTable(
        (
            Partition("factory", TYPE_APP, SUBTYPE_FACTORY, 0x10000, MODEL_AT - 0x10000),
            Partition("model", TYPE_DATA, SUBTYPE_MODEL, MODEL_AT, FLASH_BYTES - MODEL_AT),
        )
    )
    return [(TABLE_OFFSET, write_partition_table(table)), (0x10000, app_image), (MODEL_AT, image)]


def build(target: Target, out: Path, cache: Path) -> FirmwareBuild:
    return build_firmware(
        target, board="esp32-wrover-b", arena_bytes=ARENA_BYTES, scratch_bytes=4096, flash_bytes=FLASH_BYTES, out=out,
        cache=cache, sanitize=target == "host",
    )  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So that the host's firmware is built once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", params=TARGETS)
def firmware(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> FirmwareBuild:
    return build(request.param, tmp_path_factory.mktemp(request.param), cache)


def started(firmware: FirmwareBuild, image: bytes, folder: Path) -> tuple[PipeTransport, Session]:
    runner = find_runner(firmware.target)
    program = folder / "program"
    program.write_bytes(runner.program(read_app_image(firmware.app_image)))
    program.chmod(0o755)
    flash = bytearray(b"\xff" * FLASH_BYTES)
    for at, data in flash_parts(image, b""):
        flash[at : at + len(data)] = data
    (folder / "flash.bin").write_bytes(flash)
    pipe = PipeTransport(runner.command(str(program), str(folder / "flash.bin")))
    session = Session(pipe, time.monotonic)
    session.hello()
    return pipe, session


def random_picture(rng: random.Random) -> NDArray[np.uint8]:
    shape = (rng.randint(1, 37), rng.randint(1, 37), rng.choice((1, 3)))
    return np.random.default_rng(rng.getrandbits(32)).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("method", ["nearest", "bilinear"])
def test_both_sides_preprocess_to_the_same_bytes(
    firmware: FirmwareBuild, method: Method, channels: int, tmp_path: Path
) -> None:
    made = model(method, channels)
    pipe, session = started(firmware, made.image, tmp_path)
    rng = random.Random(channels)
    board, tool = Pictures(session, "board"), Pictures(session, "tool")
    assert board.rule == made.rule
    inputs = set()
    for _ in range(5):
        picture = random_picture(rng)
        wanted = made.rule.apply(picture)
        inputs |= set(wanted.ravel().tolist())
        assert board.send(picture) == "board"
        assert session.read_input(wanted.size) == wanted.tobytes()
        on_board = board.classify(picture)
        by_tool = tool.classify(picture)
        assert (on_board.preprocessed, by_tool.preprocessed) == ("board", "tool")
        q = made.output(picture)
        assert on_board.scores.tolist() == by_tool.scores.tolist()
        assert on_board.best(5) == np.argsort(-q.astype(int), kind="stable").tolist()
    assert len(inputs) > 100
    pipe.close()


def test_the_largest_picture_and_one_byte_more(firmware: FirmwareBuild, tmp_path: Path) -> None:
    """Room is what the arena has beside the input; a picture of just that size works, and the run after it."""
    made = model("bilinear", 3)
    pipe, session = started(firmware, made.image, tmp_path)
    room = session.pictures().room_bytes
    assert ARENA_BYTES * 9 // 10 < room <= ARENA_BYTES - made.rule.height * made.rule.width * 3
    picture = np.random.default_rng(4).integers(0, 256, (1, room, 1), dtype=np.uint8)
    board = Pictures(session, "board")
    answer = board.classify(picture)
    q = made.output(picture)
    output = session.model().output
    assert answer.scores.tolist() == ((q.astype(float) - output.zero_point) * output.scale).tolist()
    with pytest.raises(BoardError, match=rf"takes {room + 1} bytes, {room} are free"):
        board.send(np.zeros((1, room + 1, 1), np.uint8))
    assert Pictures(session).send(np.zeros((1, room + 1, 1), np.uint8)) == "tool"
    pipe.close()


def test_labels_and_the_trigger(firmware: FirmwareBuild, tmp_path: Path) -> None:
    made = model("nearest", 1)
    pipe, session = started(firmware, made.image, tmp_path)
    board = Pictures(session)
    assert board.names() == list(LABELS)
    picture = random_picture(random.Random(8))
    board.send(picture)
    before = session.pin(False)
    after = session.pin(True)
    assert (before.done, before.runs, after.trigger, after.done, after.runs) == (False, 0, True, True, 1)
    assert after.ticks > 0
    assert session.read_output(5) == made.output(picture).tobytes()
    assert board.info["trigger"] == "virtual"
    pipe.close()


@dataclass(frozen=True)
class Served:
    url: str
    run: Path
    made: Model


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Served]:
    """A virtual board on a port, and the folder of a run that holds the same."""
    folder = tmp_path_factory.mktemp("served")
    made, built = model("bilinear", 3), build("host", folder / "build", cache)
    run = folder / "run"
    run.mkdir()
    (run / "app.bin").write_bytes(built.app_image)
    (run / "model.image").write_bytes(made.image)
    lock = {"files": {}, "board": "esp32-wrover-b-16mb", "runner": "host"}
    (run / "lock.json").write_text(json.dumps(lock))
    with FlashArray(flash_bytes=FLASH_BYTES) as array:
        for at, data in flash_parts(made.image, built.app_image):
            array.program(at, data)
        with VirtualBoard(array, "host") as virtual:
            yield Served(virtual.url, run, made)


def edgeq(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["run", *arguments])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def image(tmp_path: Path) -> tuple[Path, NDArray[np.uint8]]:
    picture = np.random.default_rng(11).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "it.png")
    return tmp_path / "it.png", picture


def test_run_prints_labels_and_latency(served: Served, image: tuple[Path, NDArray[np.uint8]]) -> None:
    path, picture = image
    best = int(served.made.output(picture).argmax())
    code, out, _ = edgeq(str(path), "--port", served.url, "--top", "2")
    assert code == 0
    rows = out.splitlines()
    assert rows[1].split()[0] == LABELS[best]
    assert rows[3] == ""
    assert ", host" in out and "preprocessed by the  board" in out
    code, out, _ = edgeq(
        str(path), "--run", str(served.run), "--json", "--trigger", "--preprocess", "tool", "--engine", "native"
    )
    found = json.loads(out)
    assert code == 0
    assert found["labels"][0]["label"] == LABELS[best]
    assert (len(found["labels"]), found["engine"]) == (3, "native")
    assert (found["latency"]["basis"], found["latency"]["unit"], found["preprocessed"]) == ("host", "ns", "tool")


def test_run_scores_a_set(served: Served, tmp_path: Path) -> None:
    rng = np.random.default_rng(12)
    pictures = rng.integers(0, 256, (20, 6, 6, 3), dtype=np.uint8)
    answers = [int(served.made.output(picture).argmax()) for picture in pictures]
    labels = np.array([a if i % 4 else (a + 1) % 5 for i, a in enumerate(answers)])
    np.savez(tmp_path / "set.npz", images=pictures, labels=labels)
    code, out, _ = edgeq("--data", str(tmp_path / "set.npz"), "--port", served.url, "--json")
    found = json.loads(out)
    assert (code, found["samples"], found["right"], found["top1"]) == (0, 20, 15, 0.75)
    confusion = np.zeros((5, 5), int)
    np.add.at(confusion, (labels, answers), 1)
    assert found["confusion"] == confusion.tolist()
    assert found["labels"] == list(LABELS)
    assert 0 < found["latency"]["min"] <= found["latency"]["p50"] <= found["latency"]["max"]
    code, out, _ = edgeq("--data", str(tmp_path / "set.npz"), "--run", str(served.run), "--limit", "3")
    assert code == 0
    assert "3 of 20, drawn at random" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "say what to run"),
        (("x.png", "--data", "digits"), 2, "say what to run"),
        (("--data", "digits", "--trigger"), 2, "--trigger runs one image"),
        (("absent.png", "--port", "p"), 2, "no such file"),
        (("{image}",), 2, "say which board"),
        (("{image}", "--port", "p", "--run", "r"), 2, "say which board"),
        (("{image}", "--run", "absent"), 2, "not the folder of a finished run"),
        (("--data", "absent", "--port", "{url}"), 2, "is no data set"),
        (("{image}", "--port", "socket://127.0.0.1:1"), 4, "127.0.0.1:1"),
        (("{image}", "--port", "{url}", "--engine", "third"), 4, "no such engine"),
    ],
)
def test_what_run_refuses(
    served: Served, image: tuple[Path, NDArray[np.uint8]], arguments: tuple[str, ...], code: int, said: str
) -> None:
    filled = [a.format(image=image[0], url=served.url) for a in arguments]
    got, out, err = edgeq(*filled)
    assert (got, out) == (code, "")
    assert said in " ".join(err.split())
    assert "Traceback" not in err
